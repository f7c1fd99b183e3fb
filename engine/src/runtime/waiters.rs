//! Waiters: askers that want to hear when an instance reaches a state or its end.

use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::DashMap;
use gearshift_machine::machine::{InstanceKey, Status};
use tokio::sync::oneshot;

/// What to wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// This state is active, or the life ended, or only a person can move the instance.
    State(String),
    /// The life ended, or only a person can move the instance.
    End,
}

/// Who waits for which instance; a view, never read to decide anything.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_key: DashMap<InstanceKey, Vec<Waiter>>,
    count: AtomicUsize,
}

#[derive(Debug)]
struct Waiter {
    goal: Goal,
    tell: oneshot::Sender<()>,
}

impl Waiters {
    /// Registers before the question is asked, so that no answer is missed.
    pub(crate) fn wait(&self, key: InstanceKey, goal: Goal) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.count.fetch_add(1, Ordering::AcqRel);
        self.by_key.entry(key).or_default().push(Waiter { goal, tell });
        told
    }

    /// Is anybody waiting at all? Keeps the common path free of locks.
    pub(crate) fn is_idle(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Tells those whose goal `states` and `status` meet, and forgets those who left.
    pub(crate) fn reached(&self, key: &InstanceKey, status: Status, states: &[&str]) {
        if self.is_idle() {
            return;
        }
        let emptied = self.by_key.get_mut(key).is_some_and(|mut waiters| {
            let before = waiters.len();
            let kept = std::mem::take(&mut *waiters)
                .into_iter()
                .filter_map(|waiter| match waiter.goal.is_met(status, states) {
                    true => {
                        // An asker that gave up is no error.
                        waiter.tell.send(()).ok();
                        None
                    }
                    false => (!waiter.tell.is_closed()).then_some(waiter),
                })
                .collect::<Vec<_>>();
            self.count.fetch_sub(before - kept.len(), Ordering::AcqRel);
            *waiters = kept;
            waiters.is_empty()
        });
        if emptied {
            self.by_key.remove_if(key, |_, waiters| waiters.is_empty());
        }
    }
}

impl Goal {
    /// Does a life at `status` in `states` meet the goal?
    pub(crate) fn is_met(&self, status: Status, states: &[&str]) -> bool {
        let over = status.is_ended() || status == Status::Stuck;
        match self {
            Self::State(name) => over || states.contains(&name.as_str()),
            Self::End => over,
        }
    }
}
