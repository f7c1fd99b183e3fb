//! Steps: `steps.<id>` is what the latest run of its graph made of a step that completed.

use std::sync::Arc;

use super::scope::View;
use crate::definition::model::Definition;
use crate::machine::{StepState, StepStatus};
use crate::value::{Map, Value};

/// The output of the step `name`; `hint` is its place among all steps when the expression was
/// compiled.
pub(super) fn output<'a>(view: &View<'a>, name: &str, hint: usize) -> Option<&'a Value> {
    let (graph, step) = place(view.definition, name, hint)?;
    let running = view.steps?.graphs.iter().find(|running| running.graph == graph)?;
    running.steps.get(usize::from(step)).and_then(completed)
}

/// The outputs of all steps that completed.
pub(super) fn outputs(view: &View<'_>) -> Map {
    let mut outputs = Map::new();
    for running in view.steps.iter().flat_map(|progress| &progress.graphs) {
        let Some(graph) = view.definition.graphs.get(usize::from(running.graph)) else { continue };
        for (step, state) in graph.steps.iter().zip(running.steps.iter()) {
            if let Some(output) = completed(state) {
                outputs.insert(Arc::clone(&step.id), output.clone());
            }
        }
    }
    outputs
}

fn completed(state: &StepState) -> Option<&Value> {
    (state.status == StepStatus::Completed).then_some(&state.output)
}

fn place(definition: &Definition, name: &str, hint: usize) -> Option<(u16, u16)> {
    let mut left = hint;
    for (number, graph) in (0_u16..).zip(&definition.graphs) {
        if let Some(step) = graph.steps.get(left) {
            let at = u16::try_from(left).ok()?;
            return if *step.id == *name {
                Some((number, at))
            } else {
                definition.step_named(name)
            };
        }
        left -= graph.steps.len();
    }
    definition.step_named(name)
}
