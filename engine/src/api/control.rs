//! Control of running instances: pause, rollback, variables, checkpoints, forks, timers.

use std::sync::Arc;

use gearshift_machine::machine::{
    Clocks, Command, Instance, InstanceKey, NoFork, Principal, TimerOrder, Timestamp, fork_of,
    fork_pin,
};
use gearshift_protocol::command::{
    Checkpoint, Clocks as WireClocks, Fork, ForkReply, Order, Pause, Rollback, SetVars,
    TimerOrder as Asked,
};
use gearshift_protocol::view::{CheckpointView, PausedView, TimerView, Why};
use gearshift_protocol::{InstanceVerdict, Problem, ProblemKind, Verdict};

use super::commands::{refuse, value_of};
use super::rehearsal::{Run, forked, ordered};
use super::{Reply, describe, foreseen, problem, remedies, reply, resolve, wire};
use crate::runtime::{Error, Handle};

/// The order does not fit what is the case with the instance.
pub(super) const INVALID_STATE: (&str, &str) = ("GS4018", "invalid_state");
/// A fork that cannot be made.
const NOT_FORKED: (&str, &str) = ("GS4019", "not_forked");
/// A step that a fork cannot begin at as things stand.
const NOT_BEGUN: (&str, &str) = ("GS4041", "fork_not_begun");
const IN_TRANSACTION: (&str, &str) = ("GS4039", "fork_in_transaction");
/// Variables that cannot be set so.
const NOT_SET: (&str, &str) = ("GS4020", "not_set");

/// Names listed in a complaint.
const NAMED_MAX: usize = 5;

/// Gives an order that needs nothing but the instance.
pub(super) async fn order(
    handle: &Handle,
    order: &Order,
    command: Command,
    by: Principal,
) -> Reply {
    let Order { instance, reason, dry_run } = order;
    let how = (by, reason.as_str(), (*dry_run).into());
    give(handle, instance, command, how, INVALID_STATE).await
}

pub(super) async fn pause(handle: &Handle, order: Pause, by: Principal) -> Reply {
    let clocks = match order.timers {
        WireClocks::Freeze => Clocks::Freeze,
        WireClocks::Keep => Clocks::Keep,
    };
    let command = Command::Pause { clocks };
    let how = (by, &*order.reason, order.dry_run.into());
    give(handle, &order.instance, command, how, INVALID_STATE).await
}

pub(super) async fn rollback(handle: &Handle, order: Rollback, by: Principal) -> Reply {
    let key = resolve::instance(handle, &order.instance).await?;
    if let Some(from) = &order.from {
        let (_, definition) = known(handle, &key, None).await?;
        // Its own reason is better told by whoever knows the steps.
        if definition.step_named(from).is_none() {
            let told = format!("{key}: no step is called `{}`", from.escape_debug());
            let told = Problem::new(ProblemKind::NotFound, told);
            return Err(Box::new(told.with_instance(key.to_string())));
        }
    }
    let command = Command::RollBack { from: order.from.map(Arc::from) };
    let how = (by, &*order.reason, order.dry_run.into());
    give(handle, &key.to_string(), command, how, INVALID_STATE).await
}

pub(super) async fn set(handle: &Handle, order: SetVars, by: Principal) -> Reply {
    let mut values = Vec::with_capacity(order.vars.len());
    for (path, value) in &order.vars {
        values.push((Arc::from(path.as_str()), value_of(value)?));
    }
    let command = Command::Set { values };
    let how = (by, &*order.reason, order.dry_run.into());
    give(handle, &order.instance, command, how, NOT_SET).await
}

pub(super) async fn checkpoint(handle: &Handle, order: Checkpoint, by: Principal) -> Reply {
    let command = Command::Checkpoint { name: order.name.into() };
    let how = (by, &*order.reason, Run::ForReal);
    give(handle, &order.instance, command, how, INVALID_STATE).await
}

/// Fires or moves the timer that is meant.
pub(super) async fn timer(handle: &Handle, asked: Asked, fires: bool, by: Principal) -> Reply {
    let order = match (fires, &asked.to, asked.by_ms) {
        (true, None, None) => TimerOrder::Fire,
        (false, Some(to), None) => TimerOrder::At(moment(to)?),
        (false, None, Some(by)) => TimerOrder::By(by),
        (true, _, _) => {
            return Err(problem(ProblemKind::BadRequest, "a timer that fires is not moved"));
        }
        (false, Some(_), Some(_)) | (false, None, None) => {
            let told = "say when the timer shall be due: either `to` or `by_ms`";
            return Err(problem(ProblemKind::BadRequest, told));
        }
    };
    let key = resolve::instance(handle, &asked.instance).await?;
    let timer = timer_of(handle, &key, &asked.timer).await?;
    let command = Command::Timer { timer, order };
    let how = (by, &*asked.reason, Run::ForReal);
    give(handle, &key.to_string(), command, how, INVALID_STATE).await
}

fn moment(text: &str) -> Result<Timestamp, Box<Problem>> {
    let parsed = text.parse::<jiff::Timestamp>();
    parsed.map(|moment| Timestamp(moment.as_millisecond())).map_err(|_| {
        let told = format!("`{}` is no RFC 3339 time", text.escape_debug());
        problem(ProblemKind::BadRequest, told)
    })
}

/// The timer that `text` names: by its id, its name, or a part of the name that no other has.
async fn timer_of(handle: &Handle, key: &InstanceKey, text: &str) -> Result<u32, Box<Problem>> {
    let (instance, definition) = known(handle, key, None).await?;
    let now = handle.config().clock.now();
    let timers = describe::detail(&instance, &definition, now).timers;
    let id = text.parse::<u32>().ok();
    let by = |fits: &dyn Fn(&TimerView) -> bool| {
        timers.iter().filter(|timer| fits(timer)).collect::<Vec<_>>()
    };
    let mut found = by(&|timer| Some(timer.id) == id);
    if found.is_empty() {
        found = by(&|timer| timer.name == text);
    }
    if found.is_empty() && !text.is_empty() {
        found = by(&|timer| timer.name.contains(text));
    }
    if let [one] = found.as_slice() {
        return Ok(one.id);
    }
    let shown = |list: &[&TimerView]| {
        let shown = list.iter().take(NAMED_MAX).map(|it| format!("{} `{}`", it.id, it.name));
        shown.collect::<Vec<_>>().join(", ")
    };
    if !found.is_empty() {
        let told = format!("`{text}` names several timers of {key}: {}", shown(&found));
        let told = Problem::new(ProblemKind::Conflict, told).with_code("GS4015", "ambiguous");
        return Err(Box::new(told));
    }
    let all = by(&|_| true);
    let armed = if all.is_empty() { "none is armed".to_owned() } else { shown(&all) };
    let told = format!("{key} has no timer `{}`: {armed}", text.escape_debug());
    Err(Box::new(Problem::new(ProblemKind::NotFound, told).with_instance(key.to_string())))
}

/// Begins a new instance where another one was.
pub(super) async fn fork(handle: &Handle, order: Fork, by: Principal) -> Reply {
    let origin = resolve::instance(handle, &order.instance).await?;
    let (old, definition) = known(handle, &origin, Some(&order.from)).await?;
    let fork = fork_of(&old, &definition, &order.from).map_err(|reason| {
        let code = match reason {
            NoFork::NoPoint(_) => NOT_FORKED,
            NoFork::NotBegun(_) => NOT_BEGUN,
            NoFork::TakenBack(_) => INVALID_STATE,
            NoFork::InTransaction(_) => IN_TRANSACTION,
        };
        let saved = old.checkpoints().iter().any(|known| *known.name == *order.from);
        let exists = saved || definition.step_named(&order.from).is_some();
        let kind = if exists { ProblemKind::Conflict } else { ProblemKind::NotFound };
        let told = Problem::new(kind, format!("{origin}: {reason}"));
        let told = if exists { told.with_code(code.0, code.1) } else { told };
        Box::new(told.with_instance(origin.to_string()))
    })?;
    let key = order.key.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let key = InstanceKey::new(origin.workflow(), &key)
        .map_err(|reason| problem(ProblemKind::BadRequest, reason))?;
    let command = Command::Fork(Box::new(fork));
    let verdict = if order.dry_run {
        let (done, behind) = forked(handle, &key, command, (by, &order.reason)).await?;
        let again = behind.map(|behind| foreseen::of_fork(&old, &behind, &definition));
        let does_again = again.unwrap_or_default();
        InstanceVerdict { does_again, ..wire::verdict(&key, &done) }
    } else {
        let reason = Arc::from(order.reason.as_str());
        wire::verdict(&key, &handle.command(key.clone(), command, by, reason).await?)
    };
    refuse_as(&verdict, NOT_FORKED)?;
    reply(&ForkReply { origin: origin.to_string(), from: order.from, verdict })
}

/// The instance, and the definition it runs; with a point to fork from, the definition of that.
pub(super) async fn known(
    handle: &Handle,
    key: &InstanceKey,
    from: Option<&str>,
) -> Result<(Instance, Arc<gearshift_machine::definition::model::Definition>), Box<Problem>> {
    let Some(instance) = handle.instance(key).await? else {
        let told = Problem::new(ProblemKind::NotFound, format!("no instance `{key}`"));
        return Err(Box::new(told.with_code("GS4002", "unknown_instance")));
    };
    let pin = from.map_or(instance.pin, |from| fork_pin(&instance, from));
    let pinned = || handle.definitions().registry().pinned(key.workflow(), pin).cloned();
    let definition = match pinned() {
        Some(definition) => Some(definition),
        None if handle.refresh().await? => pinned(),
        None => None,
    };
    let definition = definition.ok_or_else(|| Error::UnknownWorkflow {
        name: format!("{}@{}", key.workflow(), pin.version),
    })?;
    Ok((instance, definition))
}

async fn give(
    handle: &Handle,
    id: &str,
    command: Command,
    (by, reason, run): (Principal, &str, Run),
    refused: (&str, &str),
) -> Reply {
    let key = resolve::instance(handle, id).await?;
    let (done, foreseen) = ordered(handle, &key, command, (by, reason), run).await?;
    let verdict = foreseen.beside(wire::verdict(&key, &done));
    refuse_as(&verdict, refused)?;
    reply(&verdict)
}

/// An order that did nothing is a problem with the code of the order.
pub(super) fn refuse_as(
    verdict: &InstanceVerdict,
    (code, name): (&str, &str),
) -> Result<(), Box<Problem>> {
    refuse(verdict).map_err(|told| {
        let Verdict::Rejected { reason, .. } = &verdict.verdict else { return told };
        if reason == "ended" || super::transactions::code_of(reason).is_some() {
            return told;
        }
        let detail = format!("{}: {reason}", verdict.instance);
        let told = Problem::new(told.kind(), detail).with_code(code, name);
        Box::new(told.with_instance(verdict.instance.clone()))
    })
}

/// Who holds an instance.
pub(super) fn paused(instance: &Instance) -> Option<PausedView> {
    let paused = instance.paused()?;
    Some(PausedView {
        since: paused.since.to_string(),
        timers: match paused.clocks {
            Clocks::Freeze => WireClocks::Freeze,
            Clocks::Keep => WireClocks::Keep,
        },
        by: paused.by.to_string(),
        reason: paused.reason.to_string(),
        replies: u32::try_from(paused.replies.len()).unwrap_or(u32::MAX),
    })
}

/// Points that a fork can begin from.
pub(super) fn checkpoints(instance: &Instance) -> Vec<CheckpointView> {
    let view = |saved: &gearshift_machine::machine::Checkpoint| CheckpointView {
        name: saved.name.to_string(),
        at: saved.at.to_string(),
        step: saved.step,
        version: saved.pin.version,
    };
    instance.checkpoints().iter().map(view).collect()
}

/// Why a paused instance waits.
pub(super) fn why(instance: &Instance, id: &str, why: &mut Why) {
    let Some(paused) = instance.paused() else { return };
    let by = if paused.by.is_empty() { "somebody" } else { &*paused.by };
    let reason =
        if paused.reason.is_empty() { String::new() } else { format!(": {}", paused.reason) };
    why.lines.push(format!("paused by {by} at {}{reason}", paused.since));
    let timers = match paused.clocks {
        Clocks::Freeze => "its timers stand still",
        Clocks::Keep => "what became due meanwhile fires at the resume",
    };
    let (events, replies) = (instance.parked.len(), paused.replies.len());
    why.lines.push(match waiting(events, replies).as_str() {
        "" => timers.to_owned(),
        waiting => format!("{timers}; kept for the resume: {waiting}"),
    });
    remedies::of_paused(instance, id, why);
}

/// `2 events and 1 reply`; what there is none of is not told.
fn waiting(events: usize, replies: usize) -> String {
    let some = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let told = [some(events, "event", "events"), some(replies, "reply", "replies")];
    told.into_iter().flatten().collect::<Vec<_>>().join(" and ")
}
