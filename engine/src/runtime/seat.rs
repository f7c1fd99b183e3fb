//! Seat: a partition's place in an engine: its queue, and how it is doing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::drive::Ask;
use super::marks::Mark;

/// One partition's place.
pub(crate) struct Seat {
    pub(super) asks: mpsc::Sender<Ask>,
    state: Mutex<SeatState>,
    mark: Mutex<Mark>,
}

/// How a partition is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SeatState {
    /// Replaying, or trying again after the reason given.
    Recovering(String),
    /// Taking inputs.
    Serving,
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
}

impl Seat {
    pub(crate) fn new(asks: mpsc::Sender<Ask>, mark: Mark) -> Self {
        let state = Mutex::new(SeatState::Recovering("starting".to_owned()));
        Self { asks, state, mark: Mutex::new(mark) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, SeatState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn serve(&self, mark: Mark) {
        self.advance(mark);
        *self.lock() = SeatState::Serving;
    }

    pub(crate) fn retire(&self, state: SeatState, mark: Mark) {
        self.advance(mark);
        *self.lock() = state;
    }

    pub(crate) fn advance(&self, mark: Mark) {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = mark;
    }

    pub(crate) fn mark(&self) -> Mark {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
