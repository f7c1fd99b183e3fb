//! A step's end: what its calls gave, how it failed, and what its policy makes of that
//! (decision 0023).

use std::sync::Arc;

use super::effect::NoticeKind;
use super::input::{ErrorKind, Event, EventKind};
use super::instance::{RunningCall, RunningSequence};
use super::invoked::CallFailure;
use super::macrostep::{Cause, Taken, error_text};
use super::progress::{Phase, Role, StepError, StepState, StepStatus, Then, Undoable};
use super::work::{ActionError, Origin, Overrun, Queued, Work};
use crate::definition::model::{CallSpec, Collect, Graph, GraphFailure, Step, StepFailure};
use crate::value::{Map, Value};

/// The code of a step whose `when` failed.
const WHEN_FAILED: &str = "error.execution.guard";

impl StepState {
    /// Did it fail before anybody could say whether it is to run?
    pub(super) fn when_failed(&self) -> bool {
        self.error.as_deref().is_some_and(|error| *error.code == *WHEN_FAILED)
    }
}

impl CallFailure<'_> {
    pub(super) fn to_error(&self) -> StepError {
        StepError {
            kind: self.kind,
            code: Arc::clone(self.code),
            message: Arc::clone(self.message),
        }
    }
}

impl Work<'_> {
    /// An attempt of a step's call is made.
    pub(super) fn step_attempt(&mut self, role: Role, attempt: u32) {
        let Role::Step { graph, step, item } = role else { return };
        let Some(state) = self.step_state_mut(graph, step) else { return };
        state.stopped_at = None;
        if item.is_none() {
            state.status = StepStatus::Running;
            state.attempts = attempt;
            state.cached = false;
        }
    }

    /// An attempt of a step's call failed, and another one will be made.
    pub(super) fn step_retrying(&mut self, role: Role, error: StepError) {
        let Role::Step { graph, step, item } = role else { return };
        let Some(state) = self.step_state_mut(graph, step) else { return };
        state.stopped_at = None;
        if item.is_none() {
            state.status = StepStatus::Retrying;
            state.error = Some(Box::new(error));
        }
    }

    /// Remembers a call that can be taken back.
    pub(super) fn remember_undo(
        &mut self,
        running: &RunningSequence,
        spec: &CallSpec,
        call: &RunningCall,
        output: &Value,
    ) {
        if spec.undo.is_none() || self.usable_now(spec, call, output) {
            return;
        }
        let (id, at) = (self.fresh_id(), self.now);
        let (step, item) = match running.role {
            Role::Step { graph, step, item } => (Some((graph, step)), item),
            Role::State => (None, None),
            Role::Undo { .. } | Role::Finally { .. } => return,
        };
        let what = step.and_then(|step| self.step_named(step, item));
        self.carry(call.input.weight().saturating_add(output.weight()));
        self.instance.progress.get_or_insert_default().undo.push(Undoable {
            id,
            sequence: running.sequence,
            position: running.position,
            state: running.state,
            step,
            item,
            input: call.input.clone(),
            output: output.clone(),
            at,
            unusable: None,
        });
        self.tell_done(id, &what.unwrap_or_else(|| Arc::clone(&spec.operation)));
    }

    /// Something of a step failed for good: its policy decides.
    ///
    /// `sequence` is what failed, already without its call where it had one; `None` where it is
    /// the step as a whole.
    pub(super) fn step_failed(
        &mut self,
        (graph, step, item): (u32, u16, Option<u32>),
        sequence: Option<RunningSequence>,
        error: StepError,
    ) -> Result<(), Overrun> {
        if let Some(item) = item {
            if let Some(sequence) = &sequence {
                self.instance.sequences.retain(|known| known.id != sequence.id);
            }
            return self.item_failed(graph, step, item, (error, sequence));
        }
        let Some(spec) = self.step_of(graph, step) else { return Ok(()) };
        let (Some(of), now) = (self.graph_of(graph), self.now) else { return Ok(()) };
        if let Some(state) = self.step_state_mut(graph, step) {
            // What was answered while its instance stood still stopped then.
            let works = matches!(state.status, StepStatus::Running | StepStatus::Retrying);
            state.stopped_at = state.stopped_at.filter(|_| works).or(Some(now));
            state.status = StepStatus::Failed;
            state.error = Some(Box::new(error.clone()));
        }
        self.disarm_step(graph, step);
        // What its fallback gave could not be kept: that one has run.
        let is_over = spec.on_failure != StepFailure::Skip && !self.has_fallback_left(graph, spec);
        let policy = if is_over { StepFailure::Abort } else { spec.on_failure };
        let tolerated = match policy {
            StepFailure::Abort if spec.optional => Some(StepStatus::Failed),
            StepFailure::Abort => None,
            StepFailure::Skip => Some(StepStatus::Skipped),
            StepFailure::Fallback(_) => Some(StepStatus::Failed),
        };
        if tolerated.is_some()
            && let Some(sequence) = &sequence
        {
            self.instance.sequences.retain(|known| known.id != sequence.id);
        }
        match (policy, tolerated) {
            (StepFailure::Fallback(other), _) => {
                self.note(format!("step {} failed: its fallback runs", spec.id));
                self.step_notice(NoticeKind::StepFailed, spec, Some(&error));
                return self.begin_step(graph, other);
            }
            (_, Some(status)) => {
                self.note(format!("step {} failed and is left behind: {}", spec.id, error.message));
                let stopped_at = self.step_state(graph, step).and_then(|state| state.stopped_at);
                self.settle(graph, step, status)?;
                if let Some(state) = self.step_state_mut(graph, step) {
                    state.ended_at = stopped_at.or(state.ended_at);
                }
                return Ok(());
            }
            (_, None) => {}
        }
        self.step_notice(NoticeKind::StepFailed, spec, Some(&error));
        let event = self.step_error_event(of.state, &spec.id, &error);
        self.graph_failed((graph, Some(step)), of, sequence, event)
    }

    /// The graph cannot go on by itself: what was done is taken back, or the error is raised at
    /// once (rule 38).
    fn graph_failed(
        &mut self,
        (graph, step): (u32, Option<u16>),
        of: &Graph,
        sequence: Option<RunningSequence>,
        event: Event,
    ) -> Result<(), Overrun> {
        self.cause.get_or_insert_with(|| Arc::clone(&event.name));
        if of.on_failure == GraphFailure::Rollback {
            self.stop_but_undoable(|role| is_of(role, graph))?;
            self.cut_off(graph, Phase::Running);
            self.keep_awaited_running(graph);
            let reason = error_text(&event);
            return self.begin_rollback(
                Then::Raise { graph, event: Box::new(event) },
                None,
                reason,
            );
        }
        let state = Some(of.state);
        let graph = Some((graph, step));
        let origin = Origin { state, sequence, of_call: true, graph, ..Origin::default() };
        self.queue.push_back(Queued { event, origin: Some(Box::new(origin)) });
        Ok(())
    }

    /// `error.platform.invoke.<state>.<step>` and the like, as calls of states fail (rule 35).
    pub(super) fn step_error_event(
        &self,
        state: super::ids::StateId,
        step: &Arc<str>,
        error: &StepError,
    ) -> Event {
        let invoke_id: Arc<str> = format!("{}.{step}", self.state(state).id).into();
        let family = if error.kind.is_communication() { "communication" } else { "platform" };
        let data = Map::from_iter([
            ("kind", Value::from(error.kind.as_str())),
            ("code", Value::String(Arc::clone(&error.code))),
            ("message", Value::String(Arc::clone(&error.message))),
            ("step", Value::String(Arc::clone(step))),
        ]);
        let name = format!("error.{family}.invoke.{invoke_id}");
        let mut event = self.made(name.into(), EventKind::External, Some(data.into()));
        event.invoke_id = Some(invoke_id);
        event
    }

    /// An expression or action of a step's program failed.
    pub(super) fn step_error(
        &mut self,
        (graph, step, item): (u32, u16, Option<u32>),
        sequence: Option<RunningSequence>,
        error: &ActionError,
    ) -> Result<(), Overrun> {
        let error = StepError {
            kind: ErrorKind::Permanent,
            code: error.name.into(),
            message: error.message.as_str().into(),
        };
        self.step_failed((graph, step, item), sequence, error)
    }

    /// Whether the step is to run cannot be said: that is no answer, and so its failure
    /// (decision 0057). What asks for the output of a step that gave none, as it was skipped or
    /// failed, is answered: no.
    pub(super) fn when_failed(
        &mut self,
        (graph, step): (u32, u16),
        error: &str,
    ) -> Result<(), Overrun> {
        if self.gave_nothing(error) {
            self.note(format!("{}`when` is false: {error}", self.step_words_of(graph, step)));
            return self.settle(graph, step, StepStatus::Skipped);
        }
        let error = ActionError::new(WHEN_FAILED, format!("`when`: {error}"));
        self.step_error((graph, step, None), None, &error)
    }

    fn step_words_of(&self, graph: u32, step: u16) -> String {
        self.step_words(Role::Step { graph, step, item: None })
    }

    /// Does the error say that a step's output is absent which did not complete?
    pub(super) fn gave_nothing(&self, error: &str) -> bool {
        let name = error.strip_prefix('`').and_then(|rest| rest.strip_suffix("` is absent"));
        let Some(name) = name else { return false };
        let name = name.strip_prefix("steps.").unwrap_or(name);
        let runs = self.instance.progress.iter().flat_map(|progress| &progress.graphs);
        let mut all = runs.flat_map(|run| {
            let of = self.definition.graphs.get(usize::from(run.graph));
            of.into_iter().flat_map(|of| of.steps.iter().zip(run.steps.iter()))
        });
        all.any(|(spec, state)| *spec.id == *name && state.status != StepStatus::Completed)
    }

    /// Does a failure of the step for good take back what its graph did? Then that begins with
    /// what is under way.
    pub(super) fn failure_takes_back(&self, graph: u32, step: u16) -> bool {
        let whole = self.graph_of(graph).map(|of| of.on_failure);
        let aborts = |spec: &Step| spec.on_failure == StepFailure::Abort && !spec.optional;
        whole == Some(GraphFailure::Rollback) && self.step_of(graph, step).is_some_and(aborts)
    }

    /// Removes sequences by their role, and cancels their calls and children.
    pub(super) fn drop_sequences(&mut self, of: impl Fn(Role) -> bool) -> Result<(), Overrun> {
        self.drop_running(|sequence| of(sequence.role))
    }

    /// Removes sequences, and cancels their calls and children.
    pub(super) fn drop_running(
        &mut self,
        of: impl Fn(&RunningSequence) -> bool,
    ) -> Result<(), Overrun> {
        let (left, kept) =
            std::mem::take(&mut self.instance.sequences).into_iter().partition::<Vec<_>, _>(of);
        self.instance.sequences = kept;
        for sequence in left {
            self.cancel_child(&sequence, false);
            self.part_with(sequence);
        }
        Ok(())
    }

    /// A graph or a step took longer than it may.
    pub(super) fn steps_late(&mut self, graph: u32, step: Option<u16>) -> Result<Taken, Overrun> {
        self.bounded(graph, step)?;
        self.macrostep(Cause::Resume(None))
    }

    fn bounded(&mut self, graph: u32, step: Option<u16>) -> Result<(), Overrun> {
        let Some(run) = self.run(graph).filter(|run| run.phase == Phase::Running) else {
            return Ok(());
        };
        let began = run.started_at;
        match step {
            Some(step) => {
                let state = run.steps.get(usize::from(step));
                let Some(state) = state.filter(|it| !it.is_settled()) else { return Ok(()) };
                let began = state.started_at;
                let spec = self.step_of(graph, step);
                let id = spec.map(|spec| Arc::clone(&spec.id));
                let each = spec.and_then(|spec| spec.each.as_ref());
                let partial = each.is_some_and(|each| each.collect == Collect::Partial);
                let own = |role: Role| {
                    matches!(role, Role::Step { graph: of, step: at, .. }
                        if of == graph && at == step)
                };
                if partial || !self.failure_takes_back(graph, step) {
                    self.drop_sequences(own)?;
                }
                if self.partial_result(graph, step)? {
                    return Ok(());
                }
                let limit = spec.and_then(|spec| spec.deadline_ms);
                let error = self.late(&format!("step `{}`", id.unwrap_or_default()), began, limit);
                self.step_failed((graph, step, None), None, error)
            }
            None => {
                let limit = self.graph_of(graph).and_then(|of| of.timeout_ms);
                let error = self.late("the steps together", Some(began), limit);
                self.graph_late(graph, &error)
            }
        }
    }

    /// The whole graph took too long: what runs is cut off and the error raised.
    fn graph_late(&mut self, graph: u32, error: &StepError) -> Result<(), Overrun> {
        let Some(of) = self.graph_of(graph) else { return Ok(()) };
        let event = self.step_error_event(of.state, &"timeout".into(), error);
        if of.on_failure == GraphFailure::Raise {
            self.drop_sequences(|role| is_of(role, graph))?;
            // `finally:` is still to run, and `retry` may go on with it.
            self.cut_off(graph, Phase::Running);
        }
        self.graph_failed((graph, None), of, None, event)
    }

    /// ``step `load[3]`: `` in front of a note about the program of a step; else nothing.
    pub(super) fn step_words(&self, role: Role) -> String {
        let Role::Step { graph, step, item } = role else { return String::new() };
        let Some(spec) = self.step_of(graph, step) else { return String::new() };
        let item = item.map_or_else(String::new, |item| format!("[{item}]"));
        format!("step `{}{item}`: ", spec.id)
    }

    /// `` (load[3])`` or `` (undo of load)`` behind what a program is told; nothing for a state.
    pub(super) fn say_whose(&self, role: Role, words: &mut String) {
        match role {
            Role::State => {}
            Role::Step { graph, step, item } => {
                let Some(spec) = self.step_of(graph, step) else { return };
                words.extend([" (", &spec.id]);
                if let Some(item) = item {
                    words.extend(["[", &item.to_string(), "]"]);
                }
                words.push(')');
            }
            Role::Undo { undo } => match self.step_undone(undo) {
                Some(id) => words.extend([" (undo of ", &id, ")"]),
                None => words.push_str(" (undo)"),
            },
            Role::Finally { .. } => words.push_str(" (finally)"),
        }
    }
}

/// Is it work of the graph `of`?
const fn is_of(role: Role, of: u32) -> bool {
    match role {
        Role::Step { graph, .. } | Role::Finally { graph } => graph == of,
        Role::State | Role::Undo { .. } => false,
    }
}
