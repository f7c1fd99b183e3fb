//! [`Pace`]: which calls are answered where they are taken, and which get a task of their own.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::time::Instant;

/// How long a handler may hold its thread at once and still be quick: some ten times what a task
/// of its own costs.
const QUICK: Duration = Duration::from_micros(50);

/// So many handlers in a row have to be quick before the next one is trusted to be.
const IN_A_ROW: u32 = 32;

/// How an operation's handlers have treated their thread lately.
///
/// A task of its own lets calls run on all threads, but costs more than a short handler does. So
/// handlers that come to their end, or to their first wait, at once are run where requests are
/// taken; one that holds its thread for longer makes the next ones prove themselves again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pace(Arc<AtomicU32>);

/// A call whose first turn is timed.
pub(crate) struct Timed<F> {
    call: Pin<Box<F>>,
    pace: Option<Pace>,
}

impl Pace {
    /// May the next call be run where it was taken?
    pub(crate) fn is_quick(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= IN_A_ROW
    }

    pub(crate) fn time<F: Future<Output = ()>>(&self, call: F) -> Timed<F> {
        Timed { call: Box::pin(call), pace: Some(self.clone()) }
    }

    /// A call held its thread so long at its first turn.
    pub(crate) fn took(&self, turn: Duration) {
        let row = self.0.load(Ordering::Relaxed);
        // Of two at once one may be forgotten, which does no harm.
        match turn <= QUICK {
            true if row < IN_A_ROW => self.0.store(row + 1, Ordering::Relaxed),
            true => {}
            false => self.0.store(0, Ordering::Relaxed),
        }
    }
}

impl<F: Future<Output = ()>> Future for Timed<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<()> {
        let Some(pace) = self.pace.take() else { return self.call.as_mut().poll(context) };
        let began = Instant::now();
        let polled = self.call.as_mut().poll(context);
        pace.took(began.elapsed());
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handler_that_holds_its_thread_makes_the_next_ones_prove_themselves() {
        let pace = Pace::default();
        for _ in 0..IN_A_ROW {
            assert!(!pace.is_quick());
            pace.took(QUICK);
        }
        assert!(pace.is_quick());
        pace.took(QUICK + Duration::from_nanos(1));
        assert!(!pace.is_quick());
    }
}
