//! Seat: a partition's place in an engine: its queue, and how it is doing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use gearshift_machine::machine::{Generation, InstanceKey, Outcome};
use gearshift_machine::partition::Done;
use tokio::sync::{mpsc, watch};

use super::asks::Ask;
use super::in_hand::InHand;
use super::marks::Mark;

/// One partition's place.
pub(crate) struct Seat {
    pub(super) asks: mpsc::Sender<Ask>,
    state: watch::Sender<SeatState>,
    mark: Mutex<Mark>,
    /// Counts the drives of the partition in this engine.
    session: AtomicU64,
    was_served: AtomicBool,
    pub(super) in_hand: InHand,
}

/// Why nothing is said yet of a partition.
pub(crate) const STARTING: &str = "starting";
/// What is busy where a partition went elsewhere before an input met a frame.
const MOVED: &str = "partition moved";

/// How a partition is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SeatState {
    /// Replaying, or trying again after the reason given.
    Recovering(String),
    /// Taking inputs.
    Serving,
    /// Another engine's, whose node is named where it is known.
    Elsewhere(Option<Box<str>>),
    /// Refuses to serve; only a person can help.
    Refused(String),
    /// The engine has stopped.
    Stopped,
}

/// How a partition is doing, for health reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionHealth {
    /// Its number.
    pub partition: u16,
    /// Does it take inputs?
    pub serving: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The journal's last confirmed sequence.
    pub position: u64,
    /// The owner's epoch.
    pub epoch: u64,
    /// The node of the engine that has it, where several engines share the bus and it is known.
    pub owner: Option<String>,
}

/// The answer to an input that met no frame here, because the partition is elsewhere now: nothing
/// was done, so it may be told to the owner.
pub(crate) fn moved(key: Option<InstanceKey>) -> Done {
    Done {
        key,
        definition: None,
        outcome: Outcome::Busy { what: MOVED.into() },
        effects: Vec::new(),
        trace: None,
        generation: Generation(0),
        step: 0,
        status: None,
        active: Vec::new(),
    }
}

/// Is it the answer that [`moved`] gives?
pub(crate) fn is_moved(done: &Done) -> bool {
    matches!(&done.outcome, Outcome::Busy { what } if **what == *MOVED)
}

impl Seat {
    pub(crate) fn new(asks: mpsc::Sender<Ask>, mark: Mark) -> Self {
        let state = watch::Sender::new(SeatState::Recovering(STARTING.to_owned()));
        Self {
            asks,
            state,
            mark: Mutex::new(mark),
            session: AtomicU64::new(0),
            was_served: AtomicBool::new(false),
            in_hand: InHand::default(),
        }
    }

    /// How the partition is doing now; not to be held over an `await`.
    pub(crate) fn state(&self) -> watch::Ref<'_, SeatState> {
        self.state.borrow()
    }

    /// Does this engine take inputs for it?
    pub(crate) fn serves(&self) -> bool {
        *self.state() == SeatState::Serving
    }

    /// A drive begins; the number of its session.
    pub(crate) fn begin_session(&self) -> u64 {
        self.session.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// The session of the drive that began last.
    pub(crate) fn session(&self) -> u64 {
        self.session.load(Ordering::Acquire)
    }

    /// Hears of every change from now on; asking before looking misses none.
    pub(crate) fn subscribe(&self) -> watch::Receiver<SeatState> {
        self.state.subscribe()
    }

    /// Is nothing known of it yet?
    pub(crate) fn is_starting(&self) -> bool {
        matches!(&*self.state(), SeatState::Recovering(reason) if reason == STARTING)
    }

    /// The partition came here from another engine and is being rebuilt.
    pub(crate) fn begin_recovery(&self) {
        self.state.send_if_modified(|known| {
            let came = matches!(known, SeatState::Elsewhere(_));
            if came {
                *known = SeatState::Recovering("it comes over from another engine".to_owned());
            }
            came
        });
    }

    /// Did this engine serve it before?
    pub(crate) fn was_served(&self) -> bool {
        self.was_served.load(Ordering::Acquire)
    }

    pub(crate) fn set(&self, state: SeatState) {
        self.state.send_if_modified(|known| {
            let differs = *known != state;
            *known = state;
            differs
        });
    }

    /// The engine stops; nothing is known any more of what was about to be served here.
    pub(crate) fn close(&self) {
        self.state.send_if_modified(|known| {
            let waits = matches!(known, SeatState::Recovering(_));
            if waits {
                *known = SeatState::Stopped;
            }
            waits
        });
    }

    pub(crate) fn serve(&self, mark: Mark) {
        self.advance(mark);
        self.was_served.store(true, Ordering::Release);
        self.set(SeatState::Serving);
    }

    pub(crate) fn retire(&self, state: SeatState, mark: Mark) {
        self.advance(mark);
        self.set(state);
    }

    pub(crate) fn advance(&self, mark: Mark) {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = mark;
    }

    pub(crate) fn mark(&self) -> Mark {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
