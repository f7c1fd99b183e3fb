//! Due times as data (rules 30-34): nothing here waits, `next_due()` says when to come back.

use super::ids::{StateId, Timestamp, TransitionId};
use super::input::{Event, EventKind};
use super::instance::{Instance, Status, Stuck, Timer, TimerKind};
use super::macrostep::{Again, Taken};
use super::outcome::Outcome;
use super::work::{ActionError, Failure, Origin, Overrun, Work};
use crate::definition::duration;
use crate::definition::model::{Definition, Delay};
use crate::value::Value;

/// How long an ended instance stays readable, in milliseconds: 7 days (01 §5).
pub const RETENTION_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// Timers one instance may have armed: each `send` with a delay adds one.
pub const TIMERS_MAX: usize = 1_000;

/// The longest delay, in milliseconds: 100 years of 365.25 days (rule 34).
pub(super) const DELAY_MS_MAX: u64 = 36_525 * 24 * 60 * 60 * 1_000;

impl Instance {
    /// The moment of the earliest timer; `None` when there is none.
    ///
    /// The clocks of a stuck or paused instance stand still: what becomes due meanwhile fires as
    /// soon as it goes on (rule 32).
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        match self.status {
            Status::Stuck | Status::Paused => None,
            Status::Running
            | Status::Compensating
            | Status::Done
            | Status::Failed
            | Status::Cancelled => {
                let may_fire = self.timers.iter().filter(|timer| self.lets_fire(&timer.kind));
                may_fire.map(|timer| timer.due).min()
            }
        }
    }

    /// May a timer of this kind fire now? While something is taken back, only those of its calls.
    #[must_use]
    pub fn lets_fire(&self, kind: &TimerKind) -> bool {
        match kind {
            TimerKind::CallDeadline { .. } | TimerKind::CallRetry { .. } | TimerKind::Retention => {
                true
            }
            TimerKind::After { .. }
            | TimerKind::Send { .. }
            | TimerKind::SendTo { .. }
            | TimerKind::DeferredExpiry { .. }
            | TimerKind::Steps { .. }
            | TimerKind::MoreSteps { .. } => self.status != Status::Compensating,
        }
    }

    /// Ids of the timers due at `now`, in (due time, arm order) (rule 32).
    #[must_use]
    pub fn due_timers(&self, now: Timestamp) -> Vec<u32> {
        if self.next_due().is_none_or(|due| due > now) {
            return Vec::new();
        }
        let is_due = |timer: &&Timer| timer.due <= now && self.lets_fire(&timer.kind);
        let mut due: Vec<_> = self.timers.iter().filter(is_due).collect();
        // The sort is stable, and `timers` is in arm order.
        due.sort_by_key(|timer| timer.due);
        due.iter().map(|timer| timer.id).collect()
    }
}

/// The transition that the platform event `after.S.n` is offered to, while S is active (rule 30).
pub(super) fn after_transition(definition: &Definition, event: &Event) -> Option<TransitionId> {
    if event.kind != EventKind::Platform {
        return None;
    }
    let (state, index) = event.name.strip_prefix("after.")?.rsplit_once('.')?;
    let state = definition.state(definition.state_named(state)?);
    state.after.get(index.parse::<usize>().ok()?).map(|after| after.transition)
}

impl Work<'_> {
    /// A number never used before in this life.
    pub(super) fn fresh_id(&mut self) -> u32 {
        let id = self.instance.next_id;
        self.instance.next_id = id.wrapping_add(1);
        id
    }

    /// Arms a timer.
    pub(super) fn arm(&mut self, delay_ms: u64, kind: TimerKind) {
        let id = self.fresh_id();
        let due = self.now.plus_ms(delay_ms);
        self.instance.timers.push(Timer { id, due, kind });
    }

    /// The macrostep of a timer without event: rolled back, the timer stands armed for `retry`.
    pub(super) fn attempt_timer(
        &mut self,
        kind: &TimerKind,
        body: impl FnOnce(&mut Self) -> Result<Taken, Overrun>,
    ) -> Outcome {
        let outcome = self.attempt_quietly(&|| Again::Event(None), body);
        if let Outcome::Stuck { .. } = outcome {
            self.arm(0, kind.clone());
        }
        outcome
    }

    /// `skip` of such a macrostep: what was to happen at that time does not.
    pub(super) fn drop_rolled_back(&mut self, stuck: &Stuck) {
        let without_event = |kind: &TimerKind| match kind {
            TimerKind::SendTo { .. }
            | TimerKind::CallRetry { .. }
            | TimerKind::Steps { .. }
            | TimerKind::MoreSteps { .. } => true,
            TimerKind::After { .. }
            | TimerKind::Send { .. }
            | TimerKind::CallDeadline { .. }
            | TimerKind::DeferredExpiry { .. }
            | TimerKind::Retention => false,
        };
        let timers = &mut self.instance.timers;
        let armed = |timer: &Timer| timer.due == stuck.since && without_event(&timer.kind);
        if let Some(at) = timers.iter().rposition(armed) {
            timers.remove(at);
            self.note("dropped what was due");
        }
    }

    /// Arms the timers of `after:` of a state just entered (rule 30).
    pub(super) fn arm_after(&mut self, id: StateId, event: Option<&Event>) -> Result<(), Overrun> {
        for (index, after) in (0_u16..).zip(&self.state(id).after) {
            match self.delay_ms(&after.delay, event) {
                Ok(delay) => self.arm(delay, TimerKind::After { state: id, index, armed: None }),
                Err(Failure::Overrun(overrun)) => return Err(overrun),
                Err(Failure::Error(error)) => {
                    let origin =
                        Origin { state: Some(id), event: event.cloned(), ..Origin::default() };
                    self.queue_error(error, origin)?;
                }
            }
        }
        Ok(())
    }

    /// Cancels the timers of `after:` of a state that is left (rule 30).
    pub(super) fn cancel_timers_of(&mut self, id: StateId) {
        self.instance
            .timers
            .retain(|timer| !matches!(&timer.kind, TimerKind::After { state, .. } if *state == id));
    }

    /// `cancel:`: all pending sends with this id (rule 31).
    pub(super) fn cancel_sends(&mut self, id: &str) {
        self.instance.timers.retain(|timer| match &timer.kind {
            TimerKind::Send { event } | TimerKind::SendTo { event, .. } => {
                event.send_id.as_deref() != Some(id)
            }
            TimerKind::After { .. }
            | TimerKind::CallDeadline { .. }
            | TimerKind::CallRetry { .. }
            | TimerKind::DeferredExpiry { .. }
            | TimerKind::Steps { .. }
            | TimerKind::MoreSteps { .. }
            | TimerKind::Retention => true,
        });
    }

    /// A delay in milliseconds: written, or computed as words or a number of milliseconds.
    pub(super) fn delay_ms(&self, delay: &Delay, event: Option<&Event>) -> Result<u64, Failure> {
        const NAME: &str = "error.execution.send";
        let template = match delay {
            Delay::Fixed(delay) => return Ok(*delay),
            Delay::Computed(template) => template,
        };
        let refuse = |message| Err(Failure::Error(ActionError::new(NAME, message)));
        let delay = match self.value(template, event, NAME)? {
            Value::String(text) => match duration::parse_or_zero(&text) {
                Ok(delay) => delay,
                Err(message) => return refuse(message),
            },
            Value::Int(number) => match u64::try_from(number) {
                Ok(delay) => delay,
                Err(_) => return refuse(format!("delay of {number} ms is negative")),
            },
            Value::Uint(number) => number,
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Double(_)
            | Value::List(_)
            | Value::Map(_)) => {
                return refuse(format!("a delay is a duration, found {}", other.type_name()));
            }
        };
        if delay > DELAY_MS_MAX {
            return refuse(format!(
                "delay of {} exceeds the limit of {}",
                duration::format(delay),
                duration::format(DELAY_MS_MAX)
            ));
        }
        Ok(delay)
    }
}
