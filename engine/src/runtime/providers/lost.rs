//! Lost instances: those that are gone without a word. What they were handed nobody answers, so it
//! is a failed attempt at once, rather than at its deadline (decision 0046).
//!
//! Known is only what an instance was handed by itself: of a call of the group nobody knows who has
//! it. Work that is promised is told by its signs of life.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use gearshift_bus::{BackendKind, ErrorKind as BusErrorKind, Message, Requests, Subject};
use gearshift_machine::machine::{CallOutcome, ErrorKind, PLUGIN_GONE};
use gearshift_protocol::{PluginState, subjects};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio_util::sync::CancellationToken;

use super::ask::{Asked, Attempt};
use super::breakers;
use super::busy::Busy;
use super::registry::Providers;
use super::reply::failure;
use super::sending::Sending;
use super::signs::Sign;
use crate::runtime::shared::Shared;
use crate::runtime::under_way::UnderWay;

/// How long an instance may be away from the bus and come back: what clients take whose server was
/// restarted.
const COMES_BACK: Duration = Duration::from_secs(2);
/// How often it is looked whether those are there who have calls.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// Of so many that were quiet each is asked at every look; of more one after the other.
const ASKED_MAX: usize = 64;
/// How long one that is there may take to say so.
const SAYS_SO: Duration = Duration::from_secs(1);

/// Who hears that instances are lost, or may be.
#[derive(Debug, Default)]
pub(super) struct Losses {
    found: Notify,
    suspected: Notify,
    /// Where among those that are quiet the last look ended.
    turn: AtomicUsize,
}

/// An instance, and where it is asked whether it is there.
type Suspect = (Subject, Arc<Busy>);

impl Losses {
    /// Nobody answered at the subject of an instance.
    pub(super) fn suspect(&self) {
        self.suspected.notify_one();
    }
}

impl Providers {
    /// Resolves once more instances are lost; what was lost before this is made is to be looked at.
    pub(crate) fn lost(&self) -> Notified<'_> {
        self.losses.found.notified()
    }

    /// The instances that have calls and seem to be away; and those of the others that ended none
    /// since the last look, as far as it is their turn.
    fn suspects(&self) -> (Vec<Suspect>, Vec<Suspect>) {
        let seen = self.catalogue();
        let is_seen = |id: &str| {
            seen.as_ref().is_none_or(|seen| seen.instances().iter().any(|one| one.info.id == *id))
        };
        let (mut away, mut quiet) = (Vec::new(), Vec::new());
        for one in &self.busy {
            // Asked in any case, so that the next look compares with this one.
            let is_quiet = one.is_quiet();
            if !may_be_lost(&one) {
                continue;
            }
            let Some(at) = one.place().and_then(asked_at) else { continue };
            if one.is_gone() || !is_seen(one.key()) {
                away.push((at, Arc::clone(&one)));
            } else if is_quiet {
                quiet.push((at, Arc::clone(&one)));
            }
        }
        if quiet.len() > ASKED_MAX {
            let turn = self.losses.turn.fetch_add(ASKED_MAX, Ordering::Relaxed) % quiet.len();
            quiet.rotate_left(turn);
            quiet.truncate(ASKED_MAX);
        }
        (away, quiet)
    }

    fn has_handed(&self) -> bool {
        self.busy.iter().any(|one| one.own() > 0)
    }
}

/// Has it calls, and is waited for? One that drains says so, and answers what it has.
fn may_be_lost(busy: &Busy) -> bool {
    let drains = matches!(busy.state(), PluginState::Deactivating | PluginState::Stopped);
    busy.own() > 0 && !drains && !busy.is_lost()
}

/// Where an instance says that it is there, by where it is called.
fn asked_at(place: &Subject) -> Option<Subject> {
    let rest = place.as_str().strip_prefix(subjects::PLUGIN)?;
    let (name, _) = rest.split_once('.')?;
    let (_, id) = rest.rsplit_once('.')?;
    Subject::parse(&format!("$SRV.PING.{name}.{id}")).ok()
}

/// Looks for instances that are lost until the engine stops. In one process nobody goes without a
/// word.
pub(crate) async fn keep_losses(shared: Arc<Shared>) {
    while matches!(shared.bus.kind(), BackendKind::Nats) {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = look(&shared) => {}
        }
    }
}

async fn look(shared: &Shared) {
    let providers = &shared.providers;
    drop(tokio::time::timeout(LOOKS_EVERY, providers.losses.suspected.notified()).await);
    // Without calls that are made nobody else looks who runs.
    if providers.has_handed() && providers.is_stale() {
        providers.refresh().await;
    }
    let requests = shared.bus.requests();
    let connection = requests.connection();
    let (mut suspects, quiet) = providers.suspects();
    suspects.extend(absent(&requests, quiet).await);
    if suspects.is_empty() {
        return;
    }
    tokio::time::sleep(COMES_BACK).await;
    // What they had may have ended meanwhile.
    suspects.retain(|(_, busy)| may_be_lost(busy));
    let lost = absent(&requests, suspects).await;
    // Whoever was away itself knows nothing about others.
    if requests.connection() != connection || shared.bus.absence().is_some() {
        return;
    }
    for (at, busy) in &lost {
        let calls = busy.own();
        tracing::warn!(instance = %at, calls, "an instance of a plugin is gone with calls");
        busy.set_lost();
    }
    if !lost.is_empty() {
        providers.losses.found.notify_waiters();
    }
}

/// Those of them of which the bus says that nobody listens there. One that stands still has its
/// connection, and says nothing.
async fn absent(requests: &Requests, asked: Vec<Suspect>) -> Vec<Suspect> {
    let each = asked.into_iter().map(async |one| {
        let answer = requests.request(Message::new(one.0.clone(), Bytes::new()), SAYS_SO).await;
        let is_nobody =
            answer.is_err_and(|error| matches!(error.kind(), BusErrorKind::NoResponders { .. }));
        is_nobody.then_some(one)
    });
    join_all(each).await.into_iter().flatten().collect()
}

/// Ends what was handed to instances that are lost, each time some are, until the stop.
pub(crate) async fn keep_giving_up(
    shared: Arc<Shared>,
    under_way: Weak<UnderWay>,
    stop: CancellationToken,
) {
    loop {
        let lost = shared.providers.lost();
        let Some(calls) = under_way.upgrade() else { return };
        calls.give_up_lost();
        drop(calls);
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            () = lost => {}
        }
    }
}

impl Sending {
    /// Is the instance lost that has it? One that may not be asked again is left to its deadline,
    /// and then to a person.
    pub(crate) fn is_lost(&self) -> bool {
        !self.route.once && self.picked.as_ref().is_some_and(|picked| picked.is_lost())
    }
}

impl Attempt {
    /// Resolves once the instance is lost that has it.
    pub(super) async fn until_lost(&self, sending: &Sending) {
        loop {
            let lost = self.shared.providers.lost();
            if sending.is_lost() {
                return;
            }
            lost.await;
        }
    }

    /// It failed, as nobody is there to ask. Where an engine that is gone asked before, its plugin
    /// may have done it, and is gone as well (decision 0066).
    pub(super) fn absent(&self, text: String) -> CallOutcome {
        let code = if self.first { "plugin_not_found" } else { PLUGIN_GONE };
        failure(ErrorKind::PluginNotFound, code, text)
    }

    /// It failed, as the instance is gone that has it. That says nothing of the operation.
    pub(crate) fn lost(&self, sending: &Sending) -> Asked {
        let Sending { route, pass, began, .. } = sending;
        route.counts.add(Some(began.elapsed()), true);
        if let Some(rules) = self.breaker_rules() {
            breakers::ended(&self.shared, &route.breaker, rules, *pass, (Sign::None, ""));
        }
        let text = format!("the instance that was asked is gone: `{}`", sending.subject());
        Asked::Ended(failure(ErrorKind::Retryable, PLUGIN_GONE, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_46_an_instance_is_asked_by_its_name_and_id() {
        let place = Subject::parse("gearshift.plugin.bill-ing.v1.pay.7-1-ab").unwrap();
        assert_eq!(asked_at(&place).unwrap().as_str(), "$SRV.PING.bill-ing.7-1-ab");
        assert_eq!(asked_at(&Subject::parse("bare.pay").unwrap()), None);
    }
}
