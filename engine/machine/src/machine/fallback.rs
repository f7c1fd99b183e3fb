//! Fallbacks: a step that ran because another one failed, and what that means for the other one.
//!
//! What the fallback gives is the result of the step that failed, for `steps.x` as for its `set`;
//! what it did is done for that step, so that a rollback takes it back with it.

use super::effect::NoticeKind;
use super::instance::RunningSequence;
use super::progress::{Role, StepState, StepStatus};
use super::work::{Failure, Overrun, Work};
use crate::definition::expr::Expr;
use crate::definition::model::{Action, Definition, SeqStep, SetPath, Step, StepFailure};
use crate::value::Value;

/// What a step keeps of its result, and the place in its program where it does; nothing of the
/// items of a `foreach`, each of which keeps its own.
fn kept_of<'d>(definition: &'d Definition, step: &Step) -> Option<(u16, &'d [(SetPath, Expr)])> {
    if step.each.is_some() {
        return None;
    }
    let program = definition.sequences.get(usize::from(step.program))?;
    let kept = (0_u16..).zip(&program.steps).map(|(at, part)| (at, part.kept()));
    // A step that does nothing but `set` failed with that.
    let only_sets = matches!(program.steps.as_slice(), [SeqStep::Do(Action::Set(_))]);
    kept.filter(|_| !only_sets).find(|(_, set)| !set.is_empty())
}

impl SeqStep {
    /// The `set` by which it keeps what came.
    pub(super) fn kept(&self) -> &[(SetPath, Expr)] {
        match self {
            Self::Call { spec, .. } => &spec.set,
            Self::Child { spec, .. } => &spec.set,
            Self::Wait { set, .. } | Self::Approval { set, .. } => set,
            Self::Do(Action::Route(route)) => &route.set,
            Self::Do(Action::Set(set)) => set,
            Self::Do(_) | Self::Name { .. } | Self::JumpUnless { .. } | Self::Jump { .. } => &[],
        }
    }
}

impl Work<'_> {
    /// Has the step a fallback that is still to say what becomes of it?
    pub(super) fn has_fallback_left(&self, graph: u32, step: &Step) -> bool {
        let StepFailure::Fallback(other) = step.on_failure else { return false };
        !self.step_state(graph, other).is_some_and(StepState::is_settled)
    }

    /// A fallback is over: so is the step that failed, with the fallback's end and output.
    pub(super) fn fallback_over(
        &mut self,
        graph: u32,
        step: u16,
        primary: u16,
    ) -> Result<(), Overrun> {
        let Some(own) = self.step_state(graph, step) else { return Ok(()) };
        let (status, output) = (own.status, own.output.clone());
        let Some(state) = self.step_state_mut(graph, primary) else { return Ok(()) };
        if state.is_settled() || state.status != StepStatus::Failed {
            return Ok(());
        }
        state.output = output;
        if let Some(progress) = self.instance.progress.as_deref_mut() {
            progress.forget_weight();
        }
        if status == StepStatus::Completed && !self.keep_of_fallback(graph, primary)? {
            return Ok(());
        }
        self.settle(graph, primary, status)
    }

    /// `set` of the step that failed, with what its fallback gave. False: it could not be kept, so
    /// that the step has failed after all; only that is done again by `retry`.
    fn keep_of_fallback(&mut self, graph: u32, primary: u16) -> Result<bool, Overrun> {
        let definition = self.definition;
        let spec = self.step_of(graph, primary);
        let (Some(spec), Some(of)) = (spec, self.graph_of(graph)) else { return Ok(true) };
        let Some((position, set)) = kept_of(definition, spec) else { return Ok(true) };
        let state = self.step_state(graph, primary);
        let output = state.map(|state| state.output.clone()).unwrap_or_default();
        let id = self.fresh_id();
        let sequence = RunningSequence {
            id,
            state: of.state,
            sequence: spec.program,
            position,
            event: self.step_event(graph, primary),
            call: None,
            reply: Some(Box::new(output.clone())),
            role: Role::Step { graph, step: primary, item: None },
        };
        self.count_action()?;
        match self.keep_output(set, &sequence, &output) {
            Ok(()) => Ok(true),
            Err(Failure::Overrun(overrun)) => Err(overrun),
            Err(Failure::Error(error)) => {
                if let Some(state) = self.step_state_mut(graph, primary) {
                    state.output = Value::Null;
                }
                self.instance.sequences.push(sequence.clone());
                self.step_error((graph, primary, None), Some(sequence), &error)?;
                Ok(false)
            }
        }
    }

    /// The fallback of a step was taken back: so was what the step gave, unless a part of it that
    /// it did itself is still to be taken back, or stays.
    pub(super) fn undone_with_fallback(&mut self, graph: u32, fallback: u16) {
        let Some(primary) = self.step_of(graph, fallback).and_then(|spec| spec.fallback_of) else {
            return;
        };
        let progress = self.instance.progress.as_deref();
        let own = progress.is_some_and(|progress| {
            progress.undo.iter().any(|entry| entry.step == Some((graph, primary)))
        });
        let Some(spec) = self.step_of(graph, primary).filter(|_| !own) else { return };
        let Some(state) = self.step_state_mut(graph, primary) else { return };
        if state.status == StepStatus::Completed && state.stays.is_empty() {
            state.status = StepStatus::Undone;
            self.step_notice(NoticeKind::StepUndone, spec, None);
        }
    }
}
