//! Schedules: the moments at which a workflow starts by itself.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::definition::duration;
use crate::definition::expr::Template;
use crate::machine::{InstanceKey, Timestamp};

/// One entry of `schedules:`.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Its name.
    pub name: Arc<str>,
    /// When it is due.
    pub recurrence: Recurrence,
    /// `overlap:`: what a due moment does while an earlier start still runs.
    pub overlap: Overlap,
    /// `catch_up:`: what becomes of moments that nobody was there for.
    pub catch_up: CatchUp,
    /// `key:`: the key of the instance; the schedule's name and the due moment where there is none.
    pub key: Option<Template>,
    /// `input:`: what it is started with; `data` where there is none.
    pub input: Option<Template>,
}

impl Schedule {
    /// The first part of a schedule's own key; no workflow has this name.
    pub const WORKFLOW: &str = "@schedule";

    /// The key under which the schedule `name` of `workflow` is kept; its hash says where.
    ///
    /// # Errors
    /// What is wrong with the names: together they are too long.
    pub fn key(workflow: &str, name: &str) -> Result<InstanceKey, String> {
        InstanceKey::new(Self::WORKFLOW, &format!("{workflow}/{name}"))
    }

    /// Workflow and name of the schedule that is kept under `key`.
    #[must_use]
    pub fn of_key(key: &InstanceKey) -> Option<(&str, &str)> {
        (key.workflow() == Self::WORKFLOW).then(|| key.key().split_once('/')).flatten()
    }
}

/// When a schedule is due. What a `cron` pattern means is the calendar's business, which the
/// machine has not: it is told moments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recurrence {
    /// `cron:` in `zone:`.
    Cron {
        /// Five or six fields.
        pattern: Arc<str>,
        /// A name of the time zone database.
        zone: Arc<str>,
    },
    /// `every:`: at the multiples of this many milliseconds since 1970-01-01T00:00:00Z.
    Every {
        /// Milliseconds.
        period_ms: u64,
    },
}

impl Recurrence {
    /// The least time between two due moments, in milliseconds: what starts more often is an
    /// event, or a timer of an instance that runs.
    pub const PERIOD_MS_MIN: u64 = 5_000;

    /// The next moment behind `after`, where no calendar is needed to know.
    #[must_use]
    pub fn next_period(period_ms: u64, after: Timestamp) -> Option<Timestamp> {
        let period = i64::try_from(period_ms).ok().filter(|period| *period > 0)?;
        let next = after.0.div_euclid(period).checked_add(1)?.checked_mul(period)?;
        Some(Timestamp(next))
    }
}

impl fmt::Display for Recurrence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cron { pattern, zone } => write!(formatter, "cron {pattern} {zone}"),
            Self::Every { period_ms } => {
                write!(formatter, "every {}", duration::format(*period_ms))
            }
        }
    }
}

/// What a due moment does while an earlier start of the schedule still runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It starts beside the other.
    Allow,
    /// It waits until the other has ended.
    Queue,
    /// The other is cancelled; it starts when that has ended.
    CancelPrevious,
}

impl Overlap {
    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Allow => "allow",
            Self::Queue => "queue",
            Self::CancelPrevious => "cancel_previous",
        }
    }
}

/// What becomes of due moments that nobody was there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// They are left out.
    None,
    /// The latest of them is made up for.
    #[default]
    One,
    /// Each of them is made up for, oldest first, the last hundred of them.
    All,
}

impl CatchUp {
    /// The word in the file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::One => "one",
            Self::All => "all",
        }
    }
}
