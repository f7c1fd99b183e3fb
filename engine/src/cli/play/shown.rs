//! What `play` shows: what happened with every guard's verdict, and what can happen next.

use std::collections::BTreeSet;

use gearshift_client::protocol::view::InstanceDetail;
use gearshift_machine::definition::duration;
use gearshift_machine::definition::model::{Definition, Descriptor, Trigger};
use gearshift_machine::machine::{Instance, Status, Timestamp, TraceEntry, TransitionId};
use serde_json::{Value, json};

use super::folding::fold;
use crate::api;
use crate::cli::output::{Look, clean};
use crate::cli::timeline::Row;
use crate::cli::words::{names, plain, states};

/// Transitions of one decision that are named.
const TRANSITIONS_SHOWN: usize = 12;

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
    let more = entry.transitions.len().saturating_sub(TRANSITIONS_SHOWN);
    entry.transitions.truncate(TRANSITIONS_SHOWN);
    let mut row = Row::of(&entry);
    row.effects = again(&row.effects, |effect, times| format!("{effect} ×{times}"));
    if more > 0 {
        row.notes.push(format!("and {more} transitions more"));
    }
    let mut text = format!("  {}", row.render(look, width));
    let verdicts = verdicts(trace, definition).into_iter().map(|verdict| {
        let Verdict { transition, guard, said } = verdict;
        let style = if said == "true" { green } else { red };
        let (transition, guard) = (clean(&transition), clean(&guard));
        format!("      {dim}{transition}:{dim:#} {guard} → {style}{said}{style:#}")
    });
    for line in again(&verdicts.collect::<Vec<_>>(), |line, times| format!("{line} ×{times}")) {
        text.push('\n');
        text.push_str(&line);
    }
    text
}

/// The lines, where a group of them that comes several times in a row is told once; its last line
/// with how many times.
pub(super) fn again(lines: &[String], last: impl Fn(&str, usize) -> String) -> Vec<String> {
    let mut told = Vec::new();
    for (group, times) in fold(lines) {
        let mut group = lines.get(group).unwrap_or_default().to_vec();
        if let (Some(line), 2..) = (group.last_mut(), times) {
            *line = last(line, times);
        }
        told.append(&mut group);
    }
    told
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
    if instance.status != Status::Running {
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
        let several = detail.approvals.len() > 1;
        let named = if several { format!("{}:", task.task) } else { String::new() };
        let choices = task.choices.iter().map(|choice| format!("{named}{choice}"));
        parts.push(format!("decide {}", choices.collect::<Vec<_>>().join(" | ")));
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
