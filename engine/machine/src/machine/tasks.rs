//! Approvals: who may decide what.

use std::cell::Cell;
use std::sync::Arc;

use super::commands::rejected;
use super::effect::NoticeKind;
use super::gate::may_decide;
use super::ids::{StateId, Timestamp};
use super::input::{Event, EventKind, Principal};
use super::instance::{Instance, RunningSequence, TimerKind, Vote};
use super::macrostep::{Cause, Taken};
use super::outcome::Outcome;
use super::progress::Role;
use super::work::{FUEL, Overrun, Work};
use crate::definition::expr::{Expr, Scope};
use crate::definition::model::{Approval, Definition, SeqStep, SetPath};
use crate::value::{Map, Value};

/// One open approval: what a task list shows.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The state that waits for the decision, or whose step does.
    pub state: StateId,
    /// What decisions call it: the state's id, or `<state>.<step>`.
    pub name: Arc<str>,
    /// What is to be decided; the name where the author's title cannot be evaluated.
    pub title: Arc<str>,
    /// The one person asked, where the author names one.
    pub assign: Option<Arc<str>>,
    /// The choices, in document order.
    pub choices: Vec<Arc<str>>,
    /// Who may decide; empty is everybody.
    pub roles: Vec<Arc<str>>,
    /// When the state's first `after:` timer is due, or the step's time is over.
    pub due: Option<Timestamp>,
    /// Is the one who started the instance kept from deciding?
    pub not_initiator: bool,
    /// How many persons must make the same choice.
    pub need: u32,
    /// Votes cast so far.
    pub votes: Vec<Vote>,
}

/// The approvals that wait for a decision: those of states in document order, then those of steps;
/// none of an ended instance.
#[must_use]
pub fn open_tasks(instance: &Instance, definition: &Definition, now: Timestamp) -> Vec<Task> {
    if instance.status.is_ended() {
        return Vec::new();
    }
    let fuel = Cell::new(FUEL);
    let scope = Scope {
        definition,
        key: Some(&instance.key),
        vars: &instance.vars,
        active: &instance.active,
        event: None,
        input: &instance.input,
        output: None,
        error: None,
        steps: instance.progress.as_deref(),
        now,
        locals: &[],
        fuel: &fuel,
    };
    open_approvals(instance, definition)
        .into_iter()
        .map(|(asker, approval)| Task {
            state: asker.state(),
            name: name_of(instance, definition, asker),
            title: approval
                .title
                .eval_text(&scope)
                .unwrap_or_else(|_| name_of(instance, definition, asker)),
            assign: approval
                .assign
                .as_ref()
                .and_then(|assign| assign.eval(&scope).ok())
                .and_then(|assign| assign.as_str().map(Into::into)),
            choices: approval.choices.clone(),
            roles: approval.roles.clone(),
            due: due(instance, asker),
            not_initiator: approval.not_initiator,
            need: approval.need,
            votes: votes(instance, asker),
        })
        .collect()
}

/// Who asks for a decision: a state, or a step that is an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A state.
    State(StateId),
    /// A step.
    Step {
        /// [`super::RunningGraph::id`].
        graph: u32,
        /// Which step.
        step: u16,
        /// The sequence that waits.
        sequence: u32,
        /// The state of the graph.
        state: StateId,
    },
}

impl Asker {
    /// The state that asks, or whose step does.
    pub(super) const fn state(self) -> StateId {
        match self {
            Self::State(state) | Self::Step { state, .. } => state,
        }
    }
}

/// What decisions call an approval.
fn name_of(instance: &Instance, definition: &Definition, asker: Asker) -> Arc<str> {
    let own = &definition.state(asker.state()).id;
    match asker {
        Asker::State(_) => Arc::clone(own),
        Asker::Step { .. } => format!("{own}.{}", step_id(instance, definition, asker)).into(),
    }
}

/// The id of a step that asks.
fn step_id<'d>(instance: &Instance, definition: &'d Definition, asker: Asker) -> &'d str {
    let Asker::Step { graph, step, .. } = asker else { return "" };
    let run = instance.progress.as_deref().and_then(|progress| progress.run(graph));
    let found = run.and_then(|run| definition.step(run.graph, step));
    found.map_or("", |step| &step.id)
}

fn votes(instance: &Instance, asker: Asker) -> Vec<Vote> {
    let own = |vote: &&Vote| vote.state == asker.state();
    match asker {
        Asker::State(_) => instance.votes.iter().filter(own).cloned().collect(),
        Asker::Step { graph, step, .. } => {
            let run = instance.progress.as_deref().and_then(|progress| progress.run(graph));
            let state = run.and_then(|run| run.steps.get(usize::from(step)));
            state.map(|state| state.votes.clone()).unwrap_or_default()
        }
    }
}

fn due(instance: &Instance, asker: Asker) -> Option<Timestamp> {
    let own = |kind: &TimerKind| match asker {
        Asker::State(id) => matches!(kind, TimerKind::After { state, .. } if *state == id),
        Asker::Step { graph, step, .. } => *kind == TimerKind::Steps { graph, step: Some(step) },
    };
    instance.timers.iter().filter(|timer| own(&timer.kind)).map(|timer| timer.due).min()
}

fn open_approvals<'d>(
    instance: &Instance,
    definition: &'d Definition,
) -> Vec<(Asker, &'d Approval)> {
    let approval =
        |id: &StateId| Some((Asker::State(*id), definition.state(*id).approval.as_ref()?));
    let states = instance.active.iter().filter_map(approval);
    states.chain(open_steps(instance, definition)).collect()
}

/// Steps that wait for a decision.
pub(super) fn open_steps<'d>(
    instance: &Instance,
    definition: &'d Definition,
) -> Vec<(Asker, &'d Approval)> {
    let asks = |running: &RunningSequence| {
        let Role::Step { graph, step, item: None } = running.role else { return None };
        let (approval, _) = step_approval(definition, running)?;
        let asker = Asker::Step { graph, step, sequence: running.id, state: running.state };
        Some((asker, approval))
    };
    instance.sequences.iter().filter_map(asks).collect()
}

/// The approval that a sequence stands at, and what is kept of the decision.
fn step_approval<'d>(
    definition: &'d Definition,
    running: &RunningSequence,
) -> Option<(&'d Approval, &'d [(SetPath, Expr)])> {
    let program = definition.sequences.get(usize::from(running.sequence))?;
    match program.steps.get(usize::from(running.position))? {
        SeqStep::Approval { approval, set } => Some((approval, set)),
        SeqStep::Do(_)
        | SeqStep::Call { .. }
        | SeqStep::Child { .. }
        | SeqStep::Wait { .. }
        | SeqStep::Name { .. }
        | SeqStep::JumpUnless { .. }
        | SeqStep::Jump { .. } => None,
    }
}

impl Work<'_> {
    /// Tells that a person is asked; of a step its id is told too.
    pub(super) fn ask_for_approval(
        &mut self,
        approval: &Approval,
        (state, step): (StateId, Option<&Arc<str>>),
        event: Option<&Event>,
    ) {
        let scope = self.scope(event);
        let title = approval.title.eval(&scope).unwrap_or_default();
        let assign = approval.assign.as_ref().map(|assign| assign.eval(&scope).unwrap_or_default());
        let texts = |list: &[Arc<str>]| {
            Value::list(list.iter().map(|text| Value::String(Arc::clone(text))).collect())
        };
        let fields = vec![
            ("state", Value::String(Arc::clone(&self.state(state).id))),
            ("step", step.map(|id| Value::String(Arc::clone(id))).unwrap_or_default()),
            ("title", title),
            ("assign", assign.unwrap_or_default()),
            ("choices", texts(&approval.choices)),
            ("roles", texts(&approval.roles)),
        ];
        self.notice(NoticeKind::ApprovalRequested, fields);
    }

    /// Tells that a step asks a person.
    pub(super) fn ask_as_step(&mut self, id: u32, approval: &Approval, event: Option<&Event>) {
        let running = self.instance.sequences.iter().find(|running| running.id == id);
        let Some((state, Role::Step { graph, step, .. })) = running.map(|it| (it.state, it.role))
        else {
            return;
        };
        let spec = self.step_of(graph, step);
        self.ask_for_approval(approval, (state, spec.map(|spec| &spec.id)), event);
    }

    /// What decisions call an approval.
    pub(super) fn asker_name(&self, asker: Asker) -> Arc<str> {
        name_of(&self.instance, self.definition, asker)
    }

    /// Gives a decision to the steps that asked for it; false where there are none.
    pub(super) fn steps_decided(
        &mut self,
        event: &Event,
        askers: &[Asker],
    ) -> Result<bool, Overrun> {
        let mut taken = false;
        for asker in askers {
            let Asker::Step { sequence, .. } = *asker else { continue };
            let all = &self.instance.sequences;
            let Some(running) = all.iter().find(|running| running.id == sequence).cloned() else {
                continue;
            };
            let Some((approval, set)) = step_approval(self.definition, &running) else { continue };
            let output = self.verdict(*asker, approval, event);
            taken = true;
            self.wait_over(&running, set, event, output)?;
        }
        Ok(taken)
    }

    /// What a decided step gives: what was sent, by whom where that is known, and all who agreed
    /// where several had to.
    fn verdict(&mut self, asker: Asker, approval: &Approval, event: &Event) -> Value {
        let mut output = match &event.data {
            Some(Value::Map(map)) => Map::clone(map),
            Some(_) | None => Map::new(),
        };
        let by = event.by.as_ref().map(|by| Value::String(Arc::clone(&by.user)));
        let action = output.get("action").and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut words = format!("{}: {action}", step_id(&self.instance, self.definition, asker));
        if let Some(Value::String(user)) = &by {
            words.push_str(&format!(" by {user}"));
        }
        self.note(words);
        output.insert("by", by.unwrap_or_default());
        if approval.need > 1 {
            let agreed = votes(&self.instance, asker).into_iter();
            let agreed = agreed.filter(|vote| *vote.choice == *action);
            let users = agreed.map(|vote| Value::String(vote.user)).collect();
            output.insert("voters", Value::list(users));
        }
        output.into()
    }

    /// A person decides an open approval.
    pub(super) fn decide_approval(
        &mut self,
        choice: &Arc<str>,
        data: Option<&Value>,
        by: &Principal,
    ) -> Outcome {
        match self.decision_event(choice, data, by) {
            Err(outcome) => outcome,
            Ok(event) => {
                let (from, fired) = (self.leaves(), self.entry.fired.len());
                let (taken, verdict) =
                    self.pass_gate(&event, |work| work.macrostep(Cause::Event(&event)));
                match (taken, verdict) {
                    (Taken::Yes, _) => self.transitioned(from),
                    (Taken::RolledBack, _) => self.rolled_back(),
                    (Taken::Deferred | Taken::Unhandled(_), Some(verdict)) => verdict,
                    // An eventless transition may have fired for it.
                    (Taken::Deferred | Taken::Unhandled(_), None)
                        if self.entry.fired.len() > fired =>
                    {
                        self.transitioned(from)
                    }
                    (Taken::Deferred | Taken::Unhandled(_), None) => {
                        rejected(format!("no transition takes `{choice}` now"))
                    }
                }
            }
        }
    }

    /// The event that a decision becomes.
    fn decision_event(
        &self,
        choice: &Arc<str>,
        data: Option<&Value>,
        by: &Principal,
    ) -> Result<Event, Outcome> {
        let (asker, approval, choice) = self.decided_task(choice, by)?;
        let mut fields = match data {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Map(map)) => Map::clone(map),
            Some(other) => {
                let found = other.type_name();
                return Err(rejected(format!("the data is a {found}, not a map")));
            }
        };
        fields.insert("action", Value::String(choice));
        fields.insert("task", Value::String(self.asker_name(asker)));
        fields.insert("userId", Value::String(Arc::clone(&by.user)));
        let mut event =
            self.made(Arc::clone(&approval.event), EventKind::External, Some(fields.into()));
        event.by = Some(by.clone());
        Ok(event)
    }

    /// The one open approval that `choice`, or `name:choice`, is for, and the choice itself.
    fn decided_task(
        &self,
        choice: &Arc<str>,
        by: &Principal,
    ) -> Result<(Asker, &Approval, Arc<str>), Outcome> {
        let open = open_approvals(&self.instance, self.definition);
        if open.is_empty() {
            return Err(rejected(self.no_open_task(choice)));
        }
        let mut denied = None;
        let mut found = Vec::new();
        for (asker, approval) in &open {
            let own = self.own_choice(*asker, choice);
            let known = |known: &&Arc<str>| **known == *choice || own == Some(&***known);
            let Some(meant) = approval.choices.iter().find(known) else { continue };
            match may_decide(approval, Some(by), self.instance.initiator.as_ref()) {
                Ok(()) => found.push((*asker, *approval, Arc::clone(meant))),
                Err(reason) => denied = Some(reason),
            }
        }
        match (found.pop(), denied) {
            (Some(task), _) if found.is_empty() => Ok(task),
            (Some(last), _) => {
                found.push(last);
                let named = |(asker, _, choice): &(Asker, &Approval, Arc<str>)| {
                    format!("{}:{choice}", self.asker_name(*asker)).into()
                };
                Err(Outcome::Rejected {
                    reason: format!("several approvals wait for `{choice}`: say which").into(),
                    accepted: found.iter().map(named).collect(),
                })
            }
            (None, Some(reason)) => Err(Outcome::Denied { reason: reason.into() }),
            (None, None) => Err(Outcome::Rejected {
                reason: self.none_of_the_choices(choice).into(),
                accepted: open.iter().flat_map(|(_, it)| it.choices.clone()).collect(),
            }),
        }
    }

    /// What is chosen, where the approval is named before it: by its name, or by the step's id.
    fn own_choice<'c>(&self, asker: Asker, choice: &'c str) -> Option<&'c str> {
        let (name, own) = choice.rsplit_once(':')?;
        let step = step_id(&self.instance, self.definition, asker);
        (name == &*self.asker_name(asker) || name == step).then_some(own)
    }
}
