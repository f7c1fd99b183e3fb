//! Triggers that wait for an event of the engine which it never makes here: a typo, mostly.

use super::lints::Lint;
use super::nearest::nearest;
use crate::definition::codes;
use crate::definition::model::{Definition, Descriptor, SeqStep};
use crate::definition::problem::Span;

/// The errors that are not about something invoked.
const ERRORS: [&str; 13] = [
    "error.execution",
    "error.execution.assign",
    "error.execution.checkpoint",
    "error.execution.guard",
    "error.execution.invoke",
    "error.execution.limit",
    "error.execution.output",
    "error.execution.route",
    "error.execution.send",
    "error.execution.undo",
    "error.execution.vars",
    "error.communication.send",
    "error.platform.defer",
];
/// Where the name of a state follows.
const DONE: &str = "done.state.";
/// Where the id of a call, a child or a step follows.
const INVOKED: [&str; 3] =
    ["done.invoke.", "error.communication.invoke.", "error.platform.invoke."];

/// Looks at one trigger whose name only the engine may give to an event.
pub(super) fn lint(lint: &Lint<'_, '_>, descriptor: &Descriptor, span: Span) {
    let name = match descriptor {
        Descriptor::Any => return,
        Descriptor::Prefix(name) | Descriptor::Exact(name) => &**name,
    };
    let (states, ids) = (states(lint.definition), invoked(lint.definition));
    let of_states = states.iter().map(|id| format!("{DONE}{id}"));
    let of_ids =
        INVOKED.iter().flat_map(|before| ids.iter().map(move |id| format!("{before}{id}")));
    let errors = ERRORS.iter().map(ToString::to_string);
    let made: Vec<String> = of_states.chain(of_ids).chain(errors).collect();
    if made.iter().any(|made| descriptor.matches(made)) {
        return;
    }
    // Of long names that begin alike, only what follows tells how near they are.
    let beginning = INVOKED.into_iter().chain([DONE]).find(|before| name.starts_with(before));
    let (message, meant) = match beginning.map(|before| (before, name.replacen(before, "", 1))) {
        Some((DONE, id)) => {
            let meant = nearest(&id, states.iter().copied());
            let meant = meant.map(|meant| format!("{DONE}{meant}"));
            (format!("event `{name}` never comes: no state `{id}`"), meant)
        }
        Some((before, id)) => {
            let shorter = ids.iter().filter_map(|id| Some(id.rsplit_once('.')?.0));
            let known = ids.iter().map(|id| &**id).chain(shorter).filter(|id| !id.contains('~'));
            let meant = nearest(&id, known).map(|meant| format!("{before}{meant}"));
            (format!("event `{name}` never comes: nothing is invoked as `{id}`"), meant)
        }
        None => {
            let (before, word) = name.rsplit_once('.').unwrap_or(("", name));
            let known = made.iter().filter_map(|made| {
                let (other, word) = made.rsplit_once('.')?;
                (other == before).then_some(word)
            });
            let near = nearest(word, known).map(|meant| format!("{before}.{meant}"));
            let meant =
                near.or_else(|| nearest(name, made.iter().map(|made| &**made)).map(str::to_owned));
            (format!("event `{name}` never comes: the engine makes none of that name"), meant)
        }
    };
    let help = meant.map(|meant| format!("did you mean `{meant}`?"));
    lint.context.report.help(codes::UNDECLARED_EVENT, span, message, help);
}

/// The states that the author wrote.
fn states(definition: &Definition) -> Vec<&str> {
    let own = definition.states.iter().filter(|state| state.hidden_for.is_none());
    own.map(|state| &*state.id).collect()
}

/// The ids of calls, children and steps.
fn invoked(definition: &Definition) -> Vec<String> {
    let programs = definition.sequences.iter().flat_map(|sequence| &sequence.steps);
    let ids = programs.filter_map(|step| match step {
        SeqStep::Call { invoke_id, .. } | SeqStep::Child { invoke_id, .. } => {
            Some(invoke_id.to_string())
        }
        SeqStep::Do(_)
        | SeqStep::Wait { .. }
        | SeqStep::Approval { .. }
        | SeqStep::Name { .. }
        | SeqStep::JumpUnless { .. }
        | SeqStep::Jump { .. } => None,
    });
    let steps = definition.graphs.iter().flat_map(|graph| {
        let state = &definition.state(graph.state).id;
        graph.steps.iter().map(move |step| format!("{state}.{}", step.id))
    });
    ids.chain(steps).collect()
}
