//! Counts: calls of one operation as this engine saw them end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Durations below so many microseconds have a bucket each.
const EXACT: usize = 16;
/// Buckets of durations: above [`EXACT`] eight of each power of two microseconds, up to `2^40`.
const BUCKETS: usize = EXACT + (40 - 4) * 8;
/// Between two warnings about the same operation.
const WARNED_EVERY: Duration = Duration::from_secs(60);

/// Calls, failures among them, and how long they took.
#[derive(Debug)]
pub(super) struct Counts {
    sent: AtomicU64,
    waiting: AtomicU64,
    calls: AtomicU64,
    errors: AtomicU64,
    conflicts: AtomicU64,
    /// When a person was told of the last ones.
    warned: Mutex<Option<Instant>>,
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
    /// Attempts that were answered once more, otherwise than the first time.
    pub(crate) conflicts: u64,
    /// How long an attempt took on average.
    pub(crate) average: Duration,
    /// At most as long took 99 of 100; too long by an eighth at most.
    pub(crate) p99: Duration,
    /// Attempts that were sent and have not ended.
    pub(crate) in_flight: u64,
    /// Attempts that are held and were not sent.
    pub(crate) waiting: u64,
}

/// An attempt that is held, until this is dropped.
#[derive(Debug)]
pub(super) struct Waits<'c>(&'c AtomicU64);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            sent: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            conflicts: AtomicU64::new(0),
            warned: Mutex::new(None),
            micros: AtomicU64::new(0),
            took: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }
}

impl Counts {
    /// An attempt is held from now on.
    pub(super) fn waits(&self) -> Waits<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waits(&self.waiting)
    }

    /// An attempt is sent; [`Counts::is_back`] follows, whatever becomes of it.
    pub(super) fn is_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// Nobody waits for that attempt any more.
    pub(super) fn is_back(&self) {
        self.sent.fetch_sub(1, Ordering::Relaxed);
    }

    /// An attempt ended; how long it took is not known where another engine sent it.
    pub(super) fn add(&self, took: Option<Duration>, failed: bool) {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if failed {
            self.errors.fetch_add(1, Ordering::Relaxed);
        }
        let Some(took) = took else { return };
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.micros.fetch_add(micros, Ordering::Relaxed);
        if let Some(bucket) = self.took.get(bucket_of(micros)) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An attempt was answered once more, and otherwise (row P3); how often that happened, where it
    /// is time to tell a person.
    pub(super) fn answered_otherwise(&self, now: Instant) -> Option<u64> {
        let conflicts = self.conflicts.fetch_add(1, Ordering::Relaxed) + 1;
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_some_and(|before| now.duration_since(before) < WARNED_EVERY) {
            return None;
        }
        *warned = Some(now);
        Some(conflicts)
    }

    pub(super) fn read(&self) -> Counted {
        let calls = self.calls.load(Ordering::Relaxed);
        let micros = self.micros.load(Ordering::Relaxed);
        let timed: u64 = self.took.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum();
        let most = timed - timed / 100;
        let mut seen = 0;
        let at = self.took.iter().position(|bucket| {
            seen += bucket.load(Ordering::Relaxed);
            seen >= most
        });
        let p99 = at.filter(|_| timed > 0).map_or(0, longest_of);
        Counted {
            calls,
            errors: self.errors.load(Ordering::Relaxed),
            conflicts: self.conflicts.load(Ordering::Relaxed),
            average: Duration::from_micros(micros.checked_div(timed).unwrap_or(0)),
            p99: Duration::from_micros(p99),
            in_flight: self.sent.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
        }
    }
}

/// The bucket of a duration in microseconds: its highest four bits, and how many are behind them.
fn bucket_of(micros: u64) -> usize {
    let bits = u64::BITS - micros.leading_zeros();
    let Some(behind) = bits.checked_sub(4).filter(|behind| *behind > 0) else {
        return usize::try_from(micros).unwrap_or(0);
    };
    let highest = usize::try_from(micros >> behind).unwrap_or(0);
    let at = EXACT + (usize::try_from(behind).unwrap_or(0) - 1) * 8 + (highest - 8);
    at.min(BUCKETS - 1)
}

/// The longest duration of a bucket, in microseconds.
fn longest_of(bucket: usize) -> u64 {
    let Some(above) = bucket.checked_sub(EXACT) else { return bucket as u64 };
    let (behind, highest) = (above / 8 + 1, above % 8 + 8);
    ((highest as u64 + 1) << behind) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_told_too_long_by_an_eighth_at_most() {
        let shorts = 0..2_000_u64;
        let longs = (11..39).flat_map(|bits| [1_u64 << bits, (1 << bits) + 1, (3 << bits) - 1]);
        for micros in shorts.chain(longs) {
            let told = longest_of(bucket_of(micros));
            assert!(told >= micros && told <= micros + micros / 8, "{micros}: {told}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn ninety_nine_of_a_hundred_took_no_longer() {
        let counts = Counts::default();
        assert_eq!(counts.read(), Counted::default());
        for _ in 0..99 {
            counts.add(Some(Duration::from_micros(900)), false);
        }
        counts.add(Some(Duration::from_millis(500)), true);
        let counted = counts.read();
        assert_eq!((counted.calls, counted.errors), (100, 1));
        assert_eq!(counted.p99, Duration::from_micros(959));
        counts.add(Some(Duration::from_secs(1)), true);
        counts.add(Some(Duration::from_secs(1)), true);
        assert!(counts.read().p99 >= Duration::from_millis(500));
    }

    #[test]
    fn p11_what_is_under_way_and_what_waits_is_counted_until_it_is_over() {
        let counts = Counts::default();
        counts.is_sent();
        let (one, two) = (counts.waits(), counts.waits());
        assert_eq!((counts.read().in_flight, counts.read().waiting), (1, 2));
        drop(one);
        counts.is_back();
        assert_eq!((counts.read().in_flight, counts.read().waiting), (0, 1));
        drop(two);
        assert_eq!(counts.read(), Counted::default());
    }

    #[test]
    fn p3_conflicts_are_counted_each_and_told_once_a_minute() {
        let counts = Counts::default();
        let now = crate::runtime::clock::monotonic();
        let told = [0, 1, 59, 60, 61]
            .map(|seconds| counts.answered_otherwise(now + Duration::from_secs(seconds)));
        assert_eq!(told, [Some(1), None, None, Some(4), None]);
        assert_eq!(counts.read(), Counted { conflicts: 5, ..Counted::default() });
    }

    #[test]
    fn what_took_nobody_knows_how_long_is_counted_and_tells_no_time() {
        let counts = Counts::default();
        counts.add(None, true);
        assert_eq!(counts.read(), Counted { calls: 1, errors: 1, ..Counted::default() });
        counts.add(Some(Duration::from_micros(900)), false);
        assert_eq!(counts.read().average, Duration::from_micros(900));
    }
}
