//! Waiters: askers that want to hear when an instance reaches a state or its end.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dashmap::DashMap;
use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::{InstanceKey, StateId, Status};
use gearshift_machine::partition::Done;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

/// What to wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Goal {
    /// This state is active.
    State(String),
    /// The life ended.
    End,
    /// A decision about it came after this step of the same life.
    After(u64),
}

/// What ended a wait: was the goal met, and how the instance stood then.
#[derive(Clone, Debug)]
pub(crate) struct Reached {
    pub(crate) met: bool,
    pub(crate) status: Status,
    pub(crate) active: Vec<StateId>,
    pub(crate) definition: Arc<Definition>,
    pub(crate) step: u64,
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
    tell: oneshot::Sender<Reached>,
}

impl Waiters {
    /// Registers before the question is asked, so that no answer is missed; the number is for
    /// [`Waiters::leave`]. The receiver hears whether the goal was met.
    pub(crate) fn wait(&self, key: InstanceKey, goal: Goal) -> (u64, oneshot::Receiver<Reached>) {
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
    pub(crate) fn reached(&self, key: &InstanceKey, done: &Done) {
        let (Some(definition), Some(status)) = (&done.definition, done.status) else { return };
        let names = OnceCell::new();
        let named = || done.active.iter().map(|id| &*definition.state(*id).id).collect::<Vec<_>>();
        let states = |goal: &Goal| match goal {
            Goal::State(_) => names.get_or_init(named).as_slice(),
            Goal::End | Goal::After(_) => &[],
        };
        let judge = |goal: &Goal| goal.judge(status, states(goal), done.step);
        self.keep(key, |waiter| match judge(&waiter.goal) {
            Some(met) => {
                let (active, step) = (done.active.clone(), done.step);
                let definition = Arc::clone(definition);
                // An asker that gave up is no error.
                waiter.tell.send(Reached { met, status, active, definition, step }).ok();
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
    /// Does a life at `status` in `states`, after `step`, meet the goal? `None`: it still may.
    pub(crate) fn judge(&self, status: Status, states: &[&str], step: u64) -> Option<bool> {
        let met = match self {
            Self::State(name) => states.contains(&name.as_str()),
            Self::End => status.is_ended(),
            Self::After(known) => step > *known,
        };
        let over = status.is_ended() || status == Status::Stuck;
        (met || over).then_some(met)
    }
}

#[cfg(test)]
mod tests {
    use gearshift_machine::definition::{self, Format};
    use gearshift_machine::machine::{Generation, Outcome};

    use super::*;

    /// A decision about a running instance that is in `state`.
    fn running(key: &InstanceKey, state: &str) -> Result<Done, String> {
        let text = format!(
            "workflow: flow\nversion: 1\nevents: {{ a: {{ start: true }} }}\ninitial: {state}\n\
             states:\n  {state}:\n    on: {{ a: end }}\n  end: {{ final: true }}\n"
        );
        let loaded = definition::load(&text, "test", Format::Yaml);
        let definition = loaded.map_err(|problems| format!("{problems:?}"))?.definition;
        let active = definition.states.iter().position(|one| &*one.id == state);
        let active = active.and_then(|index| u16::try_from(index).ok()).ok_or("no such state")?;
        Ok(Done {
            key: Some(key.clone()),
            definition: Some(Arc::new(definition)),
            outcome: Outcome::Done,
            effects: Vec::new(),
            trace: None,
            generation: Generation(1),
            step: 3,
            status: Some(Status::Running),
            active: vec![StateId(active)],
        })
    }

    #[test]
    fn waiters_leave_nothing_behind() -> Result<(), String> {
        let waiters = Waiters::default();
        let key = InstanceKey::new("flow", "a")?;
        let (first, _told) = waiters.wait(key.clone(), Goal::End);
        let (second, mut told) = waiters.wait(key.clone(), Goal::State("open".to_owned()));
        waiters.leave(&key, first);
        assert!(!waiters.is_idle());
        let done = running(&key, "open")?;
        waiters.reached(&key, &done);
        let reached = told.try_recv().map_err(|error| error.to_string())?;
        assert!(reached.met);
        assert_eq!(
            (reached.status, reached.step, &reached.active),
            (Status::Running, 3, &done.active)
        );
        assert!(waiters.is_idle());
        waiters.leave(&key, second);
        assert!(waiters.is_idle(), "leaving after the answer counts twice");
        assert!(waiters.by_key.is_empty());
        Ok(())
    }

    #[test]
    fn a_stuck_or_ended_life_ends_the_wait_in_vain() {
        let state = Goal::State("paid".to_owned());
        assert_eq!(state.judge(Status::Running, &["open"], 1), None);
        assert_eq!(state.judge(Status::Running, &["paid"], 1), Some(true));
        assert_eq!(state.judge(Status::Done, &["closed"], 1), Some(false));
        assert_eq!(Goal::End.judge(Status::Stuck, &["open"], 1), Some(false));
        assert_eq!(Goal::End.judge(Status::Failed, &["open"], 1), Some(true));
        assert_eq!(Goal::After(1).judge(Status::Paused, &[], 1), None);
        assert_eq!(Goal::After(1).judge(Status::Paused, &[], 2), Some(true));
    }
}
