//! A schedule as its partition keeps it: when it is due next, and what it started.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::schedule_orders::{LeftOut, ScheduleOrdered, SchedulePause};
use crate::definition::model::Recurrence;
use crate::machine::{
    Codec, DecodeError, EffectId, InstanceKey, Out, Principal, Reader, Timestamp,
};

/// What a partition is told of a schedule of its own. Moments come from whoever has a calendar.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ScheduleOrder {
    /// It is deployed: from now on it is due like this. Nothing changes where that is known.
    Plan {
        /// When it is due.
        recurrence: Recurrence,
        /// The first moment; `None` where there is none any more.
        next: Option<Timestamp>,
    },
    /// No definition has it any more. What it started runs on.
    Retire,
    /// It is due.
    Due {
        /// The moment that was kept as its next.
        from: Timestamp,
        /// How many moments before `moments` were due as well.
        missed: u64,
        /// The moments that are due, oldest first.
        moments: Vec<Timestamp>,
        /// The first moment that is not due yet.
        after: Option<Timestamp>,
    },
    /// A person wants a start now.
    Trigger {
        /// Who.
        by: Principal,
        /// Why.
        #[serde(default)]
        reason: Arc<str>,
    },
    /// A person wants no starts by the calendar; what was started runs on.
    Pause {
        /// Who.
        by: Principal,
        /// Why.
        reason: Arc<str>,
    },
    /// The calendar counts again.
    Resume {
        /// Who.
        by: Principal,
        /// Why.
        reason: Arc<str>,
    },
}

impl ScheduleOrder {
    /// Does a person give it, and not the calendar?
    #[must_use]
    pub const fn is_by_hand(&self) -> bool {
        match self {
            Self::Trigger { .. } | Self::Pause { .. } | Self::Resume { .. } => true,
            Self::Plan { .. } | Self::Retire | Self::Due { .. } => false,
        }
    }
}

/// A start of a schedule that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduledRun {
    /// What the end of the instance will name.
    pub(super) call: EffectId,
    /// The instance.
    pub key: InstanceKey,
    /// For which moment.
    pub due: Timestamp,
    /// Was it told to end?
    pub(super) cancelled: bool,
}

/// A moment whose start waits for the end of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingMoment {
    /// The moment.
    pub due: Timestamp,
    /// Who asked; empty for the calendar.
    pub by: Arc<str>,
}

/// What is kept of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleState {
    /// When it is due.
    pub recurrence: Recurrence,
    /// The next moment.
    pub next: Option<Timestamp>,
    /// The last moment that something was started for.
    pub last: Option<Timestamp>,
    /// What was started then.
    pub last_key: Option<InstanceKey>,
    /// What was started and has not ended, oldest first.
    pub running: Vec<ScheduledRun>,
    /// What starts when that has ended, oldest first.
    pub waiting: Vec<WaitingMoment>,
    /// How many instances it started.
    pub started: u64,
    /// How many moments it left out.
    pub skipped: u64,
    /// The last number that made an effect's id.
    pub(super) number: u64,
    /// Who paused it, where somebody did.
    #[serde(default)]
    pub paused: Option<SchedulePause>,
    /// What people ordered, oldest first; of many the last ten.
    #[serde(default)]
    pub orders: Vec<ScheduleOrdered>,
    /// The last moment that was left out since it started something.
    #[serde(default)]
    pub left_out: Option<LeftOut>,
}

impl ScheduleState {
    pub(super) const fn new(recurrence: Recurrence) -> Self {
        Self {
            recurrence,
            next: None,
            last: None,
            last_key: None,
            running: Vec::new(),
            waiting: Vec::new(),
            started: 0,
            skipped: 0,
            number: 0,
            paused: None,
            orders: Vec::new(),
            left_out: None,
        }
    }
}

impl Codec for Recurrence {
    fn write(&self, out: &mut Out) {
        match self {
            Self::Cron { pattern, zone } => {
                out.byte(0);
                pattern.write(out);
                zone.write(out);
            }
            Self::Every { period_ms } => {
                out.byte(1);
                period_ms.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let tag = from.byte()?;
        tagged(tag, from)
    }
}

/// A recurrence whose first byte was read.
fn tagged(tag: u8, from: &mut Reader<'_>) -> Result<Recurrence, DecodeError> {
    Ok(match tag {
        0 => Recurrence::Cron { pattern: Codec::read(from)?, zone: Codec::read(from)? },
        1 => Recurrence::Every { period_ms: Codec::read(from)? },
        _ => return Err(DecodeError::Invalid("recurrence")),
    })
}

/// Stands where a recurrence begins, of which it is no tag: what people did with the schedule, and
/// why it left moments out, comes first. Without any of it the bytes are those of earlier versions.
const EXTRAS: u8 = 6;

impl Codec for ScheduledRun {
    fn write(&self, out: &mut Out) {
        self.call.write(out);
        self.key.write(out);
        self.due.write(out);
        self.cancelled.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            call: Codec::read(from)?,
            key: Codec::read(from)?,
            due: Codec::read(from)?,
            cancelled: Codec::read(from)?,
        })
    }
}

impl Codec for WaitingMoment {
    fn write(&self, out: &mut Out) {
        self.due.write(out);
        self.by.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { due: Codec::read(from)?, by: Codec::read(from)? })
    }
}

impl Codec for ScheduleState {
    fn write(&self, out: &mut Out) {
        if self.paused.is_some() || !self.orders.is_empty() || self.left_out.is_some() {
            out.byte(EXTRAS);
            self.paused.write(out);
            self.orders.write(out);
            self.left_out.write(out);
        }
        self.recurrence.write(out);
        self.next.write(out);
        self.last.write(out);
        self.last_key.write(out);
        self.running.write(out);
        self.waiting.write(out);
        self.started.write(out);
        self.skipped.write(out);
        self.number.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut tag = from.byte()?;
        let (mut paused, mut orders, mut left_out) = (None, Vec::new(), None);
        if tag == EXTRAS {
            (paused, orders, left_out) =
                (Codec::read(from)?, Codec::read(from)?, Codec::read(from)?);
            tag = from.byte()?;
        }
        Ok(Self {
            recurrence: tagged(tag, from)?,
            next: Codec::read(from)?,
            last: Codec::read(from)?,
            last_key: Codec::read(from)?,
            running: Codec::read(from)?,
            waiting: Codec::read(from)?,
            started: Codec::read(from)?,
            skipped: Codec::read(from)?,
            number: Codec::read(from)?,
            paused,
            orders,
            left_out,
        })
    }
}
