//! The graph of a state: steps as boxes, needs as arrows.

use super::label;
use crate::definition::model::{Definition, Graph, NeedKind, SeqStep, Step, StepFailure};
use crate::machine::StateId;

/// What both formats draw of a graph.
pub(super) struct Drawn {
    pub(super) boxes: Vec<StepBox>,
    pub(super) arrows: Vec<Arrow>,
    /// The boxes where it begins.
    pub(super) first: Vec<String>,
}

/// A step, or what takes one back.
pub(super) struct StepBox {
    /// `state.step`.
    pub(super) name: String,
    pub(super) label: String,
    /// Does it run only when something failed?
    pub(super) spare: bool,
}

/// What a step waits for, or what comes when it fails.
pub(super) struct Arrow {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) label: String,
    /// Is it taken only when something failed?
    pub(super) dashed: bool,
}

/// The graph that `state` runs, if it runs one.
pub(super) fn drawn(definition: &Definition, state: StateId) -> Option<Drawn> {
    let graph = definition.graphs.iter().find(|graph| graph.state == state)?;
    let own = &definition.state(state).id;
    let mut drawn = Drawn { boxes: Vec::new(), arrows: Vec::new(), first: Vec::new() };
    for step in &graph.steps {
        drawn.step(definition, graph, own, step);
    }
    Some(drawn)
}

impl Drawn {
    fn step(&mut self, definition: &Definition, graph: &Graph, own: &str, step: &Step) {
        let name_of = |step: &Step| format!("{own}.{}", step.id);
        let name = name_of(step);
        let of = |place: u16| graph.steps.get(usize::from(place)).map(name_of);
        if step.needs.is_empty() && step.fallback_of.is_none() {
            self.first.push(name.clone());
        }
        for need in &step.needs {
            let label = match need.kind {
                NeedKind::All | NeedKind::After => String::new(),
                NeedKind::Any => "any".to_owned(),
                NeedKind::AtLeast(least) => format!("{least} of {}", need.of.len()),
            };
            for from in need.of.iter().filter_map(|place| of(*place)) {
                // What is said twice, by `needs` and by the mode, is one arrow.
                if !self.arrows.iter().any(|arrow| arrow.from == from && arrow.to == name) {
                    let (to, label) = (name.clone(), label.clone());
                    self.arrows.push(Arrow { from, to, label, dashed: false });
                }
            }
        }
        if let StepFailure::Fallback(place) = step.on_failure
            && let Some(to) = of(place)
        {
            let label = "fallback".to_owned();
            self.arrows.push(Arrow { from: name.clone(), to, label, dashed: true });
        }
        if let Some(undo) = undo(definition, step) {
            let to = format!("{name}.undo");
            let label = "undo".to_owned();
            self.arrows.push(Arrow { from: name.clone(), to: to.clone(), label, dashed: true });
            self.boxes.push(StepBox { name: to, label: undo, spare: true });
        }
        let spare = step.fallback_of.is_some();
        self.boxes.push(StepBox { name, label: words(definition, step), spare });
    }
}

/// The operation that takes the step back.
fn undo(definition: &Definition, step: &Step) -> Option<String> {
    let program = definition.sequences.get(usize::from(step.program))?;
    program.steps.iter().find_map(|work| match work {
        SeqStep::Call { spec, .. } => Some(spec.undo.as_ref()?.operation.to_string()),
        SeqStep::Do(_)
        | SeqStep::Child { .. }
        | SeqStep::Wait { .. }
        | SeqStep::Approval { .. }
        | SeqStep::Name { .. }
        | SeqStep::JumpUnless { .. }
        | SeqStep::Jump { .. } => None,
    })
}

/// `load: csv.load [data.ok] for each`.
fn words(definition: &Definition, step: &Step) -> String {
    let work = label::program(definition, step.program);
    let mut words = step.id.to_string();
    if !work.is_empty() {
        words.push_str(&format!(": {}", work.join(", ")));
    }
    if let Some(when) = &step.when {
        words.push_str(&format!(" [{}]", label::shortened(when.source(), label::GUARD_MAX)));
    }
    if step.each.is_some() {
        words.push_str(" for each");
    }
    words
}
