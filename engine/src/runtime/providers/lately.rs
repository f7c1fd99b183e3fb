//! [`Lately`]: up to when an operation is known to answer.
//!
//! A call that nobody answered tells of it at its deadline, and of a time long before: of when it
//! was sent. What was sent later and answered says more about how the operation is now.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::runtime::clock::monotonic;

/// Moments that are closer to the last one are not kept: most calls only read.
const STEP_MS: u64 = 10;

/// When the call was sent that was answered and was sent last.
#[derive(Debug)]
pub(super) struct Lately {
    since: Instant,
    /// In milliseconds since then.
    sent_ms: AtomicU64,
}

impl Lately {
    pub(super) fn new() -> Self {
        Self { since: monotonic(), sent_ms: AtomicU64::new(0) }
    }

    /// A call that was sent at this moment was answered.
    pub(super) fn answered(&self, sent: Instant) {
        let sent = self.moment(sent);
        if sent >= self.sent_ms.load(Ordering::Relaxed).saturating_add(STEP_MS) {
            self.sent_ms.fetch_max(sent, Ordering::Relaxed);
        }
    }

    /// Was a call answered that was sent later than at this moment?
    pub(super) fn has_answered_since(&self, sent: Instant) -> bool {
        self.sent_ms.load(Ordering::Relaxed) > self.moment(sent)
    }

    fn moment(&self, at: Instant) -> u64 {
        let since = at.checked_duration_since(self.since).unwrap_or(Duration::ZERO);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decision_46_what_was_sent_later_and_answered_says_more() {
        let lately = Lately::new();
        let at = |ms: u64| lately.since + Duration::from_millis(ms);
        assert!(!lately.has_answered_since(at(0)), "nothing was answered yet");
        lately.answered(at(50));
        assert!(lately.has_answered_since(at(0)) && lately.has_answered_since(at(49)));
        assert!(!lately.has_answered_since(at(50)) && !lately.has_answered_since(at(80)));
        lately.answered(at(20));
        lately.answered(at(55));
        assert!(lately.has_answered_since(at(49)), "it does not go back");
        assert!(!lately.has_answered_since(at(51)), "and is not exact to the millisecond");
    }
}
