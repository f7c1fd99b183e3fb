//! Waiting until an instance reaches a state or its end, wherever its partition is.

use std::sync::Arc;
use std::time::Duration;

use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::{InstanceKey, StateId, Status};
use gearshift_machine::partition::Done;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::look::{Look, Seen};
use super::route::Way;
use super::search::Search;
use super::wire::{Answer, Question};
use crate::runtime::error::Error;
use crate::runtime::shared::Shared;
use crate::runtime::waiters::{Goal, Reached};

/// An owner is asked to wait for so long at once, so that one that is gone is noticed soon.
const SLICE: Duration = Duration::from_secs(2);
/// Its answer may take so much longer.
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// How a wait ended.
#[derive(Clone, Debug)]
pub(super) enum Waited {
    /// It is decided: was the goal met?
    Met(bool),
    /// It is decided, and this is how the instance stands.
    Reached(Reached),
    /// The time is up.
    Time,
    /// The partition is not here.
    Moved,
}

/// A wish to hear of an instance, registered here; dropping it takes the wish back.
pub(super) struct Watch {
    shared: Arc<Shared>,
    key: InstanceKey,
    goal: Goal,
    number: u64,
    told: oneshot::Receiver<Reached>,
    /// Was the instance seen since the wish was registered, and the goal not met then?
    is_sure: bool,
}

impl Watch {
    pub(super) fn begin(shared: &Arc<Shared>, key: &InstanceKey, goal: Goal) -> Self {
        let (number, told) = shared.waiters.wait(key.clone(), goal.clone());
        Self { shared: Arc::clone(shared), key: key.clone(), goal, number, told, is_sure: false }
    }

    /// Waits while the partition is served here.
    pub(super) async fn wait_here(&mut self, limit: Duration) -> Waited {
        let partition = self.shared.partition_of(&self.key);
        let mut changes = self.shared.seat(partition).subscribe();
        let look = Look::Instance(self.key.clone());
        let look = self.shared.look_here(partition, move |partition| look.on(partition));
        // The goal may have been met before the wish was registered.
        if !std::mem::take(&mut self.is_sure) {
            // A partition that was lost just now leaves it lying for as long as it recovers.
            match tokio::time::timeout(limit.saturating_add(ON_THE_WAY), look).await {
                Ok(None) | Err(_) => return Waited::Moved,
                Ok(Some(seen)) => {
                    if let Some(met) = self.judge(&seen) {
                        return Waited::Met(met);
                    }
                }
            }
        }
        let moved = async {
            while self.shared.seat(partition).serves() {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            biased;
            told = &mut self.told => told.map_or(Waited::Moved, Waited::Reached),
            () = moved => Waited::Moved,
            () = tokio::time::sleep(limit) => Waited::Time,
        }
    }

    async fn wait_there(&self, limit: Duration) -> Result<Waited, Error> {
        let (key, goal) = (self.key.clone(), self.goal.clone());
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let question = Question::Wait { key, goal, limit_ms };
        let partition = self.shared.partition_of(&self.key);
        match self.shared.request(partition, &question, limit + ON_THE_WAY).await {
            Ok(Some(Answer::Met(Some(met)))) => Ok(Waited::Met(met)),
            Ok(Some(Answer::Met(None))) => Ok(Waited::Time),
            // Waiting changes nothing: whoever owns it now is asked, and who has no room again.
            Ok(_) | Err(Error::OutcomeUnknown { .. } | Error::Saturated { .. }) => {
                Ok(Waited::Moved)
            }
            Err(error) => Err(error),
        }
    }

    fn judge(&self, seen: &Seen) -> Option<bool> {
        let Seen::Instance(Some(instance)) = seen else { return None };
        let index = self.shared.definitions.index();
        let definition = index.definitions.pinned(self.key.workflow(), instance.pin)?;
        self.judged(definition, instance.status, &instance.active, instance.step)
    }

    fn judged(
        &self,
        definition: &Definition,
        status: Status,
        active: &[StateId],
        step: u64,
    ) -> Option<bool> {
        let names = active.iter().map(|id| &*definition.state(*id).id).collect::<Vec<_>>();
        self.goal.judge(status, &names, step)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.waiters.leave(&self.key, self.number);
    }
}

/// A registered wish to hear of an instance; dropping it takes the wish back.
pub struct InstanceWaiter(Watch);

impl InstanceWaiter {
    pub(crate) fn begin(shared: &Arc<Shared>, key: &InstanceKey, goal: Goal) -> Self {
        Self(Watch::begin(shared, key, goal))
    }

    /// Waits at most `limit`; true when the goal was met, false where time is up or nothing will
    /// meet it any more: the life ended elsewhere, or only a person can move the instance. Where
    /// the partition changes its owner meanwhile, the new one is asked, and looked for until the
    /// time is up.
    ///
    /// # Errors
    /// [`Error::Unheard`].
    pub async fn wait(self, limit: Duration) -> Result<bool, Error> {
        match self.wait_for(limit).await? {
            Waited::Met(met) | Waited::Reached(Reached { met, .. }) => Ok(met),
            Waited::Time | Waited::Moved => Ok(false),
        }
    }

    /// Was the goal met as a decision left the instance? `None`: it still may be, or nobody knows.
    pub(crate) fn judged_by(&self, done: &Done) -> Option<bool> {
        self.0.judged(done.definition.as_deref()?, done.status?, &done.active, done.step)
    }

    /// [`InstanceWaiter::wait`] behind a decision about the instance that was asked for after the
    /// wish was registered; where the end was heard here, how the instance stood then.
    ///
    /// # Errors
    /// [`Error::Unheard`].
    pub(crate) async fn wait_behind(
        mut self,
        done: &Done,
        limit: Duration,
    ) -> Result<(bool, Option<Reached>), Error> {
        if let Some(met) = self.judged_by(done) {
            return Ok((met, None));
        }
        self.0.is_sure = done.definition.is_some() && done.status.is_some();
        match self.wait_for(limit).await? {
            Waited::Reached(reached) => Ok((reached.met, Some(reached))),
            Waited::Met(met) => Ok((met, None)),
            Waited::Time | Waited::Moved => Ok((false, None)),
        }
    }

    async fn wait_for(mut self, limit: Duration) -> Result<Waited, Error> {
        let shared = Arc::clone(&self.0.shared);
        let partition = shared.partition_of(&self.0.key);
        let end = Instant::now() + limit;
        let mut search = None;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let wait = async {
                Ok::<_, Error>(match shared.way(partition) {
                    Way::Here => self.0.wait_here(left).await,
                    Way::There => self.0.wait_there(left.min(SLICE)).await?,
                    Way::Nowhere(_) => Waited::Moved,
                    Way::Never(error) => return Err(error),
                })
            };
            let waited = tokio::select! {
                biased;
                waited = wait => waited,
                // Said while it can be: an asker that asks again is heard by another engine.
                () = shared.stop.cancelled(), if !left.is_zero() => return Err(stopped_waiting()),
            };
            // It is decided, so that nobody may be told that nothing was done.
            let waited = waited.map_err(|error| match shared.stop.is_cancelled() {
                true => stopped_waiting(),
                false => error.behind_a_decision(),
            })?;
            match waited {
                Waited::Met(_) | Waited::Reached(_) => return Ok(waited),
                Waited::Time | Waited::Moved if Instant::now() >= end => return Ok(waited),
                Waited::Time => search = None,
                Waited::Moved if shared.stop.is_cancelled() => return Err(stopped_waiting()),
                Waited::Moved => {
                    let begin = || Search::until(&shared, partition, end);
                    if search.get_or_insert_with(begin).again().await.is_err() {
                        return Ok(waited);
                    }
                }
            }
        }
    }
}

/// What askers are told whose wait the end of their engine ends.
fn stopped_waiting() -> Error {
    Error::Unheard(
        "the engine stops before the wait is over; what was sent with an id may be sent again \
         under the same id, to wait on"
            .to_owned(),
    )
}
