//! Clock: the one reader of the wall clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use gearshift_machine::definition::duration::format as format_ms;
use gearshift_machine::machine::Timestamp;
use tokio::sync::Notify;

/// Where the runtime gets its time from: the system, or a test that moves it by hand.
#[derive(Clone, Debug, Default)]
pub enum Clock {
    /// The system's wall clock.
    #[default]
    System,
    /// A moment that only [`Clock::advance`] moves.
    Virtual(Arc<VirtualTime>),
}

/// A hand-moved moment and those who wait for it.
#[derive(Debug, Default)]
pub struct VirtualTime {
    now_ms: AtomicI64,
    moved: Notify,
}

impl Clock {
    /// A virtual clock that stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        let time = VirtualTime { now_ms: AtomicI64::new(now.0), moved: Notify::new() };
        Self::Virtual(Arc::new(time))
    }

    /// The current moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match self {
            Self::System => system_now(),
            Self::Virtual(time) => Timestamp(time.now_ms.load(Ordering::Acquire)),
        }
    }

    /// Moves a virtual clock on; does nothing to the system's.
    pub fn advance(&self, by: Duration) {
        if let Self::Virtual(time) = self {
            let step = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
            time.now_ms.fetch_add(step, Ordering::AcqRel);
            time.moved.notify_waiters();
        }
    }

    /// Returns when the clock has reached `due`.
    pub async fn sleep_until(&self, due: Timestamp) {
        match self {
            Self::System => {
                // Sub-millisecond part kept: a truncated wait would wake before the moment.
                loop {
                    let wait = due.since_ms(system_now());
                    if wait == 0 {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
            Self::Virtual(time) => loop {
                let moved = time.moved.notified();
                if Timestamp(time.now_ms.load(Ordering::Acquire)) >= due {
                    return;
                }
                moved.await;
            },
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
fn system_now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// A duration as people read it: `300ms`, `10s`.
pub(crate) fn span(duration: Duration) -> String {
    format_ms(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

/// A point on the monotonic clock, for measuring how long something took.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "durations are measured on the monotonic clock")]
pub fn monotonic() -> Instant {
    Instant::now()
}
