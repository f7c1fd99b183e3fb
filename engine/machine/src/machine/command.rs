//! Command: what an operator can order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{Pin, Timestamp};
use super::progress::Clocks;
use super::trace_context::TraceContext;
use crate::value::Value;

/// An operator's orders to one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Decide an open approval by one of its choices.
    Decide {
        /// The choice, such as `approve`.
        choice: Arc<str>,
        /// Further fields of the event's payload.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "crate::value::present"
        )]
        data: Option<Value>,
    },
    /// End softly: exit actions run (rule 20).
    Cancel,
    /// End at once: nothing runs (rule 20).
    Kill,
    /// Re-run what made the instance stuck.
    Retry,
    /// Leave what made the instance stuck behind and go on.
    Skip,
    /// Go on under another version of the definition.
    Migrate {
        /// Which version.
        version: u32,
        /// States that are called differently there: the old and the new one.
        states: Vec<super::migrate::Renamed>,
    },
    /// Go on under a version that has further steps, which was made for it.
    Extend {
        /// The version that the steps were added to: another one would lose what it has.
        from: Pin,
        /// The version with them.
        version: u32,
    },
    /// Hold the instance: events are parked, replies are kept, no timer fires, nothing is retried.
    Pause {
        /// What becomes of its timers.
        clocks: Clocks,
    },
    /// Let a paused instance go on.
    Resume,
    /// Take back what was done, newest first, then wait for a person.
    RollBack {
        /// Down to this step, it included; all of it where absent.
        from: Option<Arc<str>>,
    },
    /// Write to declared variables or members of them.
    Set {
        /// Where, and what.
        values: Vec<(Arc<str>, Value)>,
    },
    /// Save a point that a fork can begin from.
    Checkpoint {
        /// Its name; an earlier one of the same name is replaced.
        name: Arc<str>,
    },
    /// Fire or move an armed timer.
    Timer {
        /// [`super::Timer::id`].
        timer: u32,
        /// Which of it.
        order: TimerOrder,
    },
    /// Begin the life of an instance where another one was; told to the new one.
    Fork(Box<Fork>),
    /// Begin a transaction; told to an instance of [`super::TRANSACTION`].
    Begin {
        /// How long it stays open before it is rolled back, in milliseconds.
        timeout_ms: u64,
    },
    /// Let stay what the members of a transaction did; told to the transaction.
    Commit,
    /// Begin a life in a transaction; told to the new instance.
    StartIn {
        /// Which version; the latest where absent.
        version: Option<u32>,
        /// What it is started with.
        input: Value,
        /// The transaction's name.
        transaction: Arc<str>,
        /// The name that whoever asked gave this start, where it got one.
        #[serde(default)]
        id: Option<Arc<str>>,
        /// The trace that whoever asked is in.
        #[serde(default)]
        trace_context: Option<Arc<TraceContext>>,
    },
}

impl Command {
    /// What the history calls it.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Decide { .. } => "command decide",
            Self::Cancel => "command cancel",
            Self::Kill => "command kill",
            Self::Retry => "command retry",
            Self::Skip => "command skip",
            Self::Migrate { .. } => "command migrate",
            Self::Extend { .. } => "command steps add",
            Self::Pause { .. } => "command pause",
            Self::Resume => "command resume",
            Self::RollBack { .. } => "command rollback",
            Self::Set { .. } => "command set",
            Self::Checkpoint { .. } => "command checkpoint",
            Self::Timer { order: TimerOrder::Fire, .. } => "command timer fire",
            Self::Timer { order: TimerOrder::At(_) | TimerOrder::By(_), .. } => {
                "command timer move"
            }
            Self::Fork(_) => "command fork",
            Self::Begin { .. } => "command begin",
            Self::Commit => "command commit",
            Self::StartIn { .. } => "start",
        }
    }
}

/// What an operator does to a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimerOrder {
    /// It is due now.
    Fire,
    /// It is due then.
    At(Timestamp),
    /// It is due so many milliseconds later, or earlier.
    By(i64),
}

/// What an instance that is a fork begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The instance it was taken from, as `workflow/key`.
    pub origin: Arc<str>,
    /// The checkpoint or step.
    pub from: Arc<str>,
    /// The definition both run.
    pub pin: Pin,
    /// The instance as it was there, encoded.
    #[serde(with = "super::bytes")]
    pub seed: Vec<u8>,
}
