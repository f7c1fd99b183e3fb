//! Clocks of a drive: what is due by itself, and what of it waits for answers that came before.

use std::cell::Cell;

use gearshift_machine::machine::{InstanceKey, Timestamp};
use gearshift_machine::partition::PartitionInput;

use super::Drive;

impl Drive {
    /// What is due, but for timers that wait for answers; at most `limit` inputs.
    pub(super) fn due(&mut self, limit: usize) -> Vec<PartitionInput> {
        let Self { planner, partition, arrivals, now, .. } = self;
        let waits = |due: Timestamp, key: &InstanceKey| due <= *now && arrivals.may_hold(due, key);
        planner.due(partition, (*now, limit), &waits)
    }

    /// When something is due next that does not wait, and whether something does; what came for
    /// that is heard from now on.
    pub(super) fn next_due(&mut self) -> (Option<Timestamp>, bool) {
        let Self { shared, partition, arrivals, now, .. } = &*self;
        let (waiting, unheard, promised) = (Cell::new(false), Cell::new(false), Cell::new(false));
        let waits = |due: Timestamp, key: &InstanceKey| {
            if due > *now || !arrivals.may_hold(due, key) {
                return false;
            }
            waiting.set(true);
            if arrivals.is_unheard(due) {
                unheard.set(true);
                promised.set(promised.get() || shared.longwork.is_promised(key));
            }
            true
        };
        let next = partition.next_due_but(&waits);
        if unheard.get() {
            let heard = self.arrivals.hear(self.now, promised.get());
            self.dispatch.beside(heard);
        }
        (next, waiting.get())
    }
}
