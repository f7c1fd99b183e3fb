//! The order of steps: that of the mode, who waits for whom, and circles.

use super::context::Context;
use super::step_names::Listed;
use crate::definition::codes;
use crate::definition::model::{Graph, Mode, Need, NeedKind};

/// Adds what the mode says to the needs, finds circles, and turns needs around.
pub(super) fn arrange(context: &Context<'_>, listed: &Listed<'_>, graph: &mut Graph) {
    match graph.mode {
        Mode::Graph => {}
        Mode::Sequential | Mode::Pipeline => one_after_another(graph),
    }
    let needs: Vec<Vec<usize>> = graph.steps.iter().map(|step| needed(&step.needs)).collect();
    circles(context, listed, &needs);
    for (at, needs) in (0_u16..).zip(&needs) {
        for need in needs {
            if let Some(step) = graph.steps.get_mut(*need) {
                step.dependents.push(at);
            }
        }
    }
}

/// All steps that are named, each once.
fn needed(needs: &[Need]) -> Vec<usize> {
    let mut all: Vec<usize> =
        needs.iter().flat_map(|need| &need.of).map(|step| usize::from(*step)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Each step behind the one above it; a fallback has no place in the order.
fn one_after_another(graph: &mut Graph) {
    let mut before: Option<u16> = None;
    for (at, step) in (0_u16..).zip(&mut graph.steps) {
        if step.fallback_of.is_some() {
            continue;
        }
        let before = before.replace(at);
        step.needs.extend(before.map(|before| Need { kind: NeedKind::After, of: vec![before] }));
    }
}

/// Reports one circle for each set of steps that wait for each other.
fn circles(context: &Context<'_>, listed: &Listed<'_>, needs: &[Vec<usize>]) {
    let mut left: Vec<bool> = vec![true; needs.len()];
    loop {
        free(&mut left, needs);
        let Some(start) = left.iter().position(|left| *left) else { return };
        let waits_for = |at: usize| {
            let needs = needs.get(at).into_iter().flatten().copied();
            needs.into_iter().find(|need| left.get(*need).copied().unwrap_or_default())
        };
        let mut path = vec![start];
        let circle = loop {
            let Some(next) = path.last().and_then(|last| waits_for(*last)) else { return };
            if let Some(first) = path.iter().position(|seen| *seen == next) {
                break path.split_off(first);
            }
            path.push(next);
        };
        let steps: Vec<_> = circle.iter().filter_map(|at| listed.steps.get(*at)).collect();
        let Some(first) = steps.iter().min_by_key(|step| step.span) else { return };
        let names: Vec<&str> = steps.iter().chain(steps.first()).map(|step| &*step.id).collect();
        let message = format!("`{}`: each waits for the next", names.join("` → `"));
        let span = first.node.get("needs").map_or(first.span, |node| node.span);
        context.report.add(codes::NEEDS_CYCLE, span, message);
        for at in circle {
            if let Some(left) = left.get_mut(at) {
                *left = false;
            }
        }
    }
}

/// Takes away every step that could run, until none of those left could.
fn free(left: &mut [bool], needs: &[Vec<usize>]) {
    let mut waits: Vec<usize> = Vec::with_capacity(needs.len());
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
    for (at, needs) in needs.iter().enumerate() {
        let open = needs.iter().filter(|need| left.get(**need).copied().unwrap_or_default());
        waits.push(open.clone().count());
        for need in open {
            if let Some(dependents) = dependents.get_mut(*need) {
                dependents.push(at);
            }
        }
    }
    let ready = |at: &usize| waits.get(*at) == Some(&0) && left.get(*at) == Some(&true);
    let mut queue: Vec<usize> = (0..needs.len()).filter(ready).collect();
    while let Some(at) = queue.pop() {
        if let Some(left) = left.get_mut(at) {
            *left = false;
        }
        for dependent in dependents.get(at).into_iter().flatten() {
            if let Some(waits) = waits.get_mut(*dependent) {
                *waits -= 1;
                if *waits == 0 && left.get(*dependent) == Some(&true) {
                    queue.push(*dependent);
                }
            }
        }
    }
}
