//! Asks: what a partition's loop is asked, and what becomes of what it does not take.

use gearshift_machine::partition::{Done, Partition, PartitionInput, Position};
use tokio::sync::oneshot;

use super::seat::moved;

/// A look at the durable state.
pub(crate) type Read = Box<dyn FnOnce(&Partition) + Send>;

/// What a partition is asked.
pub(crate) enum Ask {
    /// Decide an input.
    Input(Box<PartitionInput>, Option<oneshot::Sender<Done>>),
    /// Decide what came from an inbox, in the session of the drive it is meant for and in no later
    /// one: what its reader told before it may be lost with that session, and must not be overtaken.
    Told(u64, Box<PartitionInput>, oneshot::Sender<Done>),
    /// Look at the durable state.
    Read(Read),
}

/// Nothing was done for the asker: the partition is elsewhere.
pub(super) fn not_here(ask: Ask) {
    // An asker that gave up waiting is no error.
    match ask {
        // Looks change nothing, so whoever hears nothing may look again, there.
        Ask::Input(_, None) | Ask::Read(_) => {}
        Ask::Input(_, Some(asker)) | Ask::Told(_, _, asker) => drop(asker.send(moved(None))),
    }
}

/// Whoever asked has to ask the owner: nothing was done here.
pub(super) fn refer(askers: Vec<Option<oneshot::Sender<Done>>>) {
    for asker in askers.into_iter().flatten() {
        // An asker that gave up waiting is no error.
        drop(asker.send(moved(None)));
    }
}

/// Does the input come from the partition itself?
pub(super) const fn is_own(input: &PartitionInput) -> bool {
    match input {
        PartitionInput::TimerDue { .. }
        | PartitionInput::SelfEvent { .. }
        | PartitionInput::BufferExpired { .. } => true,
        PartitionInput::Deliver { .. }
        | PartitionInput::Reject { .. }
        | PartitionInput::Start { .. }
        | PartitionInput::CallReply { .. }
        | PartitionInput::CallStarted { .. }
        | PartitionInput::Command { .. }
        | PartitionInput::Confirmed { .. }
        | PartitionInput::Replay { .. }
        | PartitionInput::Drop { .. }
        | PartitionInput::Advance { .. } => false,
    }
}

pub(super) const fn position_of(input: &PartitionInput) -> Option<Position> {
    match input {
        PartitionInput::Deliver { source, .. } | PartitionInput::Reject { source, .. } => *source,
        PartitionInput::Start { .. }
        | PartitionInput::CallReply { .. }
        | PartitionInput::CallStarted { .. }
        | PartitionInput::TimerDue { .. }
        | PartitionInput::Command { .. }
        | PartitionInput::Confirmed { .. }
        | PartitionInput::Replay { .. }
        | PartitionInput::Drop { .. }
        | PartitionInput::Advance { .. }
        | PartitionInput::SelfEvent { .. }
        | PartitionInput::BufferExpired { .. } => None,
    }
}
