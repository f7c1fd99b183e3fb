//! The end of a step graph: `finally:`, its output, what is cut off when its state is left
//! (decision 0023).

use std::sync::Arc;

use super::ids::StateId;
use super::instance::{RunningSequence, TimerKind};
use super::progress::{Phase, Role, RunningGraph, StepState, StepStatus};
use super::work::{Origin, Overrun, Work};
use crate::definition::model::OnError;
use crate::value::Value;

impl Origin {
    /// The sequence of `finally:` that failed, where it is one.
    pub(super) fn finally(&self) -> Option<u32> {
        let sequence = self.sequence.as_ref()?;
        matches!(sequence.role, Role::Finally { .. }).then_some(sequence.id)
    }
}

impl Work<'_> {
    /// All steps are over.
    pub(super) fn graph_over(&mut self, id: u32) -> Result<(), Overrun> {
        let Some(graph) = self.graph_of(id) else { return Ok(()) };
        let Some(run) = self.run_mut(id).filter(|run| run.phase == Phase::Running) else {
            return Ok(());
        };
        if let Some(program) = graph.finally {
            run.phase = Phase::Finally;
            return self.start_finally(id, program, graph.state);
        }
        self.graph_ended(id)
    }

    /// Begins `finally:` of a graph.
    pub(super) fn start_finally(
        &mut self,
        graph: u32,
        program: u16,
        state: StateId,
    ) -> Result<(), Overrun> {
        let id = self.add_finally(graph, program, state);
        self.advance(id)
    }

    fn add_finally(&mut self, graph: u32, program: u16, state: StateId) -> u32 {
        let id = self.fresh_id();
        self.instance.sequences.push(RunningSequence {
            id,
            state,
            sequence: program,
            position: 0,
            event: None,
            call: None,
            reply: None,
            role: Role::Finally { graph },
        });
        id
    }

    /// `finally:` is through: of a graph whose state waits for it, or of one that was left.
    pub(super) fn finally_through(&mut self, graph: u32) -> Result<(), Overrun> {
        if self.is_rolling_back() {
            self.cut_off(graph, Phase::Ended);
            return self.go_on_undoing();
        }
        let waits = self.run(graph).is_some_and(|run| run.phase == Phase::Finally);
        if waits { self.graph_ended(graph) } else { Ok(()) }
    }

    /// A part of `finally:` failed and nobody handles that. Where no person is asked, and it is not
    /// what the instance fails by, the rest of it runs: else a rollback would never end.
    pub(super) fn goes_on_behind_finally(&mut self, id: u32, reason: &Arc<str>) -> bool {
        let goes_on = match self.definition.on_error {
            OnError::Suspend => false,
            OnError::Ignore => true,
            OnError::Fail => self.is_rolling_back(),
        };
        if goes_on {
            self.note(Arc::clone(reason));
            self.add_to_reason(reason);
            self.skip_step(id);
        }
        goes_on
    }

    /// Graphs whose `finally:` is still to run, should the instance end now.
    pub(super) fn open_finals(&self) -> Vec<(u32, u16, StateId)> {
        let Some(progress) = self.instance.progress.as_deref() else { return Vec::new() };
        let runs = progress.graphs.iter().filter(|run| run.phase == Phase::Running);
        runs.filter_map(|run| {
            let graph = self.definition.graphs.get(usize::from(run.graph))?;
            Some((run.id, graph.finally?, graph.state))
        })
        .collect()
    }

    /// The graph and its `finally:` are through: its state is done.
    pub(super) fn graph_ended(&mut self, id: u32) -> Result<(), Overrun> {
        let Some(graph) = self.graph_of(id) else { return Ok(()) };
        let Some(run) = self.run_mut(id) else { return Ok(()) };
        // It stays here as long as its output is not there.
        run.phase = Phase::Finally;
        self.disarm_graph(id);
        let event = self.run(id).and_then(|run| run.event.clone());
        let output = match &graph.output {
            Some(output) => {
                let output = output.eval(&self.scope(event.as_deref()));
                match self.last_word(graph.state, None, output) {
                    Some(output) => output,
                    None => return Ok(()),
                }
            }
            None => self.last_output(id),
        };
        self.graph_gave(id, output)
    }

    /// It ends with this.
    pub(super) fn graph_gave(&mut self, id: u32, output: Value) -> Result<(), Overrun> {
        let now = self.now;
        let Some(state) = self.graph_of(id).map(|graph| graph.state) else { return Ok(()) };
        let Some(run) = self.run_mut(id) else { return Ok(()) };
        run.phase = Phase::Ended;
        run.ended_at = Some(now);
        self.state_through(state, Some(output))
    }

    /// The latest run of the graph of `state`.
    pub(super) fn run_of(&self, state: StateId) -> Option<&RunningGraph> {
        let progress = self.instance.progress.as_deref()?;
        progress.graphs.iter().find(|run| {
            let graph = self.definition.graphs.get(usize::from(run.graph));
            graph.is_some_and(|graph| graph.state == state)
        })
    }

    /// Has the state a graph that is not through, or is about to start one?
    pub(super) fn has_open_graph(&self, state: StateId) -> bool {
        let of_state = |graph: u16| {
            let graph = self.definition.graphs.get(usize::from(graph));
            graph.is_some_and(|graph| graph.state == state)
        };
        self.run_of(state).is_some_and(|run| run.phase != Phase::Ended)
            || self.pending_graphs.iter().any(|(graph, _)| of_state(*graph))
    }

    /// What `done.state.<id>` says of a state whose graph ended before its other calls did.
    pub(super) fn graph_output(&self, state: StateId) -> Option<Value> {
        self.run_of(state).map(|run| self.last_output(run.id))
    }

    /// What the last step that completed gave.
    fn last_output(&self, id: u32) -> Value {
        let completed = |state: &&StepState| state.status == StepStatus::Completed;
        let run = self.run(id);
        let last = run.and_then(|run| run.steps.iter().rfind(completed));
        last.map_or(Value::Null, |state| state.output.clone())
    }

    /// Leaving a state ends its graph: what is open is cancelled.
    pub(super) fn cancel_graph_of(&mut self, state: StateId) {
        self.pending_graphs.retain(|(graph, _)| {
            self.definition.graphs.get(usize::from(*graph)).is_none_or(|of| of.state != state)
        });
        let Some(progress) = self.instance.progress.as_deref() else { return };
        let of_state = |run: &&RunningGraph| {
            let graph = self.definition.graphs.get(usize::from(run.graph));
            run.phase != Phase::Ended && graph.is_some_and(|graph| graph.state == state)
        };
        let Some(run) = progress.graphs.iter().find(of_state) else { return };
        let (id, running) = (run.id, run.phase == Phase::Running);
        self.cut_off(id, Phase::Ended);
        let finally = self.graph_of(id).and_then(|graph| graph.finally).filter(|_| running);
        // It cleans up behind the transition that leaves the state, which does not wait for it.
        if let Some(program) = finally {
            let sequence = self.add_finally(id, program, state);
            self.ready.push(sequence);
        }
    }

    /// Cancels all steps of a run that are not over.
    pub(super) fn cut_off(&mut self, id: u32, phase: Phase) {
        let now = self.now;
        self.disarm_graph(id);
        self.wakes.retain(|(graph, _)| *graph != id);
        let Some(run) = self.run_mut(id) else { return };
        run.phase = phase;
        run.open = 0;
        if phase == Phase::Ended {
            run.ended_at = Some(now);
        }
        for at in 0..run.steps.len() {
            if run.steps.get(at).is_some_and(StepState::is_settled) {
                continue;
            }
            if let Some(state) = run.steps.get_mut(at) {
                if state.status != StepStatus::Failed {
                    state.status = StepStatus::Cancelled;
                }
                // It ended with what it failed by, or with what stopped it, if that was before.
                state.ended_at = state.stopped_at.take().or(Some(now));
            }
        }
    }

    pub(super) fn disarm_graph(&mut self, id: u32) {
        self.instance.timers.retain(|timer| {
            !matches!(timer.kind, TimerKind::Steps { graph, .. } | TimerKind::MoreSteps { graph }
                if graph == id)
        });
    }

    pub(super) fn disarm_step(&mut self, id: u32, own: u16) {
        let of_step = |kind: &TimerKind| {
            matches!(kind, TimerKind::Steps { graph, step: Some(step) }
                if *graph == id && *step == own)
        };
        self.instance.timers.retain(|timer| !of_step(&timer.kind));
    }
}
