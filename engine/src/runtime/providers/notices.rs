//! Notices about plugins: who came and went, and what became of breakers.

use std::time::{Duration, Instant};

use gearshift_bus::{BackendKind, Message, SubjectPattern, Subscription};
use gearshift_machine::machine::{Generation, InstanceKey, NoticeKind};
use gearshift_machine::value::{Map, Value};
use gearshift_protocol::{Announcement, AnnouncementKind, subjects};

use super::presence::{Change, Presence};
use crate::runtime::clock::monotonic;
use crate::runtime::notices::NoticeMessage;
use crate::runtime::seat::SeatState;
use crate::runtime::shared::Shared;

/// How long announcements are gathered before it is looked who runs.
const GATHER: Duration = Duration::from_millis(20);

/// Announcements that are gathered at most.
const GATHERED_MAX: usize = 1_024;

/// How often it is looked who runs while somebody listens to it, how soon again while somebody is
/// missed, and how often whether somebody listens.
const LOOKS_EVERY: Duration = Duration::from_secs(5);
const LOOKS_AGAIN: Duration = Duration::from_secs(2);
const LISTENS_EVERY: Duration = Duration::from_secs(1);

/// The workflow that notices about plugins name: there are no instances behind them.
const WORKFLOW: &str = "plugin";

/// Tells whoever listens.
pub(super) fn tell(
    shared: &Shared,
    kind: NoticeKind,
    plugin: &str,
    fields: Vec<(&'static str, String)>,
) {
    let hearing = shared.hearing(WORKFLOW, kind);
    let Ok(key) = InstanceKey::new(WORKFLOW, plugin) else { return };
    if !hearing.here && !hearing.there {
        return;
    }
    let data: Map = fields.into_iter().map(|(name, text)| (name, Value::from(text))).collect();
    let notice = NoticeMessage {
        key,
        generation: Generation(1),
        step: 0,
        at: shared.config.clock.now(),
        kind,
        data: data.into(),
        version: 0,
    };
    shared.announce(hearing, notice);
}

/// Hears what plugins announce: looks who runs at once, and, where this engine has partition 0,
/// tells whoever listens, so that one engine of several does. While somebody listens it also looks
/// by itself, as whoever is killed announces nothing.
pub(crate) async fn hear(shared: &Shared) -> Result<(), gearshift_bus::Error> {
    let pattern = SubjectPattern::parse(&subjects::announce("*"))?;
    let mut heard = shared.bus.subscribe(&pattern).await?;
    let (mut presence, mut wait) = (Presence::default(), Duration::ZERO);
    loop {
        let plugins = tokio::select! {
            biased;
            message = heard.next() => match message {
                Some(message) => gathered(&message, &mut heard).await,
                None => return Ok(()),
            },
            () = tokio::time::sleep(wait) => Vec::new(),
        };
        let since = monotonic();
        let speaks = *shared.seat(0).state() == SeatState::Serving;
        for (plugin, announced) in &plugins {
            shared.providers.heard_of(announced);
            let is_news = presence.heard(plugin, announced);
            if let Some(kind) = kind_of(announced).filter(|_| speaks && is_news) {
                tell(shared, kind, plugin, fields(announced));
            }
        }
        if !plugins.is_empty() {
            shared.providers.refresh().await;
        }
        wait = look(shared, &mut presence, speaks, since).await;
    }
}

const fn kind_of(announced: &Announcement) -> Option<NoticeKind> {
    match announced.event {
        AnnouncementKind::Registered => Some(NoticeKind::Registered),
        AnnouncementKind::Unregistered => Some(NoticeKind::Unregistered),
        AnnouncementKind::Available => Some(NoticeKind::Available),
        AnnouncementKind::Overloaded => Some(NoticeKind::Overloaded),
        AnnouncementKind::State | AnnouncementKind::Other | _ => None,
    }
}

/// Tells who came and who is gone without a word, where somebody listens to this engine; how long
/// until the next look. What was found after `since` is new enough.
async fn look(shared: &Shared, presence: &mut Presence, speaks: bool, since: Instant) -> Duration {
    let kinds = [NoticeKind::Registered, NoticeKind::Unregistered];
    let hears = |kind| {
        let hearing = shared.hearing(WORKFLOW, kind);
        hearing.here || hearing.there
    };
    if !speaks || !kinds.into_iter().any(hears) {
        *presence = Presence::default();
        return LISTENS_EVERY;
    }
    let keeps = matches!(shared.bus.kind(), BackendKind::Nats);
    if !presence.has_begun() {
        // In one process nobody goes without a word.
        let told = if keeps { shared.providers.told().await } else { Ok(None) };
        let Ok(told) = told else { return LISTENS_EVERY };
        presence.begin(told);
    }
    let found = shared.providers.discover(since).await;
    // What nobody was asked, nobody could answer.
    let Ok(catalogue) = found.map_err(drop).and_then(|it| match shared.bus.absence() {
        None => Ok(it),
        Some(_) => Err(()),
    }) else {
        presence.excuse();
        return LISTENS_EVERY;
    };
    for Change { plugin, id, version, gone } in presence.look(&catalogue, monotonic()) {
        let (kind, reason) = match gone {
            true => (NoticeKind::Unregistered, "it no longer answers"),
            false => (NoticeKind::Registered, "it answers"),
        };
        match gone {
            true => {
                tracing::info!(%plugin, %id, %version, reason, "an instance of a plugin is gone")
            }
            false => tracing::info!(%plugin, %id, %version, reason, "an instance of a plugin came"),
        }
        let fields = vec![("id", id), ("version", version), ("reason", reason.to_owned())];
        tell(shared, kind, &plugin, fields);
    }
    // Behind the telling: whoever takes over in between tells it once more.
    if let Some(told) = presence.unkept().filter(|_| keeps) {
        match shared.providers.keep_told(&told).await {
            Ok(()) => presence.keeps(told),
            Err(error) => tracing::debug!(%error, "it is not kept which plugins are there"),
        }
    }
    if presence.misses() { LOOKS_AGAIN } else { LOOKS_EVERY }
}

/// What is announced: the first, and all that comes with it, so that many plugins that start
/// together are looked for once.
async fn gathered(first: &Message, heard: &mut Subscription) -> Vec<(String, Announcement)> {
    let mut all = Vec::from_iter(read(first));
    let end = tokio::time::Instant::now() + GATHER;
    while all.len() < GATHERED_MAX {
        let Ok(Some(message)) = tokio::time::timeout_at(end, heard.next()).await else { break };
        all.extend(read(&message));
    }
    all
}

/// The plugin's name and its word.
fn read(message: &Message) -> Option<(String, Announcement)> {
    let plugin = message.subject.as_str().strip_prefix(subjects::ANNOUNCE)?;
    let announced = Announcement::parse(&message.payload)?;
    subjects::is_service_name(plugin).then(|| (plugin.to_owned(), announced))
}

fn fields(announced: &Announcement) -> Vec<(&'static str, String)> {
    vec![
        ("id", announced.id.clone()),
        ("version", announced.version.clone()),
        ("state", announced.status.state.as_str().to_owned()),
        ("load", announced.status.load.to_string()),
    ]
}
