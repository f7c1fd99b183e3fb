//! What a call gave that was waited for while something is taken back: its step shows it, as if the
//! answer had come a moment before (decision 0028).

use super::effect::NoticeKind;
use super::instance::RunningSequence;
use super::progress::{ItemState, Phase, Role, StepState, StepStatus};
use super::work::{Failure, Overrun, Work};
use crate::value::Value;

impl Work<'_> {
    /// Keeps what the last answer of a call gave. Where there is no room for it, or `set:` fails,
    /// nothing but that is lost: it was done, and is taken back.
    pub(super) fn take_last(&mut self, sequence: &RunningSequence, output: &Value) {
        let Role::Step { graph, step, item } = sequence.role else { return };
        let before = self.instance.vars.clone();
        let kept = self.keep_output(self.set_of(sequence), sequence, output);
        let kept = kept.and_then(|()| self.check_vars().map_err(Failure::Overrun));
        if let Err(failure) = kept {
            self.instance.vars = before;
            let why = match failure {
                Failure::Error(error) => error.message,
                Failure::Overrun(Overrun::Livelock(why) | Overrun::StateTooLarge(why)) => why,
            };
            self.note(format!("what it gave is not set: {why}"));
        }
        if let Err(error) = self.step_gave(sequence.role, output) {
            self.note(error.message);
        }
        let fan = self.step_state_mut(graph, step).and_then(|state| state.fan.as_deref_mut());
        if let (Some(fan), Some(_)) = (fan, item) {
            fan.open = fan.open.saturating_sub(1);
        }
    }

    /// A step none of whose calls is waited for any more is over: completed where all of it was
    /// done, else cut off.
    pub(super) fn end_awaited(&mut self, role: Role, succeeded: bool) {
        let Role::Step { graph, step, .. } = role else { return };
        let own = |it: &RunningSequence| match it.role {
            Role::Step { graph: of, step: at, .. } => (of, at) == (graph, step),
            Role::State | Role::Undo { .. } | Role::Finally { .. } => false,
        };
        if self.instance.sequences.iter().any(own) {
            return;
        }
        let done = self.all_items_done(graph, step).unwrap_or(succeeded);
        let now = self.now;
        let Some(state) = self.step_state_mut(graph, step) else { return };
        let now = match state.status {
            StepStatus::Pending => now,
            // It was answered while its instance stood still.
            StepStatus::Running | StepStatus::Retrying => state.stopped_at.take().unwrap_or(now),
            // It failed by another of its items.
            StepStatus::Completed
            | StepStatus::Failed
            | StepStatus::Skipped
            | StepStatus::Cancelled
            | StepStatus::Undone => return,
        };
        if !done {
            if state.status == StepStatus::Pending {
                // One that a person may have done again waits as it did.
                state.stopped_at = Some(now);
            } else {
                state.status = StepStatus::Cancelled;
                state.ended_at = Some(now);
            }
            return;
        }
        state.status = StepStatus::Completed;
        state.ended_at = Some(now);
        state.stopped_at = None;
        state.error = None;
        if let Some(run) = self.run_mut(graph) {
            run.open = run.open.saturating_sub(1);
        }
        if let Some(spec) = self.step_of(graph, step) {
            self.step_notice(NoticeKind::StepCompleted, spec, None);
        }
    }

    /// The answer to a call is kept until the instance goes on: what waits for nothing else then
    /// stopped now.
    pub(super) fn answer_kept(&mut self, owner: Option<&RunningSequence>) {
        let Some(Role::Step { graph, step, .. }) = owner.map(|it| it.role) else { return };
        let now = self.now;
        if let Some(state) = self.step_state_mut(graph, step)
            && matches!(state.status, StepStatus::Running | StepStatus::Retrying)
        {
            state.stopped_at = Some(now);
        }
    }

    /// What was kept is taken: what runs on is not over.
    pub(super) fn runs_on(&mut self) {
        let Some(progress) = self.instance.progress.as_deref_mut() else { return };
        for run in progress.graphs.iter_mut().filter(|run| run.phase == Phase::Running) {
            for at in 0..run.steps.len() {
                let is_it = |state: &StepState| {
                    state.stopped_at.is_some()
                        && matches!(state.status, StepStatus::Running | StepStatus::Retrying)
                };
                if run.steps.get(at).is_some_and(is_it)
                    && let Some(state) = run.steps.get_mut(at)
                {
                    state.stopped_at = None;
                }
            }
        }
    }

    /// Is every item of a fan-out done? Then its result is kept. `None` where it is none.
    fn all_items_done(&mut self, graph: u32, step: u16) -> Option<bool> {
        let fanout = self.step_of(graph, step)?.each.as_ref()?;
        let fan = self.step_state(graph, step)?.fan.as_deref()?;
        if !fan.items.iter().all(|item| matches!(item, ItemState::Done(_))) {
            return Some(false);
        }
        let kept = super::fan::fan_output(fan, fanout).and_then(|output| {
            let role = Role::Step { graph, step, item: None };
            self.step_gave(role, &output).map_err(|error| error.message.to_string())
        });
        if let Err(why) = kept {
            self.note(why);
        }
        Some(true)
    }
}
