//! What else doors look up in a partition.

use super::memory::Partition;
use crate::machine::{Instance, InstanceKey};

impl Partition {
    /// Is there an instance with this key, ended ones included?
    #[must_use]
    pub fn contains(&self, key: &InstanceKey) -> bool {
        self.instances.packed(key).is_some()
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
