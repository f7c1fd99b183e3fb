//! Who remembers: instances, timers, pending effects and cursors of one partition.

mod consult;
mod counts;
mod decide;
mod definitions;
mod draft;
mod effects;
mod fork;
mod frame;
mod input;
mod instances;
mod letters;
mod limits;
mod look;
mod memory;
mod migrate;
mod orders;
mod pending;
mod plan;
mod queues;
mod replies;
mod resting;
mod restore;
mod schedule;
mod schedule_made;
mod schedule_orders;
mod scheduled;
mod snapshot;
mod stick;
mod subject;
#[cfg(test)]
mod tests;
mod transactions;

pub use counts::Counts;
pub use decide::Machine;
pub use definitions::{Definitions, HeldBy, HeldDefinitions, Inserted, VersionConflict};
pub use effects::PendingCall;
pub use frame::{Inspected, inspect};
pub use input::{Batch, Done, PartitionInput, Position, Stamped};
pub use instances::Waits;
pub use limits::PartitionLimits;
pub use memory::Partition;
pub use queues::{Cursor, DeadLetter};
pub use restore::{Applied, Restore, RestoreError};
pub use schedule::{ScheduleOrder, ScheduleState, ScheduledRun, WaitingMoment};
pub use schedule_orders::{LeftOut, ScheduleOrdered, SchedulePause};
pub use snapshot::{Manifest, Snapshot, SnapshotError, SnapshotRun};
