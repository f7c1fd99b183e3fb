//! [`Overtaking`]: results that came before the replies which promise them. Each travels on a way
//! of its own, so a plugin that is quick is heard in either order.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gearshift_machine::machine::{CallOutcome, EffectId};
use gearshift_machine::value::Value;

/// Those that are remembered; the reply is at most seconds away.
const KEPT_MAX: usize = 256;

/// How results ended that nobody had been told to wait for.
#[derive(Debug, Default)]
pub(crate) struct Overtaking(Mutex<VecDeque<((EffectId, u32), CallOutcome)>>);

impl Overtaking {
    /// The result of an attempt came, of which no promise is known.
    pub(super) fn came(&self, attempt: (EffectId, u32), outcome: &CallOutcome) {
        let outcome = match outcome {
            // What it was is told to the partition; here counts how it ended.
            CallOutcome::Success(_) | CallOutcome::Cached(_) => CallOutcome::Success(Value::Null),
            failure @ CallOutcome::Failure { .. } => failure.clone(),
        };
        let mut kept = self.kept();
        if kept.len() >= KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((attempt, outcome));
    }

    /// How the attempt ended whose result is promised now, if that came before; once.
    pub(crate) fn take(&self, attempt: (EffectId, u32)) -> Option<CallOutcome> {
        let mut kept = self.kept();
        let at = kept.iter().position(|(known, _)| *known == attempt)?;
        kept.remove(at).map(|(_, outcome)| outcome)
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<((EffectId, u32), CallOutcome)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use gearshift_machine::machine::ErrorKind;

    use super::*;
    use crate::runtime::providers::failure;

    #[test]
    fn a_result_before_its_promise_is_remembered_once_and_only_so_many_are() {
        let overtaking = Overtaking::default();
        let of = |number: u8| (EffectId([number; 16]), 1);
        assert_eq!(overtaking.take(of(1)), None);
        let failed = failure(ErrorKind::Permanent, "422", "no");
        overtaking.came(of(1), &failed);
        overtaking.came(of(2), &CallOutcome::Success(Value::from("large")));
        assert_eq!(overtaking.take((of(1).0, 2)), None, "another attempt");
        assert_eq!(overtaking.take(of(1)), Some(failed.clone()));
        assert_eq!(overtaking.take(of(1)), None);
        assert_eq!(overtaking.take(of(2)), Some(CallOutcome::Success(Value::Null)));
        overtaking.came(of(3), &failed);
        for attempt in 0..u32::try_from(KEPT_MAX).unwrap() {
            overtaking.came((of(4).0, attempt), &failed);
        }
        assert_eq!(overtaking.take(of(3)), None, "it is forgotten");
    }
}
