//! What is told of a decision that no open task takes: it is not asked for yet, is made already, or
//! there is no such task.

use super::progress::{StepState, StepStatus};
use super::work::Work;
use crate::definition::model::{Graph, SeqStep};
use crate::value::Value;

/// So many tasks are named.
const NAMED: usize = 3;

impl Work<'_> {
    /// Why nothing waits for `choice`, or for that of `name:choice`.
    pub(super) fn no_open_task(&self, choice: &str) -> String {
        let all = self.undecided();
        if all.is_empty() {
            return "nobody is asked for a decision in this workflow".to_owned();
        }
        let named = choice.rsplit_once(':').map(|(name, _)| name);
        let Some(name) = named else {
            let more = all.len().saturating_sub(NAMED);
            let more = (more > 0).then(|| format!("{more} more are not open either"));
            let words = all.into_iter().take(NAMED).map(|(_, words)| words).chain(more);
            let words = words.collect::<Vec<_>>().join("; ");
            return format!("no task is open: {words}");
        };
        self.named_undecided(name).unwrap_or_else(|| format!("no task `{}`", name.escape_debug()))
    }

    /// The same of the task that is named so; `None`: there is none, or it is open.
    pub(super) fn named_undecided(&self, name: &str) -> Option<String> {
        let mut all = self.undecided().into_iter();
        all.find(|(names, _)| names.iter().any(|own| own == name)).map(|(_, words)| words)
    }

    /// What is told of a choice that no open task has.
    pub(super) fn none_of_the_choices(&self, choice: &str) -> String {
        let name = choice.rsplit_once(':').map(|(name, _)| name);
        let named = name.and_then(|name| self.named_undecided(name));
        named.unwrap_or_else(|| format!("`{choice}` is none of the choices"))
    }

    /// All tasks that the workflow may ask for and that are not open: their names, and how they
    /// stand.
    fn undecided(&self) -> Vec<(Vec<String>, String)> {
        let states = self.definition.states.iter().filter(|state| state.approval.is_some());
        let is_active = |id: &str| {
            let mut active = self.instance.active.iter();
            active.any(|at| *self.state(*at).id == *id)
        };
        let states = states.filter(|state| !is_active(&state.id)).map(|state| {
            let words = format!("state `{}`, which asks, is not active", state.id);
            (vec![state.id.to_string()], words)
        });
        let graphs = (0_u16..).zip(&self.definition.graphs);
        states.chain(graphs.flat_map(|(at, graph)| self.undecided_steps(at, graph))).collect()
    }

    fn undecided_steps(&self, at: u16, graph: &Graph) -> Vec<(Vec<String>, String)> {
        let asks = |program: u16| {
            let program = self.definition.sequences.get(usize::from(program));
            let mut steps = program.into_iter().flat_map(|program| program.steps.iter());
            steps.any(|step| matches!(step, SeqStep::Approval { .. }))
        };
        let progress = self.instance.progress.as_deref();
        let run = progress.and_then(|it| it.graphs.iter().find(|run| run.graph == at));
        let steps = graph.steps.iter().enumerate().filter(|(_, step)| asks(step.program));
        let told = steps.map(|(at, step)| {
            let state = run.and_then(|run| run.steps.get(at));
            let names =
                vec![step.id.to_string(), format!("{}.{}", self.state(graph.state).id, step.id)];
            (names, format!("step `{}` {}", step.id, stands(state)))
        });
        told.collect()
    }
}

/// How a step that asks stands, and who decided it.
fn stands(state: Option<&StepState>) -> String {
    let Some(state) = state else { return "is not open yet".to_owned() };
    match state.status {
        StepStatus::Pending | StepStatus::Running | StepStatus::Retrying => {
            "is not open yet".to_owned()
        }
        StepStatus::Completed => {
            let text = |name: &str| state.output.get(name).and_then(Value::as_str);
            let choice = text("action").map(|choice| format!(": `{choice}`")).unwrap_or_default();
            let by = text("userId").filter(|by| !by.is_empty());
            let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
            format!("is decided already{choice}{by}")
        }
        over @ (StepStatus::Failed
        | StepStatus::Skipped
        | StepStatus::Cancelled
        | StepStatus::Undone) => format!("is not asked for any more: it is {}", over.as_str()),
    }
}
