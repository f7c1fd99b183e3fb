//! The one door: an instance is told something, and this is what it makes of it.

use std::sync::Arc;

use super::answers::on_reply;
use super::children::{on_child_event, on_child_reply};
use super::commands::{on_command, rejected};
use super::deferral::{begun_already, repeated};
use super::end::End;
use super::ending::on_orphaned;
use super::fork::begin_fork;
use super::ids::{InstanceKey, StateId, Timestamp};
use super::input::{Command, Event, EventKind, Input, Principal};
use super::instance::{Instance, Reply, Status, StuckKind, TimerKind};
use super::macrostep::{Again, Cause, Taken};
use super::once::on_started;
use super::outcome::{Decision, Outcome};
use super::pending::on_pending;
use super::start::{start, start_held};
use super::timers::after_transition;
use super::transaction::about_transaction;
use super::work::{Origin, Overrun, Work, is_error};
use crate::definition::model::{Definition, Unhandled};

/// Decides what `input` makes of the instance `key`; pure and total.
///
/// `instance` is what is known of the key, of its last life; `definition` is the one its pin
/// names, or the one to start it with; `now` is the time stamped on the input (rule 4).
#[must_use]
pub fn decide(
    instance: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    input: &Input,
    now: Timestamp,
) -> Decision {
    if let Some(outcome) = begun_already(instance, input) {
        return unchanged(outcome);
    }
    if let Some(decision) = about_transaction(instance, key, definition, input, now) {
        return decision;
    }
    let over = instance.is_none_or(|old| old.status.is_ended());
    match (instance, input) {
        (old, Input::Start { .. } | Input::StartChild { .. }) if over => {
            start(old, key, definition, input, now)
        }
        (old, Input::Held { start, by, reason }) if over => {
            start_held(old, key, definition, (start, by, reason), now)
        }
        (old, Input::Held { start, .. }) => decide(old, key, definition, start, now),
        (_, Input::StartChild { .. }) => unchanged(rejected("it runs already")),
        (Some(old), Input::Start { input, .. }) if old.input == *input => {
            unchanged(Outcome::Duplicate { at: 1 })
        }
        (_, Input::Start { .. }) => unchanged(rejected("exists with other input")),
        (
            None,
            Input::Event(_)
            | Input::ChildEvent { .. }
            | Input::ChildReply { .. }
            | Input::CallReply { .. }
            | Input::CallStarted { .. }
            | Input::CallPending { .. }
            | Input::TimerDue { .. },
        ) => unchanged(Outcome::Ignored { reason: "no_instance".into() }),
        (old, Input::Command { command: Command::Fork(fork), by, reason }) if over => {
            begin_fork(old, key, definition, (fork, by, reason), now)
        }
        (_, Input::Within { .. } | Input::Transaction { .. })
        | (None, Input::Command { .. } | Input::Orphaned { .. }) => {
            unchanged(rejected("no such instance"))
        }
        (Some(old), Input::Event(event)) => on_event(old, definition, event, now),
        (Some(old), Input::ChildReply { call, invoke_id, life, outcome }) => {
            on_child_reply(old, definition, (*call, invoke_id, *life), outcome, now)
        }
        (Some(old), Input::ChildEvent { call, event }) => {
            on_child_event(old, definition, (*call, event), now)
        }
        (Some(old), Input::CallReply { call, attempt, outcome }) => {
            on_reply(old, definition, (*call, *attempt, outcome), now)
        }
        (Some(old), Input::CallStarted { call, attempt }) => {
            on_started(old, definition, (*call, *attempt), now)
        }
        (Some(old), Input::CallPending { .. }) => on_pending(old, definition, input, now),
        (Some(old), Input::TimerDue { timer, owned_since }) => {
            on_timer(old, definition, (*timer, *owned_since), now)
        }
        (Some(old), Input::Orphaned { kill }) => on_orphaned(old, definition, *kill, now),
        (Some(old), Input::Command { command, by, reason }) => {
            on_command(old, definition, (command, by, reason), now)
        }
    }
}

/// Nothing happened and nothing is to be recorded.
pub(super) fn unchanged(outcome: Outcome) -> Decision {
    Decision { instance: None, effects: Vec::new(), trace: None, outcome }
}

pub(super) fn user(by: &Principal) -> Option<Arc<str>> {
    if by.user.is_empty() { None } else { Some(Arc::clone(&by.user)) }
}

fn on_event(old: &Instance, definition: &Definition, event: &Event, now: Timestamp) -> Decision {
    if let Some(outcome) = repeated(old, event) {
        return unchanged(outcome);
    }
    let event = event.stamped(now);
    let name = Arc::clone(&event.name);
    let mut work = Work::new(definition, old.clone(), Some(old), now, Arc::clone(&name));
    work.cause = Some(name);
    work.entry.by = event.by.as_ref().and_then(user);
    let outcome = work.take_event(&event);
    // A refused event was not taken in: the publisher may send it again later.
    if !matches!(outcome, Outcome::Rejected { .. } | Outcome::Denied { .. }) {
        work.remember(&event);
    }
    work.finish(outcome)
}

fn on_timer(
    old: &Instance,
    definition: &Definition,
    (id, owned_since): (u32, Timestamp),
    now: Timestamp,
) -> Decision {
    let stale = || unchanged(Outcome::Ignored { reason: "stale_timer".into() });
    let Some(timer) = old.timers.iter().find(|timer| timer.id == id) else { return stale() };
    // Clocks of a stuck instance stand still, and no timer is ever early (rule 32).
    if matches!(old.status, Status::Stuck | Status::Paused) || timer.due > now {
        return stale();
    }
    let kind = timer.kind.clone();
    if !old.lets_fire(&kind) {
        return stale();
    }
    // An ended instance is forgotten by its partition: the machine has nothing to say.
    if kind == TimerKind::Retention {
        return unchanged(Outcome::Ignored { reason: "retention".into() });
    }
    let mut instance = old.clone();
    instance.timers.retain(|timer| timer.id != id);
    let mut work = Work::new(definition, instance, None, now, "timer".into());
    work.owned_since = owned_since;
    let outcome = work.timer(&kind);
    work.drive_transaction();
    work.finish(outcome)
}

impl Work<'_> {
    /// Takes input: neither stuck nor paused nor ended.
    pub(super) fn goes_on(&self) -> bool {
        match self.instance.status {
            Status::Running => true,
            Status::Paused
            | Status::Compensating
            | Status::Stuck
            | Status::Done
            | Status::Failed
            | Status::Cancelled => false,
        }
    }

    pub(super) fn ignored(&mut self, reason: &str) -> Outcome {
        self.note(reason);
        Outcome::Ignored { reason: reason.into() }
    }

    /// An ordinary event that is no duplicate.
    pub(super) fn take_event(&mut self, event: &Event) -> Outcome {
        if self.instance.status.is_ended() || self.instance.is_revived() {
            return self.ignored("ended");
        }
        if self.goes_on() {
            let outcome = self.offer(event);
            self.offer_deferred();
            return outcome;
        }
        if !self.has_room(event, &self.instance.parked) {
            self.dead_letter(event, "parked_full");
            return Outcome::DeadLettered { reason: "parked_full".into() };
        }
        self.instance.parked.push(event.clone());
        self.note("parked");
        Outcome::Deferred
    }

    /// Offers an event to the transitions: one macrostep.
    pub(super) fn offer(&mut self, event: &Event) -> Outcome {
        let from = self.leaves();
        let fired = self.entry.fired.len();
        let after = after_transition(self.definition, event);
        let (taken, verdict) = self.pass_gate(event, |work| match after {
            Some(transition) => work.macrostep(Cause::After(transition, event)),
            None => work.take(event),
        });
        match (taken, verdict) {
            (Taken::Deferred | Taken::Unhandled(_), Some(verdict)) => self.refused_by_gate(verdict),
            (Taken::Deferred, None) => self.defer(event),
            // An eventless transition may still have fired for it: then it had an effect.
            (Taken::Unhandled(Unhandled::Discard), None) if self.entry.fired.len() > fired => {
                self.transitioned(from)
            }
            (Taken::Unhandled(policy), None) => self.apply_unhandled(event, policy),
            (Taken::Yes, _) => self.transitioned(from),
            (Taken::RolledBack, _) => self.rolled_back(),
        }
    }

    /// The body of the macrostep of an event that arrived (rule 5b-d).
    fn take(&mut self, event: &Event) -> Result<Taken, Overrun> {
        self.keep_said(event)?;
        self.forward(event);
        let taken = self.macrostep(Cause::Event(event))?;
        // A letter that found nobody: its error is nobody's but the sender's (rules 26, 38).
        if let (Taken::Unhandled(_), EventKind::Platform, true) =
            (taken, event.kind, is_error(&event.name))
        {
            let origin = Origin { event: Some(event.clone()), ..Origin::default() };
            let end = End::by_error(event, self.definition);
            self.unhandled_error(StuckKind::Error, end, origin);
        }
        Ok(taken)
    }

    /// Runs the macrostep that offers `event`. Nothing but this offers one, because the approvals
    /// are asked here: the second answer is theirs, where no other transition takes it.
    pub(super) fn pass_gate(
        &mut self,
        event: &Event,
        body: impl FnOnce(&mut Self) -> Result<Taken, Overrun>,
    ) -> (Taken, Option<Outcome>) {
        let gate = self.gate(event);
        let trace_before = self.bring_trace(event);
        let again = || Again::Event(Some(event.clone()));
        let taken = self.attempt(&again, |work| {
            work.offered = gate.offered.clone();
            body(work)
        });
        if let Taken::Deferred | Taken::Unhandled(_) = taken {
            self.instance.trace_context = trace_before;
        }
        self.settle_votes(&gate, taken);
        (taken, gate.verdict)
    }

    /// The approvals' verdict on an event nobody else takes, with the reason in the history.
    pub(super) fn refused_by_gate(&mut self, verdict: Outcome) -> Outcome {
        if let Outcome::Denied { reason } | Outcome::Rejected { reason, .. } = &verdict {
            self.note(Arc::clone(reason));
        }
        verdict
    }

    pub(super) fn transitioned(&self, from: Vec<StateId>) -> Outcome {
        let waiting = self.instance.sequences.iter().any(|sequence| sequence.call.is_some());
        Outcome::Transitioned { from, to: self.leaves(), waiting }
    }

    pub(super) fn rolled_back(&self) -> Outcome {
        let reason = self.instance.stuck.as_ref().map(|stuck| Arc::clone(&stuck.reason));
        Outcome::Stuck { reason: reason.unwrap_or_default() }
    }

    /// A macrostep that is no event's: the verdict by what it did.
    pub(super) fn attempt_quietly(
        &mut self,
        again: &dyn Fn() -> Again,
        body: impl FnOnce(&mut Self) -> Result<Taken, Overrun>,
    ) -> Outcome {
        let from = self.leaves();
        let fired = self.entry.fired.len();
        let taken = self.attempt(again, body);
        let outcome = match taken {
            Taken::RolledBack => self.rolled_back(),
            Taken::Yes | Taken::Deferred | Taken::Unhandled(_) => {
                if self.entry.fired.len() > fired { self.transitioned(from) } else { Outcome::Done }
            }
        };
        self.take_parked();
        outcome
    }

    /// A reply that is waited for.
    pub(super) fn reply(&mut self, reply: &Reply) -> Outcome {
        if self.waits_for_person(reply) {
            return Outcome::Deferred;
        }
        let again = || Again::Reply(reply.clone());
        self.attempt_quietly(&again, |work| work.take_reply(reply))
    }

    /// A timer that is current and due (rules 30-33).
    pub(super) fn timer(&mut self, kind: &TimerKind) -> Outcome {
        match kind {
            TimerKind::After { state, index, .. } => {
                let id = Arc::clone(&self.state(*state).id);
                self.entry.input = format!("timer after {id}").into();
                let name = Arc::<str>::from(format!("after.{id}.{index}"));
                self.cause = Some(Arc::clone(&name));
                let event = self.made(name, EventKind::Platform, None);
                let outcome = self.offer(&event);
                self.offer_deferred();
                outcome
            }
            TimerKind::Send { event } => {
                self.entry.input = Arc::clone(&event.name);
                self.cause = Some(Arc::clone(&event.name));
                let event = Event { time: Some(self.now), ..Event::clone(event) };
                let outcome = self.offer(&event);
                let outcome = self.unheard(&event, outcome);
                self.offer_deferred();
                outcome
            }
            TimerKind::SendTo { event, to } => {
                self.entry.input = format!("timer send {}", event.name).into();
                let event = Event { time: Some(self.now), ..Event::clone(event) };
                self.attempt_timer(kind, |work| {
                    work.post(event, to)?;
                    work.macrostep(Cause::Resume(None))
                })
            }
            TimerKind::CallDeadline { sequence } => self.deadline(*sequence),
            TimerKind::CallRetry { sequence } => {
                self.entry.input = "timer retry".into();
                let sequence = *sequence;
                self.attempt_timer(kind, |work| work.retry_call(sequence))
            }
            TimerKind::DeferredExpiry { place } => {
                self.entry.input = "timer defer".into();
                self.expire_deferred(*place)
            }
            TimerKind::Steps { graph, step } => {
                self.entry.input = "timer steps".into();
                let (graph, step) = (*graph, *step);
                self.attempt_timer(kind, |work| work.steps_late(graph, step))
            }
            TimerKind::MoreSteps { graph } => {
                self.entry.input = "timer more steps".into();
                let graph = *graph;
                self.attempt_timer(kind, |work| work.more_steps(graph))
            }
            TimerKind::Retention => Outcome::Done,
        }
    }
}
