//! Breaker: an operation whose last calls failed is left alone for a while.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use gearshift_machine::definition::model::BreakerRules;
use gearshift_machine::machine::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::lately::Lately;

/// The breaker of one operation. Each engine counts the failures that it sees itself; that it is
/// open is known to all of them.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// `<plugin>.v<major>.<operation>`.
    pub(super) key: Box<str>,
    /// Does it open at all?
    opens: bool,
    /// Failures in a row, as this engine saw them.
    failures: AtomicU32,
    /// Is there something in `tripped`? The one thing that the way of most calls looks at.
    open: AtomicBool,
    /// Is somebody here about to claim its one call?
    claiming: AtomicBool,
    tripped: watch::Sender<Option<Tripped>>,
    /// Since when it is known to answer.
    pub(super) lately: Lately,
}

/// That a breaker is not closed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tripped {
    /// Is one call tried just now?
    pub half_open: bool,
    /// When it opened.
    pub since: Timestamp,
    /// When the next call is tried.
    pub until: Timestamp,
    /// Failures in a row that opened it.
    pub failures: u32,
    /// The last one.
    pub error: String,
    /// The engine that wrote this.
    pub by: String,
    /// The id of the call that is tried just now, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// The write of the bucket that made it; 0 where it is on its way.
    #[serde(skip)]
    pub(super) revision: u64,
}

/// What the breaker says to a call.
#[derive(Debug, PartialEq)]
pub(super) enum Gate {
    /// Go on.
    Closed,
    /// Not before `until`, or before it is closed.
    Held(Tripped),
    /// One call may be tried, by whoever claims it.
    Due(Tripped),
}

impl Breaker {
    pub(super) fn new(key: &str) -> Self {
        Self {
            key: key.into(),
            opens: true,
            failures: AtomicU32::new(0),
            open: AtomicBool::new(false),
            claiming: AtomicBool::new(false),
            tripped: watch::Sender::new(None),
            lately: Lately::new(),
        }
    }

    /// One that stays closed.
    pub(super) fn never(key: &str) -> Self {
        Self { opens: false, ..Self::new(key) }
    }

    /// Go on, as far as it is concerned?
    pub(super) fn is_closed(&self) -> bool {
        !self.open.load(Ordering::Acquire)
    }

    pub(super) fn tripped(&self) -> Option<Tripped> {
        self.tripped.borrow().clone()
    }

    pub(super) fn gate(&self, now: Timestamp) -> Gate {
        match self.tripped() {
            None => Gate::Closed,
            Some(tripped) if now < tripped.until => Gate::Held(tripped),
            Some(tripped) => Gate::Due(tripped),
        }
    }

    /// Who may try to claim its one call: of many that wait here one at a time.
    pub(super) fn claims(&self) -> Option<Claim<'_>> {
        let is_first = !self.claiming.swap(true, Ordering::AcqRel);
        is_first.then_some(Claim(self))
    }

    /// It answered a call while closed.
    pub(super) fn well(&self) {
        // A read costs less than a write that all processors hear of.
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// A call failed while closed; what it says now where that opened it.
    pub(super) fn bad(
        &self,
        rules: BreakerRules,
        now: Timestamp,
        error: &str,
        by: &str,
    ) -> Option<Tripped> {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures < rules.threshold || !self.opens {
            return None;
        }
        let opened = Tripped {
            half_open: false,
            since: now,
            until: now.plus_ms(rules.reset_ms),
            failures,
            error: error.to_owned(),
            by: by.to_owned(),
            call: None,
            revision: 0,
        };
        let is_new = self.tripped.send_if_modified(|tripped| {
            let is_new = tripped.is_none();
            if is_new {
                *tripped = Some(opened.clone());
                self.open.store(true, Ordering::Release);
            }
            is_new
        });
        is_new.then_some(opened)
    }

    /// It is so, as somebody found.
    pub(super) fn set(&self, now: Option<Tripped>) {
        self.tripped.send_modify(|tripped| {
            // What was written later counts; what is on its way is newer than what is known.
            let is_older =
                |new: &Tripped, known: &Tripped| new.revision != 0 && new.revision < known.revision;
            if let (Some(new), Some(known)) = (&now, &*tripped)
                && is_older(new, known)
            {
                return;
            }
            self.failures.store(0, Ordering::Relaxed);
            self.open.store(now.is_some(), Ordering::Release);
            *tripped = now;
        });
    }

    /// Resolves once it is not as it `was`.
    pub(super) async fn changed(&self, was: &Tripped) {
        let mut seen = self.tripped.subscribe();
        // A write that arrives changes nothing for those who wait.
        let same = |now: &Tripped| {
            (now.half_open, now.until, &now.call) == (was.half_open, was.until, &was.call)
        };
        // The sender lives as long as this borrow, so waiting cannot fail.
        drop(seen.wait_for(|now| !now.as_ref().is_some_and(same)).await);
    }
}

/// The turn to claim, until it is dropped.
pub(super) struct Claim<'b>(&'b Breaker);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.claiming.store(false, Ordering::Release);
    }
}

impl Tripped {
    /// Is this the call that is tried just now?
    pub(super) fn is_trying(&self, call: &str) -> bool {
        self.half_open && self.call.as_deref() == Some(call)
    }

    /// `the breaker of x is open: 5 failures in a row, the last: …`.
    pub(crate) fn words(&self, key: &str) -> String {
        let Self { half_open, until, failures, error, .. } = self;
        let state = match half_open {
            true => "half open, one call is tried".to_owned(),
            false => format!("open, the next call is tried at {until}"),
        };
        let failures = match failures {
            1 => "one failure".to_owned(),
            several => format!("{several} failures in a row, the last"),
        };
        format!("the breaker of `{key}` is {state}: {failures}: {error}")
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
