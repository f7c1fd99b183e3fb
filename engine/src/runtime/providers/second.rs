//! Second answers to one attempt (row P3): the first counts, and a plugin that then says something
//! else is told about.
//!
//! What tells two answers from one depends on how they travel. Replies to a request are told apart
//! by the bus, results of long work by the attempt that they name.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use gearshift_machine::machine::{CallOutcome, EffectId};
use sha2::{Digest, Sha256};

use super::counts::Counts;
use super::prefer::Prefer;
use super::registry::{Providers, key_of};
use crate::runtime::clock::monotonic;
use crate::runtime::shared::Shared;

/// How many results are remembered.
const REMEMBERED: usize = 1_024;

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

fn warn(counts: &Counts, operation: &str) {
    if let Some(conflicts) = counts.answered_otherwise(monotonic()) {
        tracing::warn!(
            operation,
            conflicts,
            "a call was answered twice and differently; the first answer counts"
        );
    }
}

/// What the results of long work that came last said, by attempt.
#[derive(Debug, Default)]
pub(crate) struct SaidLast(Mutex<VecDeque<Said>>);

#[derive(Debug)]
struct Said {
    attempt: (EffectId, u32),
    digest: [u8; 32],
    operation: Arc<str>,
}

impl SaidLast {
    /// Remembers the first result of an attempt; the oldest one is forgotten.
    pub(crate) fn keep(
        &self,
        attempt: (EffectId, u32),
        outcome: &CallOutcome,
        operation: &Arc<str>,
    ) {
        let said = Said { attempt, digest: digest(outcome), operation: Arc::clone(operation) };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED {
            all.pop_front();
        }
        all.push_back(said);
    }

    /// The operation of an attempt whose first result said something else.
    pub(crate) fn otherwise(
        &self,
        attempt: (EffectId, u32),
        outcome: &CallOutcome,
    ) -> Option<Arc<str>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = all.iter().rev().find(|said| said.attempt == attempt)?;
        (first.digest != digest(outcome)).then(|| Arc::clone(&first.operation))
    }
}

/// Names what an outcome says.
fn digest(outcome: &CallOutcome) -> [u8; 32] {
    let text = match outcome {
        CallOutcome::Success(output) | CallOutcome::Cached(output) => output.to_json(),
        CallOutcome::Failure { kind, code, message, retry_after_ms: _ } => {
            // What is no JSON cannot be an output.
            format!("!{}\0{code}\0{message}", kind.as_str())
        }
    };
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use gearshift_machine::machine::{ErrorKind, Generation, InstanceKey};
    use gearshift_machine::value::Value;

    use super::*;

    #[test]
    fn p3_a_second_result_is_told_from_an_equal_one_and_only_so_many_are_remembered() {
        let key = InstanceKey::new("w", "k").unwrap();
        let call = |step| EffectId::new(&key, Generation(1), step, 0);
        let (one, two) = (CallOutcome::Success(Value::Int(1)), CallOutcome::Success(Value::Int(2)));
        let failed = CallOutcome::Failure {
            kind: ErrorKind::Permanent,
            code: "1".into(),
            message: "1".into(),
            retry_after_ms: None,
        };
        let (said, operation) = (SaidLast::default(), Arc::from("p.work"));
        assert_eq!(said.otherwise((call(1), 1), &one), None, "nothing came before");
        said.keep((call(1), 1), &one, &operation);
        assert_eq!(said.otherwise((call(1), 1), &one), None, "it says the same");
        assert_eq!(said.otherwise((call(1), 2), &two), None, "it is of another attempt");
        for other in [&two, &failed] {
            assert_eq!(said.otherwise((call(1), 1), other).as_deref(), Some("p.work"));
        }
        for step in 0..REMEMBERED {
            said.keep((call(2 + u64::try_from(step).unwrap()), 1), &one, &operation);
        }
        assert_eq!(said.otherwise((call(1), 1), &two), None);
        assert_eq!(said.0.lock().unwrap().len(), REMEMBERED);
    }
}
