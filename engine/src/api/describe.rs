//! Durable state → what people read: summary, detail, history, tasks, and why it waits.

use gearshift_machine::definition::model::{CallSpec, Definition, Descriptor, SeqStep, Trigger};
use gearshift_machine::machine::{
    CallOutcome, End, Fired, Instance, Reply, Role, RunningCall, RunningSequence, StateId, Status,
    TimerKind, Timestamp, TraceEntry, asks_transaction, open_tasks,
};
use gearshift_machine::partition::DeadLetter;
use gearshift_machine::value::{Map, Value};
use gearshift_protocol::view::{
    CallView, ChildView, DeadLetter as DeadLetterView, EndView, GuardView, HistoryEntry,
    InstanceDetail, InstanceSummary, Task, TransitionView, VoteView,
};

use super::plain::of_step;
use super::{control, plain, steps, timers, transactions, wire};

/// One line of a list; without its definition what can be told all the same.
pub(super) fn summary(
    instance: &Instance,
    definition: Option<&Definition>,
    now: Timestamp,
) -> InstanceSummary {
    let names = |definition| wire::state_names(definition, &instance.active);
    let words = |reason: &str| match definition {
        Some(definition) => of_step(reason, definition),
        None => plain(reason),
    };
    InstanceSummary {
        id: instance.key.to_string(),
        workflow: instance.key.workflow().to_owned(),
        version: instance.pin.version,
        key: instance.key.key().to_owned(),
        generation: instance.generation.0,
        status: wire::status(instance.status),
        active: definition.map(names).unwrap_or_default(),
        started_at: instance.started_at.to_string(),
        updated_at: instance.updated_at.to_string(),
        age_s: now.since_ms(instance.started_at) / 1_000,
        step: instance.step,
        stuck_reason: instance.stuck.as_ref().map(|stuck| words(&stuck.reason)),
        rollback_reason: instance
            .progress
            .as_deref()
            .and_then(|progress| progress.rollback.as_deref())
            .map(|rollback| words(&rollback.reason)),
        end: instance.end().map(end),
        parent: instance.parent.as_ref().map(|parent| parent.key.to_string()),
        transaction: transactions::membership(instance),
        left_out: instance.left_out().iter().map(ToString::to_string).collect(),
        definition_unknown: definition.is_none(),
    }
}

/// How a life ended.
fn end(end: &End) -> EndView {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let error = end.error.as_deref();
    EndView {
        how: end.how.as_str().to_owned(),
        words: plain(&end.words()),
        by: some(&end.by),
        reason: some(&plain(&end.reason)),
        step: error.and_then(|error| some(&error.step)),
        kind: error.and_then(|error| some(&error.kind)),
        code: error.and_then(|error| some(&error.code)),
    }
}

/// Everything about one instance.
pub(crate) fn detail(
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
    let mut running: Vec<_> = instance.sequences.iter().collect();
    // Items and steps in their order, whenever each was begun.
    running.sort_by_key(|running| match running.role {
        Role::State => (0, 0, 0, None),
        Role::Step { graph, step, item } => (1, graph, step, item),
        Role::Undo { .. } | Role::Finally { .. } => (2, 0, 0, None),
    });
    let calls = running.into_iter().filter_map(|running| call(instance, definition, running));
    InstanceDetail {
        summary: summary(instance, Some(definition), now),
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
        timers: timers::views(definition, instance),
        calls: calls.collect(),
        children: instance.sequences.iter().filter_map(|one| child(definition, one)).collect(),
        deferred: names(&instance.deferred),
        parked: names(&instance.parked),
        approvals: tasks(instance, definition, now),
        paused: control::paused(instance),
        checkpoints: control::checkpoints(instance),
        scope: transactions::scope(instance),
        steps: steps::view(instance, definition, now),
    }
}

/// The child that a sequence waits for.
fn child(definition: &Definition, running: &RunningSequence) -> Option<ChildView> {
    let instance = running.call.as_ref()?.child.as_ref()?.to_string();
    let sequence = definition.sequences.get(usize::from(running.sequence))?;
    let Some(SeqStep::Child { invoke_id, .. }) = sequence.steps.get(usize::from(running.position))
    else {
        return None;
    };
    Some(ChildView { id: invoke_id.to_string(), instance })
}

fn call(
    instance: &Instance,
    definition: &Definition,
    running: &RunningSequence,
) -> Option<CallView> {
    let call = running.call.as_ref().filter(|call| call.child.is_none())?;
    let spec = spec_of(definition, running)?;
    let retry = instance.timers.iter().find_map(|timer| match timer.kind {
        TimerKind::CallRetry { sequence } if sequence == running.id => Some(timer.due),
        TimerKind::CallRetry { .. }
        | TimerKind::CallDeadline { .. }
        | TimerKind::After { .. }
        | TimerKind::Send { .. }
        | TimerKind::SendTo { .. }
        | TimerKind::DeferredExpiry { .. }
        | TimerKind::Steps { .. }
        | TimerKind::MoreSteps { .. }
        | TimerKind::Retention => None,
    });
    Some(CallView {
        id: call.id.to_string(),
        step: steps::name_of(definition, instance, running.role),
        operation: spec.operation.to_string(),
        // Of what is held back, or was and is asked for again, the one that waits.
        attempt: call.attempt.saturating_add(u32::from(call.held)).max(1),
        // Who waits for a plugin is asked for more often than its policy says.
        attempts: Some(spec.retry.attempts.saturating_add(call.before))
            .filter(|all| call.attempt <= *all),
        since: None,
        deadline: call.sent.then(|| call.deadline.to_string()),
        next_attempt: retry.map(|due| due.to_string()),
        failed: None,
        held: let_go(instance, call, retry).or_else(|| not_there(instance, running, retry)),
        unsure: !call.sent && call.unsure,
        pending: call.sent && call.heartbeat_ms.is_some(),
        answered: answered(instance, call),
        progress: None,
    })
}

/// What an attempt waits for that was held back until something let it go: nothing failed yet.
fn let_go(instance: &Instance, call: &RunningCall, due: Option<Timestamp>) -> Option<String> {
    let due = due.filter(|_| call.attempt == call.before)?;
    Some(match instance.status {
        Status::Paused => "until its instance is resumed".to_owned(),
        Status::Stuck => "until its instance goes on".to_owned(),
        Status::Running
        | Status::Compensating
        | Status::Done
        | Status::Failed
        | Status::Cancelled => format!("until {due}"),
    })
}

/// What is waited for because it can be taken back, and whose plugin is not there: it is asked
/// again, as the same attempt.
fn not_there(
    instance: &Instance,
    running: &RunningSequence,
    due: Option<Timestamp>,
) -> Option<String> {
    let is_sent = running.call.as_ref().is_some_and(|call| call.sent);
    let due = due.filter(|_| is_sent && instance.is_last_reply(running))?;
    Some(format!("its plugin is not there, and is asked again at {due}"))
}

/// The call that a sequence stands at; of one that takes something back the undo.
fn spec_of<'d>(definition: &'d Definition, running: &RunningSequence) -> Option<&'d CallSpec> {
    let sequence = definition.sequences.get(usize::from(running.sequence))?;
    let Some(SeqStep::Call { spec, .. }) = sequence.steps.get(usize::from(running.position)) else {
        return None;
    };
    Some(match (running.role, &spec.undo) {
        (Role::Undo { .. }, Some(undo)) => undo,
        (Role::Undo { .. }, None) | (Role::State | Role::Step { .. } | Role::Finally { .. }, _) => {
            spec
        }
    })
}

/// `step load`, `the undo of step load`, `recorded.work`: whose call a sequence makes.
pub(super) fn call_words(
    definition: &Definition,
    instance: &Instance,
    running: &RunningSequence,
) -> Option<String> {
    let name = steps::name_of(definition, instance, running.role);
    match (running.role, name) {
        (Role::Step { .. }, Some(step)) => Some(format!("step {step}")),
        (Role::Undo { .. }, Some(step)) => Some(format!("the undo of step {step}")),
        (Role::Finally { .. }, Some(name)) => Some(name),
        (Role::State | Role::Step { .. } | Role::Undo { .. } | Role::Finally { .. }, _) => {
            Some(spec_of(definition, running)?.operation.to_string())
        }
    }
}

/// How a call was answered whose answer is kept.
fn answered(instance: &Instance, call: &RunningCall) -> Option<String> {
    let fits = |reply: &&Reply| (reply.call, reply.attempt) == (call.id, call.attempt);
    let reply = instance.kept_replies().find(fits)?;
    Some(match &reply.outcome {
        CallOutcome::Success(_) | CallOutcome::Cached(_) => "succeeded".to_owned(),
        CallOutcome::Failure { kind, code, message, .. } => match (kind.as_str(), &**code) {
            (kind, "") => format!("{kind}: {message}"),
            (kind, code) if kind == code => format!("{kind}: {message}"),
            (kind, code) => format!("{kind} {code}: {message}"),
        },
    })
}

/// Open approvals.
pub(super) fn tasks(instance: &Instance, definition: &Definition, now: Timestamp) -> Vec<Task> {
    let strings = |list: &[std::sync::Arc<str>]| list.iter().map(ToString::to_string).collect();
    open_tasks(instance, definition, now)
        .into_iter()
        .map(|task| Task {
            id: instance.key.to_string(),
            task: task.name.to_string(),
            workflow: format!("{}@{}", definition.name, definition.version),
            title: task.title.to_string(),
            assign: task.assign.as_ref().map(ToString::to_string),
            due: task.due.map(|due| due.to_string()),
            due_in_ms: task.due.map(|due| due.0 - now.0),
            choices: strings(&task.choices),
            roles: strings(&task.roles),
            not_initiator: task.not_initiator,
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
pub(crate) fn entry(entry: &TraceEntry, definition: &Definition) -> HistoryEntry {
    line(entry, Some(definition))
}

/// One line of a history; without its definition nobody knows the names of states and transitions.
pub(super) fn line(entry: &TraceEntry, definition: Option<&Definition>) -> HistoryEntry {
    let guards = definition.into_iter().flat_map(|definition| {
        entry.guards.iter().map(|guard| GuardView {
            transition: definition
                .transitions
                .get(guard.transition.index())
                .map_or_else(String::new, |found| label(definition, found)),
            error: guard.error.as_ref().map(ToString::to_string),
        })
    });
    let transitions = definition.into_iter().flat_map(|definition| {
        entry.fired.iter().filter_map(|fired| transition_of(definition, fired))
    });
    HistoryEntry {
        step: entry.step,
        at: entry.at.to_string(),
        input: input_words(entry),
        by: entry.by.as_ref().map(ToString::to_string),
        note: entry.note.as_deref().map(plain),
        guards: guards.collect(),
        transitions: transitions.collect(),
        effects: entry.effects.iter().map(ToString::to_string).collect(),
        active: definition
            .map(|definition| wire::state_names(definition, &entry.active))
            .unwrap_or_default(),
    }
}

/// A transition that was taken, by names.
fn transition_of(definition: &Definition, fired: &Fired) -> Option<TransitionView> {
    let found = definition.transitions.get(fired.transition.index())?;
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
pub(crate) fn label(
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
            // What is meant exactly is written `=name`; people read the event's own name.
            let name = |it: &Descriptor| it.to_string().trim_start_matches('=').to_owned();
            list.iter().map(name).collect::<Vec<_>>().join(" | ")
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

/// Operations that a definition calls, those that take something back included.
pub(crate) fn operations(definition: &Definition) -> Vec<String> {
    let steps = definition.sequences.iter().flat_map(|sequence| &sequence.steps);
    let calls = steps.filter_map(SeqStep::call);
    let all = calls.flat_map(|call| std::iter::once(call).chain(&call.undo));
    // No plugin answers those.
    let asked = all.filter(|call| !asks_transaction(&call.operation));
    asked.map(|call| call.operation.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use gearshift_machine::definition::{Format, load_all};

    use super::*;

    #[test]
    fn a_transition_without_a_name_is_called_like_its_events() {
        let text = "{ workflow: w, states: { e: { final: true }, s: { done: e, \
                    states: { x: { final: true } }, \
                    on: { '=a.b': { to: e }, go: { to: e, name: leave } } } } }";
        let definition = load_all(text, "w.yaml", Format::Yaml).unwrap().remove(0).definition;
        let mut labels: Vec<String> =
            definition.transitions.iter().map(|it| label(&definition, it)).collect();
        labels.sort();
        for expected in ["a.b", "done.state.s", "leave"] {
            assert!(labels.iter().any(|it| it == expected), "{labels:?}");
        }
    }
}
