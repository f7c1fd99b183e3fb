//! Asks: what a partition's loop is asked, and what becomes of what it does not take.

use gearshift_bus::Request;
use gearshift_machine::machine::Timestamp;
use gearshift_machine::partition::{Done, Partition, PartitionInput, Position};
use tokio::sync::{mpsc, oneshot};

use super::awaiting::Wish;
use super::seat::moved;
use super::waiters::Reached;

/// A look at the durable state.
pub(crate) type Read = Box<dyn FnOnce(&Partition) + Send>;

/// Who hears the durable decision. Dropped without a word it says that the outcome is unknown.
pub(crate) enum Asker {
    /// Somebody of this process who waits.
    Waiting(oneshot::Sender<Done>),
    /// A request of the bus; whoever answers it takes it out of a queue.
    Request(Box<Replying>),
}

/// A request of the bus on its way through a partition.
pub(crate) struct Replying {
    request: Option<Request>,
    replies: Replies,
    /// What it waits for beyond the decision.
    pub(super) wish: Option<Wish>,
}

/// Answers a request that needs nothing but what was decided, or gives it back.
pub(crate) type AtOnce = fn(Request, &Done, Option<&Ended>) -> Option<Request>;

/// How a door hears what was decided about its requests.
#[derive(Clone)]
pub(crate) struct Replies {
    at_once: AtOnce,
    /// Where the others go.
    others: mpsc::UnboundedSender<Replied>,
}

impl Replies {
    /// What waits in the queue is bounded by what waits in partitions.
    pub(crate) const fn new(at_once: AtOnce, others: mpsc::UnboundedSender<Replied>) -> Self {
        Self { at_once, others }
    }
}

/// A request and what came of it.
pub(crate) struct Replied {
    pub(crate) request: Request,
    /// What was decided; nothing where nobody knows.
    pub(crate) done: Option<Done>,
    /// How the wait behind the decision ended, where one was wished.
    pub(crate) ended: Option<Ended>,
    /// What was wished.
    pub(crate) wish: Option<Wish>,
}

/// How a wait behind a decision ended.
pub(crate) enum Ended {
    /// The decision itself tells whether the goal is met.
    Judged(bool),
    /// A later one does, and so the instance stood then.
    Reached(Reached),
    /// The time is up.
    TimeUp,
    /// The partition has gone elsewhere.
    Moved,
}

impl Asker {
    /// An asker that gave up waiting is no error.
    pub(super) fn tell(self, done: Done) {
        match self {
            Self::Waiting(asker) => drop(asker.send(done)),
            Self::Request(mut replying) => replying.send(Some(done), None),
        }
    }
}

impl Ask {
    /// The request of the bus that it came from, as nothing was done for it.
    pub(super) fn into_request(self) -> Option<Request> {
        match self {
            Self::Input(_, Some(Asker::Request(replying))) => replying.take(),
            Self::Input(_, Some(Asker::Waiting(_)) | None)
            | Self::Told(..)
            | Self::Read(_)
            | Self::Heard(_) => None,
        }
    }
}

impl Replying {
    pub(super) const fn new(request: Request, replies: Replies, wish: Option<Wish>) -> Self {
        Self { request: Some(request), replies, wish }
    }

    /// The request, as nothing was done for it.
    pub(super) fn take(mut self) -> Option<Request> {
        self.request.take()
    }

    pub(super) fn send(&mut self, done: Option<Done>, ended: Option<Ended>) {
        let Some(mut request) = self.request.take() else { return };
        if let Some(done) = &done {
            let answered = (self.replies.at_once)(request, done, ended.as_ref());
            let Some(left) = answered else { return };
            request = left;
        }
        let wish = self.wish.take();
        // The door has closed: the asker learns of it at its deadline.
        drop(self.replies.others.send(Replied { request, done, ended, wish }));
    }
}

impl Drop for Replying {
    fn drop(&mut self) {
        self.send(None, None);
    }
}

/// For whom something is told in order.
///
/// What was told before it may be lost with the session, or be refused, and must not be overtaken:
/// so it is for one session alone, and where something of its round was refused, all that the
/// round tells behind it is dropped. The teller then goes back and begins a new round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Round {
    /// The drive it is meant for.
    pub(crate) session: u64,
    /// Drawn anew whenever the teller goes back; 0 where it has no source to go back in.
    pub(crate) number: u64,
}

/// What a partition is asked.
pub(crate) enum Ask {
    /// Decide an input.
    Input(Box<PartitionInput>, Option<Asker>),
    /// Decide what came from an inbox, in order.
    Told(Round, Box<PartitionInput>, Asker),
    /// Look at the durable state.
    Read(Read),
    /// All answers that had come are told: they stand before this.
    Heard(Heard),
}

/// How far a partition was told what comes for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    /// The drive that wanted to know.
    pub(crate) session: u64,
    /// Until when, at least.
    pub(crate) until: Timestamp,
    /// Over which connection.
    pub(crate) connection: u64,
}

/// Nothing was done for the asker: the partition is elsewhere.
pub(super) fn not_here(ask: Ask) {
    match ask {
        // Looks change nothing, so whoever hears nothing may look again, there.
        Ask::Input(_, None) | Ask::Read(_) | Ask::Heard(_) => {}
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
        PartitionInput::Schedule { order, .. } => !order.is_by_hand(),
        PartitionInput::Deliver { .. }
        | PartitionInput::Reject { .. }
        | PartitionInput::Start { .. }
        | PartitionInput::CallReply { .. }
        | PartitionInput::CallResult { .. }
        | PartitionInput::Letter { .. }
        | PartitionInput::CallStarted { .. }
        | PartitionInput::CallPending { .. }
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
        PartitionInput::CallResult { source, .. } => Some(*source),
        PartitionInput::Start { .. }
        | PartitionInput::CallReply { .. }
        | PartitionInput::Letter { .. }
        | PartitionInput::CallStarted { .. }
        | PartitionInput::CallPending { .. }
        | PartitionInput::TimerDue { .. }
        | PartitionInput::Command { .. }
        | PartitionInput::Confirmed { .. }
        | PartitionInput::Replay { .. }
        | PartitionInput::Drop { .. }
        | PartitionInput::Advance { .. }
        | PartitionInput::SelfEvent { .. }
        | PartitionInput::Schedule { .. }
        | PartitionInput::BufferExpired { .. } => None,
    }
}
