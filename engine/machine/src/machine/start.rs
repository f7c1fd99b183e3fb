//! How a life begins (rule 14).

use std::sync::Arc;

use super::commands::rejected;
use super::decide::{unchanged, user};
use super::deferral::starts_known;
use super::effect::{NoticeData, NoticeKind};
use super::ids::{Generation, InstanceKey, StateId, Timestamp};
use super::input::{Event, Input, Principal};
use super::instance::{Instance, Status};
use super::letter::Parent;
use super::macrostep::{Again, Cause, Taken};
use super::outcome::{Decision, Outcome};
use super::progress::Clocks;
use super::trace_context::TraceContext;
use super::work::{ActionError, Origin, Overrun, Work};
use crate::definition::model::Definition;
use crate::value::Value;

/// What a life begins with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning<'a> {
    pub(super) input: &'a Value,
    pub(super) event: Option<&'a Event>,
    pub(super) by: &'a Principal,
    pub(super) parent: Option<&'a Parent>,
    /// Why, in the words of a person.
    pub(super) reason: &'a str,
    /// The name of the start, where it got one.
    pub(super) id: Option<&'a Arc<str>>,
    /// The trace that whoever begins it is in.
    pub(super) trace_context: Option<&'a Arc<TraceContext>>,
}

impl<'a> Beginning<'a> {
    /// What nobody's child begins with.
    pub(super) const fn asked(
        input: &'a Value,
        event: Option<&'a Event>,
        by: &'a Principal,
        trace_context: Option<&'a Arc<TraceContext>>,
    ) -> Self {
        Self { input, event, by, parent: None, reason: "", id: None, trace_context }
    }

    /// What a child begins with.
    pub(super) const fn child(
        input: &'a Value,
        parent: &'a Parent,
        by: &'a Principal,
        reason: &'a str,
        trace_context: Option<&'a Arc<TraceContext>>,
    ) -> Self {
        Self { input, event: None, by, parent: Some(parent), reason, id: None, trace_context }
    }

    /// What a life begins with that `input` begins; `None` where it begins none by itself.
    fn of(input: &'a Input) -> Option<Self> {
        match input {
            Input::Start { input, event, by, id, trace_context } => {
                let asked = Self::asked(input, event.as_ref(), by, trace_context.as_ref());
                Some(Self { id: id.as_ref(), ..asked })
            }
            Input::StartChild { input, parent, by, reason, trace_context } => {
                Some(Self::child(input, parent, by, reason, trace_context.as_ref()))
            }
            Input::Held { .. }
            | Input::Within { .. }
            | Input::Transaction { .. }
            | Input::Orphaned { .. }
            | Input::Event(_)
            | Input::ChildReply { .. }
            | Input::ChildEvent { .. }
            | Input::CallReply { .. }
            | Input::CallStarted { .. }
            | Input::CallPending { .. }
            | Input::TimerDue { .. }
            | Input::Command { .. } => None,
        }
    }
}

/// Rule 14: a life begins.
pub(super) fn start(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    input: &Input,
    now: Timestamp,
) -> Decision {
    let Some(beginning) = Beginning::of(input) else {
        return unchanged(rejected("that begins no life"));
    };
    let event = beginning.event.map(|event| event.stamped(now));
    let mut work = prepared(old, key, definition, beginning, now);
    if let Some(event) = &event {
        work.cause = Some(Arc::clone(&event.name));
    }
    work.enter_initial(event.as_ref());
    let outcome = match &work.instance.stuck {
        Some(stuck) if work.instance.active.is_empty() => {
            Outcome::Stuck { reason: Arc::clone(&stuck.reason) }
        }
        Some(_) | None => Outcome::Started { to: work.leaves() },
    };
    work.finish(outcome)
}

/// A life that is there and has not entered anything yet.
pub(super) fn prepared<'d>(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &'d Definition,
    Beginning { input, event, by, parent, reason, id, trace_context }: Beginning<'_>,
    now: Timestamp,
) -> Work<'d> {
    let generation = Generation(old.map_or(1, |old| old.generation.0.saturating_add(1)));
    let initiator = user(by).or_else(|| event.and_then(|event| user(event.by.as_ref()?)));
    let instance = Instance {
        key: key.clone(),
        generation,
        pin: definition.pin(),
        status: Status::Running,
        stuck: None,
        step: 0,
        active: Vec::new(),
        vars: vec![Value::Null; definition.vars.len()],
        input: input.clone(),
        initiator: initiator.clone(),
        history: Vec::new(),
        next_id: 1,
        timers: Vec::new(),
        sequences: Vec::new(),
        deferred: Vec::new(),
        parked: Vec::new(),
        marks: starts_known(old),
        votes: Vec::new(),
        output: Value::Null,
        started_at: now,
        updated_at: now,
        parent: parent.map(|parent| Box::new(parent.clone())),
        progress: None,
        transaction: None,
        trace_context: event.and_then(TraceContext::of).or_else(|| trace_context.cloned()),
    };
    let mut work = Work::new(definition, instance, None, now, "start".into());
    work.entry.by = initiator;
    if !reason.is_empty() {
        work.note(reason);
    }
    if let Some(event) = event {
        work.remember(event);
    }
    if let Some(id) = id {
        work.remember_start(id, input);
    }
    work.tell(NoticeKind::Started, NoticeData::Started { input: input.clone() });
    work
}

/// What waits with a life that begins standing still: the event that started it, and who holds it
/// and why, where its definition is paused.
type Waiting = (Option<Box<Event>>, Option<(Arc<str>, Arc<str>)>);

/// A life that is there and has not entered anything yet, from any input that begins one.
pub(super) fn begun<'d>(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &'d Definition,
    input: &Input,
    now: Timestamp,
) -> Option<(Work<'d>, Waiting)> {
    if let Input::Held { start, by, reason } = input {
        let (work, (event, _)) = begun(old, key, definition, start, now)?;
        return Some((work, (event, Some((Arc::clone(by), Arc::clone(reason))))));
    }
    let beginning = Beginning::of(input)?;
    let event = beginning.event.map(|event| Box::new(event.stamped(now)));
    Some((prepared(old, key, definition, beginning, now), (event, None)))
}

/// A life begins paused, because its definition is.
pub(super) fn start_held(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    (input, by, reason): (&Input, &Arc<str>, &Arc<str>),
    now: Timestamp,
) -> Decision {
    let Some((mut work, (event, _))) = begun(old, key, definition, input, now) else {
        return unchanged(rejected("that begins no life"));
    };
    work.pause(Clocks::Freeze, &Principal { user: Arc::clone(by), roles: Vec::new() }, reason);
    if let Some(paused) = work.pause_mut() {
        paused.start = event;
    }
    work.note("begins paused, as its definition is");
    work.finish(Outcome::Started { to: Vec::new() })
}

impl Work<'_> {
    /// Enters the initial states, then offers the starting event to them (rule 14).
    pub(super) fn enter_initial(&mut self, event: Option<&Event>) {
        let again = || Again::Event(event.cloned());
        let taken = self.attempt(&again, |work| {
            work.initialise_vars(event)?;
            work.macrostep(Cause::Start(event))
        });
        let Some(event) = event else { return };
        if taken == Taken::RolledBack {
            return;
        }
        if self.goes_on() {
            self.starting = true;
            let (taken, verdict) =
                self.pass_gate(event, |work| work.macrostep(Cause::Event(event)));
            self.starting = false;
            // Nobody taking it is normal; deferring it is too.
            match (taken, verdict) {
                (Taken::Deferred | Taken::Unhandled(_), Some(verdict)) => {
                    self.refused_by_gate(verdict);
                }
                (Taken::Deferred, None) => {
                    self.defer(event);
                }
                (Taken::Unhandled(_) | Taken::Yes | Taken::RolledBack, _) => {}
            }
            self.offer_deferred();
        } else if self.instance.status == Status::Stuck {
            self.instance.parked.push(event.clone());
        }
    }

    /// `vars:` in document order, each sees the earlier ones; a failing one stays null.
    fn initialise_vars(&mut self, event: Option<&Event>) -> Result<(), Overrun> {
        let definition = self.definition;
        for (at, var) in definition.vars.iter().enumerate() {
            let value = var.initial.eval(&self.scope(event));
            match (value, self.instance.vars.get_mut(at)) {
                (Ok(value), Some(slot)) => *slot = value,
                (Ok(_), None) => {}
                (Err(error), _) => {
                    let message = format!("`{}`: {error}", var.name);
                    let origin = Origin { state: Some(StateId::ROOT), ..Origin::default() };
                    self.queue_error(ActionError::new("error.execution.vars", message), origin)?;
                }
            }
        }
        self.vars_changed = true;
        Ok(())
    }
}
