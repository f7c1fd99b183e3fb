//! What people order of a schedule, and what is remembered of it: nothing else has a history of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::schedule::{ScheduleState, WaitingMoment};
use crate::machine::{Codec, DecodeError, InstanceKey, Out, Outcome, Reader, Timestamp};

/// Orders that are remembered of one schedule.
const ORDERS_MAX: usize = 10;
/// Bytes of the words of a person, or of a reason, that are remembered.
const WORDS_MAX: usize = 400;
/// A start that a person wants now.
const TRIGGER: &str = "trigger";

/// Who paused a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulePause {
    /// Since when.
    pub since: Timestamp,
    /// Who.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
}

/// What a person ordered of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleOrdered {
    /// When.
    pub at: Timestamp,
    /// `trigger`, `pause` or `resume`.
    pub what: Arc<str>,
    /// Who.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// What came of it, in words; empty where it is what was ordered.
    pub came: Arc<str>,
}

/// A moment that a schedule left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// When that was decided.
    pub at: Timestamp,
    /// Why.
    pub reason: Arc<str>,
}

/// As much of it as is remembered.
pub(super) fn short(text: &str) -> Arc<str> {
    let fits = text.char_indices().map(|(at, letter)| at + letter.len_utf8());
    let end = fits.take_while(|end| *end <= WORDS_MAX).last().unwrap_or(0);
    text.get(..end).unwrap_or_default().into()
}

impl ScheduleState {
    /// It is paused, or goes on; why not, where that changes nothing.
    pub(super) fn hold(
        &mut self,
        pauses: bool,
        (by, reason): (&Arc<str>, &Arc<str>),
        at: Timestamp,
    ) -> Result<(), String> {
        match (&self.paused, pauses) {
            (Some(SchedulePause { by, since, .. }), true) => {
                let by = if by.is_empty() { "somebody" } else { &**by };
                return Err(format!("the schedule is paused already, by {by} since {since}"));
            }
            (None, false) => return Err("the schedule is not paused".to_owned()),
            (None, true) => {
                let (by, reason) = (short(by), short(reason));
                self.paused = Some(SchedulePause { since: at, by, reason });
            }
            (Some(_), false) => self.paused = None,
        }
        self.remember(if pauses { "pause" } else { "resume" }, (by, reason), "", at);
        Ok(())
    }

    /// A person wants a start now.
    pub(super) fn remember_trigger(&mut self, (by, reason): (&Arc<str>, &Arc<str>), at: Timestamp) {
        self.remember(TRIGGER, (by, reason), "", at);
    }

    /// Why a person wanted the start of this moment, where that is remembered.
    pub(super) fn reason_of(&self, wanted: &WaitingMoment) -> Arc<str> {
        let is_it = |order: &&ScheduleOrdered| {
            *order.what == *TRIGGER && order.at == wanted.due && *order.by == *short(&wanted.by)
        };
        let order = self.orders.iter().rfind(is_it);
        order.map_or_else(Arc::default, |order| Arc::clone(&order.reason))
    }

    /// What came of the start that a person wanted last.
    pub(super) fn tell_trigger(&mut self, came: &Outcome) {
        let key = || self.last_key.as_ref().map(InstanceKey::to_string).unwrap_or_default();
        let came = match came {
            Outcome::Started { .. } => format!("started {}", key()),
            Outcome::Deferred => "waits for the end of an earlier start".to_owned(),
            Outcome::Rejected { reason, .. } => format!("not started: {reason}"),
            Outcome::Transitioned { .. }
            | Outcome::Ignored { .. }
            | Outcome::Duplicate { .. }
            | Outcome::IdReuse { .. }
            | Outcome::Denied { .. }
            | Outcome::DeadLettered { .. }
            | Outcome::Stuck { .. }
            | Outcome::NotFound { .. }
            | Outcome::Busy { .. }
            | Outcome::Done => String::new(),
        };
        if let Some(order) = self.orders.last_mut() {
            order.came = short(&came);
        }
    }

    fn remember(
        &mut self,
        what: &str,
        (by, reason): (&Arc<str>, &Arc<str>),
        came: &str,
        at: Timestamp,
    ) {
        if self.orders.len() >= ORDERS_MAX {
            self.orders.remove(0);
        }
        let (by, reason, came) = (short(by), short(reason), short(came));
        self.orders.push(ScheduleOrdered { at, what: what.into(), by, reason, came });
    }
}

impl Codec for SchedulePause {
    fn write(&self, out: &mut Out) {
        self.since.write(out);
        self.by.write(out);
        self.reason.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { since: Codec::read(from)?, by: Codec::read(from)?, reason: Codec::read(from)? })
    }
}

impl Codec for ScheduleOrdered {
    fn write(&self, out: &mut Out) {
        self.at.write(out);
        self.what.write(out);
        self.by.write(out);
        self.reason.write(out);
        self.came.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            at: Codec::read(from)?,
            what: Codec::read(from)?,
            by: Codec::read(from)?,
            reason: Codec::read(from)?,
            came: Codec::read(from)?,
        })
    }
}

impl Codec for LeftOut {
    fn write(&self, out: &mut Out) {
        self.at.write(out);
        self.reason.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { at: Codec::read(from)?, reason: Codec::read(from)? })
    }
}
