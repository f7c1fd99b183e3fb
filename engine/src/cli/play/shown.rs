//! What `play` shows: what happened with every guard's verdict, and what can happen next.

use std::collections::BTreeSet;

use gearshift_client::protocol::view::InstanceDetail;
use gearshift_machine::definition::duration;
use gearshift_machine::definition::model::{Definition, Descriptor, Trigger};
use gearshift_machine::machine::{Instance, Timestamp, TraceEntry, TransitionId};
use serde_json::{Value, json};

use crate::api;
use crate::cli::output::{Look, clean};
use crate::cli::timeline::Row;
use crate::cli::words::{names, plain, states};

/// One guard and what it said.
struct Verdict {
    transition: String,
    guard: String,
    /// `true`, `false`, or why it failed.
    said: String,
}

/// Every guard that was asked in the decision: those that said no, then those of the transitions
/// that were taken.
fn verdicts(trace: &TraceEntry, definition: &Definition) -> Vec<Verdict> {
    let verdict = |id: TransitionId, said: String| {
        let transition = definition.transitions.get(id.index())?;
        let guard = transition.guard.as_ref()?.source().to_owned();
        Some(Verdict { transition: api::transition_label(definition, transition), guard, said })
    };
    let refused = trace.guards.iter().filter_map(|guard| {
        let said = match &guard.error {
            Some(error) => format!("false: {error}"),
            None => "false".to_owned(),
        };
        verdict(guard.transition, said)
    });
    let taken = trace.fired.iter().filter_map(|fired| verdict(fired.transition, "true".to_owned()));
    refused.chain(taken).collect()
}

/// A decision as lines.
pub(super) fn decision(
    trace: &TraceEntry,
    definition: &Definition,
    look: Look,
    width: usize,
) -> String {
    let (green, red, dim) = (look.green(), look.red(), look.dim());
    let mut entry = api::history_entry(trace, definition);
    // The guards follow in lines of their own.
    entry.guards.clear();
    let mut text = format!("  {}", Row::of(&entry).render(look, width));
    for Verdict { transition, guard, said } in verdicts(trace, definition) {
        let style = if said == "true" { green } else { red };
        let (transition, guard) = (clean(&transition), clean(&guard));
        text.push_str(&format!(
            "\n      {dim}{transition}:{dim:#} {guard} → {style}{said}{style:#}"
        ));
    }
    text
}

/// The same as data.
pub(super) fn decision_data(trace: &TraceEntry, definition: &Definition) -> Value {
    let guards = verdicts(trace, definition).into_iter().map(|verdict| {
        let Verdict { transition, guard, said } = verdict;
        json!({ "transition": transition, "guard": guard, "verdict": said })
    });
    let mut entry = json!(api::history_entry(trace, definition));
    if let Some(members) = entry.as_object_mut() {
        members.insert("guards".to_owned(), guards.collect());
    }
    entry
}

/// Where the instance is and what would move it on, in one line.
pub(super) fn standing(
    detail: &InstanceDetail,
    instance: &Instance,
    definition: &Definition,
    now: Timestamp,
) -> String {
    let mut parts = vec![states(&detail.summary.active)];
    if instance.status.is_ended() || instance.stuck.is_some() {
        parts.push(detail.summary.status.as_str().to_owned());
    }
    if let Some(reason) = &detail.summary.stuck_reason {
        parts.push(plain(reason));
    }
    if detail.steps.total_steps > 0 {
        let (completed, total) = (detail.steps.completed_steps, detail.steps.total_steps);
        parts.push(format!("{completed} of {total} steps completed"));
    }
    if instance.status.is_ended() {
        return parts.join(" · ");
    }
    for task in &detail.approvals {
        parts.push(format!("decide {}", task.choices.join(" | ")));
    }
    for call in detail.calls.iter().filter(|call| call.deadline.is_some()) {
        parts.push(format!("reply {}", call.operation));
    }
    let events = takes(instance, definition);
    if !events.is_empty() {
        parts.push(format!("takes {}", names(&events)));
    }
    let first = detail.timers.iter().filter_map(|timer| {
        let due = timer.due.parse::<jiff::Timestamp>().ok()?;
        Some((due.as_millisecond(), &timer.name))
    });
    if let Some((due, name)) = first.min() {
        let left = duration::format(Timestamp(due).since_ms(now));
        parts.push(format!("{name} in {left}"));
    }
    parts.join(" · ")
}

/// The events that somebody may send and an active state takes.
pub(super) fn takes(instance: &Instance, definition: &Definition) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut events = Vec::new();
    for id in instance.active.iter().rev() {
        for transition in &definition.state(*id).transitions {
            let Trigger::Events(list) = &definition.transition(*transition).trigger else {
                continue;
            };
            let own = |it: &&Descriptor| {
                let text = it.to_string();
                let first = text.trim_start_matches('=').split('.').next().unwrap_or_default();
                ["done", "error", "after"].contains(&first)
            };
            for descriptor in list.iter().filter(|it| !own(it)) {
                if seen.insert(descriptor.to_string()) {
                    events.push(descriptor.to_string());
                }
            }
        }
    }
    events
}
