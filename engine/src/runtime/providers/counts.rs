//! Counts: calls of one operation as this engine saw them end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Buckets of durations: the one at `n` holds those below `2^n` microseconds.
const BUCKETS: usize = 40;

/// Calls, failures among them, and how long they took.
#[derive(Debug)]
pub(super) struct Counts {
    calls: AtomicU64,
    errors: AtomicU64,
    micros: AtomicU64,
    took: [AtomicU64; BUCKETS],
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// Attempts that ended.
    pub(crate) calls: u64,
    /// Failures among them.
    pub(crate) errors: u64,
    /// How long an attempt took on average.
    pub(crate) average: Duration,
    /// At most as long took 99 of 100; up to the next power of two in microseconds.
    pub(crate) p99: Duration,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            micros: AtomicU64::new(0),
            took: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Counts {
    /// An attempt ended.
    pub(super) fn add(&self, took: Duration, failed: bool) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        if failed {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        let bits = usize::try_from(u64::BITS - micros.leading_zeros()).unwrap_or(BUCKETS);
        if let Some(bucket) = self.took.get(bits.min(BUCKETS - 1)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn read(&self) -> Counted {
        let calls = self.calls.load(Ordering::Relaxed);
        let micros = self.micros.load(Ordering::Relaxed);
        let most = calls - calls / 100;
        let mut seen = 0;
        let at = self.took.iter().position(|bucket| {
            seen += bucket.load(Ordering::Relaxed);
            seen >= most
        });
        let p99 = at.filter(|_| calls > 0).map_or(0, |at| 1_u64 << at);
        Counted {
            calls,
            errors: self.errors.load(Ordering::Relaxed),
            average: Duration::from_micros(micros.checked_div(calls).unwrap_or(0)),
            p99: Duration::from_micros(p99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ninety_nine_of_a_hundred_took_no_longer() {
        let counts = Counts::default();
        assert_eq!(counts.read(), Counted::default());
        for _ in 0..99 {
            counts.add(Duration::from_micros(900), false);
        }
        counts.add(Duration::from_millis(500), true);
        let counted = counts.read();
        assert_eq!((counted.calls, counted.errors), (100, 1));
        assert_eq!(counted.p99, Duration::from_micros(1_024));
        counts.add(Duration::from_secs(1), true);
        counts.add(Duration::from_secs(1), true);
        assert!(counts.read().p99 >= Duration::from_millis(500));
    }
}
