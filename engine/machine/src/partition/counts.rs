//! Counts: how many there are of everything in a partition.

use serde::{Deserialize, Serialize};

use crate::machine::Status;

/// How many there are of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Instances, ended ones included.
    pub instances: usize,
    /// Instances that are running.
    pub running: usize,
    /// Instances that are paused.
    pub paused: usize,
    /// Instances that are compensating.
    pub compensating: usize,
    /// Instances that are stuck.
    pub stuck: usize,
    /// Instances that are done.
    pub done: usize,
    /// Instances that failed.
    pub failed: usize,
    /// Instances that were cancelled.
    pub cancelled: usize,
    /// Effects that wait for a confirmation.
    pub pending: usize,
    /// Dead letters.
    pub dead_letters: usize,
    /// Early events that wait for their instance.
    pub buffered: usize,
    /// Events parked by stuck and paused instances.
    pub parked: usize,
    /// Events that instances sent to themselves and that wait.
    pub self_events: usize,
}

impl Counts {
    /// The count of `status`.
    pub const fn of(&mut self, status: Status) -> &mut usize {
        match status {
            Status::Running => &mut self.running,
            Status::Paused => &mut self.paused,
            Status::Compensating => &mut self.compensating,
            Status::Stuck => &mut self.stuck,
            Status::Done => &mut self.done,
            Status::Failed => &mut self.failed,
            Status::Cancelled => &mut self.cancelled,
        }
    }
}
