//! Work: one decision in the making, the copy of the instance that the algorithm changes.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;

use super::effect::{Effect, Notice, NoticeData, NoticeKind};
use super::end::End;
use super::ids::{EffectId, StateId, Timestamp, TransitionId};
use super::input::{Event, EventKind};
use super::instance::{FailedBlock, Instance, RunningSequence, Stuck};
use super::outcome::{Decision, Outcome};
pub(super) use super::room::Counts;
use super::trace::{Fired, GuardVerdict, TraceEntry};
use crate::definition::expr::{EvalError, Scope};
use crate::definition::model::{Definition, State, Transition};
use crate::value::{Map, Value};

/// Iterations and nodes that all expressions of one macrostep may take together (B5).
pub const FUEL: u32 = 100_000;

/// Guard verdicts kept in one trace entry; more say nothing new.
const GUARDS_MAX: usize = 64;

/// A limit of the macrostep was exceeded: it is rolled back (rule 12).
#[derive(Debug)]
pub(super) enum Overrun {
    /// Too many microsteps, internal events, actions or effects.
    Livelock(String),
    /// The variables together weigh too much (row E12).
    StateTooLarge(String),
}

/// Why an action did not do its work.
#[derive(Debug)]
pub(super) enum Failure {
    /// It failed: the rest of its block is skipped (rule 21).
    Error(ActionError),
    /// A limit was exceeded.
    Overrun(Overrun),
}

impl Failure {
    /// The same failure, saying which `send` was not sent (rule 25).
    pub(super) fn of_send(self, id: Option<&Arc<str>>) -> Self {
        match self {
            Self::Error(error) => Self::Error(ActionError { send_id: id.cloned(), ..error }),
            Self::Overrun(overrun) => Self::Overrun(overrun),
        }
    }
}

impl From<Overrun> for Failure {
    fn from(overrun: Overrun) -> Self {
        Self::Overrun(overrun)
    }
}

/// An error event about to be raised (rule 38).
#[derive(Debug)]
pub(super) struct ActionError {
    /// The event's name.
    pub(super) name: &'static str,
    /// What went wrong.
    pub(super) message: String,
    /// The id of the `send` that was not sent (rule 25).
    pub(super) send_id: Option<Arc<str>>,
}

impl ActionError {
    pub(super) fn new(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, message: message.into(), send_id: None }
    }

    /// The error of an evaluation in a place whose errors are called `name`.
    pub(super) fn evaluating(name: &'static str, error: EvalError) -> Self {
        match error {
            EvalError::Failed(message) => Self::new(name, message),
            EvalError::Limit(message) => Self::new("error.execution.limit", message),
        }
    }
}

/// An internal event waiting, and where it comes from in case it is an error nobody handles.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) event: Event,
    pub(super) origin: Option<Box<Origin>>,
}

/// Where an error was raised: what `retry` will need.
#[derive(Debug, Default)]
pub(super) struct Origin {
    pub(super) state: Option<StateId>,
    pub(super) block: Option<FailedBlock>,
    pub(super) sequence: Option<RunningSequence>,
    pub(super) event: Option<Event>,
    /// It is a call or a step that failed for good.
    pub(super) of_call: bool,
    /// Unhandled, it ends the instance: all is taken back already.
    pub(super) fails: bool,
    /// The graph that failed, and its step; without one all of them took too long.
    pub(super) graph: Option<(u32, Option<u16>)>,
}

/// A sequence to be started when the macrostep is quiescent (rule 5f).
#[derive(Debug)]
pub(super) struct PendingSequence {
    pub(super) sequence: u16,
    pub(super) state: StateId,
    pub(super) event: Option<Box<Event>>,
}

/// One decision in the making.
#[derive(Debug)]
pub(super) struct Work<'a> {
    pub(super) definition: &'a Definition,
    pub(super) now: Timestamp,
    /// Since when the owner that hands the input in has the instance, where that matters.
    pub(super) owned_since: Timestamp,
    /// The instance as it becomes.
    pub(super) instance: Instance,
    /// The instance as it was, until the first macrostep has been committed.
    pub(super) base: Option<&'a Instance>,
    pub(super) effects: Vec<Effect>,
    /// The next effect's index: never reused within a decision.
    pub(super) next_effect: u32,
    /// The trace entry in the making.
    pub(super) entry: TraceEntry,
    /// The name of the event that is the entry's own input.
    pub(super) cause: Option<Arc<str>>,
    /// The internal queue; empty at every commit.
    pub(super) queue: VecDeque<Queued>,
    pub(super) pending: Vec<PendingSequence>,
    /// Step graphs to be started when the macrostep is quiescent, with the event that caused them.
    pub(super) pending_graphs: Vec<(u16, Option<Box<Event>>)>,
    /// Steps that may be able to start now: a graph's run and a place.
    pub(super) wakes: VecDeque<(u32, u16)>,
    /// Fan-outs of which an item is over.
    pub(super) fans: Vec<(u32, u16)>,
    /// By whom and why the instance is cancelled, once all is taken back.
    pub(super) cancelling: Option<(Arc<str>, Arc<str>)>,
    /// Sequences whose call was answered, to be gone on with.
    pub(super) ready: Vec<u32>,
    pub(super) locals: Vec<(Arc<str>, Value)>,
    /// `output` while the `set:` of a call runs.
    pub(super) output: Option<Value>,
    pub(super) fuel: Cell<u32>,
    pub(super) counts: Counts,
    /// False once a top-level final state was entered.
    pub(super) running: bool,
    /// The set of active states changed since this was last cleared (rule 42).
    pub(super) moved: bool,
    /// The set of active states changed in this decision.
    pub(super) ever_moved: bool,
    pub(super) vars_changed: bool,
    /// The first error of this macrostep that nobody handled.
    pub(super) trouble: Option<Box<Stuck>>,
    /// `on_error: fail` met an error.
    pub(super) failing: Option<Box<End>>,
    /// Who may take the event about to be offered.
    pub(super) offered: super::gate::Offered,
    /// Checkpoints to be saved when the macrostep is quiescent.
    pub(super) saves: Vec<Arc<str>>,
    /// The event about to be offered is the one that started the instance (rule 14).
    pub(super) starting: bool,
    /// It is being cancelled: what its actions say does not reach the parent (rules 20, 36).
    pub(super) orphaned: bool,
    /// The timer that is due was fired by a person.
    pub(super) fired_by_hand: bool,
}

impl<'a> Work<'a> {
    /// Begins a decision on `instance`, which is already a copy.
    pub(super) fn new(
        definition: &'a Definition,
        mut instance: Instance,
        base: Option<&'a Instance>,
        now: Timestamp,
        input: Arc<str>,
    ) -> Self {
        instance.step = instance.step.saturating_add(1);
        instance.updated_at = now;
        let entry = TraceEntry {
            step: instance.step,
            at: now,
            input,
            by: None,
            note: None,
            guards: Vec::new(),
            fired: Vec::new(),
            effects: Vec::new(),
            active: Vec::new(),
            before: None,
        };
        Self {
            definition,
            now,
            owned_since: Timestamp(i64::MIN),
            instance,
            base,
            effects: Vec::new(),
            next_effect: 0,
            entry,
            cause: None,
            queue: VecDeque::new(),
            pending: Vec::new(),
            pending_graphs: Vec::new(),
            wakes: VecDeque::new(),
            fans: Vec::new(),
            cancelling: None,
            ready: Vec::new(),
            locals: Vec::new(),
            output: None,
            fuel: Cell::new(FUEL),
            counts: Counts::default(),
            running: true,
            moved: false,
            ever_moved: false,
            vars_changed: false,
            trouble: None,
            failing: None,
            offered: super::gate::Offered::default(),
            saves: Vec::new(),
            starting: false,
            orphaned: false,
            fired_by_hand: false,
        }
    }

    /// Ends the decision.
    pub(super) fn finish(mut self, outcome: Outcome) -> Decision {
        let outcome = self.told_of_trouble(outcome);
        if self.ever_moved || !self.entry.fired.is_empty() {
            self.entry.active = self.leaves();
        }
        Decision {
            instance: Some(self.instance),
            effects: self.effects,
            trace: Some(self.entry),
            outcome,
        }
    }

    /// Who asked hears that the instance is stuck now, not only that it moved before.
    fn told_of_trouble(&self, outcome: Outcome) -> Outcome {
        match (&outcome, &self.instance.stuck) {
            (Outcome::Transitioned { .. } | Outcome::Started { .. }, Some(stuck)) => {
                Outcome::Stuck { reason: Arc::clone(&stuck.reason) }
            }
            _ => outcome,
        }
    }

    pub(super) fn state(&self, id: StateId) -> &'a State {
        self.definition.state(id)
    }

    pub(super) fn transition(&self, id: TransitionId) -> &'a Transition {
        self.definition.transition(id)
    }

    pub(super) fn is_active(&self, id: StateId) -> bool {
        self.instance.active.binary_search(&id).is_ok()
    }

    /// Active atomic and final states, in document order.
    pub(super) fn leaves(&self) -> Vec<StateId> {
        self.definition.leaves(&self.instance.active).collect()
    }

    /// What an expression sees with `event` in hand.
    pub(super) fn scope<'s>(&'s self, event: Option<&'s Event>) -> Scope<'s> {
        Scope {
            definition: self.definition,
            key: Some(&self.instance.key),
            vars: &self.instance.vars,
            active: &self.instance.active,
            event,
            input: &self.instance.input,
            output: self.output.as_ref(),
            error: event
                .filter(|event| is_error(&event.name))
                .and_then(|event| event.data.as_ref()),
            steps: self.instance.progress.as_deref(),
            now: self.now,
            locals: &self.locals,
            fuel: &self.fuel,
        }
    }

    /// The id of the next effect; each is given out once.
    pub(super) fn next_effect_id(&mut self) -> EffectId {
        let index = self.next_effect;
        self.next_effect += 1;
        EffectId::new(&self.instance.key, self.instance.generation, self.instance.step, index)
    }

    /// Asks something of the world, and says so in the trace.
    pub(super) fn emit(&mut self, effect: Effect, words: String) -> Result<(), Overrun> {
        self.counts.effects += 1;
        let limit = self.definition.limits.effects;
        if self.counts.effects > limit {
            return Err(Overrun::Livelock(format!(
                "effects exceed the limit of {limit} calls, messages and timers at once: \
                 a step with `foreach` makes more, some at a time"
            )));
        }
        self.effects.push(effect);
        self.entry.effects.push(words.into());
        Ok(())
    }

    /// Tells whoever listens; not counted, because the machine itself decides how many there are.
    pub(super) fn notice(&mut self, kind: NoticeKind, fields: Vec<(&str, Value)>) {
        self.tell(kind, NoticeData::Fields(NoticeData::present(fields)));
    }

    /// Tells likewise what becomes a value only where somebody listens.
    pub(super) fn tell(&mut self, kind: NoticeKind, data: NoticeData) {
        self.effects.push(Effect::Notice(Notice { kind, data }));
    }

    /// Counts one action or iteration (rule 12).
    pub(super) fn count_action(&mut self) -> Result<(), Overrun> {
        self.counts.actions += 1;
        let limit = self.definition.limits.actions;
        if self.counts.actions > limit {
            return Err(Overrun::Livelock(format!("actions exceed the limit of {limit}")));
        }
        Ok(())
    }

    /// Appends to the internal queue (rule 22).
    pub(super) fn enqueue(
        &mut self,
        event: Event,
        origin: Option<Box<Origin>>,
    ) -> Result<(), Overrun> {
        self.counts.internal_events += 1;
        let limit = self.definition.limits.internal_events;
        if self.counts.internal_events > limit {
            return Err(Overrun::Livelock(format!("internal events exceed the limit of {limit}")));
        }
        self.queue.push_back(Queued { event, origin });
        Ok(())
    }

    /// An event the machine makes itself.
    pub(super) fn made(&self, name: Arc<str>, kind: EventKind, data: Option<Value>) -> Event {
        Event { name, kind, data, time: Some(self.now), ..Event::default() }
    }

    /// Queues the event of an error.
    pub(super) fn queue_error(
        &mut self,
        error: ActionError,
        origin: Origin,
    ) -> Result<(), Overrun> {
        let data = Map::from_iter([
            ("kind", Value::from("execution")),
            ("message", Value::from(error.message)),
        ]);
        let mut event = self.made(error.name.into(), EventKind::Platform, Some(data.into()));
        event.send_id = error.send_id;
        self.enqueue(event, Some(Box::new(origin)))
    }

    /// Records a guard that was false or failed, once per transition.
    pub(super) fn record_guard(&mut self, transition: TransitionId, error: Option<Arc<str>>) {
        if let Some(known) =
            self.entry.guards.iter_mut().find(|verdict| verdict.transition == transition)
        {
            if known.error.is_none() {
                known.error = error;
            }
        } else if self.entry.guards.len() < GUARDS_MAX {
            self.entry.guards.push(GuardVerdict { transition, error });
        }
    }

    /// Records a transition taken because of `event`; `None` is an eventless one.
    pub(super) fn record_fired(&mut self, transition: TransitionId, event: Option<&Event>) {
        let event = match (event, &self.cause) {
            (None, _) => Some("".into()),
            (Some(event), Some(cause)) if Arc::ptr_eq(&event.name, cause) => None,
            (Some(event), _) => Some(Arc::clone(&event.name)),
        };
        self.entry.fired.push(Fired { transition, event });
    }
}

/// Is this the name of an error event (rule 38)?
pub(super) fn is_error(name: &str) -> bool {
    name.strip_prefix("error").is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}
