//! Outputs: what steps gave, and how much of it an instance may hold (decision 0026).

use super::input::ErrorKind;
use super::instance::RunningSequence;
use super::progress::{ItemState, Progress, Role, StepError, StepState};
use super::work::{Overrun, Work};
use crate::value::Value;

/// What all outputs weigh, as far as it is known: it follows from them, so it is neither compared
/// nor stored.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weighed(Option<usize>);

impl PartialEq for Weighed {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

fn weight(output: &Value) -> usize {
    if output.is_null() { 0 } else { output.weight() }
}

/// What a step gave, and what its items gave.
fn step_weight(step: &StepState) -> usize {
    let items = step.fan.iter().flat_map(|fan| fan.items.iter());
    let done = items.map(|item| match item {
        ItemState::Done(output) => weight(output),
        // What a sequence holds until it can be kept does not count either.
        ItemState::Open | ItemState::Undone | ItemState::Failed { .. } | ItemState::Unkept(_) => 0,
    });
    weight(&step.output) + done.sum::<usize>()
}

impl Progress {
    /// Outputs changed otherwise than by one more: they are weighed anew when one comes.
    pub(super) const fn forget_weight(&mut self) {
        self.weighed = Weighed(None);
    }

    /// What all outputs weigh, in bytes, by [`Value::weight`].
    fn outputs_weight(&self) -> usize {
        self.weighed.0.unwrap_or_else(|| {
            self.graphs.iter().flat_map(|run| run.steps.iter()).map(step_weight).sum()
        })
    }
}

impl Work<'_> {
    /// A call, child or event of a step gave something; an error where there is no room for it.
    pub(super) fn step_gave(&mut self, role: Role, output: &Value) -> Result<(), StepError> {
        let Role::Step { graph, step, item } = role else { return Ok(()) };
        let limit = self.definition.limits.outputs_bytes as usize;
        let Some(progress) = self.instance.progress.as_deref_mut() else { return Ok(()) };
        let all = progress.outputs_weight();
        let run = progress.graphs.iter_mut().find(|run| run.id == graph);
        let Some(state) = run.and_then(|run| run.steps.get_mut(usize::from(step))) else {
            return Ok(());
        };
        let fan = state.fan.as_deref_mut().zip(item);
        let place = fan.and_then(|(fan, item)| fan.items.get_mut(item as usize));
        let before = match (&place, item) {
            (Some(ItemState::Done(before)), _) => weight(before),
            (Some(_), _) | (None, Some(_)) => 0,
            (None, None) => weight(&state.output),
        };
        let all = all.saturating_sub(before).saturating_add(weight(output));
        self.counts.carried = self.counts.carried.saturating_add(weight(output));
        if all > limit {
            return Err(StepError {
                kind: ErrorKind::Permanent,
                code: "outputs_too_large".into(),
                message: format!(
                    "outputs of steps of {all} bytes exceed the limit of {limit} bytes"
                )
                .into(),
            });
        }
        match (place, item) {
            (Some(place), _) => *place = ItemState::Done(output.clone()),
            (None, Some(_)) => {}
            (None, None) => state.output = output.clone(),
        }
        state.error = None;
        progress.weighed = Weighed(Some(all));
        Ok(())
    }

    /// What a sequence waited for gave something: it goes on, or its step fails.
    pub(super) fn gave(
        &mut self,
        sequence: &RunningSequence,
        output: &Value,
    ) -> Result<(), Overrun> {
        let failed = self.step_gave(sequence.role, output);
        match (failed, sequence.role) {
            (Err(error), Role::Step { graph, step, item }) => {
                // Asked again it may give less.
                let halted = self.halt(RunningSequence { reply: None, ..sequence.clone() });
                self.step_failed((graph, step, item), Some(halted), error)
            }
            (Ok(()) | Err(_), _) => {
                self.skip_step(sequence.id);
                Ok(())
            }
        }
    }
}
