//! Waiters: askers that want to hear when an instance reaches a state or its end.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use gearshift_machine::machine::{InstanceKey, Status};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// What to wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Goal {
    /// This state is active.
    State(String),
    /// The life ended.
    End,
}

/// Who waits for which instance; a view, never read to decide anything.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    by_key: DashMap<InstanceKey, Vec<Waiter>>,
    count: AtomicUsize,
    next: AtomicU64,
}

#[derive(Debug)]
struct Waiter {
    number: u64,
    goal: Goal,
    tell: oneshot::Sender<bool>,
}

impl Waiters {
    /// Registers before the question is asked, so that no answer is missed; the number is for
    /// [`Waiters::leave`]. The receiver hears whether the goal was met.
    pub(crate) fn wait(&self, key: InstanceKey, goal: Goal) -> (u64, oneshot::Receiver<bool>) {
        let (tell, told) = oneshot::channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::AcqRel);
        self.by_key.entry(key).or_default().push(Waiter { number, goal, tell });
        (number, told)
    }

    /// Forgets a waiter; one that was told is forgotten already.
    pub(crate) fn leave(&self, key: &InstanceKey, number: u64) {
        self.keep(key, |waiter| (waiter.number != number).then_some(waiter));
    }

    /// Is anybody waiting at all? Keeps the common path free of locks.
    pub(crate) fn is_idle(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// Tells those for whom `states` and `status` decide it.
    pub(crate) fn reached(&self, key: &InstanceKey, status: Status, states: &[&str]) {
        self.keep(key, |waiter| match waiter.goal.judge(status, states) {
            Some(met) => {
                // An asker that gave up is no error.
                waiter.tell.send(met).ok();
                None
            }
            None => Some(waiter),
        });
    }

    fn keep(&self, key: &InstanceKey, keep: impl FnMut(Waiter) -> Option<Waiter>) {
        if self.is_idle() {
            return;
        }
        let emptied = self.by_key.get_mut(key).is_some_and(|mut waiters| {
            let before = waiters.len();
            let kept = std::mem::take(&mut *waiters).into_iter().filter_map(keep);
            *waiters = kept.collect();
            self.count.fetch_sub(before - waiters.len(), Ordering::AcqRel);
            waiters.is_empty()
        });
        if emptied {
            self.by_key.remove_if(key, |_, waiters| waiters.is_empty());
        }
    }
}

impl Goal {
    /// Does a life at `status` in `states` meet the goal? `None`: it still may.
    pub(crate) fn judge(&self, status: Status, states: &[&str]) -> Option<bool> {
        let met = match self {
            Self::State(name) => states.contains(&name.as_str()),
            Self::End => status.is_ended(),
        };
        let over = status.is_ended() || status == Status::Stuck;
        (met || over).then_some(met)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiters_leave_nothing_behind() -> Result<(), String> {
        let waiters = Waiters::default();
        let key = InstanceKey::new("flow", "a")?;
        let (first, _told) = waiters.wait(key.clone(), Goal::End);
        let (second, mut told) = waiters.wait(key.clone(), Goal::State("open".to_owned()));
        waiters.leave(&key, first);
        assert!(!waiters.is_idle());
        waiters.reached(&key, Status::Running, &["open"]);
        assert_eq!(told.try_recv(), Ok(true));
        assert!(waiters.is_idle());
        waiters.leave(&key, second);
        assert!(waiters.is_idle(), "leaving after the answer counts twice");
        assert!(waiters.by_key.is_empty());
        Ok(())
    }

    #[test]
    fn a_stuck_or_ended_life_ends_the_wait_in_vain() {
        let state = Goal::State("paid".to_owned());
        assert_eq!(state.judge(Status::Running, &["open"]), None);
        assert_eq!(state.judge(Status::Running, &["paid"]), Some(true));
        assert_eq!(state.judge(Status::Done, &["closed"]), Some(false));
        assert_eq!(Goal::End.judge(Status::Stuck, &["open"]), Some(false));
        assert_eq!(Goal::End.judge(Status::Failed, &["open"]), Some(true));
    }
}
