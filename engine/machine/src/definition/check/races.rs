//! L8: a step that asks for what another one gave and does not wait for it.

use std::sync::Arc;

use super::context::Context;
use super::step_names::Listed;
use crate::definition::codes;
use crate::definition::model::Graph;
use crate::definition::problem::Span;

/// Tells what the steps of `graph` read of one another without an order between them.
pub(super) fn lint(context: &Context<'_>, listed: &Listed<'_>, graph: &Graph) {
    if context.report.has_errors() {
        return;
    }
    let reads = context.step_reads.borrow();
    // An inline fallback stands within its step, and is a step of its own.
    let own = |span: Span| {
        let steps = listed.steps.iter().enumerate();
        let around = steps.filter(|(_, step)| step.node.span.contains(span));
        around.min_by_key(|(_, step)| step.node.span.end - step.node.span.start)
    };
    for (at, step) in listed.steps.iter().enumerate() {
        let inside = |(span, _): &&(Span, _)| own(*span).is_some_and(|(it, _)| it == at);
        let mut of_step = reads.iter().filter(inside).peekable();
        if of_step.peek().is_none() {
            continue;
        }
        let before = before(graph, at);
        let asks = step.node.get("when").map(|node| node.span);
        let asks = of_step.clone().filter(|(span, _)| Some(*span) == asks);
        let asked: Vec<&Arc<str>> = asks.flat_map(|(_, reads)| &reads.asked).collect();
        let undo = step.node.get("undo").map(|node| node.span);
        for (span, found) in of_step {
            // What takes back runs behind all steps.
            if undo.is_some_and(|undo| undo.contains(*span)) {
                continue;
            }
            for name in &found.read {
                let guarded = found.asked.contains(name) || asked.contains(&name);
                let Some(read) = listed.at(name).filter(|read| !guarded && *read != at) else {
                    continue;
                };
                let read = meant(graph, read);
                if read != meant(graph, at) && !before.contains(&read) {
                    tell(context, (graph, listed), (at, read), (name, *span));
                }
            }
        }
    }
}

/// The step itself, or the one whose fallback it is: they end together.
fn meant(graph: &Graph, at: usize) -> usize {
    let primary = graph.steps.get(at).and_then(|step| step.fallback_of);
    primary.map_or(at, usize::from)
}

/// The steps that are over when the one at `at` begins, or were waited for.
fn before(graph: &Graph, at: usize) -> Vec<usize> {
    let mut found = vec![meant(graph, at)];
    let mut next = 0;
    while let Some(step) = found.get(next).and_then(|at| graph.steps.get(*at)) {
        next += 1;
        for need in step.needs.iter().flat_map(|need| &need.of) {
            let need = usize::from(*need);
            if !found.contains(&need) {
                found.push(need);
            }
        }
    }
    found
}

fn tell(
    context: &Context<'_>,
    (graph, listed): (&Graph, &Listed<'_>),
    (at, read): (usize, usize),
    (name, span): (&Arc<str>, Span),
) {
    let id = |at: usize| listed.steps.get(at).map(|step| &*step.id).unwrap_or_default();
    let (own, waited) = (id(at), id(read));
    let (message, help) = if before(graph, read).contains(&meant(graph, at)) {
        let message =
            format!("`{waited}` begins behind `{own}`: `steps.{name}` is never there yet");
        (message, format!("ask `has(steps.{name})`, or let `{own}` come behind `{waited}`"))
    } else {
        let has_needs = graph.steps.get(meant(graph, at)).is_some_and(|it| !it.needs.is_empty());
        let write = match has_needs {
            true => format!("add `{waited}` to `needs` of `{}`", id(meant(graph, at))),
            false => format!("write `needs: [{waited}]`"),
        };
        let message =
            format!("`{own}` reads `steps.{name}` and does not wait for `{waited}`: they race");
        (message, format!("{write}, or ask `has(steps.{name})` first"))
    };
    let text = context.report.slice(span);
    let path = format!("steps.{name}");
    let place = text.find(&path).map(|found| {
        let start = span.start + found;
        Span::new(start, start + path.len())
    });
    context.report.help(codes::RACING_STEP, place.unwrap_or(span), message, help);
}
