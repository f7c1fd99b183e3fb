//! What the needs of a step say (decision 0023).

use super::progress::{RunningGraph, StepState, StepStatus};
use crate::definition::model::{Graph, Need, NeedKind, Step};

/// What the needs of a step say.
pub(super) enum Verdict {
    Wait,
    Run,
    Skip,
    Never(String),
}

impl StepState {
    /// Was it passed over by `when:` or by its needs, and not because it failed?
    fn was_passed_over(&self) -> bool {
        self.status == StepStatus::Skipped && self.error.is_none()
    }
}

/// Steps under way.
pub(super) fn run_count(run: &RunningGraph) -> usize {
    let works = |state: &&StepState| match state.status {
        StepStatus::Running | StepStatus::Retrying => true,
        StepStatus::Pending
        | StepStatus::Completed
        | StepStatus::Failed
        | StepStatus::Skipped
        | StepStatus::Cancelled
        | StepStatus::Undone => false,
    };
    run.steps.iter().filter(works).count()
}

/// May one more step run?
pub(super) fn has_room(graph: &Graph, run: &RunningGraph) -> bool {
    graph.max_parallel.is_none_or(|most| run_count(run) < usize::from(most))
}

/// What all needs of a step say together.
pub(super) fn verdict(spec: &Step, run: &RunningGraph, graph: &Graph) -> Verdict {
    let mut skip = false;
    for need in &spec.needs {
        match need_verdict(need, spec, run, graph) {
            Verdict::Run => {}
            Verdict::Skip => skip = true,
            Verdict::Wait => return Verdict::Wait,
            Verdict::Never(reason) => return Verdict::Never(reason),
        }
    }
    if skip { Verdict::Skip } else { Verdict::Run }
}

fn need_verdict(need: &Need, spec: &Step, run: &RunningGraph, graph: &Graph) -> Verdict {
    let states = || need.of.iter().filter_map(|at| run.steps.get(usize::from(*at)));
    let waits = || states().any(|state| !state.is_settled());
    let succeeded = || states().filter(|state| state.status == StepStatus::Completed).count();
    match need.kind {
        NeedKind::After | NeedKind::All if waits() => Verdict::Wait,
        NeedKind::After => Verdict::Run,
        NeedKind::All if states().all(StepState::was_passed_over) && !need.of.is_empty() => {
            Verdict::Skip
        }
        NeedKind::All => Verdict::Run,
        NeedKind::Any if succeeded() > 0 => Verdict::Run,
        NeedKind::Any if waits() => Verdict::Wait,
        NeedKind::Any => Verdict::Skip,
        NeedKind::AtLeast(least) if succeeded() >= usize::from(least) => Verdict::Run,
        NeedKind::AtLeast(_) if states().all(StepState::was_passed_over) => Verdict::Skip,
        NeedKind::AtLeast(least) => {
            let open = states().filter(|state| !state.is_settled()).count();
            let possible = succeeded() + open;
            if possible >= usize::from(least) {
                return Verdict::Wait;
            }
            let of: Vec<_> = need
                .of
                .iter()
                .filter_map(|at| graph.steps.get(usize::from(*at)))
                .map(|step| format!("`{}`", step.id))
                .collect();
            Verdict::Never(format!(
                "step `{}` needs {least} of {}, and only {possible} can succeed",
                spec.id,
                of.join(", ")
            ))
        }
    }
}

/// Does the step wait for more successes than there can be?
pub(super) fn is_lacking(
    spec: &Step,
    state: &StepState,
    run: &RunningGraph,
    graph: &Graph,
) -> bool {
    state.status == StepStatus::Pending && matches!(verdict(spec, run, graph), Verdict::Never(_))
}

/// Steps that failed and that a need for so many successes counts.
pub(super) fn failed_needs(spec: &Step, run: &RunningGraph) -> Vec<u16> {
    let counted = spec.needs.iter().filter(|need| matches!(need.kind, NeedKind::AtLeast(_)));
    let failed = |at: &u16| {
        run.steps.get(usize::from(*at)).is_some_and(|state| {
            let left_behind = state.status == StepStatus::Skipped && state.error.is_some();
            state.is_settled() && (state.status == StepStatus::Failed || left_behind)
        })
    };
    counted.flat_map(|need| need.of.iter().copied()).filter(failed).collect()
}
