//! Durable state → what people read: summary, detail, history, tasks, and why it waits.

use gearshift_machine::definition::duration;
use gearshift_machine::definition::model::{Definition, SeqStep, Trigger};
use gearshift_machine::machine::{
    Instance, RunningSequence, StateId, Status, Timer, TimerKind, Timestamp, TraceEntry,
    TransitionId, open_tasks,
};
use gearshift_machine::partition::DeadLetter;
use gearshift_machine::value::{Map, Value};
use gearshift_protocol::OperationRef;
use gearshift_protocol::view::{
    CallView, DeadLetter as DeadLetterView, GuardView, HistoryEntry, InstanceDetail,
    InstanceSummary, Task, TimerView, TransitionView, VoteView, Why,
};

use super::wire;
use crate::runtime::Handle;

/// One line of a list.
pub(super) fn summary(
    instance: &Instance,
    definition: &Definition,
    now: Timestamp,
) -> InstanceSummary {
    InstanceSummary {
        id: instance.key.to_string(),
        workflow: instance.key.workflow().to_owned(),
        version: instance.pin.version,
        key: instance.key.key().to_owned(),
        generation: instance.generation.0,
        status: wire::status(instance.status),
        active: wire::state_names(definition, &instance.active),
        started_at: instance.started_at.to_string(),
        updated_at: instance.updated_at.to_string(),
        age_s: now.since_ms(instance.started_at) / 1_000,
        step: instance.step,
        stuck_reason: instance.stuck.as_ref().map(|stuck| stuck.reason.to_string()),
    }
}

/// Everything about one instance.
pub(super) fn detail(
    instance: &Instance,
    definition: &Definition,
    now: Timestamp,
) -> InstanceDetail {
    let vars = definition
        .vars
        .iter()
        .zip(&instance.vars)
        .map(|(var, value)| (std::sync::Arc::clone(&var.name), value.clone()))
        .collect::<Map>();
    let names = |events: &[gearshift_machine::machine::Event]| {
        events.iter().map(|event| event.name.to_string()).collect()
    };
    let calls = instance.sequences.iter().filter_map(|running| call(instance, definition, running));
    InstanceDetail {
        summary: summary(instance, definition, now),
        hash: definition.hash.to_string(),
        within: instance
            .active
            .iter()
            .filter(|id| **id != StateId::ROOT && !definition.state(**id).kind.is_leaf())
            .map(|id| definition.state(*id).id.to_string())
            .collect(),
        vars: wire::json(&Value::from(vars)),
        input: wire::json(&instance.input),
        output: wire::json(&instance.output),
        initiator: instance.initiator.as_ref().map(ToString::to_string),
        timers: instance.timers.iter().map(|one| timer(definition, one)).collect(),
        calls: calls.collect(),
        deferred: names(&instance.deferred),
        parked: names(&instance.parked),
        approvals: tasks(instance, definition, now),
    }
}

fn timer(definition: &Definition, timer: &Timer) -> TimerView {
    let name = match &timer.kind {
        TimerKind::After { state, index } => {
            let state = definition.state(*state);
            let delay = state.after.get(usize::from(*index)).map(|after| &after.delay);
            match delay {
                Some(gearshift_machine::definition::model::Delay::Fixed(ms)) => {
                    format!("{} after {}", state.id, duration::format(*ms))
                }
                Some(gearshift_machine::definition::model::Delay::Computed(_)) | None => {
                    format!("{} after (computed)", state.id)
                }
            }
        }
        TimerKind::Send { event } => format!("send {}", event.name),
        TimerKind::CallDeadline { .. } => "call deadline".to_owned(),
        TimerKind::CallRetry { .. } => "call retry".to_owned(),
        TimerKind::DeferredExpiry { .. } => "deferred event expires".to_owned(),
        TimerKind::Retention => "forgotten".to_owned(),
    };
    TimerView { name, due: timer.due.to_string() }
}

fn call(
    instance: &Instance,
    definition: &Definition,
    running: &RunningSequence,
) -> Option<CallView> {
    let call = running.call.as_ref()?;
    let sequence = definition.sequences.get(usize::from(running.sequence))?;
    let Some(SeqStep::Call { spec, .. }) = sequence.steps.get(usize::from(running.position)) else {
        return None;
    };
    let retry = instance.timers.iter().find_map(|timer| match timer.kind {
        TimerKind::CallRetry { sequence } if sequence == running.id => Some(timer.due),
        TimerKind::CallRetry { .. }
        | TimerKind::CallDeadline { .. }
        | TimerKind::After { .. }
        | TimerKind::Send { .. }
        | TimerKind::DeferredExpiry { .. }
        | TimerKind::Retention => None,
    });
    Some(CallView {
        id: call.id.to_string(),
        operation: spec.operation.to_string(),
        attempt: call.attempt,
        attempts: Some(spec.retry.attempts),
        since: None,
        deadline: call.sent.then(|| call.deadline.to_string()),
        next_attempt: retry.map(|due| due.to_string()),
    })
}

/// Open approvals.
pub(super) fn tasks(instance: &Instance, definition: &Definition, now: Timestamp) -> Vec<Task> {
    let strings = |list: &[std::sync::Arc<str>]| list.iter().map(ToString::to_string).collect();
    open_tasks(instance, definition, now)
        .into_iter()
        .map(|task| Task {
            id: instance.key.to_string(),
            workflow: format!("{}@{}", definition.name, definition.version),
            title: task.title.to_string(),
            assign: task.assign.as_ref().map(ToString::to_string),
            due: task.due.map(|due| due.to_string()),
            due_in_ms: task.due.map(|due| due.0 - now.0),
            choices: strings(&task.choices),
            roles: strings(&task.roles),
            need: task.need,
            votes: task
                .votes
                .iter()
                .map(|vote| VoteView {
                    choice: vote.choice.to_string(),
                    user: vote.user.to_string(),
                })
                .collect(),
        })
        .collect()
}

/// One line of a history.
pub(super) fn entry(entry: &TraceEntry, definition: &Definition) -> HistoryEntry {
    let transition = |id: TransitionId| definition.transitions.get(id.index());
    HistoryEntry {
        step: entry.step,
        at: entry.at.to_string(),
        input: input_words(entry),
        by: entry.by.as_ref().map(ToString::to_string),
        note: entry.note.as_ref().map(ToString::to_string),
        guards: entry
            .guards
            .iter()
            .map(|guard| GuardView {
                transition: transition(guard.transition)
                    .map_or_else(String::new, |found| label(definition, found)),
                error: guard.error.as_ref().map(ToString::to_string),
            })
            .collect(),
        transitions: entry
            .fired
            .iter()
            .filter_map(|fired| {
                let found = transition(fired.transition)?;
                let shown = |id| {
                    let state = definition.state(id);
                    definition.state(state.hidden_for.unwrap_or(id)).id.to_string()
                };
                Some(TransitionView {
                    name: label(definition, found),
                    from: shown(found.source),
                    to: found.targets.iter().map(|id| shown(*id)).collect(),
                    event: fired.event.as_ref().map(ToString::to_string),
                })
            })
            .collect(),
        effects: entry.effects.iter().map(ToString::to_string).collect(),
        active: wire::state_names(definition, &entry.active),
    }
}

/// The input in words; a life that an event began says so.
fn input_words(entry: &TraceEntry) -> String {
    let first = entry.fired.iter().find_map(|fired| fired.event.as_deref());
    match first {
        Some(event) if &*entry.input == "start" => format!("start by {event}"),
        Some(_) | None => entry.input.to_string(),
    }
}

/// The author's name of a transition, else what triggers it.
fn label(
    definition: &Definition,
    transition: &gearshift_machine::definition::model::Transition,
) -> String {
    let source = definition.state(transition.source);
    // The author's transition was taken on the way in; this is its second half.
    if let Some(target) = source.hidden_for {
        let arrives = transition.targets.first() == Some(&target);
        return if arrives { "calls succeeded" } else { "calls failed" }.to_owned();
    }
    if let Some(name) = &transition.name {
        return name.to_string();
    }
    let source = &source.id;
    match &transition.trigger {
        Trigger::Events(list) => {
            list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
        }
        Trigger::Always => format!("always of {source}"),
        Trigger::After { .. } => format!("after of {source}"),
        Trigger::Initial => format!("initial of {source}"),
    }
}

/// A dead letter as people read it.
pub(super) fn dead_letter(partition: u16, number: u64, letter: &DeadLetter) -> DeadLetterView {
    DeadLetterView {
        id: format!("{partition}-{number}"),
        event: letter.event.name.to_string(),
        reason: letter.reason.to_string(),
        at: letter.at.to_string(),
        instance: letter.key.as_ref().map(ToString::to_string),
        data: letter.event.data.as_ref().map_or(serde_json::Value::Null, wire::json),
    }
}

/// Operations that a definition calls.
pub(super) fn operations(definition: &Definition) -> Vec<String> {
    definition
        .sequences
        .iter()
        .flat_map(|sequence| &sequence.steps)
        .filter_map(|step| match step {
            SeqStep::Call { spec, .. } => Some(spec.operation.to_string()),
            SeqStep::Do(_) | SeqStep::JumpUnless { .. } | SeqStep::Jump { .. } => None,
        })
        .collect()
}

/// Why an instance does not go on by itself, and what would help.
pub(super) async fn why(handle: &Handle, instance: &Instance, definition: &Definition) -> Why {
    let now = handle.config().clock.now();
    let id = instance.key.key();
    let states = shown_states(instance, definition).join(", ");
    let since = duration::format(now.since_ms(instance.updated_at).max(1_000) / 1_000 * 1_000);
    let mut why =
        Why { summary: format!("{id} has been in `{states}` for {since}"), ..Why::default() };
    if instance.status.is_ended() {
        why.summary = format!("{id} is {} in `{states}` since {since}", instance.status.as_str());
        return why;
    }
    if let Some(stuck) = &instance.stuck {
        why.lines.push(format!("stuck: {}", stuck.reason));
        for verb in ["retry", "skip", "cancel"] {
            why.try_this.push(format!("gearshift {verb} {id}"));
        }
    }
    for view in detail(instance, definition, now).calls {
        waits_for_call(handle, &view, &mut why).await;
    }
    for task in tasks(instance, definition, now) {
        let who = task.assign.as_deref().unwrap_or("anybody");
        why.lines.push(format!("waits for a decision of {who}: {}", task.choices.join(" | ")));
        for choice in &task.choices {
            why.try_this.push(format!("gearshift decide {id} {choice}"));
        }
    }
    let accepted = accepted(instance, definition);
    if instance.status == Status::Running && !accepted.is_empty() {
        why.lines.push(format!("accepts {} for key `{id}`", accepted.join(", ")));
    }
    for timer in detail(instance, definition, now).timers {
        why.lines.push(format!("timer {} is due at {}", timer.name, timer.due));
    }
    if !instance.deferred.is_empty() || !instance.parked.is_empty() {
        let (deferred, parked) = (instance.deferred.len(), instance.parked.len());
        why.lines.push(format!("{deferred} events deferred, {parked} parked"));
    }
    why
}

/// Active states as people know them: a hidden one is on the way to another.
fn shown_states(instance: &Instance, definition: &Definition) -> Vec<String> {
    definition
        .leaves(&instance.active)
        .map(|id| match definition.state(id).hidden_for {
            Some(target) => format!("→ {}", definition.state(target).id),
            None => definition.state(id).id.to_string(),
        })
        .collect()
}

async fn waits_for_call(handle: &Handle, call: &CallView, why: &mut Why) {
    let attempts = call.attempts.unwrap_or(1);
    why.lines.push(match (&call.next_attempt, &call.deadline) {
        (Some(next), _) => format!(
            "call {}: attempt {} of {attempts} failed, next at {next}",
            call.operation, call.attempt
        ),
        (None, Some(deadline)) => format!(
            "call {}: attempt {} of {attempts} is under way until {deadline}",
            call.operation, call.attempt
        ),
        (None, None) => format!("call {}: waits to be sent", call.operation),
    });
    let Ok(operation) = call.operation.parse::<OperationRef>() else { return };
    let services = handle.bus().requests().discover().await.unwrap_or_default();
    let running =
        services.iter().filter(|service| service.name == operation.plugin).collect::<Vec<_>>();
    if running.is_empty() {
        why.lines.push(format!("no plugin `{}` is running", operation.plugin));
        why.try_this.push(format!("start plugin `{}`", operation.plugin));
    } else if !running.iter().any(|service| operation.accepts(&service.version)) {
        let versions =
            running.iter().map(|service| service.version.clone()).collect::<Vec<_>>().join(", ");
        let wanted = operation.requirement.as_deref().unwrap_or("any");
        why.lines.push(format!(
            "`{}` {versions} is running, but the definition needs {wanted}",
            operation.plugin
        ));
    }
}

/// Events that some transition of an active state waits for, engine-made ones left out.
fn accepted(instance: &Instance, definition: &Definition) -> Vec<String> {
    let mut names = instance
        .active
        .iter()
        .flat_map(|id| &definition.state(*id).transitions)
        .filter_map(|id| definition.transitions.get(id.index()))
        .flat_map(|transition| match &transition.trigger {
            Trigger::Events(list) => list.as_slice(),
            Trigger::Always | Trigger::After { .. } | Trigger::Initial => &[],
        })
        .map(ToString::to_string)
        .filter(|name| {
            let first = name.trim_start_matches('=').split('.').next().unwrap_or_default();
            !["done", "error"].contains(&first)
        })
        .collect::<Vec<_>>();
    names.sort();
    names.dedup();
    names
}
