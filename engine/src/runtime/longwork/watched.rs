//! [`Longwork`]: the calls whose plugins answer later, and when each was heard of last.
//!
//! Memory of the engine that owns the partition, never journaled: whoever takes over begins to
//! wait anew.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gearshift_machine::machine::{CallRequest, EffectId, InstanceKey, Timestamp};
use gearshift_protocol::Heartbeat;
use serde::{Deserialize, Serialize};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};

use super::overtaking::Overtaking;
use crate::runtime::providers::{Gives, Promised, SaidLast};

/// Between two notices of the progress of one call, in milliseconds.
const TOLD_EVERY_MS: u64 = 1_000;

/// One attempt whose plugin is listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) partition: u16,
    /// The session of the drive that waits for it.
    pub(crate) session: u64,
    pub(crate) key: InstanceKey,
    pub(crate) call: EffectId,
    pub(crate) attempt: u32,
    pub(crate) operation: Arc<str>,
    /// The state or step that makes the call.
    pub(crate) step: Arc<str>,
    /// The latest time a result counts.
    pub(crate) deadline: Timestamp,
    /// What its result is to be, where that is known.
    pub(crate) gives: Option<Gives>,
    /// What its plugin owes; nothing where it is no long work, which may be silent for ever.
    pub(crate) promised: Option<Promised>,
    /// When the plugin was heard of last.
    pub(crate) heard: Timestamp,
    pub(crate) percent: Option<u8>,
    pub(crate) note: String,
    /// When its progress was told to watchers.
    pub(crate) told: Option<Timestamp>,
}

/// How far one call is, as its plugin says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallProgress {
    /// The call.
    pub call: EffectId,
    /// The attempt under way.
    pub attempt: u32,
    /// How much is done, from 0 to 100.
    pub percent: Option<u8>,
    /// What is being done; may be empty.
    pub note: String,
    /// When the plugin was heard of last.
    pub heard: Timestamp,
    /// What holds the call back before it is sent, in words: then nothing else of this is known.
    #[serde(default)]
    pub held: Option<String>,
    /// An engine that is gone may have sent what is held back.
    #[serde(default)]
    pub unsure: bool,
}

/// What became of a sign of life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It was of a call that nobody waits for here.
    Unknown,
    /// It counts.
    Yes,
    /// It counts, and watchers are to be told.
    Tell(Box<Watched>),
}

/// The calls whose plugins are listened to.
#[derive(Debug, Default)]
pub(crate) struct Longwork {
    known: Mutex<Known>,
    /// How many there are; asked for every decision.
    count: AtomicUsize,
    changed: Notify,
    /// What the answers that came last said.
    pub(crate) said: SaidLast,
    /// What came before it was promised.
    pub(crate) overtaking: Overtaking,
    /// What is waited for among the signs of life, and who waits.
    mark: Mutex<Option<(String, oneshot::Sender<()>)>>,
}

#[derive(Debug, Default)]
struct Known {
    instances: HashMap<InstanceKey, Vec<Watched>>,
    calls: HashMap<EffectId, InstanceKey>,
}

impl Watched {
    /// Listens from `heard` on to the plugin of an attempt.
    pub(crate) fn new(
        (partition, session): (u16, u64),
        key: InstanceKey,
        request: &CallRequest,
        promised: Option<Promised>,
        heard: Timestamp,
    ) -> Self {
        Self {
            partition,
            session,
            key,
            call: request.call,
            attempt: request.attempt,
            operation: Arc::clone(&request.operation),
            step: Arc::clone(&request.step),
            deadline: request.deadline,
            gives: promised.as_ref().and_then(Promised::gives),
            promised,
            heard,
            percent: None,
            note: String::new(),
            told: None,
        }
    }

    /// Is it known who was asked?
    fn asked_here(&self) -> bool {
        self.promised.as_ref().is_some_and(Promised::asked_here)
    }

    /// When silence has lasted too long.
    fn due(&self) -> Option<Timestamp> {
        let promised = self.promised.as_ref()?;
        Some(self.heard.plus_ms(promised.heartbeat_ms))
    }
}

impl Longwork {
    /// Listens to the plugin of one attempt from now on.
    pub(crate) fn watch(&self, watched: Watched) {
        let mut known = self.known();
        if watched.promised.is_none() && known.of(watched.call).is_some() {
            // A promise came in between, which says more.
            return;
        }
        known.forget(watched.call);
        known.calls.insert(watched.call, watched.key.clone());
        known.instances.entry(watched.key.clone()).or_default().push(watched);
        self.counted(&known);
        drop(known);
        self.changed.notify_waiters();
    }

    /// Drops the calls of an instance that it does not wait for any more, and gives those of them
    /// that nobody heard a result of.
    #[must_use]
    pub(super) fn settle(
        &self,
        key: &InstanceKey,
        awaits: impl Fn(EffectId, u32) -> bool,
    ) -> Vec<Watched> {
        if self.is_idle() {
            return Vec::new();
        }
        let mut known = self.known();
        let Some(list) = known.instances.get(key) else { return Vec::new() };
        let over = list.iter().filter(|one| !awaits(one.call, one.attempt));
        let mut over = over.cloned().collect::<Vec<_>>();
        over.iter().for_each(|one| known.forget(one.call));
        self.counted(&known);
        drop(known);
        over.retain(|one| one.promised.is_some());
        over
    }

    /// Is there a call of this instance whose result is promised?
    pub(crate) fn is_promised(&self, key: &InstanceKey) -> bool {
        let known = self.known();
        known.instances.get(key).is_some_and(|all| all.iter().any(|one| one.promised.is_some()))
    }

    /// Calls whose results are promised by the operation `<plugin>.v<major>.<operation>`.
    pub(crate) fn promised_at(&self, key: &str) -> u64 {
        if self.is_idle() {
            return 0;
        }
        let known = self.known();
        let is_its = |one: &&Watched| {
            one.promised.as_ref().is_some_and(|promised| promised.is_of(key, &one.operation))
        };
        let its = known.instances.values().flatten().filter(is_its);
        u64::try_from(its.count()).unwrap_or(u64::MAX)
    }

    /// What the result of an attempt is to be that this engine made, as far as that is known;
    /// `None` of others.
    pub(super) fn gives(&self, call: EffectId, attempt: u32) -> Option<Option<Gives>> {
        if self.is_idle() {
            return None;
        }
        let mut known = self.known();
        let asked = known.of(call).filter(|one| one.attempt == attempt && one.asked_here());
        asked.map(|one| one.gives.clone())
    }

    /// What the plugin of an attempt owes, whose result is there; once.
    pub(super) fn redeem(&self, call: EffectId, attempt: u32) -> Option<(Arc<str>, Promised)> {
        if self.is_idle() {
            return None;
        }
        let mut known = self.known();
        let watched = known.of(call).filter(|one| one.attempt == attempt)?;
        Some((Arc::clone(&watched.operation), watched.promised.take()?))
    }

    /// Drops what an ended drive listened to.
    pub(crate) fn leave(&self, partition: u16, session: u64) {
        let mut known = self.known();
        known.drop_all(|one| one.partition == partition && one.session == session);
        self.counted(&known);
    }

    /// The plugin of a call lives.
    pub(super) fn hear(&self, call: EffectId, beat: &Heartbeat, now: Timestamp) -> Heard {
        let mut known = self.known();
        let Some(watched) = known.of(call).filter(|one| one.attempt == beat.attempt) else {
            return Heard::Unknown;
        };
        watched.heard = watched.heard.max(now);
        if beat.percent.is_none() && beat.note.is_empty() {
            return Heard::Yes;
        }
        watched.percent = beat.percent;
        watched.note.clone_from(&beat.note);
        if watched.told.is_some_and(|told| now.since_ms(told) < TOLD_EVERY_MS) {
            return Heard::Yes;
        }
        watched.told = Some(now);
        Heard::Tell(Box::new(watched.clone()))
    }

    /// Nobody could have been heard: all count as alive.
    pub(super) fn all_live(&self, now: Timestamp) {
        let mut known = self.known();
        known.instances.values_mut().flatten().for_each(|one| one.heard = now);
    }

    /// Those that were silent for too long; they are listened to no more.
    pub(super) fn silent(&self, now: Timestamp) -> Vec<Watched> {
        let mut known = self.known();
        let silent = known.drop_all(|one| one.due().is_some_and(|due| due < now));
        self.counted(&known);
        silent
    }

    /// Resolves once this mark comes; one that is waited for already is given up.
    pub(super) fn mark(&self, token: String) -> oneshot::Receiver<()> {
        let (tell, reached) = oneshot::channel();
        *self.marked() = Some((token, tell));
        reached
    }

    /// A mark has come.
    pub(super) fn reached(&self, token: &str) {
        if let Some((_, tell)) = self.marked().take_if(|(wanted, _)| wanted == token) {
            // Whoever waited may have given up.
            tell.send(()).unwrap_or_default();
        }
    }

    fn marked(&self) -> MutexGuard<'_, Option<(String, oneshot::Sender<()>)>> {
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When the next one will have been silent for too long.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.known().instances.values().flatten().filter_map(Watched::due).min()
    }

    /// Resolves when another call is listened to; made before [`Longwork::next_due`] is asked.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// How far the calls of an instance are, as far as their plugins said.
    pub(crate) fn progress(&self, key: &InstanceKey) -> Vec<CallProgress> {
        let known = self.known();
        let list = known.instances.get(key).map_or(&[][..], Vec::as_slice);
        let progress = |one: &Watched| CallProgress {
            call: one.call,
            attempt: one.attempt,
            percent: one.percent,
            note: one.note.clone(),
            heard: one.heard,
            held: None,
            unsure: false,
        };
        list.iter().map(progress).collect()
    }

    /// Is nobody listened to?
    fn is_idle(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counted(&self, known: &Known) {
        self.count.store(known.calls.len(), Ordering::Release);
    }
}

impl Known {
    fn of(&mut self, call: EffectId) -> Option<&mut Watched> {
        let key = self.calls.get(&call)?;
        self.instances.get_mut(key)?.iter_mut().find(|one| one.call == call)
    }

    fn forget(&mut self, call: EffectId) {
        let Some(key) = self.calls.remove(&call) else { return };
        if let Some(list) = self.instances.get_mut(&key) {
            list.retain(|one| one.call != call);
            if list.is_empty() {
                self.instances.remove(&key);
            }
        }
    }

    fn drop_all(&mut self, is_over: impl Fn(&Watched) -> bool) -> Vec<Watched> {
        let all = self.instances.values().flatten();
        let over = all.filter(|one| is_over(one)).cloned().collect::<Vec<_>>();
        over.iter().for_each(|one| self.forget(one.call));
        over
    }
}

#[cfg(test)]
#[path = "watched_tests.rs"]
mod tests;
