//! What else doors look up in a partition.

use super::input::PartitionInput;
use super::memory::Partition;
use super::schedule::{ScheduleOrder, ScheduleState};
use crate::machine::{Instance, InstanceKey, Timestamp};

impl Partition {
    /// The schedules that are kept here, by their own keys.
    pub fn schedules(&self) -> impl Iterator<Item = (&InstanceKey, &ScheduleState)> {
        self.queues.schedules.iter()
    }

    /// What is kept of the schedule with this key.
    #[must_use]
    pub fn schedule(&self, key: &InstanceKey) -> Option<&ScheduleState> {
        self.queues.schedules.get(key)
    }

    /// Schedules that are due at `now`; who has a calendar says which moments that are.
    pub(super) fn due_schedules(&self, now: Timestamp) -> impl Iterator<Item = PartitionInput> {
        let due = self.queues.index.schedules_due.iter().take_while(move |(due, _)| *due <= now);
        due.map(|(from, key)| {
            let order =
                ScheduleOrder::Due { from: *from, missed: 0, moments: vec![*from], after: None };
            PartitionInput::Schedule { key: key.clone(), order }
        })
    }

    /// Is there an instance with this key, ended ones included?
    #[must_use]
    pub fn contains(&self, key: &InstanceKey) -> bool {
        self.instances.contains(key)
    }

    /// At most `limit` instances whose key ends with `suffix`.
    #[must_use]
    pub fn keys_ending_with(&self, suffix: &str, limit: usize) -> Vec<InstanceKey> {
        let keys = self.instances.keys_after(None);
        keys.filter(|key| key.key().ends_with(suffix)).take(limit).cloned().collect()
    }

    /// At most `limit` instances of `workflow` behind `after`, in key order.
    #[must_use]
    pub fn instances_of(
        &self,
        workflow: &str,
        after: Option<&InstanceKey>,
        limit: usize,
    ) -> Vec<Instance> {
        let first = InstanceKey::first_of(workflow);
        let from = after.or(first.as_ref());
        let keys = self.instances.keys_after(from).take_while(|key| key.workflow() == workflow);
        keys.take(limit).filter_map(|key| self.instance(key)).collect()
    }
}
