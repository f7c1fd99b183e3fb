//! Why an instance does not go on by itself, and what would help.

use std::collections::BTreeSet;

use gearshift_bus::ServiceInfo;
use gearshift_machine::definition::duration;
use gearshift_machine::definition::model::{Definition, Trigger};
use gearshift_machine::machine::{
    Clocks, End, Instance, InstanceKey, Status, Timestamp, TraceEntry,
};
use gearshift_protocol::metadata::METADATA_PROTOCOL;
use gearshift_protocol::view::{CallView, ChildView, Task, Why};
use gearshift_protocol::{OperationRef, PluginMetadata};

use super::describe::{detail, tasks};
use super::plain::of_step;
use super::transactions::quoted;
use super::{
    adrift, control, holds, plain, plugins, progress, remedies, resolve, timers, transactions,
    waiting,
};
use crate::runtime::{Handle, not_spoken};

/// Calls, children and timers that are told one by one; of more the number is enough.
const SHOWN: usize = 5;

/// Why an instance does not go on by itself, and what would help.
pub(super) async fn why(handle: &Handle, instance: &Instance, definition: &Definition) -> Why {
    let mut why = explain(handle, instance, definition).await;
    why.lines.iter_mut().for_each(|line| *line = plain(line));
    why
}

async fn explain(handle: &Handle, instance: &Instance, definition: &Definition) -> Why {
    let now = handle.config().clock.now();
    let id = instance.key.key();
    let name = resolve::shortest(handle, &instance.key).await;
    let states = shown_states(instance, definition).join(", ");
    let since = since(handle, instance, definition).await;
    let since = duration::format(now.since_ms(since).max(1_000) / 1_000 * 1_000);
    let been = if instance.status == Status::Stuck { "been stuck" } else { "been" };
    let summary = format!("{id} has {been} in `{states}` for {since}");
    let mut why = Why { summary, ..Why::default() };
    if let Some(parent) = &instance.parent {
        why.lines.push(format!("it is child {} of `{}`", parent.invoke_id, parent.key));
    }
    if instance.status.is_ended() {
        let status = instance.status.as_str();
        why.summary = format!("{id} ended {since} ago in `{states}`: {status}");
        transactions::why(handle, instance, &mut why).await;
        why.lines.extend(instance.end().map(End::words));
        left_out(instance, &mut why);
        return why;
    }
    if let Some(stuck) = &instance.stuck {
        why.lines.push(format!("stuck: {}", of_step(&stuck.reason, definition)));
        remedies::of_stuck(instance, &name, &mut why);
    }
    control::why(instance, &name, &mut why);
    transactions::why(handle, instance, &mut why).await;
    if instance.transaction_scope().is_some() {
        // Its events and its timer are the engine's own; what they mean was told.
        return why;
    }
    let mut now_is = detail(instance, definition, now);
    progress::add(handle, &instance.key, &mut now_is).await;
    why.lines.extend(waiting::lines(instance, definition, &now_is.steps));
    left_out(instance, &mut why);
    // What is answered waits for the instance, and not the other way round.
    let (kept, calls): (Vec<_>, Vec<_>) =
        now_is.calls.into_iter().partition(|call| call.answered.is_some());
    waits_for_calls(handle, instance, &calls, &mut why).await;
    kept_answers(instance, &kept, &mut why);
    may_be_done(instance, &calls, &mut why);
    adrift::why(instance, definition, &mut why);
    holds::why(handle, &calls, &mut why);
    plugins::why(handle, definition, &calls, &mut why);
    for child in now_is.children.iter().take(SHOWN) {
        waits_for_child(handle, child, &mut why).await;
    }
    if let Some(more) = now_is.children.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let children = if more == 1 { "child" } else { "children" };
        why.lines.push(format!("{more} more {children}"));
    }
    let awaited = |id: &str| calls.iter().any(|call| call.id == id);
    let once = instance.sequences.iter().filter_map(|one| one.call.as_ref());
    if once.filter(|call| call.once).any(|call| awaited(&call.id.to_string())) {
        why.lines.push(
            "the operation is not idempotent: without an answer in time it is not asked again"
                .to_owned(),
        );
    }
    remedies::of_retry(instance, &name, &mut why);
    waits_for_people(&tasks(instance, definition, now), (instance.status, &name), &mut why);
    let accepted = accepted(instance, definition);
    if instance.status == Status::Running && !accepted.is_empty() {
        why.lines.push(format!("accepts {} for key `{id}`", accepted.join(", ")));
    }
    timers::why(instance, &now_is.timers, &mut why);
    waits_in_line(instance, &mut why);
    why
}

/// A line that a call it holds back may have told already.
pub(super) fn say_once(why: &mut Why, what: String) {
    if !why.lines.iter().any(|line| line.contains(&what)) {
        why.lines.push(what);
    }
}

/// What persons left out of what cleans up, as far as no other line tells it.
fn left_out(instance: &Instance, why: &mut Why) {
    let told = |what: &str| why.lines.iter().any(|line| line.contains(what));
    let untold: Vec<_> = instance.left_out().iter().filter(|what| !told(what)).collect();
    why.lines.extend(untold.iter().take(SHOWN).map(|what| format!("left out: {what}")));
    if let Some(more) = untold.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        why.lines.push(format!("left out: {more} more; `gearshift show` has them"));
    }
}

/// Events that are kept; what waits for a resume was told with the pause.
fn waits_in_line(instance: &Instance, why: &mut Why) {
    let parked = if instance.status == Status::Paused { 0 } else { instance.parked.len() };
    let kept = [("until a state takes it", instance.deferred.len()), ("until it goes on", parked)];
    for (until, count) in kept.into_iter().filter(|(_, count)| *count > 0) {
        let plural = if count == 1 { "" } else { "s" };
        why.lines.push(format!("{count} event{plural} kept {until}"));
    }
}

/// Since when things stand as they do: attempts that change nothing do not count. As far as the
/// history goes back.
async fn since(handle: &Handle, instance: &Instance, definition: &Definition) -> Timestamp {
    if let Some(stuck) = &instance.stuck {
        return stuck.since;
    }
    if instance.status.is_ended() {
        return instance.updated_at;
    }
    let Ok(trace) = handle.trace(&instance.key).await else { return instance.updated_at };
    let leaves: Vec<_> = definition.leaves(&instance.active).collect();
    let here = |entry: &&TraceEntry| entry.active.is_empty() || entry.active == leaves;
    // The lines before a migration name the states of another version.
    let moved = trace.iter().rposition(|entry| entry.before.is_some()).unwrap_or_default();
    let came = trace.iter().skip(moved).rev().take_while(here).last();
    came.map_or(instance.updated_at, |entry| entry.at)
}

/// Open approvals; where there are several, each with its name.
fn waits_for_people(open: &[Task], (status, id): (Status, &str), why: &mut Why) {
    // What is taken back waits for nobody's decision.
    let open: &[Task] = if status == Status::Compensating { &[] } else { open };
    for task in open {
        let several = open.len() > 1;
        let named = if several { format!("{}:", task.task) } else { String::new() };
        let on = if several { format!(" on `{}`", task.task) } else { String::new() };
        let (asked, choices) = (asked(task), task.choices.join(" | "));
        why.lines.push(format!("waits for a decision of {asked}{on}: {choices}"));
        // Nobody decides while it stands still: the pause or the trouble ends first.
        let choices: &[String] =
            if status == Status::Running { task.choices.as_slice() } else { &[] };
        for choice in choices {
            let choice = format!("{named}{choice}");
            why.try_this.push(format!("gearshift decide {id} {}", quoted(&choice)));
        }
    }
}

/// Whom an approval asks, how many of them, and how many have answered.
pub(crate) fn asked(task: &Task) -> String {
    let mut who = match (&task.assign, task.roles.as_slice()) {
        (Some(assign), []) => assign.clone(),
        (Some(assign), roles) => format!("{assign}, role {}", roles.join(" or ")),
        (None, []) => "anybody".to_owned(),
        (None, roles) => format!("role {}", roles.join(" or ")),
    };
    if task.need > 1 {
        who.push_str(&format!(", {} of them", task.need));
    }
    if task.not_initiator {
        who.push_str(", not by the initiator");
    }
    match task.votes.len() {
        0 => {}
        1 => who.push_str("; 1 vote so far"),
        votes => who.push_str(&format!("; {votes} votes so far")),
    }
    who
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

/// Calls whose answer is there and waits with the instance.
fn kept_answers(instance: &Instance, kept: &[CallView], why: &mut Why) {
    let until = match instance.status {
        Status::Paused => "it is resumed",
        Status::Running
        | Status::Compensating
        | Status::Stuck
        | Status::Done
        | Status::Failed
        | Status::Cancelled => "it goes on",
    };
    for call in kept.iter().take(SHOWN) {
        let step = call.step.as_ref().map_or_else(String::new, |step| format!("step {step}: "));
        let CallView { operation, answered, .. } = call;
        let answered = answered.as_deref().unwrap_or_default();
        why.lines
            .push(format!("{step}call {operation} is answered ({answered}): kept until {until}"));
    }
    if let Some(more) = kept.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        let calls = if more == 1 { "call is" } else { "calls are" };
        why.lines.push(format!("{more} more {calls} answered: kept until {until}"));
    }
}

/// What holds up what is taken back, as only the plugin can tell whether it is done.
fn may_be_done(instance: &Instance, calls: &[CallView], why: &mut Why) {
    if instance.status == Status::Compensating && calls.iter().any(|call| call.unsure) {
        let gives_up = match remedies::takes_end(instance) {
            true => "; `gearshift kill` gives it up, and its effect may stay",
            false => "",
        };
        why.lines.push(format!(
            "what may have been done is asked again once it may be, and is then taken back if it \
             is done{gives_up}"
        ));
    }
}

/// Each call under way, and each plugin that is not there for one of them.
async fn waits_for_calls(handle: &Handle, instance: &Instance, calls: &[CallView], why: &mut Why) {
    if calls.is_empty() {
        return;
    }
    let services = handle.bus().requests().discover().await.unwrap_or_default();
    let mut named = BTreeSet::new();
    for call in calls.iter().take(SHOWN) {
        why.lines.push(attempt(call, instance));
        if named.insert(call.operation.as_str()) {
            missing_plugin(handle, &services, call, why).await;
        }
    }
    let sent = |call: &&CallView| call.deadline.is_some() && call.held.is_none();
    let (under_way, others): (Vec<_>, Vec<_>) = calls.iter().skip(SHOWN).partition(sent);
    let (held, between): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|call| call.held.is_some() || call.next_attempt.is_none());
    for (count, one, many) in [
        (under_way.len(), "is under way", "are under way"),
        (held.len(), "waits to be sent", "wait to be sent"),
        (between.len(), "failed and is tried again", "failed and are tried again"),
    ] {
        match count {
            0 => {}
            1 => why.lines.push(format!("1 more call {one}")),
            count => why.lines.push(format!("{count} more calls {many}")),
        }
    }
}

/// `step load: call files.load: attempt 1 of 3 is under way until …`.
fn attempt(call: &CallView, instance: &Instance) -> String {
    let of = call.attempts.map_or_else(String::new, |all| format!(" of {all}"));
    let step = call.step.as_ref().map_or_else(String::new, |step| format!("step {step}: "));
    let CallView { operation, attempt, .. } = call;
    // Clocks of what is paused or stuck stand still.
    let stands = matches!(instance.status, Status::Paused | Status::Stuck);
    let frozen = instance.paused().is_some_and(|paused| paused.clocks == Clocks::Freeze);
    // Of a step the line before tells it.
    let failed = call.failed.as_ref().filter(|_| call.step.is_none());
    let failed = failed.map_or_else(String::new, |failed| format!(" ({failed})"));
    let said = match (&call.next_attempt, &call.deadline) {
        _ if call.held.is_some() => format!("attempt {attempt}{of} waits to be sent"),
        (Some(next), _) if call.unsure && instance.status == Status::Compensating => {
            format!("attempt {attempt}{of} was not answered{failed}, next at {next}")
        }
        (Some(_), _) if frozen => {
            format!("attempt {attempt}{of} failed{failed}, the next waits as well")
        }
        (Some(next), _) if stands => {
            format!("attempt {attempt}{of} failed{failed}, next at {next} or once it goes on")
        }
        (Some(next), _) => format!("attempt {attempt}{of} failed{failed}, next at {next}"),
        (None, Some(_)) if frozen => {
            format!("attempt {attempt}{of} is under way, its deadline stands still")
        }
        (None, Some(deadline)) if stands => format!(
            "attempt {attempt}{of} is under way, its deadline {deadline} counts once it goes on"
        ),
        (None, Some(deadline)) => format!("attempt {attempt}{of} is under way until {deadline}"),
        (None, None) => format!("attempt {attempt}{of} waits to be sent"),
    };
    let unsure = match (call.unsure, &call.held) {
        (false, _) => "",
        (true, Some(_)) => ", an engine that is gone may have sent it",
        (true, None) => ", it may be done all the same",
    };
    let held = call.held.as_ref().map_or_else(String::new, |held| format!(": {held}"));
    let said = format!("call {operation}: {said}{unsure}{held}");
    let pending = waiting::for_answer(call);
    let progress = call.progress.as_ref().map_or_else(String::new, |progress| {
        let percent = progress.percent.map(|percent| format!("{percent} %"));
        let note = Some(progress.note.clone()).filter(|note| !note.is_empty());
        let said = percent.into_iter().chain(note).collect::<Vec<_>>().join(", ");
        let heard = format!("heard of at {}", progress.heard_at);
        if said.is_empty() { format!("; {heard}") } else { format!("; {said}, {heard}") }
    });
    format!("{step}{said}{pending}{progress}")
}

async fn missing_plugin(handle: &Handle, services: &[ServiceInfo], call: &CallView, why: &mut Why) {
    let Ok(operation) = call.operation.parse::<OperationRef>() else { return };
    if handle.config().is_mocked(&operation.plugin, &operation.operation) {
        return;
    }
    let state = |one: &ServiceInfo| PluginMetadata::from_map(&one.metadata)?.why_no_calls();
    let is_named = |service: &&ServiceInfo| service.name == operation.plugin;
    let provides = |service: &&ServiceInfo| {
        let told = PluginMetadata::from_map(&service.metadata);
        told.is_some_and(|told| told.interfaces.contains(&operation.plugin))
    };
    // As it is asked: an interface is who provides it, where no plugin is called so.
    let by_name = services.iter().any(|one| is_named(&one));
    let is_meant = |one: &&ServiceInfo| if by_name { is_named(one) } else { provides(one) };
    let named = || services.iter().filter(is_meant);
    let (key, known) = METADATA_PROTOCOL;
    let foreign =
        |one: &&ServiceInfo| Some(one.metadata.get(key)?.clone()).filter(|spoken| *spoken != known);
    let are_all = named().all(|one| foreign(&one).is_some());
    if let (true, Some(spoken)) = (are_all, named().find_map(|one| foreign(&one))) {
        say_once(why, not_spoken(&operation.plugin, &spoken));
        why.try_this.push(format!("gearshift plugin show {}", operation.plugin));
        return;
    }
    let running = named().filter(|one| state(one).is_none()).collect::<Vec<_>>();
    if let (true, Some(state)) = (running.is_empty(), named().find_map(state)) {
        why.lines.push(format!("plugin `{}` takes no calls: it is {state}", operation.plugin));
        why.try_this.push(format!("gearshift plugin show {}", operation.plugin));
    } else if running.is_empty()
        && let Some(words) = plugins::is_silent(handle.bus(), &operation.plugin).await
    {
        why.lines.push(words);
        why.try_this.push(format!("look at the process of plugin `{}`", operation.plugin));
    } else if running.is_empty() {
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

/// A child that runs says the rest itself.
async fn waits_for_child(handle: &Handle, child: &ChildView, why: &mut Why) {
    let ChildView { id, instance } = child;
    let key = InstanceKey::parse(instance);
    let found = match &key {
        Ok(key) => handle.instance(key).await.ok().flatten(),
        Err(_) => None,
    };
    let status = found.map_or("on its way", |found| found.status.as_str());
    why.lines.push(format!("child {id}: `{instance}` is {status}"));
    why.try_this.push(format!("gearshift why {}", quoted(instance)));
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
