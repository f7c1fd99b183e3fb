//! What one macrostep may use up, and how many steps and items of graphs it starts: the rest is
//! left to decisions of its own (rule 12, decision 0023).

use super::input::Event;
use super::instance::TimerKind;
use super::macrostep::{Cause, Taken};
use super::progress::{Phase, StepState, StepStatus};
use super::work::{ActionError, FUEL, Failure, Overrun, Work};
use crate::value::Value;

/// Effects that one macrostep keeps free of steps and items, for what else it has to do.
const SPARE: u32 = 16;

/// What outputs and inputs of steps may weigh together, in bytes, before the next step or item is
/// left to a decision of its own: all of a decision goes into one frame of 512 KiB.
const CARRIED: usize = 64 * 1_024;

/// The most that a call may be given, in bytes: with what else its decision writes it has to fit
/// one frame.
const INPUT_MAX: usize = 480 * 1_024;

/// What one macrostep has used up (rule 12).
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) microsteps: u32,
    pub(super) internal_events: u32,
    pub(super) actions: u32,
    pub(super) effects: u32,
    /// Bytes of outputs and of inputs that it keeps, by [`Value::weight`].
    pub(super) carried: usize,
    /// Graphs of which steps or items wait for a decision of their own.
    pub(super) held: Vec<u32>,
    /// One step or item is begun whatever is used up, so that the decision gets further.
    pub(super) must_begin: bool,
}

impl Work<'_> {
    /// May this macrostep start one more step or item of the graph? Else a timer that is due at
    /// once goes on with it.
    ///
    /// Half of the actions and of the fuel are kept for what follows.
    pub(super) fn may_begin(&mut self, graph: u32) -> bool {
        let limits = &self.definition.limits;
        let (effects, actions) = (self.counts.effects, self.counts.actions);
        let full = (effects > 0 && effects.saturating_add(SPARE) >= limits.effects)
            || (actions > 0 && actions >= limits.actions.div_ceil(2))
            || self.counts.carried > CARRIED
            || self.fuel.get() < FUEL / 2;
        if std::mem::take(&mut self.counts.must_begin) || !full {
            return true;
        }
        if !self.counts.held.contains(&graph) {
            self.counts.held.push(graph);
        }
        false
    }

    /// This much more is written by the decision.
    pub(super) const fn carry(&mut self, bytes: usize) {
        self.counts.carried = self.counts.carried.saturating_add(bytes);
    }

    /// What a call or a child is given is carried, so many times as the decision writes it, with
    /// the event that its sequence keeps: where no frame takes all of that, it is not made.
    pub(super) fn carry_input(
        &mut self,
        input: &Value,
        copies: usize,
        event: Option<&Event>,
    ) -> Result<(), Failure> {
        let kept = event.and_then(|event| event.data.as_ref()).map_or(0, Value::weight);
        let (size, limit) = (input.weight(), INPUT_MAX.saturating_sub(kept) / copies.max(1));
        if size > limit {
            let told = format!("input of {size} bytes exceeds the limit of {limit} bytes");
            return Err(Failure::Error(ActionError::new("error.execution.limit", told)));
        }
        self.carry(size.saturating_mul(copies).saturating_add(kept));
        Ok(())
    }

    /// Starts a step, or leaves it to the decision that goes on with its graph.
    pub(super) fn begin_step(&mut self, graph: u32, step: u16) -> Result<(), Overrun> {
        if self.may_begin(graph) {
            return self.start_step(graph, step);
        }
        if let Some(state) = self.step_state_mut(graph, step) {
            state.status = StepStatus::Pending;
            state.error = None;
            state.stopped_at = None;
        }
        Ok(())
    }

    /// Arms the timers of the graphs that this macrostep had no room for.
    pub(super) fn leave_the_rest(&mut self) {
        for graph in std::mem::take(&mut self.counts.held) {
            let open = self.run(graph).is_some_and(|run| run.phase == Phase::Running);
            if open && !self.goes_on_by_itself(graph) {
                self.arm(0, TimerKind::MoreSteps { graph });
            }
        }
    }

    /// Is a timer armed that starts more of the graph?
    pub(super) fn goes_on_by_itself(&self, graph: u32) -> bool {
        let more = TimerKind::MoreSteps { graph };
        self.instance.timers.iter().any(|timer| timer.kind == more)
    }

    /// What an earlier decision left of a graph is looked at.
    pub(super) fn more_steps(&mut self, graph: u32) -> Result<Taken, Overrun> {
        self.counts.must_begin = true;
        self.look_at_all(graph);
        self.macrostep(Cause::Resume(None))
    }

    /// Looks at all that waits in graphs: what was to start them is not known any more.
    pub(super) fn all_steps(&mut self) -> Result<Taken, Overrun> {
        self.counts.must_begin = true;
        let progress = self.instance.progress.as_deref();
        let runs = progress.into_iter().flat_map(|progress| &progress.graphs);
        for graph in runs.map(|run| run.id).collect::<Vec<_>>() {
            self.look_at_all(graph);
        }
        self.macrostep(Cause::Resume(None))
    }

    /// Looks at the steps of a graph that have not begun, and at the fan-outs that may have items
    /// left.
    fn look_at_all(&mut self, graph: u32) {
        let Some(run) = self.run(graph).filter(|run| run.phase == Phase::Running) else { return };
        let all = (0_u16..).zip(run.steps.iter());
        let is_fan = |state: &StepState| match state.status {
            StepStatus::Running | StepStatus::Retrying => state.fan.is_some(),
            StepStatus::Pending
            | StepStatus::Completed
            | StepStatus::Failed
            | StepStatus::Skipped
            | StepStatus::Cancelled
            | StepStatus::Undone => false,
        };
        let (fans, wakes): (Vec<_>, Vec<_>) = all
            .filter(|(_, state)| state.status == StepStatus::Pending || is_fan(state))
            .map(|(at, state)| (graph, at, is_fan(state)))
            .partition(|(_, _, fan)| *fan);
        // Fan-outs are looked at from the end.
        self.fans.extend(fans.into_iter().rev().map(|(graph, at, _)| (graph, at)));
        self.wakes.extend(wakes.into_iter().map(|(graph, at, _)| (graph, at)));
    }
}
