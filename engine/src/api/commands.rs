//! Operators' commands; those that only control an instance are in `control`.

use std::sync::Arc;

use gearshift_bus::Headers;
use gearshift_machine::definition::Format;
use gearshift_machine::machine::{Command, InstanceKey, Principal, TraceContext};
use gearshift_machine::partition::PartitionInput;
use gearshift_machine::value::Value;
use gearshift_protocol::command::{
    Decide, Deploy, DeployReply, Deployed, Order, Start, StartReply, Undeploy, Verb,
};
use gearshift_protocol::{InstanceVerdict, Problem, ProblemKind, Verdict, Wait, headers};
use tokio::time::Instant;

use super::joining::{self, StartIn};
use super::rehearsal::{Run, ordered};
use super::{
    Reply, body, cache, control, dead_letters, decided, events, holds, plugins, problem, reply,
    resolve, schedules, transactions, wire,
};
use crate::runtime::{BODY_MAX, Error, Handle, check_id, load_all};

/// Performs `verb` for `user`, who is known by the door.
pub(super) async fn perform(
    handle: &Handle,
    (user, verb): (&str, &str),
    list: &Headers,
    bytes: &[u8],
) -> Reply {
    let Some(verb) = Verb::parse(verb) else {
        let known = Verb::ALL.map(Verb::as_str).join(", ");
        return Err(problem(
            ProblemKind::NotFound,
            format!("no command is called `{verb}`; there are {known}"),
        ));
    };
    // The door's token is the operator's: it stands for every role until roles have tokens.
    let by = Principal { user: user.into(), roles: vec!["*".into()] };
    match verb {
        Verb::Deploy => deploy(handle, &body::<Deploy>(bytes)?).await,
        Verb::Undeploy => {
            let order = body::<Undeploy>(bytes)?;
            handle.undeploy(&order.name, order.version).await?;
            reply(&order)
        }
        Verb::Start => start(handle, body(bytes)?, trace_of(list), by).await,
        Verb::Decide => {
            let order = body::<Decide>(bytes)?;
            let data = order.data.as_ref().map(value_of).transpose()?;
            let command = Command::Decide { choice: order.choice.into(), data };
            one(handle, &order.instance, command, (by, &order.reason, Run::ForReal)).await
        }
        Verb::Cancel => order(handle, bytes, Command::Cancel, by).await,
        Verb::Kill => order(handle, bytes, Command::Kill, by).await,
        Verb::Retry => order(handle, bytes, Command::Retry, by).await,
        Verb::Skip => order(handle, bytes, Command::Skip, by).await,
        Verb::Migrate => super::migrate::perform(handle, body(bytes)?, by).await,
        Verb::AddSteps => super::extend::perform(handle, body(bytes)?, by).await,
        Verb::Resume => control::order(handle, &body::<Order>(bytes)?, Command::Resume, by).await,
        Verb::Pause => control::pause(handle, body(bytes)?, by).await,
        Verb::Rollback => control::rollback(handle, body(bytes)?, by).await,
        Verb::Set => control::set(handle, body(bytes)?, by).await,
        Verb::Checkpoint => control::checkpoint(handle, body(bytes)?, by).await,
        Verb::Fork => control::fork(handle, body(bytes)?, by).await,
        Verb::TimerFire | Verb::TimerMove => {
            control::timer(handle, body(bytes)?, verb == Verb::TimerFire, by).await
        }
        Verb::Hold => holds::hold(handle, body(bytes)?, by).await,
        Verb::Release => holds::release(handle, body(bytes)?).await,
        Verb::ScheduleTrigger => schedules::trigger(handle, &body(bytes)?, by).await,
        Verb::SchedulePause => schedules::hold(handle, &body(bytes)?, true, by).await,
        Verb::ScheduleResume => schedules::hold(handle, &body(bytes)?, false, by).await,
        Verb::TransactionBegin => transactions::begin(handle, body(bytes)?, by).await,
        Verb::TransactionCommit => {
            transactions::end(handle, body(bytes)?, Command::Commit, by).await
        }
        Verb::TransactionRollback => {
            let command = Command::RollBack { from: None };
            transactions::end(handle, body(bytes)?, command, by).await
        }
        Verb::PluginCall => plugins::call(handle, body(bytes)?).await,
        Verb::CacheClear => cache::clear(handle, body(bytes)?, &by).await,
        Verb::PluginReset => plugins::reset(handle, body(bytes)?, &by).await,
        Verb::DlqReplay => dead_letters::replay(handle, &body(bytes)?, &by).await,
        Verb::DlqDrop => dead_letters::drop_all(handle, &body(bytes)?, &by).await,
    }
}

pub(super) fn value_of(json: &serde_json::Value) -> Result<Value, Box<Problem>> {
    Value::from_json(json.to_string().as_bytes())
        .map_err(|error| problem(ProblemKind::BadRequest, error.to_string()))
}

async fn deploy(handle: &Handle, order: &Deploy) -> Reply {
    let json = order.format == gearshift_protocol::command::Format::Json;
    let format = if json { Format::Json } else { Format::Yaml };
    let loaded = load_all(&order.text, &order.origin, format).map_err(Error::Definition)?;
    let mut answer = DeployReply::default();
    for one in loaded {
        let warnings = one.warnings.iter().filter_map(|one| serde_json::to_value(one).ok());
        answer.diagnostics.extend(warnings);
        let deployed = handle.deploy(one.definition).await?;
        let definition = &deployed.definition;
        let name = definition.name.to_string();
        let (older, uncounted) = older_instances(handle, &name, definition.version).await?;
        answer.definitions.push(Deployed {
            name,
            version: definition.version,
            hash: definition.hash.to_string(),
            unchanged: !deployed.fresh,
            older_instances: older,
        });
        answer.uncounted = uncounted;
    }
    reply(&answer)
}

/// How many there are, and where nobody could count.
async fn older_instances(
    handle: &Handle,
    name: &str,
    version: u32,
) -> Result<(u64, Vec<String>), Error> {
    let (versions, uncounted) = handle.living_versions(name).await?;
    let older = versions.iter().filter(|(known, _)| **known < version).map(|(_, count)| count);
    Ok((older.sum(), uncounted))
}

/// The trace that whoever asks is in.
fn trace_of(list: &Headers) -> Option<Arc<TraceContext>> {
    let parent = list.get(headers::TRACEPARENT)?;
    TraceContext::read(parent, list.get(headers::TRACESTATE)).map(Arc::new)
}

async fn start(
    handle: &Handle,
    order: Start,
    trace_context: Option<Arc<TraceContext>>,
    by: Principal,
) -> Reply {
    let size = order.input.to_string().len();
    if size > BODY_MAX {
        let detail = format!("input of {size} bytes exceeds the limit of {BODY_MAX} bytes");
        let problem = Problem::new(ProblemKind::TooLarge, detail);
        return Err(Box::new(problem.with_code("GS4130", "request_too_large")));
    }
    events::check_wait("wait", &order.wait)?;
    if !handle.knows(&order.workflow, order.version).await? {
        let name = match order.version {
            Some(version) => format!("{}@{version}", order.workflow),
            None => order.workflow,
        };
        return Err(Error::UnknownWorkflow { name }.into());
    }
    let id = start_id(&order)?;
    let key = order.key.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let key = InstanceKey::new(&order.workflow, &key)
        .map_err(|reason| problem(ProblemKind::BadRequest, reason))?;
    let input = if order.input.is_null() { Value::empty_map() } else { value_of(&order.input)? };
    let until = Instant::now() + events::limit(order.timeout_ms);
    let is_member = order.transaction.is_some();
    let (done, mut reached) = match order.transaction {
        Some(transaction) => {
            let start = StartIn { version: order.version, input, transaction, id, trace_context };
            Box::pin(joining::start(handle, &key, start, by, until)).await?
        }
        None => {
            let (partition, key, version) = (handle.partition_of(&key), key.clone(), order.version);
            let start = PartitionInput::Start { key, version, input, by, id, trace_context };
            (handle.input(partition, start).await?, true)
        }
    };
    let mut verdict = wire::verdict(&key, &done);
    refuse(&verdict)?;
    if order.wait != Wait::None && reached {
        let limit = until.saturating_duration_since(Instant::now());
        let state = events::awaited_state(&order.wait);
        reached = verdict.status.is_some() && handle.waiter(&key, state).wait(limit).await?;
    }
    if order.wait != Wait::None || is_member {
        events::refresh(handle, &key, &mut verdict).await;
    }
    let seen = events::as_it_is(handle, &key).await;
    let output = seen.filter(|now| now.status.is_ended()).map(|now| wire::json(&now.output));
    reply(&StartReply { verdict, reached, output })
}

/// The name of a start, where it has one. A key that is made up is another one each time, so that
/// no repeat of it would be known.
fn start_id(order: &Start) -> Result<Option<Arc<str>>, Box<Problem>> {
    let Some(id) = order.id.as_deref() else { return Ok(None) };
    check_id(id).map_err(Box::<Problem>::from)?;
    if order.key.is_none() {
        let detail = "a start with an `id` needs a `key`: one that is made up is new each time";
        return Err(problem(ProblemKind::BadRequest, detail));
    }
    Ok(Some(id.into()))
}

async fn order(handle: &Handle, bytes: &[u8], command: Command, by: Principal) -> Reply {
    let Order { instance, reason, dry_run } = body::<Order>(bytes)?;
    one(handle, &instance, command, (by, &reason, dry_run.into())).await
}

async fn one(
    handle: &Handle,
    id: &str,
    command: Command,
    (by, reason, run): (Principal, &str, Run),
) -> Reply {
    let key = resolve::instance(handle, id).await?;
    let choice =
        if let Command::Decide { choice, .. } = &command { Some(choice.clone()) } else { None };
    let (done, foreseen) = ordered(handle, &key, command, (by, reason), run).await?;
    let verdict = foreseen.beside(wire::verdict(&key, &done));
    if let Some(choice) = choice
        && matches!(verdict.verdict, Verdict::Rejected { .. })
        && let Some(problem) = decided::already(handle, &key, &choice).await?
    {
        return Err(problem);
    }
    refuse(&verdict)?;
    reply(&verdict)
}

/// How reasons begin that are about how the instance stands, whatever was ordered.
const STANDS: [&str; 6] = [
    "a rollback is",
    "its transaction is",
    "the instance is stuck",
    "the instance is paused",
    "the start cannot be skipped",
    "nothing failed that could be skipped",
];

/// A command that did nothing is a problem, not a verdict to be read closely.
#[expect(clippy::wildcard_enum_match_arm, reason = "verdicts may grow; the rest did something")]
pub(super) fn refuse(verdict: &InstanceVerdict) -> Result<(), Box<Problem>> {
    let (kind, code, name, detail) = match &verdict.verdict {
        Verdict::Rejected { reason, accepted } => {
            let told = transactions::code_of(reason);
            let (code, name) = told.unwrap_or_else(|| match reason.as_str() {
                reason if reason.contains("exists with other input") => {
                    ("GS4011", "exists_with_other_input")
                }
                reason if STANDS.iter().any(|words| reason.starts_with(words)) => {
                    ("GS4018", "invalid_state")
                }
                reason if reason.contains("already") => ("GS4009", "already_decided"),
                reason if reason.contains("ended") => ("GS4013", "ended"),
                reason if reason.contains("not stuck") => ("GS4014", "not_stuck"),
                _ => ("GS4004", "not_accepted"),
            });
            let detail = match accepted.as_slice() {
                [] if reason == "ended" => {
                    let how = verdict.status.map_or("", |status| status.as_str());
                    format!("the instance has ended: it is {how}")
                }
                [] => reason.clone(),
                list => format!("{reason}; accepted are {}", list.join(", ")),
            };
            (ProblemKind::Conflict, code, name, detail)
        }
        Verdict::Denied { reason } => (ProblemKind::Denied, "GS4030", "denied", reason.clone()),
        Verdict::NoInstance => {
            (ProblemKind::NotFound, "GS4002", "unknown_instance", "no such instance".to_owned())
        }
        Verdict::Busy => (ProblemKind::Unavailable, "GS5001", "busy", "try again".to_owned()),
        _ => return Ok(()),
    };
    let problem = Problem::new(kind, format!("{}: {detail}", verdict.instance))
        .with_code(code, name)
        .with_instance(verdict.instance.clone());
    Err(Box::new(problem))
}
