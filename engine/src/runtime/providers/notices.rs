//! Notices about plugins: who came and went, and what became of breakers.

use std::time::Duration;

use gearshift_bus::{Message, SubjectPattern, Subscription};
use gearshift_machine::machine::{Generation, InstanceKey, NoticeKind};
use gearshift_machine::value::{Map, Value};
use gearshift_protocol::{Announcement, AnnouncementKind, subjects};

use crate::runtime::notices::NoticeMessage;
use crate::runtime::seat::SeatState;
use crate::runtime::shared::Shared;

/// How long announcements are gathered before it is looked who runs.
const GATHER: Duration = Duration::from_millis(20);

/// Announcements that are gathered at most.
const GATHERED_MAX: usize = 1_024;

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
/// tells whoever listens, so that one engine of several does.
pub(crate) async fn hear(shared: &Shared) -> Result<(), gearshift_bus::Error> {
    let pattern = SubjectPattern::parse(&subjects::announce("*"))?;
    let mut heard = shared.bus.subscribe(&pattern).await?;
    while let Some(plugins) = next(&mut heard).await {
        let speaks = *shared.seat(0).state() == SeatState::Serving;
        for (plugin, announced) in &plugins {
            shared.providers.heard_of(announced);
            let kind = match announced.event {
                AnnouncementKind::Registered => NoticeKind::Registered,
                AnnouncementKind::Unregistered => NoticeKind::Unregistered,
                AnnouncementKind::Available => NoticeKind::Available,
                AnnouncementKind::Overloaded => NoticeKind::Overloaded,
                AnnouncementKind::State | AnnouncementKind::Other | _ => continue,
            };
            if speaks {
                tell(shared, kind, plugin, fields(announced));
            }
        }
        if !plugins.is_empty() {
            shared.providers.refresh().await;
        }
    }
    Ok(())
}

/// What is announced: the first, and all that comes with it, so that many plugins that start
/// together are looked for once.
async fn next(heard: &mut Subscription) -> Option<Vec<(String, Announcement)>> {
    let mut all = Vec::from_iter(read(&heard.next().await?));
    let end = tokio::time::Instant::now() + GATHER;
    while all.len() < GATHERED_MAX {
        let Ok(Some(message)) = tokio::time::timeout_at(end, heard.next()).await else { break };
        all.extend(read(&message));
    }
    Some(all)
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
