//! Rehearsal: what an order would come to, found out by giving it to a copy.

use crate::machine::{Instance, InstanceKey, Timestamp, TraceLog};

use super::definitions::Definitions;
use super::input::{Done, PartitionInput, Stamped};
use super::memory::Partition;
use super::resting::Known;

impl Partition {
    /// What `input` to an instance, or to a key that has none, would come to at `now`: the answer
    /// of [`Partition::decide`] to it, and the instance behind that, from a partition that holds
    /// nothing but this instance and is dropped with its frame. So nothing is written or sent, and
    /// the real order is decided by the same code; only limits of what else waits in the real
    /// partition are not met here.
    #[must_use]
    pub fn rehearse(
        (key, instance): (&InstanceKey, Option<Instance>),
        definitions: &Definitions,
        input: PartitionInput,
        now: Timestamp,
    ) -> (Done, Option<Instance>) {
        let mut alone = Self::new(0);
        if let Some(instance) = instance {
            alone.instances.put(Box::new(Known { instance, trace: TraceLog::new() }), false);
        }
        let batch = alone.decide(definitions, vec![Stamped { input, at: now }]);
        // One input finds an empty frame, so it is answered.
        let done = batch.results.into_iter().next().unwrap_or_else(|| unanswered(key));
        (done, alone.instance(key))
    }
}

/// The answer of a partition that had no room for its only input.
fn unanswered(key: &InstanceKey) -> Done {
    super::draft::Draft::busy(Some(key), "frame").done
}
