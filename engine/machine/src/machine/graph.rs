//! Step graphs: which steps start, what becomes of each, and when the graph is over
//! (decision 0023).
//!
//! A step's work is an ordinary sequence; only the order is decided here.

use std::sync::Arc;

use super::chunks::Chunks;
use super::effect::{NoticeData, NoticeKind};
use super::input::{Event, EventKind};
use super::instance::{RunningSequence, TimerKind};
use super::needs::{Verdict, has_room, run_count, verdict};
use super::progress::{
    Phase, Progress, Role, RunningGraph, StepError, StepState, StepStatus, Unkept,
};
use super::work::{Overrun, Work};
use crate::definition::model::{Graph, Mode, Step, StepFailure};
use crate::value::Value;

impl StepState {
    /// A step that waits.
    pub(super) const fn pending() -> Self {
        Self {
            status: StepStatus::Pending,
            attempts: 0,
            output: Value::Null,
            error: None,
            started_at: None,
            ended_at: None,
            stopped_at: None,
            fan: None,
            votes: Vec::new(),
            cached: false,
            stays: Vec::new(),
            committed: Vec::new(),
        }
    }

    /// Will nothing more become of it by itself?
    pub(super) const fn is_settled(&self) -> bool {
        self.ended_at.is_some()
    }
}

impl Progress {
    /// The run `id`.
    #[must_use]
    pub fn run(&self, id: u32) -> Option<&RunningGraph> {
        self.graphs.iter().find(|run| run.id == id)
    }
}

impl<'a> Work<'a> {
    pub(super) fn run(&self, id: u32) -> Option<&RunningGraph> {
        self.instance.progress.as_deref()?.run(id)
    }

    pub(super) fn run_mut(&mut self, id: u32) -> Option<&mut RunningGraph> {
        self.instance.progress.as_deref_mut()?.graphs.iter_mut().find(|run| run.id == id)
    }

    pub(super) fn graph_of(&self, id: u32) -> Option<&'a Graph> {
        self.definition.graphs.get(usize::from(self.run(id)?.graph))
    }

    pub(super) fn step_of(&self, id: u32, step: u16) -> Option<&'a Step> {
        self.definition.step(self.run(id)?.graph, step)
    }

    pub(super) fn step_state(&self, id: u32, step: u16) -> Option<&StepState> {
        self.run(id)?.steps.get(usize::from(step))
    }

    pub(super) fn step_state_mut(&mut self, id: u32, step: u16) -> Option<&mut StepState> {
        self.run_mut(id)?.steps.get_mut(usize::from(step))
    }

    /// The event that a sequence's expressions see: its own, else that of its graph.
    pub(super) fn sequence_event(&self, running: &RunningSequence) -> Option<Box<Event>> {
        if let Some(event) = &running.event {
            return Some(event.clone());
        }
        match running.role {
            Role::Step { graph, .. } | Role::Finally { graph } => self.run(graph)?.event.clone(),
            Role::State | Role::Undo { .. } => None,
        }
    }

    /// Starts a graph whose state was entered and is still active.
    pub(super) fn start_graph(
        &mut self,
        number: u16,
        event: Option<Box<Event>>,
    ) -> Result<(), Overrun> {
        let Some(graph) = self.definition.graphs.get(usize::from(number)) else { return Ok(()) };
        self.count_action()?;
        let (id, now) = (self.fresh_id(), self.now);
        let open = u16::try_from(graph.steps.len()).unwrap_or(u16::MAX);
        let run = RunningGraph {
            id,
            graph: number,
            phase: Phase::Running,
            event,
            steps: Chunks::filled(StepState::pending(), graph.steps.len()),
            open,
            started_at: now,
            ended_at: None,
        };
        let progress = self.instance.progress.get_or_insert_default();
        progress.forget_weight();
        match progress.graphs.iter_mut().find(|known| known.graph == number) {
            Some(place) => *place = run,
            None => progress.graphs.push(run),
        }
        if let Some(timeout) = graph.timeout_ms {
            self.arm(timeout, TimerKind::Steps { graph: id, step: None });
        }
        self.wakes.extend((0..open).map(|step| (id, step)));
        if open == 0 { self.graph_over(id) } else { Ok(()) }
    }

    /// Looks at the steps that may be able to start now, until none is left.
    pub(super) fn wake_steps(&mut self) -> Result<(), Overrun> {
        let mut looked_at = Vec::new();
        loop {
            if let Some((graph, step)) = self.fans.pop() {
                self.fill_fanout(graph, step)?;
                continue;
            }
            let Some((graph, step)) = self.wakes.pop_front() else { break };
            if !looked_at.contains(&graph) {
                looked_at.push(graph);
            }
            self.consider(graph, step)?;
        }
        self.leave_the_rest();
        for graph in looked_at {
            self.notice_deadlock(graph)?;
        }
        Ok(())
    }

    fn consider(&mut self, id: u32, step: u16) -> Result<(), Overrun> {
        let Some(run) = self.run(id).filter(|run| run.phase == Phase::Running) else {
            return Ok(());
        };
        let Some(graph) = self.definition.graphs.get(usize::from(run.graph)) else {
            return Ok(());
        };
        let at = usize::from(step);
        let (Some(spec), Some(state)) = (graph.steps.get(at), run.steps.get(at)) else {
            return Ok(());
        };
        // A fallback begins with the failure of its step, or waits for room since then.
        let failed = |step: u16| {
            let primary = run.steps.get(usize::from(step));
            primary.is_some_and(|it| it.status == StepStatus::Failed && !it.is_settled())
        };
        let asked_for = spec.fallback_of.is_none_or(failed);
        if state.status != StepStatus::Pending || !asked_for {
            return Ok(());
        }
        match verdict(spec, run, graph) {
            Verdict::Wait => return Ok(()),
            Verdict::Skip => return self.settle(id, step, StepStatus::Skipped),
            Verdict::Never(reason) => return self.deadlock(graph.state, &reason),
            Verdict::Run => {}
        }
        if !has_room(graph, run) || !self.may_begin(id) {
            return Ok(());
        }
        if let Some(guard) = &spec.when {
            self.count_action()?;
            let event = self.step_event(id, step);
            match guard.eval_bool(&self.scope(event.as_deref())) {
                Ok(true) => {}
                Ok(false) => return self.settle(id, step, StepStatus::Skipped),
                Err(error) => return self.when_failed((id, step), &error.to_string()),
            }
        }
        self.start_step(id, step)
    }

    /// `event` and `data` of a step: those of the graph; in a pipeline the data is the output of
    /// the step before.
    pub(super) fn step_event(&self, id: u32, step: u16) -> Option<Box<Event>> {
        let run = self.run(id)?;
        if self.graph_of(id).is_some_and(|graph| graph.mode == Mode::Pipeline)
            && let Some((before, output)) = self.piped(run, step)
        {
            let name = format!("step.{before}");
            return Some(Box::new(self.made(name.into(), EventKind::Internal, Some(output))));
        }
        run.event.clone()
    }

    /// The nearest earlier step that completed, and its output.
    fn piped(&self, run: &RunningGraph, step: u16) -> Option<(Arc<str>, Value)> {
        let graph = self.definition.graphs.get(usize::from(run.graph))?;
        let before = graph.steps.iter().zip(run.steps.iter()).take(usize::from(step));
        let completed = before.filter(|(_, state)| state.status == StepStatus::Completed);
        let (spec, state) = completed.last()?;
        Some((Arc::clone(&spec.id), state.output.clone()))
    }

    /// Starts a step that nothing holds back any more.
    pub(super) fn start_step(&mut self, id: u32, step: u16) -> Result<(), Overrun> {
        let Some(spec) = self.step_of(id, step) else { return Ok(()) };
        let now = self.now;
        if let Some(state) = self.step_state_mut(id, step) {
            state.status = StepStatus::Running;
            // Items that were done in an earlier try began then.
            let began = state.started_at.filter(|_| state.fan.is_some());
            state.started_at = began.or(Some(now));
            state.ended_at = None;
            state.stopped_at = None;
            state.error = None;
            state.votes.clear();
        }
        self.step_notice(NoticeKind::StepStarted, spec, None);
        if let Some(deadline) = spec.deadline_ms {
            self.arm(deadline, TimerKind::Steps { graph: id, step: Some(step) });
        }
        if let Some(fanout) = &spec.each {
            return self.start_fanout(id, step, fanout);
        }
        self.start_program(id, step, None, None)
    }

    /// Starts the program of a step, or of one item of it: where something came that could not be
    /// kept, with that.
    pub(super) fn start_program(
        &mut self,
        graph: u32,
        step: u16,
        item: Option<u32>,
        unkept: Option<Unkept>,
    ) -> Result<(), Overrun> {
        let (Some(spec), Some(of)) = (self.step_of(graph, step), self.graph_of(graph)) else {
            return Ok(());
        };
        let role = Role::Step { graph, step, item };
        let unkept = match self.go_on_adrift(role)? {
            (_, true) => return Ok(()),
            (done, false) => unkept.or(done),
        };
        let event = match of.mode {
            Mode::Pipeline => self.step_event(graph, step),
            Mode::Graph | Mode::Sequential => None,
        };
        let id = self.fresh_id();
        self.instance.sequences.push(RunningSequence {
            id,
            state: of.state,
            sequence: spec.program,
            position: unkept.as_ref().map_or(0, |unkept| unkept.position),
            event,
            call: None,
            reply: unkept.map(|unkept| Box::new(unkept.output)),
            role,
        });
        self.advance(id)
    }

    /// The program of a step is through.
    pub(super) fn step_through(&mut self, graph: u32, step: u16) -> Result<(), Overrun> {
        // What had failed was skipped by a person.
        let failed =
            self.step_state(graph, step).is_some_and(|state| state.status == StepStatus::Failed);
        let status = if failed { StepStatus::Skipped } else { StepStatus::Completed };
        self.settle(graph, step, status)
    }

    /// A step is over: what needs it is looked at.
    pub(super) fn settle(
        &mut self,
        graph: u32,
        step: u16,
        status: StepStatus,
    ) -> Result<(), Overrun> {
        let Some(spec) = self.step_of(graph, step) else { return Ok(()) };
        let Some(state) = self.step_state(graph, step) else { return Ok(()) };
        if state.is_settled() {
            return Ok(());
        }
        let error = state.error.as_deref().cloned();
        let kind = match status {
            StepStatus::Completed => NoticeKind::StepCompleted,
            StepStatus::Failed => NoticeKind::StepFailed,
            StepStatus::Pending
            | StepStatus::Running
            | StepStatus::Retrying
            | StepStatus::Skipped
            | StepStatus::Cancelled
            | StepStatus::Undone => NoticeKind::StepSkipped,
        };
        self.step_notice(kind, spec, error.as_ref());
        self.settle_untold(graph, step, status)
    }

    /// The same of a step whose end was told.
    pub(super) fn settle_untold(
        &mut self,
        graph: u32,
        step: u16,
        status: StepStatus,
    ) -> Result<(), Overrun> {
        let now = self.now;
        let Some(spec) = self.step_of(graph, step) else { return Ok(()) };
        let Some(state) = self.step_state_mut(graph, step) else { return Ok(()) };
        if state.is_settled() {
            return Ok(());
        }
        // What was answered while its instance stood still ended then.
        let works = matches!(state.status, StepStatus::Running | StepStatus::Retrying);
        let answered_at = state.stopped_at.take().filter(|_| works);
        state.status = status;
        state.ended_at = answered_at.or(Some(now));
        self.disarm_step(graph, step);
        let Some(run) = self.run_mut(graph) else { return Ok(()) };
        run.open = run.open.saturating_sub(1);
        let open = run.open;
        if let StepFailure::Fallback(other) = spec.on_failure {
            self.settle(graph, other, StepStatus::Skipped)?;
        }
        if let Some(primary) = spec.fallback_of {
            self.fallback_over(graph, step, primary)?;
        }
        let limited = self.graph_of(graph).is_some_and(|of| of.max_parallel.is_some());
        if limited {
            let all = self.run(graph).map_or(0, |run| run.steps.len());
            self.wakes.extend((0..all).filter_map(|at| Some((graph, u16::try_from(at).ok()?))));
        } else {
            self.wakes.extend(spec.dependents.iter().map(|dependent| (graph, *dependent)));
        }
        if open == 0 { self.graph_over(graph) } else { Ok(()) }
    }

    /// Nothing runs and nothing can start, though steps are open: a person must look.
    fn notice_deadlock(&mut self, id: u32) -> Result<(), Overrun> {
        // Mostly a call says so: then nobody has to look at all steps.
        let asks = |running: &RunningSequence| {
            matches!(running.role, Role::Step { graph, .. } if graph == id)
                && running.call.is_some()
        };
        if self.instance.sequences.iter().any(asks) {
            return Ok(());
        }
        let Some(graph) = self.graph_of(id) else { return Ok(()) };
        let Some(run) = self.run(id).filter(|run| run.phase == Phase::Running) else {
            return Ok(());
        };
        let waits =
            run.steps.iter().any(|state| state.status == StepStatus::Failed && !state.is_settled());
        let works = run_count(run) > 0;
        if run.open == 0
            || self.goes_on_by_itself(id)
            || waits
            || works
            || self.instance.stuck.is_some()
            || self.trouble.is_some()
        {
            return Ok(());
        }
        let open = graph.steps.iter().zip(run.steps.iter());
        let named: Vec<_> = open
            .filter(|(_, state)| !state.is_settled())
            .map(|(step, _)| format!("`{}`", step.id))
            .take(5)
            .collect();
        let reason =
            format!("no step can proceed: {} wait for what will not come", named.join(", "));
        self.deadlock(graph.state, &reason)
    }

    pub(super) fn step_notice(&mut self, kind: NoticeKind, spec: &Step, error: Option<&StepError>) {
        let error = error.map(|error| (error.kind, Arc::clone(&error.message)));
        self.tell(kind, NoticeData::Step { step: Arc::clone(&spec.id), error });
    }
}
