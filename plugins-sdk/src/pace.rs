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

/// What one handler that is quick adds to the trust in the next ones is 1; this is what one that
/// is not takes away. So the trust grows as long as fewer than one in 17 are not quick.
const SLOW: u32 = 16;

/// The most trust there is, and how much of it is needed: from the top two that are not quick in
/// short order lose it.
const TRUST_MAX: u32 = 3 * SLOW;
const TRUSTED: u32 = SLOW + 1;

/// How an operation's handlers have treated their thread lately.
///
/// A task of its own lets calls run on all threads, but costs more than a short handler does. So
/// handlers that come to their end, or to their first wait, at once are run where requests are
/// taken; where some hold their thread for longer, the next ones have to prove themselves again.
/// One is not enough: where processors are busy, the system takes the thread away from some, which
/// looks the same.
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
        self.0.load(Ordering::Relaxed) >= TRUSTED
    }

    pub(crate) fn time<F: Future<Output = ()>>(&self, call: F) -> Timed<F> {
        Timed { call: Box::pin(call), pace: Some(self.clone()) }
    }

    /// A call held its thread so long at its first turn.
    pub(crate) fn took(&self, turn: Duration) {
        let trust = self.0.load(Ordering::Relaxed);
        // Of two at once one may be forgotten, which does no harm.
        match turn <= QUICK {
            true if trust < TRUST_MAX => self.0.store(trust + 1, Ordering::Relaxed),
            true => {}
            false => self.0.store(trust.saturating_sub(SLOW), Ordering::Relaxed),
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

    const LATE: Duration = Duration::from_micros(51);

    fn after(turns: impl IntoIterator<Item = Duration>) -> Pace {
        let pace = Pace::default();
        turns.into_iter().for_each(|turn| pace.took(turn));
        pace
    }

    #[test]
    fn handlers_that_hold_their_thread_make_the_next_ones_prove_themselves() {
        let pace = Pace::default();
        for _ in 0..TRUSTED {
            assert!(!pace.is_quick());
            pace.took(QUICK);
        }
        assert!(pace.is_quick());
        pace.took(LATE);
        assert!(!pace.is_quick());
        let always = (0..1_000).map(|at| if at < 998 { QUICK } else { LATE });
        assert!(!after(always).is_quick());
    }

    #[test]
    fn one_in_fifty_loses_no_trust_and_one_in_ten_gets_none() {
        let trusted = |every: u32| {
            let pace = Pace::default();
            let turns = (1..=1_000).map(|at| if at % every == 0 { LATE } else { QUICK });
            let trusted = turns.filter(|turn| {
                pace.took(*turn);
                pace.is_quick()
            });
            trusted.count()
        };
        assert!(trusted(50) > 980, "{}", trusted(50));
        assert!(trusted(10) < 20, "{}", trusted(10));
    }
}
