//! [`Waits`]: attempts that are held back before they are sent, and what each waits for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gearshift_machine::machine::{
    BREAKER_OPEN, CallOutcome, EffectId, ErrorKind, InstanceKey, PLUGIN_LIMITED, PLUGIN_PAUSED,
    UNTIL_LET_GO, UNTIL_SENT_AGAIN,
};
use tokio::sync::Notify;

use super::breaker::Tripped;
use super::holds::{Held, Hold};
use super::line::InLine;
use super::prefer::Prefer;
use crate::runtime::longwork::CallProgress;
use crate::runtime::shared::Shared;

/// What holds an attempt back.
#[derive(Clone, Debug)]
pub(super) enum Holder {
    /// An operator.
    Pause(Held, Hold),
    /// The breaker with this key.
    Breaker(Box<str>, Tripped),
    /// A limit of its definition.
    Limit(InLine),
}

impl Holder {
    const fn code(&self) -> &'static str {
        match self {
            Self::Pause(..) => PLUGIN_PAUSED,
            Self::Breaker(..) => BREAKER_OPEN,
            Self::Limit(_) => PLUGIN_LIMITED,
        }
    }

    /// The same for people.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Pause(what, hold) => hold.words(what),
            Self::Breaker(key, tripped) => tripped.words(key),
            Self::Limit(place) => place.words(),
        }
    }
}

/// All that wait, by a number of their own.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<All>);

#[derive(Debug, Default)]
struct All {
    next: u64,
    attempts: BTreeMap<u64, Arc<Waiting>>,
}

/// One attempt.
#[derive(Debug)]
struct Waiting {
    key: InstanceKey,
    call: EffectId,
    /// What is called, and what is preferred there.
    operation: (Arc<str>, Prefer),
    /// No engine can have sent it before.
    first: bool,
    holder: Mutex<Option<Holder>>,
    /// Did somebody ever?
    held: AtomicBool,
    changed: Notify,
}

/// An attempt among them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiter<'w> {
    all: &'w Waits,
    number: u64,
    own: Arc<Waiting>,
}

impl Waits {
    /// An attempt that may have to wait.
    pub(super) fn begin(
        &self,
        key: &InstanceKey,
        call: EffectId,
        operation: (Arc<str>, Prefer),
        first: bool,
    ) -> Waiter<'_> {
        let (holder, held, changed) = (Mutex::default(), AtomicBool::new(false), Notify::new());
        let own = Waiting { key: key.clone(), call, operation, first, holder, held, changed };
        let own = Arc::new(own);
        let mut all = self.all();
        let number = all.next;
        all.next += 1;
        all.attempts.insert(number, Arc::clone(&own));
        Waiter { all: self, number, own }
    }

    /// The calls of an instance that are held back, each with what by, and whether an engine
    /// before may have sent it.
    fn held_back(&self, key: &InstanceKey) -> Vec<(EffectId, String, bool)> {
        let waiting: Vec<_> =
            self.all().attempts.values().filter(|one| one.key == *key).cloned().collect();
        let held = |one: &Arc<Waiting>| {
            let words = one.holder().as_ref().map(Holder::words)?;
            Some((one.call, words, !one.first))
        };
        waiting.iter().filter_map(held).collect()
    }

    /// How many a pause holds back, by what they call.
    pub(super) fn paused(&self) -> BTreeMap<(Arc<str>, Prefer), u64> {
        let waiting: Vec<_> = self.all().attempts.values().cloned().collect();
        let is_paused = |one: &&Arc<Waiting>| match &*one.holder() {
            Some(Holder::Pause(..)) => true,
            Some(Holder::Breaker(..) | Holder::Limit(_)) | None => false,
        };
        let mut counted = BTreeMap::new();
        for one in waiting.iter().filter(is_paused) {
            *counted.entry(one.operation.clone()).or_default() += 1;
        }
        counted
    }

    fn all(&self) -> MutexGuard<'_, All> {
        // Nothing under this lock can leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// How far the calls of an instance that is here are, and what holds them back.
    pub(crate) fn progress_here(&self, key: &InstanceKey) -> Vec<CallProgress> {
        let waiting = self.providers.waits.held_back(key);
        let heard = self.config.clock.now();
        let held = |(call, held, unsure)| {
            let (attempt, percent, note) = (0, None, String::new());
            CallProgress { call, attempt, percent, note, heard, held: Some(held), unsure }
        };
        self.longwork.progress(key).into_iter().chain(waiting.into_iter().map(held)).collect()
    }
}

impl Waiting {
    fn holder(&self) -> MutexGuard<'_, Option<Holder>> {
        self.holder.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// It is held back by this.
    pub(super) fn by(&self, holder: Holder) {
        *self.own.holder() = Some(holder);
        self.own.held.store(true, Ordering::Relaxed);
        self.own.changed.notify_one();
    }

    /// Was it ever held back?
    pub(super) fn was_held(&self) -> bool {
        self.own.held.load(Ordering::Relaxed)
    }

    /// It is held back by nobody.
    pub(super) fn is_free(&self) {
        *self.own.holder() = None;
    }

    /// Does it wait for a limit? `None`: for nothing that holds it back.
    pub(crate) fn is_limited(&self) -> Option<bool> {
        self.own.holder().as_ref().map(|holder| matches!(holder, Holder::Limit(_)))
    }

    /// Resolves when it is held back by something else.
    pub(super) async fn changed(&self) {
        self.own.changed.notified().await;
    }

    /// What the machine hears of it: it was not sent, and is no attempt. `first`: nor can it have
    /// been before.
    pub(super) fn outcome(&self, first: bool) -> Option<CallOutcome> {
        let holder = self.own.holder();
        let holder = holder.as_ref()?;
        Some(CallOutcome::Failure {
            kind: ErrorKind::PluginNotFound,
            code: holder.code().into(),
            message: holder.words().into(),
            retry_after_ms: Some(if first { UNTIL_LET_GO } else { UNTIL_SENT_AGAIN }),
        })
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.all.all().attempts.remove(&self.number);
    }
}
