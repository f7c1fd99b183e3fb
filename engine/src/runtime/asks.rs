//! Asks: what a partition's loop is asked, and what becomes of what it does not take.

use std::sync::Arc;

use gearshift_bus::Request;
use gearshift_machine::machine::InstanceKey;
use gearshift_machine::partition::{Done, Partition, PartitionInput, Position};
use tokio::sync::{mpsc, oneshot};

use super::seat::moved;

/// A look at the durable state.
pub(crate) type Read = Box<dyn FnOnce(&Partition) + Send>;

/// Who hears the durable decision. Dropped without a word it says that the outcome is unknown.
pub(crate) enum Asker {
    /// Somebody of this process who waits.
    Waiting(oneshot::Sender<Done>),
    /// A request of the bus; whoever answers it takes it out of a queue.
    Request(Replying),
}

/// A request of the bus on its way through a partition.
pub(crate) struct Replying {
    request: Option<Request>,
    replies: mpsc::UnboundedSender<Replied>,
}

/// A request and what was decided; nothing where nobody knows.
pub(crate) type Replied = (Request, Option<Done>);

impl Asker {
    /// An asker that gave up waiting is no error.
    pub(super) fn tell(self, done: Done) {
        match self {
            Self::Waiting(asker) => drop(asker.send(done)),
            Self::Request(mut replying) => replying.send(Some(done)),
        }
    }
}

impl Ask {
    /// The request of the bus that it came from, as nothing was done for it.
    pub(super) fn into_request(self) -> Option<Request> {
        match self {
            Self::Input(_, Some(Asker::Request(replying))) => replying.take(),
            Self::Input(_, Some(Asker::Waiting(_)) | None) | Self::Told(..) | Self::Read(_) => None,
        }
    }
}

impl Replying {
    /// What waits in the queue of replies is bounded by what waits in partitions.
    pub(super) const fn new(request: Request, replies: mpsc::UnboundedSender<Replied>) -> Self {
        Self { request: Some(request), replies }
    }

    /// The request, as nothing was done for it.
    pub(super) fn take(mut self) -> Option<Request> {
        self.request.take()
    }

    fn send(&mut self, done: Option<Done>) {
        if let Some(request) = self.request.take() {
            // The door has closed: the asker learns of it at its deadline.
            drop(self.replies.send((request, done)));
        }
    }
}

impl Drop for Replying {
    fn drop(&mut self) {
        self.send(None);
    }
}

/// What a partition is asked.
pub(crate) enum Ask {
    /// Decide an input.
    Input(Box<PartitionInput>, Option<Asker>),
    /// Decide what came from an inbox, in the session of the drive it is meant for and in no later
    /// one: what its reader told before it may be lost with that session, and must not be
    /// overtaken.
    Told(u64, Box<PartitionInput>, Asker),
    /// Look at the durable state.
    Read(Read),
}

/// Nothing was done for the asker: the partition is elsewhere.
pub(super) fn not_here(ask: Ask) {
    match ask {
        // Looks change nothing, so whoever hears nothing may look again, there.
        Ask::Input(_, None) | Ask::Read(_) => {}
        Ask::Input(_, Some(asker)) | Ask::Told(_, _, asker) => asker.tell(moved(None)),
    }
}

/// Whoever asked has to ask the owner: nothing was done here.
pub(super) fn refer(askers: Vec<Option<Asker>>) {
    for asker in askers.into_iter().flatten() {
        asker.tell(moved(None));
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
        | PartitionInput::Letter { .. }
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
        | PartitionInput::Letter { .. }
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

/// What tells parcels of one message apart: its event, and the instance it is for.
pub(super) fn parcel_of(input: &PartitionInput) -> Option<(Arc<str>, Option<InstanceKey>)> {
    match input {
        PartitionInput::Deliver { event, key, .. } => {
            Some((Arc::clone(&event.name), Some(key.clone())))
        }
        PartitionInput::Reject { event, key, .. } => Some((Arc::clone(&event.name), key.clone())),
        PartitionInput::Start { .. }
        | PartitionInput::CallReply { .. }
        | PartitionInput::Letter { .. }
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
