//! What steps wait for that no call, child or timer tells of.

use gearshift_machine::definition::model::{Definition, SeqStep};
use gearshift_machine::machine::{
    BREAKER_OPEN, Instance, PLUGIN_LIMITED, PLUGIN_PAUSED, RunningSequence,
};
use gearshift_protocol::view::{CallView, ItemsView, StepErrorView, StepStatus as Wire, StepsView};

use super::items;
use super::steps::name_of;

/// Waiting steps that are told one by one.
const PENDING_TOLD: usize = 10;

/// What steps wait for that no call, child or timer tells of: an event, their needs, a person.
pub(super) fn lines(instance: &Instance, definition: &Definition, view: &StepsView) -> Vec<String> {
    let mut lines = Vec::new();
    // Behind the last of it runs what its end is for.
    if let Some(rollback) = view.rollback.as_ref().filter(|it| it.left + it.awaited > 0) {
        let now = rollback.step.as_ref().map_or_else(String::new, |step| format!(", now `{step}`"));
        let left = rollback.left;
        lines.push(format!("takes back what was done: {}{now}, {left} left", rollback.reason));
        if rollback.awaited > 0 {
            let awaited = rollback.awaited;
            lines.push(format!(
                "waits first for calls under way, {awaited} of them: what succeeds is taken back too"
            ));
        }
    }
    for running in &instance.sequences {
        let Some(events) = awaited(definition, running) else { continue };
        let step = name_of(definition, instance, running.role).unwrap_or_default();
        lines.push(format!("step `{step}` waits for event {events}"));
    }
    let mut pending = 0;
    for step in &view.steps {
        match (step.status, &step.error) {
            (Wire::Failed, Some(error)) => {
                lines.push(format!("step `{}` failed: {}: {}", step.id, error.kind, error.message));
                items::why(step, &mut lines);
            }
            // Its call tells what it waits for now.
            (Wire::Retrying, Some(error)) if is_held_back(error) => {}
            (Wire::Retrying, Some(error)) => lines.push(format!(
                "step `{}` will be tried again after {}: {}",
                step.id, error.kind, error.message
            )),
            (Wire::Running, _) if step.items.is_some() => {
                let ItemsView { total, done, failed } = step.items.unwrap_or_default();
                lines.push(format!(
                    "step `{}` has {done} of {total} items done, {failed} failed",
                    step.id
                ));
                items::why(step, &mut lines);
            }
            (Wire::Pending, _) if !step.waits_for.is_empty() && is_due(definition, &step.id) => {
                pending += 1;
                if pending <= PENDING_TOLD {
                    lines.push(format!("step `{}` needs {}", step.id, step.waits_for.join(", ")));
                }
            }
            (_, _) => {}
        }
    }
    if pending > PENDING_TOLD {
        lines.push(format!("{} more steps wait for others", pending - PENDING_TOLD));
    }
    lines
}

/// Was an attempt not sent, because a limit, a breaker or an operator held it back?
fn is_held_back(error: &StepErrorView) -> bool {
    [PLUGIN_PAUSED, BREAKER_OPEN, PLUGIN_LIMITED].contains(&&*error.code)
}

/// A fallback waits for a failure: that is no reason why something does not go on.
fn is_due(definition: &Definition, step: &str) -> bool {
    let found = definition.step_named(step).and_then(|(graph, at)| definition.step(graph, at));
    found.is_some_and(|step| step.fallback_of.is_none())
}

/// The events that a sequence waits for.
fn awaited(definition: &Definition, running: &RunningSequence) -> Option<String> {
    let program = definition.sequences.get(usize::from(running.sequence))?;
    let Some(SeqStep::Wait { events, .. }) = program.steps.get(usize::from(running.position))
    else {
        return None;
    };
    Some(events.iter().map(|event| format!("`{event}`")).collect::<Vec<_>>().join(" or "))
}

/// What is known of the answer to an attempt that is under way.
pub(super) fn for_answer(call: &CallView) -> String {
    if call.pending {
        return "; its plugin answers later".to_owned();
    }
    let is_sent = call.deadline.is_some() && call.held.is_none() && call.next_attempt.is_none();
    // A sign of life says more, and what is answered waits for its instance.
    if !is_sent || call.progress.is_some() || call.answered.is_some() {
        return String::new();
    }
    // When a later attempt began is not known.
    match call.since.as_ref().filter(|_| call.attempt == 1) {
        Some(since) => format!("; its plugin has not answered since {since}"),
        None => "; its plugin has not answered yet".to_owned(),
    }
}
