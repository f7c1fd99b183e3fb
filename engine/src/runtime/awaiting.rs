//! Awaiting: requests of the bus that want to hear how an instance goes on, kept by its partition.
//!
//! They cost no task each: the partition's own loop decides, so it knows when one is met.

use std::collections::{BTreeSet, HashMap};

use gearshift_machine::machine::{InstanceKey, Outcome};
use gearshift_machine::partition::Done;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::asks::{Asker, Ended, Replying};
use super::waiters::{Goal, Reached};

/// What a request waits for beyond its verdict.
pub(crate) struct Wish {
    goal: Goal,
    pub(crate) until: Instant,
    /// Its place among those that may wait.
    pub(crate) place: OwnedSemaphorePermit,
}

impl Wish {
    /// For the state of this name, or for the end.
    pub(crate) fn new(state: Option<&str>, until: Instant, place: OwnedSemaphorePermit) -> Self {
        let goal = state.map_or(Goal::End, |name| Goal::State(name.to_owned()));
        Self { goal, until, place }
    }

    /// The state that is waited for; the end where there is none.
    pub(crate) fn state(&self) -> Option<&str> {
        match &self.goal {
            Goal::State(name) => Some(name),
            Goal::End | Goal::After(_) => None,
        }
    }
}

/// The wishes of one partition's instances.
#[derive(Default)]
pub(crate) struct Awaiting {
    by_key: HashMap<InstanceKey, Vec<Waiting>>,
    deadlines: BTreeSet<(Instant, u64, InstanceKey)>,
    next: u64,
}

struct Waiting {
    number: u64,
    wish: Wish,
    done: Done,
    replying: Box<Replying>,
}

impl Awaiting {
    /// Tells the decision, or keeps the request until its wish is met.
    pub(crate) fn tell(&mut self, asker: Asker, done: Done) {
        let mut replying = match asker {
            Asker::Request(replying) if replying.wish.is_some() => replying,
            Asker::Request(_) | Asker::Waiting(_) => return asker.tell(done),
        };
        let Some(wish) = replying.wish.take() else { return };
        let met = match (&done.definition, done.status, &done.key) {
            (Some(definition), Some(status), Some(key)) => {
                let names = done.active.iter().map(|id| &*definition.state(*id).id);
                let met = wish.goal.judge(status, &names.collect::<Vec<_>>(), done.step);
                // What was refused or given up leads nowhere, but the instance may be there.
                met.or_else(|| (!leads(&done)).then_some(false)).ok_or(key)
            }
            // What is kept for a life to come leads nowhere.
            _ => Ok(false),
        };
        let key = match met {
            Ok(met) => return replying.send(Some(done), Some(Ended::Judged(met))),
            Err(key) => key.clone(),
        };
        self.next += 1;
        self.deadlines.insert((wish.until, self.next, key.clone()));
        let waiting = Waiting { number: self.next, wish, done, replying };
        self.by_key.entry(key).or_default().push(waiting);
    }

    /// Answers those whom the decision concerns.
    pub(crate) fn reached(&mut self, key: &InstanceKey, done: &Done) {
        if self.by_key.is_empty() {
            return;
        }
        let Some(list) = self.by_key.get_mut(key) else { return };
        let (Some(definition), Some(status)) = (&done.definition, done.status) else { return };
        let names = done.active.iter().map(|id| &*definition.state(*id).id).collect::<Vec<_>>();
        for waiting in std::mem::take(list) {
            let Some(met) = waiting.wish.goal.judge(status, &names, done.step) else {
                list.push(waiting);
                continue;
            };
            self.deadlines.remove(&(waiting.wish.until, waiting.number, key.clone()));
            let (active, step) = (done.active.clone(), done.step);
            let definition = definition.clone();
            let reached = Reached { met, status, active, definition, step };
            waiting.end(Ended::Reached(reached));
        }
        if list.is_empty() {
            self.by_key.remove(key);
        }
    }

    fn next_due(&self) -> Option<Instant> {
        self.deadlines.first().map(|(until, ..)| *until)
    }

    /// Ends once a wish is overdue.
    pub(crate) async fn due(&self) {
        match self.next_due() {
            Some(until) => tokio::time::sleep_until(until).await,
            None => std::future::pending().await,
        }
    }

    /// Answers those whose time is up.
    pub(crate) fn expire(&mut self) {
        if self.deadlines.is_empty() {
            return;
        }
        let now = Instant::now();
        while self.next_due().is_some_and(|until| until <= now) {
            let Some((_, number, key)) = self.deadlines.pop_first() else { return };
            let Some(list) = self.by_key.get_mut(&key) else { continue };
            if let Some(index) = list.iter().position(|waiting| waiting.number == number) {
                list.remove(index).end(Ended::TimeUp);
            }
            if list.is_empty() {
                self.by_key.remove(&key);
            }
        }
    }
}

impl Drop for Awaiting {
    /// Another owner knows how the instances go on.
    fn drop(&mut self) {
        for waiting in self.by_key.drain().flat_map(|(_, list)| list) {
            waiting.end(Ended::Moved);
        }
    }
}

impl Waiting {
    fn end(self, ended: Ended) {
        let Self { wish, done, mut replying, .. } = self;
        // The wish is needed again where somebody else has to be asked.
        replying.wish = Some(wish);
        replying.send(Some(done), Some(ended));
    }
}

/// Does a decision about an event lead on, so that waiting makes sense?
const fn leads(done: &Done) -> bool {
    match done.outcome {
        Outcome::Started { .. }
        | Outcome::Transitioned { .. }
        | Outcome::Deferred
        | Outcome::Duplicate { .. }
        | Outcome::Done => true,
        Outcome::Ignored { .. }
        | Outcome::IdReuse { .. }
        | Outcome::Rejected { .. }
        | Outcome::Denied { .. }
        | Outcome::DeadLettered { .. }
        | Outcome::Stuck { .. }
        | Outcome::NotFound { .. }
        | Outcome::Busy { .. } => false,
    }
}
