//! What `retry` does again and `skip` leaves behind after an error (rule 20).

use std::sync::Arc;

use super::effect::NoticeKind;
use super::input::Event;
use super::instance::{FailedBlock, Place, RunningSequence, Stuck, StuckKind, TimerKind};
use super::invoked::invoked_at;
use super::macrostep::{Cause, Taken, error_text};
use super::needs::{failed_needs, is_lacking};
use super::progress::{Phase, Role, RunningGraph, StepState, StepStatus};
use super::work::{ActionError, Failure, Origin, Overrun, Work};
use crate::definition::model::{Graph, OnError, StepFailure};
use crate::value::Value;

impl Work<'_> {
    /// The body of `retry` after an error: the failed block from its failed action on, the failed
    /// call, the failed steps, or what is left of a graph.
    pub(super) fn run_again(&mut self, stuck: &Stuck) -> Result<Taken, Overrun> {
        let event = stuck.event.as_ref();
        if let Some(RunningSequence { role, .. }) = stuck.sequence {
            self.step_goes_on(role);
        }
        match (&stuck.block, &stuck.sequence) {
            (Some(FailedBlock { place: Place::Result, .. }), Some(_)) => self.keep_again(stuck)?,
            (Some(failed), _) => self.block_again(*failed, event)?,
            (None, Some(RunningSequence { call: Some(call), .. })) => {
                // An answer to an attempt before may still come, and is not that of this one.
                let attempt = call.attempt.saturating_add(1);
                if let Some(sequence) = &stuck.sequence {
                    self.begin_call_again(sequence, attempt)?;
                }
            }
            (None, Some(sequence)) => self.ready.push(sequence.id),
            (None, None) => {
                if !self.output_again(stuck, false)? {
                    self.graph_again(stuck);
                }
            }
        }
        self.failed_again()?;
        self.macrostep(Cause::Resume(event))
    }

    /// The body of `skip` after an error: what failed counts as over.
    pub(super) fn leave_behind(&mut self, stuck: &Stuck, by: &str) -> Result<Taken, Overrun> {
        let Some(sequence) = &stuck.sequence else {
            if !self.output_again(stuck, true)? {
                self.skip_steps()?;
                self.skip_graph(stuck)?;
            }
            return self.macrostep(Cause::Resume(None));
        };
        if let Role::Undo { undo } = sequence.role {
            self.leave_undo_out(sequence, by);
            self.undo_through(undo, false)?;
        } else {
            if let Role::Finally { .. } = sequence.role {
                let call = self.call_of(sequence).map(|(spec, _)| Arc::clone(&spec.operation));
                let what = call.map_or_else(|| "an action".into(), |call| format!("`{call}`"));
                self.leave_out(&format!("`finally`: {what} was skipped{by}"));
            }
            self.skip_step(sequence.id);
        }
        let taken = self.macrostep(Cause::Resume(sequence.event.as_deref()))?;
        self.others_wait(sequence.role);
        Ok(taken)
    }

    pub(super) fn skip_step(&mut self, id: u32) {
        let found = self.instance.sequences.iter_mut().find(|sequence| sequence.id == id);
        if let Some(sequence) = found {
            sequence.position = sequence.position.saturating_add(1);
            sequence.reply = None;
            self.ready.push(id);
        }
    }

    fn block_again(&mut self, failed: FailedBlock, event: Option<&Event>) -> Result<(), Overrun> {
        let block_of =
            |blocks: &'_ Vec<Vec<_>>, block: u16| blocks.get(usize::from(block)).cloned();
        let actions = match failed.place {
            Place::Entry { state, block } => block_of(&self.state(state).entry, block),
            Place::Exit { state, block } => block_of(&self.state(state).exit, block),
            Place::Transition { transition } => Some(self.transition(transition).actions.clone()),
            Place::Result => None,
        };
        self.run_block_from(&actions.unwrap_or_default(), failed.place, failed.action, event)
    }

    /// `set:` of a call again, with the reply that came.
    fn keep_again(&mut self, stuck: &Stuck) -> Result<(), Overrun> {
        let (Some(sequence), Some(event)) = (&stuck.sequence, &stuck.event) else { return Ok(()) };
        let definition = self.definition;
        let Some(invoked) = invoked_at(definition, sequence) else { return Ok(()) };
        let output = event.data.clone().unwrap_or_default();
        match self.keep_output(invoked.set, sequence, &output) {
            Ok(()) => {
                self.skip_step(sequence.id);
                Ok(())
            }
            Err(Failure::Overrun(overrun)) => Err(overrun),
            Err(Failure::Error(error)) => {
                let origin = Origin {
                    state: stuck.state,
                    block: stuck.block,
                    sequence: stuck.sequence.clone(),
                    event: stuck.event.clone(),
                    ..Origin::default()
                };
                let error = ActionError { name: error.name, ..error };
                self.queue_error(error, origin)
            }
        }
    }

    /// A sequence halts because what came could not be kept: it stays with it.
    pub(super) fn halt_with(
        &mut self,
        sequence: RunningSequence,
        output: &Value,
    ) -> RunningSequence {
        let reply = Some(Box::new(output.clone()));
        self.halt(RunningSequence { reply, ..sequence })
    }

    /// A sequence halts where it is.
    pub(super) fn halt(&mut self, sequence: RunningSequence) -> RunningSequence {
        let halted = RunningSequence { call: None, ..sequence };
        if let Some(known) = self.instance.sequences.iter_mut().find(|it| it.id == halted.id) {
            known.clone_from(&halted);
        }
        halted
    }

    /// What came is kept now: nothing is asked for again.
    pub(super) fn keep_reply_again(&mut self, running: &RunningSequence) -> Result<(), Overrun> {
        let Some(output) = running.reply.as_deref() else { return Ok(()) };
        let set = self.set_of(running);
        match (self.keep_output(set, running, output), running.role) {
            (Ok(()), _) => self.gave(running, output),
            (Err(Failure::Overrun(overrun)), _) => Err(overrun),
            (Err(Failure::Error(error)), Role::Step { graph, step, item }) => {
                self.step_error((graph, step, item), Some(running.clone()), &error)
            }
            (
                Err(Failure::Error(error)),
                Role::State | Role::Undo { .. } | Role::Finally { .. },
            ) => {
                let (state, sequence) = (Some(running.state), Some(running.clone()));
                self.queue_error(error, Origin { state, sequence, ..Origin::default() })
            }
        }
    }

    /// A step whose sequence goes on where it failed has not failed any more, and has the time of
    /// its deadline again.
    pub(super) fn step_goes_on(&mut self, role: Role) {
        let Role::Step { graph, step, item: None } = role else { return };
        let Some(state) = self.step_state_mut(graph, step) else { return };
        if state.status != StepStatus::Failed || state.is_settled() {
            return;
        }
        state.status = StepStatus::Running;
        state.error = None;
        state.stopped_at = None;
        if let Some(deadline) = self.step_of(graph, step).and_then(|spec| spec.deadline_ms) {
            self.arm(deadline, TimerKind::Steps { graph, step: Some(step) });
        }
    }

    /// `retry` of failed steps: where a sequence halted it goes on, else the step starts anew.
    fn failed_again(&mut self) -> Result<(), Overrun> {
        for (graph, step) in self.failed_steps() {
            match self.halted(graph, step) {
                Some(sequence) => {
                    self.step_goes_on(Role::Step { graph, step, item: None });
                    self.ready.push(sequence);
                }
                None if self.step_state(graph, step).is_some_and(StepState::when_failed) => {
                    self.wait_for_when(graph, step);
                }
                None => self.begin_step(graph, step)?,
            }
        }
        Ok(())
    }

    /// Whether it is to run is asked again.
    fn wait_for_when(&mut self, graph: u32, step: u16) {
        if let Some(state) = self.step_state_mut(graph, step) {
            *state = StepState::pending();
        }
        self.wakes.push_back((graph, step));
    }

    /// `skip` of failed steps that halted in no sequence.
    fn skip_steps(&mut self) -> Result<(), Overrun> {
        for (graph, step) in self.failed_steps() {
            let own = Role::Step { graph, step, item: None };
            self.instance.sequences.retain(|sequence| sequence.role != own);
            self.settle(graph, step, StepStatus::Skipped)?;
        }
        Ok(())
    }

    /// The sequence in which a failed step halted.
    fn halted(&self, graph: u32, step: u16) -> Option<u32> {
        let own = Role::Step { graph, step, item: None };
        self.instance.sequences.iter().find(|it| it.role == own).map(|it| it.id)
    }

    /// Steps that failed for good and wait for a person.
    fn failed_steps(&self) -> Vec<(u32, u16)> {
        let Some(progress) = self.instance.progress.as_deref() else { return Vec::new() };
        let mut failed = Vec::new();
        for run in progress.graphs.iter().filter(|run| run.phase == Phase::Running) {
            for (at, state) in (0_u16..).zip(run.steps.iter()) {
                let spec = self.definition.step(run.graph, at);
                let fallback = spec.is_some_and(|spec| self.has_fallback_left(run.id, spec));
                if state.status == StepStatus::Failed && !state.is_settled() && !fallback {
                    failed.push((run.id, at));
                }
            }
        }
        failed
    }

    /// One trouble is told at a time: behind the skipped one comes the next step that failed.
    fn others_wait(&mut self, skipped: Role) {
        if self.trouble.is_some()
            || self.definition.on_error != OnError::Suspend
            || self.is_rolling_back()
        {
            return;
        }
        let role = |(graph, step)| Role::Step { graph, step, item: None };
        let next = self.failed_steps().into_iter().find(|failed| role(*failed) != skipped);
        let Some((graph, step)) = next else { return };
        let (Some(of), Some(spec)) = (self.graph_of(graph), self.step_of(graph, step)) else {
            return;
        };
        let failed = self.step_state(graph, step);
        let Some(error) = failed.and_then(|state| state.error.as_deref().cloned()) else { return };
        let reason = error_text(&self.step_error_event(of.state, &spec.id, &error));
        let mut stuck = Stuck::new(StuckKind::CallFailed, reason, self.now);
        stuck.state = Some(of.state);
        let id = self.halted(graph, step);
        stuck.sequence =
            self.instance.sequences.iter().find(|sequence| Some(sequence.id) == id).cloned();
        self.trouble = Some(Box::new(stuck));
    }

    /// The graph that is in trouble as a whole, with no step or sequence to begin with.
    fn troubled_graph(&self, stuck: &Stuck) -> Option<u32> {
        let run = self.run_of(stuck.state?)?;
        match stuck.kind {
            StuckKind::Deadlock if run.phase == Phase::Running => Some(run.id),
            StuckKind::CallFailed if run.steps.iter().any(was_cut_off) => Some(run.id),
            StuckKind::Deadlock
            | StuckKind::CallFailed
            | StuckKind::Error
            | StuckKind::Livelock
            | StuckKind::Panic
            | StuckKind::StateTooLarge
            | StuckKind::DefinitionMissing
            | StuckKind::OutcomeUnknown
            | StuckKind::UndoFailed
            | StuckKind::RolledBack => None,
        }
    }

    /// `retry` of a graph that its timeout cut off, or that cannot proceed.
    fn graph_again(&mut self, stuck: &Stuck) {
        let Some(id) = self.troubled_graph(stuck) else { return };
        let Some(graph) = self.graph_of(id) else { return };
        let cut_off = stuck.kind == StuckKind::CallFailed;
        let Some(run) = self.run_mut(id) else { return };
        let mut again: Vec<u16> = Vec::new();
        for (at, step) in (0_u16..).zip(&graph.steps) {
            let Some(state) = run.steps.get(usize::from(at)) else { continue };
            if !cut_off && is_lacking(step, state, run, graph) {
                again.extend(failed_needs(step, run));
            } else if cut_off && was_cut_off(state) {
                again.push(at);
            }
        }
        for at in again {
            wait_again(run, graph, at);
        }
        reopened(run);
        let open = run.open;
        if let Some(progress) = self.instance.progress.as_deref_mut() {
            progress.forget_weight();
        }
        if let Some(timeout) = graph.timeout_ms.filter(|_| cut_off && open > 0) {
            self.arm(timeout, TimerKind::Steps { graph: id, step: None });
        }
        self.wake_all(id);
    }

    /// `skip` of the same: what was cut off or cannot run is left out, and the graph goes on.
    fn skip_graph(&mut self, stuck: &Stuck) -> Result<(), Overrun> {
        let Some(id) = self.troubled_graph(stuck) else { return Ok(()) };
        let Some(graph) = self.graph_of(id) else { return Ok(()) };
        let Some(run) = self.run_mut(id) else { return Ok(()) };
        if stuck.kind == StuckKind::Deadlock {
            let all = || (0_u16..).zip(graph.steps.iter().zip(run.steps.iter()));
            let lacking = all().filter(|(_, (step, state))| is_lacking(step, state, run, graph));
            let mut left: Vec<u16> = lacking.map(|(at, _)| at).collect();
            if left.is_empty() {
                let waits = all().filter(|(_, (_, state))| state.status == StepStatus::Pending);
                left = waits.map(|(at, _)| at).collect();
            }
            for at in left {
                self.settle(id, at, StepStatus::Skipped)?;
            }
            return Ok(());
        }
        let mut left = Vec::new();
        for (at, step) in graph.steps.iter().enumerate() {
            if let Some(state) = run.steps.get_mut(at)
                && was_cut_off(state)
            {
                state.status = StepStatus::Skipped;
                left.push(step);
            }
        }
        reopened(run);
        let open = run.open;
        for step in left {
            self.step_notice(NoticeKind::StepSkipped, step, None);
        }
        self.wake_all(id);
        if open == 0 { self.graph_over(id) } else { Ok(()) }
    }

    fn wake_all(&mut self, graph: u32) {
        let steps = self.run(graph).map_or(0, |run| run.steps.len());
        let steps = u16::try_from(steps).unwrap_or(u16::MAX);
        self.wakes.extend((0..steps).map(|step| (graph, step)));
    }
}

/// Did the timeout of all steps end it?
fn was_cut_off(state: &StepState) -> bool {
    state.status == StepStatus::Cancelled
}

/// A step that is to run again waits; the items of its `foreach:` that were done stay so. Its
/// fallback waits with it, and one that was cut off itself has its step's failure to make up for.
fn wait_again(run: &mut RunningGraph, graph: &Graph, at: u16) {
    let Some(spec) = graph.steps.get(usize::from(at)) else { return };
    if let Some(state) = run.steps.get_mut(usize::from(at)) {
        let (fan, stays) = (state.fan.take(), std::mem::take(&mut state.stays));
        let committed = std::mem::take(&mut state.committed);
        let started_at = state.started_at.filter(|_| fan.is_some());
        let committed = if fan.is_some() { committed } else { Vec::new() };
        *state = StepState { fan, stays, committed, started_at, ..StepState::pending() };
    }
    if let StepFailure::Fallback(other) = spec.on_failure
        && let Some(state) = run.steps.get_mut(usize::from(other))
    {
        *state = StepState::pending();
    }
    if let Some(primary) = spec.fallback_of
        && let Some(state) = run.steps.get_mut(usize::from(primary))
        && state.status == StepStatus::Failed
    {
        state.stopped_at = state.ended_at.take();
    }
}

/// The graph of steps that wait again is under way.
fn reopened(run: &mut RunningGraph) {
    let open = run.steps.iter().filter(|state| !state.is_settled()).count();
    run.open = u16::try_from(open).unwrap_or(u16::MAX);
    run.phase = Phase::Running;
    run.ended_at = None;
}
