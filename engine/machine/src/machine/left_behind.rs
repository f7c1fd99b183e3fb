//! A failure that nobody is asked about, and that does not end the graph, leaves its step behind:
//! else what needs it would wait for ever (decision 0057).

use super::end::End;
use super::ids::StateId;
use super::instance::{RunningSequence, StuckKind};
use super::progress::{Phase, Role, StepStatus};
use super::work::{Origin, Overrun, Work};

impl Work<'_> {
    /// An error of a graph was handled where it is, or is ignored: it goes on without what failed,
    /// as behind a step that is optional.
    pub(super) fn leave_failed(
        &mut self,
        failed: Option<(u32, Option<u16>)>,
    ) -> Result<(), Overrun> {
        let asks = self.trouble.is_some() || self.failing.is_some() || self.cancelling.is_some();
        let Some((graph, step)) = failed.filter(|_| !asks && self.running) else { return Ok(()) };
        let running = self.run(graph).filter(|run| run.phase == Phase::Running);
        let Some(run) = running.filter(|_| !self.is_rolling_back()) else { return Ok(()) };
        let Some(step) = step else {
            return if run.open == 0 { self.graph_over(graph) } else { Ok(()) };
        };
        let state = run.steps.get(usize::from(step));
        if state.is_none_or(|it| it.status != StepStatus::Failed || it.is_settled()) {
            return Ok(());
        }
        let stopped_at = state.and_then(|state| state.stopped_at);
        let own = |it: &RunningSequence| it.role == Role::Step { graph, step, item: None };
        self.instance.sequences.retain(|it| !own(it));
        if let Some(spec) = self.step_of(graph, step) {
            self.note(format!("step {} failed and is left behind", spec.id));
        }
        self.settle_untold(graph, step, StepStatus::Failed)?;
        if let Some(state) = self.step_state_mut(graph, step) {
            state.ended_at = stopped_at.or(state.ended_at);
        }
        Ok(())
    }

    /// Nothing of the graph can go on: `on_error` decides.
    pub(super) fn deadlock(&mut self, state: StateId, reason: &str) -> Result<(), Overrun> {
        let origin = Origin { state: Some(state), ..Origin::default() };
        self.unhandled_error(StuckKind::Deadlock, End::failed(reason), origin);
        Ok(())
    }
}
