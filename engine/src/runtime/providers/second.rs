//! Second answers to one attempt (row P3): the first counts, and a plugin that then says something
//! else is told about.
//!
//! What tells two answers from one depends on how they travel. Replies to a request are told apart
//! by the bus, which keeps the second one; results that were published, and a reply and a result,
//! by the attempt that they are of.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use gearshift_bus::Message;
use gearshift_machine::machine::EffectId;

use super::ask::Attempt;
use super::counts::Counts;
use super::prefer::Prefer;
use super::registry::{Providers, Route, key_of};
use crate::runtime::clock::monotonic;
use crate::runtime::shared::Shared;

/// How many replies are remembered, at most: at 20,000 calls a second those of most of half a
/// second.
const REPLIES: usize = 8_192;
/// Likewise of results that were published.
const RESULTS: usize = 4_096;

/// Hears of second replies as long as the engine is there.
pub(crate) fn hear_second(shared: &Arc<Shared>) {
    let weak = Arc::downgrade(shared);
    shared.bus.requests().on_second_reply(Arc::new(move |asked, differs| {
        if let Some(shared) = weak.upgrade().filter(|_| differs) {
            shared.providers.answered_otherwise(asked.as_str());
        }
    }));
}

impl Providers {
    /// An attempt that went to `subject` was answered once more, and otherwise.
    fn answered_otherwise(&self, subject: &str) {
        let key = key_of(subject);
        // An instance that was asked alone is named behind its operation.
        let group = key.rsplit_once('.').map(|(key, _)| key);
        for key in [Some(key), group].into_iter().flatten() {
            if let Some(counts) = self.counts.get(key) {
                return warn(&counts, key);
            }
        }
    }

    /// Likewise; the definition calls the operation so.
    pub(crate) fn answered_otherwise_by(&self, operation: &str) {
        let known = |prefer| self.known(operation, prefer);
        if let Some(route) = Prefer::ALL.into_iter().find_map(known) {
            warn(&route.counts, key_of(route.subject.as_str()));
        }
    }
}

impl Attempt {
    /// A reply came; a result of the same attempt that was published is compared with it.
    pub(super) fn compare(&self, route: &Route, reply: &Message) {
        let (said, call) = (&self.shared.longwork.said, &self.call);
        if said.replied((call.call, call.attempt), reply.said(), &call.operation) {
            warn(&route.counts, key_of(route.subject.as_str()));
        }
    }
}

fn warn(counts: &Counts, operation: &str) {
    if let Some(conflicts) = counts.answered_otherwise(monotonic()) {
        tracing::warn!(
            operation,
            conflicts,
            "a call was answered twice and differently; the first answer counts"
        );
    }
}

/// An attempt of a call.
type AttemptOf = (EffectId, u32);

/// What the answers that came last said, by attempt: replies, and results that were published.
///
/// Each table is direct-mapped, as ids are random: a newer answer takes the place of an older one,
/// and nothing is searched for.
#[derive(Debug)]
pub(crate) struct SaidLast {
    replies: Table,
    results: Table,
}

/// Its places; made with the first answer, as whoever asks nothing pays nothing.
#[derive(Debug)]
struct Table {
    size: usize,
    places: OnceLock<Box<[Mutex<Option<Said>>]>>,
}

#[derive(Clone, Debug)]
struct Said {
    attempt: AttemptOf,
    digest: u64,
    /// As the definition calls it, where that is known.
    operation: Option<Arc<str>>,
}

impl Default for SaidLast {
    fn default() -> Self {
        Self { replies: Table::new(REPLIES), results: Table::new(RESULTS) }
    }
}

impl SaidLast {
    /// An attempt was answered by a reply; whether a result of it said something else before.
    pub(crate) fn replied(&self, attempt: AttemptOf, digest: u64, operation: &Arc<str>) -> bool {
        if let Some(first) = self.results.find(attempt) {
            return first.digest != digest;
        }
        self.replies.keep(Said { attempt, digest, operation: Some(Arc::clone(operation)) });
        false
    }

    /// An attempt was answered by a result; the operation where an answer before said something
    /// else.
    pub(crate) fn resulted(
        &self,
        attempt: AttemptOf,
        digest: u64,
        operation: Option<Arc<str>>,
    ) -> Option<Arc<str>> {
        let first = self.results.find(attempt).or_else(|| self.replies.find(attempt));
        let Some(first) = first else {
            self.results.keep(Said { attempt, digest, operation });
            return None;
        };
        first.operation.or(operation).filter(|_| first.digest != digest)
    }
}

impl Table {
    const fn new(size: usize) -> Self {
        Self { size, places: OnceLock::new() }
    }

    fn keep(&self, said: Said) {
        let make = || (0..self.size).map(|_| Mutex::default()).collect();
        let places: &[Mutex<Option<Said>>] = self.places.get_or_init(make);
        if let Some(place) = places.get(self.place_of(said.attempt)) {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(said);
        }
    }

    fn find(&self, attempt: AttemptOf) -> Option<Said> {
        let place = self.places.get()?.get(self.place_of(attempt))?;
        let said = place.lock().unwrap_or_else(PoisonError::into_inner);
        said.as_ref().filter(|said| said.attempt == attempt).cloned()
    }

    fn place_of(&self, (call, attempt): AttemptOf) -> usize {
        let [first, second, ..] = call.0.as_chunks::<8>().0 else { return 0 };
        let mixed = u64::from_le_bytes(*first) ^ u64::from_le_bytes(*second) ^ u64::from(attempt);
        usize::try_from(mixed % self.size as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use gearshift_machine::machine::{Generation, InstanceKey};

    use super::*;

    fn call(step: u64) -> EffectId {
        EffectId::new(&InstanceKey::new("w", "k").unwrap(), Generation(1), step, 0)
    }

    #[test]
    fn p3_a_second_result_is_told_from_an_equal_one_and_only_so_many_are_remembered() {
        let said = SaidLast::default();
        let operation = Some(Arc::<str>::from("p.work"));
        let resulted =
            |step, attempt, digest| said.resulted((call(step), attempt), digest, operation.clone());
        assert_eq!(resulted(1, 1, 10), None, "nothing came before");
        assert_eq!(resulted(1, 1, 10), None, "it says the same");
        assert_eq!(resulted(1, 2, 20), None, "it is of another attempt");
        assert_eq!(resulted(1, 1, 20).as_deref(), Some("p.work"));
        for step in 2..200_000 {
            resulted(step, 1, 10);
        }
        assert_eq!(resulted(1, 1, 20), None, "it is forgotten");
    }

    #[test]
    fn p3_a_reply_and_a_result_of_the_same_attempt_are_compared_whichever_came_first() {
        let (said, operation) = (SaidLast::default(), Arc::<str>::from("p.work"));
        assert!(!said.replied((call(1), 1), 10, &operation));
        assert_eq!(said.resulted((call(1), 1), 10, None), None, "it says the same");
        assert_eq!(said.resulted((call(1), 1), 20, None).as_deref(), Some("p.work"));
        assert_eq!(said.resulted((call(1), 2), 20, None), None, "it is of another attempt");
        assert_eq!(said.resulted((call(2), 1), 10, None), None);
        assert!(!said.replied((call(2), 1), 10, &operation));
        assert!(said.replied((call(2), 1), 20, &operation));
    }
}
