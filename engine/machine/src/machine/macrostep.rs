//! A macrostep: all that one input causes, run to completion, or rolled back (rules 5, 12).

use std::fmt::Write as _;
use std::sync::Arc;

use super::effect::{NoticeData, NoticeKind};
use super::end::End;
use super::gate::Offered;
use super::ids::{StateId, TransitionId};
use super::input::{Event, EventKind};
use super::instance::{Instance, Reply, Status, Stuck, StuckKind};
use super::select::Wanted;
use super::work::{Counts, FUEL, Origin, Overrun, Queued, Work, is_error};
use crate::definition::model::{OnError, Unhandled, reserved_token};
use crate::value::Value;

/// Transitions that the reason of a livelock names (rule 12).
const CYCLE_SHOWN: usize = 20;

/// What a macrostep is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause<'e> {
    /// Enter the initial states with this event in hand (rule 14).
    Start(Option<&'e Event>),
    /// Offer an event to all transitions.
    Event(&'e Event),
    /// Offer the event of a timer to its one transition (rule 30).
    After(TransitionId, &'e Event),
    /// Only go on with what is queued and with sequences that are ready.
    Resume(Option<&'e Event>),
}

impl<'e> Cause<'e> {
    fn event(self) -> Option<&'e Event> {
        match self {
            Self::Start(event) | Self::Resume(event) => event,
            Self::Event(event) | Self::After(_, event) => Some(event),
        }
    }
}

/// What became of the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// A transition took it, or there was nothing to take.
    Yes,
    /// An active state defers it (rule 41); nothing ran.
    Deferred,
    /// Nobody takes it (rules 40, 44).
    Unhandled(Unhandled),
    /// A limit was exceeded: nothing has changed, and the instance is stuck (rule 12).
    RolledBack,
}

/// What `retry` begins again with when the macrostep is rolled back.
#[derive(Clone, Debug)]
pub(super) enum Again {
    /// Offer this event.
    Event(Option<Event>),
    /// Take this reply.
    Reply(Reply),
}

impl Work<'_> {
    /// Runs one macrostep and commits it, or rolls everything back to before it.
    pub(super) fn attempt(
        &mut self,
        again: &dyn Fn() -> Again,
        body: impl FnOnce(&mut Self) -> Result<Taken, Overrun>,
    ) -> Taken {
        let base = self.base.take();
        let copy = if base.is_some() { None } else { Some(self.instance.clone()) };
        let (effects, words, fired) =
            (self.effects.len(), self.entry.effects.len(), self.entry.fired.len());
        self.counts = Counts::default();
        self.fuel.set(FUEL);
        let from = self.leaves();
        let outcome = body(self).and_then(|taken| self.check_vars().map(|()| taken));
        self.offered = Offered::default();
        self.saves.clear();
        self.queue.clear();
        self.pending.clear();
        self.pending_graphs.clear();
        self.wakes.clear();
        self.fans.clear();
        self.ready.clear();
        self.locals.clear();
        self.output = None;
        match outcome {
            Ok(taken) => {
                self.commit(&from, fired);
                taken
            }
            Err(overrun) => {
                let shown = self.cycle(fired);
                let before = copy.or_else(|| base.cloned());
                self.roll_back(before);
                self.effects.truncate(effects);
                self.entry.effects.truncate(words);
                self.entry.fired.truncate(fired);
                self.refuse(overrun, &shown, again());
                Taken::RolledBack
            }
        }
    }

    /// The body of most macrosteps: selection, microsteps until quiescent, calls (rule 5d-g).
    pub(super) fn macrostep(&mut self, cause: Cause<'_>) -> Result<Taken, Overrun> {
        let event = cause.event();
        let enabled = match cause {
            Cause::Start(event) => {
                let entry = self.compute_initial_set();
                self.enter_states(&entry, event)?;
                Vec::new()
            }
            Cause::Event(event) => self.select_transitions(Wanted::Event(event), Some(event))?,
            Cause::After(transition, event) => {
                self.select_transitions(Wanted::Only(transition), Some(event))?
            }
            Cause::Resume(_) => Vec::new(),
        };
        let offered = std::mem::take(&mut self.offered);
        let mut taken = Taken::Yes;
        if !enabled.is_empty() {
            self.microstep(&enabled, event, event)?;
        } else if let Cause::Event(event) = cause
            && self.steps_take(event, &offered)?
        {
            taken = Taken::Yes;
        } else if let Cause::Event(event) | Cause::After(_, event) = cause {
            taken = self.unhandled(event)?;
            if taken != Taken::Yes && self.steps_will_take(event) {
                taken = Taken::Deferred;
            }
        }
        if taken != Taken::Deferred {
            self.run_to_completion(event)?;
        }
        Ok(taken)
    }

    /// Rule 5(e)-(g): until no transition is enabled, no event is queued, no sequence can go on.
    pub(super) fn run_to_completion(&mut self, cause: Option<&Event>) -> Result<(), Overrun> {
        // It had ended: what it did is taken back, and nothing else happens to it.
        if self.instance.is_revived() {
            return Ok(());
        }
        let mut current: Option<Event> = None;
        while self.running {
            let event = current.as_ref().or(cause);
            let enabled = self.select_transitions(Wanted::Eventless, event)?;
            if !enabled.is_empty() {
                self.microstep(&enabled, None, event)?;
                continue;
            }
            if let Some(Queued { event, origin }) = self.queue.pop_front() {
                let enabled = self.select_transitions(Wanted::Event(&event), Some(&event))?;
                let failed = origin.as_deref().and_then(|origin| origin.graph);
                if enabled.is_empty() {
                    self.unhandled_internal(&event, origin);
                } else {
                    // Which error it was is asked of the history, whoever takes it.
                    if is_error(&event.name) && event.kind == EventKind::Platform {
                        self.note(error_text(&event));
                    }
                    self.microstep(&enabled, Some(&event), Some(&event))?;
                }
                self.leave_failed(failed)?;
                current = Some(event);
                continue;
            }
            if !self.continue_sequences()? && !self.save_points()? {
                break;
            }
        }
        Ok(())
    }

    /// An internal event that no transition takes: only errors mean anything (rule 38).
    fn unhandled_internal(&mut self, event: &Event, origin: Option<Box<Origin>>) {
        if !is_error(&event.name) {
            return;
        }
        // Nobody outside may freeze an instance: a failing guard, which the entry lists among its
        // guards, and a full list are recorded only.
        if &*event.name == "error.execution.guard" {
            return;
        }
        if &*event.name == "error.platform.defer" {
            self.note(error_text(event));
            return;
        }
        let end = End::by_error(event, self.definition);
        let origin = origin.map_or_else(Origin::default, |origin| *origin);
        if origin.fails {
            self.failing.get_or_insert_with(|| Box::new(end));
            return;
        }
        let kind = if origin.of_call { StuckKind::CallFailed } else { StuckKind::Error };
        self.unhandled_error(kind, end, origin);
    }

    /// Applies `on_error:` to an error nobody handles, by which the instance would end.
    pub(super) fn unhandled_error(&mut self, kind: StuckKind, mut end: End, origin: Origin) {
        if let Some(id) = origin.finally() {
            end.reason = format!("`finally`: {}", end.reason).into();
            if self.goes_on_behind_finally(id, &end.reason) {
                return;
            }
        }
        let reason = Arc::clone(&end.reason);
        match self.definition.on_error {
            OnError::Ignore => self.note(reason),
            OnError::Fail => {
                self.failing.get_or_insert_with(|| Box::new(end));
            }
            OnError::Suspend => {
                if self.trouble.is_none() {
                    let mut stuck = Stuck::new(kind, reason, self.now);
                    stuck.state = origin.state;
                    stuck.event = origin.event;
                    stuck.sequence = origin.sequence;
                    stuck.block = origin.block;
                    self.trouble = Some(Box::new(stuck));
                } else {
                    self.note(reason);
                }
            }
        }
    }

    /// Refuses variables above the limit (row E12).
    pub(super) fn check_vars(&mut self) -> Result<(), Overrun> {
        if !std::mem::take(&mut self.vars_changed) {
            return Ok(());
        }
        let weight: usize = self.instance.vars.iter().map(Value::weight).sum();
        let limit = self.definition.limits.vars_bytes as usize;
        if weight > limit {
            return Err(Overrun::StateTooLarge(format!(
                "variables of {weight} bytes exceed the limit of {limit} bytes"
            )));
        }
        Ok(())
    }

    /// The end of a macrostep that went well (rule 5h).
    fn commit(&mut self, from: &[StateId], fired: usize) {
        if let Some(taken) = self.entry.fired.get(fired..)
            && !taken.is_empty()
        {
            let name = taken.iter().find_map(|fired| {
                self.definition.transition(fired.transition).name.as_ref().map(Arc::clone)
            });
            let (from, to) = (from.to_vec(), self.leaves());
            let event = Arc::clone(self.cause.as_ref().unwrap_or(&self.entry.input));
            let data = NoticeData::Transitioned { name, from, to, event };
            self.tell(NoticeKind::Transitioned, data);
        }
        let trouble = self.trouble.take();
        if let Some((by, reason)) = self.cancelling.take() {
            self.end_cancelled(true, &by, &reason);
        } else if !self.running {
            self.end_done();
        } else if let Some(end) = self.failing.take() {
            self.fail_or_clean_up(*end);
        } else if let Some(stuck) = trouble {
            self.become_stuck(stuck);
        }
    }

    /// The instance waits for a person now.
    pub(super) fn become_stuck(&mut self, stuck: Box<Stuck>) {
        self.note(format!("stuck: {}", stuck.reason));
        self.tell_trouble(&stuck.reason);
        let state = stuck.state.map(|id| Value::String(Arc::clone(&self.state(id).id)));
        let fields = vec![
            ("reason", Value::String(Arc::clone(&stuck.reason))),
            ("kind", Value::from(stuck_word(stuck.kind))),
            ("state", state.unwrap_or_default()),
        ];
        self.notice(NoticeKind::Stuck, fields);
        self.instance.status = Status::Stuck;
        self.instance.stuck = Some(stuck);
    }

    /// Puts back what the instance was, except that the input counts as consumed.
    fn roll_back(&mut self, before: Option<Instance>) {
        let Some(mut before) = before else { return };
        before.step = self.instance.step;
        before.updated_at = self.instance.updated_at;
        self.instance = before;
        self.running = true;
        self.moved = false;
        self.vars_changed = false;
        self.trouble = None;
        self.failing = None;
        self.cancelling = None;
    }

    /// The incident of a rolled back macrostep: the input is kept for `retry` (rule 12).
    fn refuse(&mut self, overrun: Overrun, cycle: &str, again: Again) {
        let (kind, reason) = match overrun {
            Overrun::Livelock(reason) => (StuckKind::Livelock, format!("{reason}{cycle}")),
            Overrun::StateTooLarge(reason) => (StuckKind::StateTooLarge, reason),
        };
        let mut stuck = Stuck::new(kind, reason, self.now);
        match again {
            Again::Event(event) => stuck.event = event,
            Again::Reply(reply) => stuck.reply = Some(Box::new(reply)),
        }
        self.become_stuck(Box::new(stuck));
    }

    /// Names the last transitions taken since `from`: the cycle of a livelock, once.
    fn cycle(&self, from: usize) -> String {
        let fired = self.entry.fired.get(from..).unwrap_or_default();
        let taken: Vec<TransitionId> = fired.iter().map(|fired| fired.transition).collect();
        let (period, times) = repeated_end(&taken);
        let shown = if times > 1 { period } else { taken.len().min(CYCLE_SHOWN) };
        let mut text = String::new();
        let mut at = None;
        for id in taken.get(taken.len() - shown..).unwrap_or_default() {
            let transition = self.transition(*id);
            let target = transition.targets.first().copied();
            if at != Some(transition.source) {
                text.push_str(if at.is_none() { "; last transitions: " } else { ", " });
                text.push_str(&self.state(transition.source).id);
            }
            text.push_str(" → ");
            text.push_str(target.map_or("itself", |target| &*self.state(target).id));
            at = Some(target.unwrap_or(transition.source));
        }
        if times > 1 {
            // Writing to a string cannot fail.
            let _written = write!(text, ", ×{times}");
        }
        text
    }
}

/// The shortest cycle that `taken` ends with, and how many times it repeats there; 0 and 1 where
/// there is none.
fn repeated_end(taken: &[TransitionId]) -> (usize, usize) {
    for period in 1..=CYCLE_SHOWN.min(taken.len() / 2) {
        let again = taken.iter().rev().zip(taken.iter().rev().skip(period));
        let same = again.take_while(|(left, right)| left == right).count();
        if same >= period {
            return (period, same / period + 1);
        }
    }
    (0, 1)
}

/// The word for a kind of trouble, as notices show it.
const fn stuck_word(kind: StuckKind) -> &'static str {
    match kind {
        StuckKind::Error => "error",
        StuckKind::Livelock => "livelock",
        StuckKind::Panic => "panic",
        StuckKind::StateTooLarge => "state_too_large",
        StuckKind::CallFailed => "call_failed",
        StuckKind::DefinitionMissing => "definition_missing",
        StuckKind::OutcomeUnknown => "outcome_unknown",
        StuckKind::UndoFailed => "undo_failed",
        StuckKind::Deadlock => "deadlock",
        StuckKind::RolledBack => "rolled_back",
    }
}

/// An error event in words.
pub(super) fn error_text(event: &Event) -> Arc<str> {
    match event.data.as_ref().and_then(|data| data.get("message")).and_then(Value::as_str) {
        Some(message) if !message.is_empty() => format!("{}: {message}", event.name).into(),
        Some(_) | None => Arc::clone(&event.name),
    }
}

/// Is this event the machine's own, never deferred and never reported as unhandled (rule 44)?
pub(super) fn is_own(event: &Event) -> bool {
    event.kind != EventKind::External || is_of_invoke(event)
}

/// Is it what the machine makes of the end of a call or child? Nobody can send that.
pub(crate) fn is_of_invoke(event: &Event) -> bool {
    event.invoke_id.is_some() && reserved_token(&event.name).is_some()
}
