//! Operators' commands: deploy, start, decide, cancel, kill, retry, skip, dead letters.

use std::sync::Arc;

use gearshift_machine::definition::{self, Format};
use gearshift_machine::machine::{Command, InstanceKey, Principal};
use gearshift_machine::partition::PartitionInput;
use gearshift_machine::value::Value;
use gearshift_protocol::command::{
    DeadLetterOrder, DeadLetterReply, DeadLetterResult, Decide, Deploy, DeployReply, Deployed,
    Order, Start, StartReply, Verb,
};
use gearshift_protocol::{InstanceVerdict, Problem, ProblemKind, Verdict, Wait};

use super::resolve::living_versions;
use super::{Reply, body, events, problem, reply, resolve, wire};
use crate::runtime::{Error, Handle, Incoming};

/// Performs `verb` for `user`, who is known by the door.
pub(super) async fn perform(handle: &Handle, user: &str, verb: &str, bytes: &[u8]) -> Reply {
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
        Verb::Start => start(handle, body(bytes)?, by).await,
        Verb::Decide => {
            let order = body::<Decide>(bytes)?;
            let data = order.data.as_ref().map(value_of).transpose()?;
            let command = Command::Decide { choice: order.choice.into(), data };
            one(handle, &order.instance, command, by, &order.reason).await
        }
        Verb::Cancel => order(handle, bytes, Command::Cancel, by).await,
        Verb::Kill => order(handle, bytes, Command::Kill, by).await,
        Verb::Retry => order(handle, bytes, Command::Retry, by).await,
        Verb::Skip => order(handle, bytes, Command::Skip, by).await,
        Verb::DlqReplay => dead_letters(handle, &body::<DeadLetterOrder>(bytes)?, None).await,
        Verb::DlqDrop => dead_letters(handle, &body::<DeadLetterOrder>(bytes)?, Some(by)).await,
    }
}

pub(super) fn value_of(json: &serde_json::Value) -> Result<Value, Box<Problem>> {
    Value::from_json(json.to_string().as_bytes())
        .map_err(|error| problem(ProblemKind::BadRequest, error.to_string()))
}

async fn deploy(handle: &Handle, order: &Deploy) -> Reply {
    let json = order.format == gearshift_protocol::command::Format::Json;
    let format = if json { Format::Json } else { Format::Yaml };
    let loaded =
        definition::load_all(&order.text, &order.origin, format).map_err(Error::Definition)?;
    let mut answer = DeployReply::default();
    for one in loaded {
        let warnings = one.warnings.iter().filter_map(|one| serde_json::to_value(one).ok());
        answer.diagnostics.extend(warnings);
        let deployed = handle.deploy(one.definition).await?;
        let definition = &deployed.definition;
        let name = definition.name.to_string();
        let older = older_instances(handle, &name, definition.version).await?;
        answer.definitions.push(Deployed {
            name,
            version: definition.version,
            hash: definition.hash.to_string(),
            unchanged: !deployed.fresh,
            older_instances: older,
        });
    }
    reply(&answer)
}

async fn older_instances(handle: &Handle, name: &str, version: u32) -> Result<u64, Error> {
    let versions = living_versions(handle, name).await?;
    Ok(versions.iter().filter(|(known, _)| **known < version).map(|(_, count)| count).sum())
}

async fn start(handle: &Handle, order: Start, by: Principal) -> Reply {
    let registry = handle.definitions().registry();
    let known = order.version.map_or_else(
        || registry.latest(&order.workflow),
        |version| registry.get(&order.workflow, version),
    );
    if known.is_none() {
        let name = match order.version {
            Some(version) => format!("{}@{version}", order.workflow),
            None => order.workflow,
        };
        return Err(Error::UnknownWorkflow { name }.into());
    }
    let key = order.key.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    let key = InstanceKey::new(&order.workflow, &key)
        .map_err(|reason| problem(ProblemKind::BadRequest, reason))?;
    let input = if order.input.is_null() { Value::empty_map() } else { value_of(&order.input)? };
    let done = handle.start(key.clone(), order.version, input, by).await?;
    let mut verdict = wire::verdict(&key, &done);
    refuse(&verdict)?;
    let mut reached = true;
    if order.wait != Wait::None {
        let limit = events::limit(order.timeout_ms);
        let state = events::awaited_state(&order.wait);
        reached = handle.waiter(&key, state).wait(limit).await?;
        events::refresh(handle, &key, &mut verdict).await?;
    }
    let wanted = key.clone();
    let seen = handle.look(&key, move |partition| partition.instance(&wanted)).await?;
    let output = seen.filter(|now| now.status.is_ended()).map(|now| wire::json(&now.output));
    reply(&StartReply { verdict, reached, output })
}

async fn order(handle: &Handle, bytes: &[u8], command: Command, by: Principal) -> Reply {
    let order = body::<Order>(bytes)?;
    one(handle, &order.instance, command, by, &order.reason).await
}

async fn one(handle: &Handle, id: &str, command: Command, by: Principal, reason: &str) -> Reply {
    let key = resolve::instance(handle, id).await?;
    let decides = matches!(command, Command::Decide { .. });
    let done = handle.command(key.clone(), command, by, Arc::from(reason)).await?;
    let verdict = wire::verdict(&key, &done);
    if decides
        && matches!(verdict.verdict, Verdict::Rejected { .. })
        && let Some(problem) = already_decided(handle, &key).await?
    {
        return Err(problem);
    }
    refuse(&verdict)?;
    reply(&verdict)
}

/// Who decided, what and when, where the last decision of the instance was one (GS4009).
async fn already_decided(
    handle: &Handle,
    key: &InstanceKey,
) -> Result<Option<Box<Problem>>, Box<Problem>> {
    const DECIDE: &str = "command decide ";
    let wanted = key.clone();
    let trace = handle.look(key, move |partition| partition.trace(&wanted)).await?;
    let decided = trace.iter().rev().find(|entry| {
        entry.input.starts_with(DECIDE) && (!entry.fired.is_empty() || !entry.active.is_empty())
    });
    let Some(entry) = decided else { return Ok(None) };
    let choice = entry.input.trim_start_matches(DECIDE).split(' ').next().unwrap_or_default();
    let who = entry.by.as_deref().unwrap_or("somebody");
    let ago = handle.config().clock.now().since_ms(entry.at).max(1_000) / 1_000 * 1_000;
    let ago = definition::duration::format(ago);
    let detail = format!("{key} is already decided: `{choice}` by {who}, {ago} ago");
    let problem = Problem::new(ProblemKind::Conflict, detail)
        .with_code("GS4009", "already_decided")
        .with_instance(key.to_string());
    Ok(Some(Box::new(problem)))
}

/// A command that did nothing is a problem, not a verdict to be read closely.
#[expect(clippy::wildcard_enum_match_arm, reason = "verdicts may grow; the rest did something")]
fn refuse(verdict: &InstanceVerdict) -> Result<(), Box<Problem>> {
    let (kind, code, name, detail) = match &verdict.verdict {
        Verdict::Rejected { reason, accepted } => {
            let (code, name) = match reason.as_str() {
                reason if reason.contains("exists with other input") => {
                    ("GS4011", "exists_with_other_input")
                }
                reason if reason.contains("already") => ("GS4009", "already_decided"),
                reason if reason.contains("ended") => ("GS4013", "ended"),
                reason if reason.contains("not stuck") => ("GS4014", "not_stuck"),
                _ => ("GS4004", "not_accepted"),
            };
            let detail = match accepted.as_slice() {
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

/// Drops dead letters for `by`, or offers them again.
async fn dead_letters(handle: &Handle, order: &DeadLetterOrder, by: Option<Principal>) -> Reply {
    let letters = resolve::dead_letters(handle, order).await?;
    let mut answer = DeadLetterReply::default();
    for (partition, number) in letters {
        let id = format!("{partition}-{number}");
        let verdict = match &by {
            Some(by) => drop_letter(handle, partition, number, by.clone()).await?,
            None => replay(handle, partition, number).await?,
        };
        answer.results.push(DeadLetterResult { id, verdict });
    }
    reply(&answer)
}

async fn drop_letter(
    handle: &Handle,
    partition: u16,
    number: u64,
    by: Principal,
) -> Result<InstanceVerdict, Error> {
    handle.input(partition, PartitionInput::Drop { dead_letter: number, by }).await?;
    Ok(InstanceVerdict::without_instance(Verdict::Done))
}

/// Offers a dead letter again, to wherever it belongs now, and drops it once it was taken.
///
/// It travels under an id of its own, so that a crash between the two cannot apply it twice.
async fn replay(
    handle: &Handle,
    partition: u16,
    number: u64,
) -> Result<InstanceVerdict, Box<Problem>> {
    let seen = handle.read(partition, move |partition| partition.dead_letter(number).cloned());
    let Some(letter) = seen.await? else {
        return Ok(InstanceVerdict::without_instance(Verdict::Ignored {
            reason: "dropped meanwhile".to_owned(),
        }));
    };
    let mut event = letter.event;
    if event.data.as_ref().is_some_and(|data| data.as_map().is_none()) {
        let reason = "was never readable; publish a corrected event and drop this one".to_owned();
        let verdict = Verdict::Rejected { reason, accepted: Vec::new() };
        return Ok(InstanceVerdict::without_instance(verdict));
    }
    event.id = Some(format!("dead-letter:{partition}-{number}").into());
    let addressed = letter.key.map(|key| key.to_string());
    let verdicts = match handle.event(Incoming { event, addressed }).await {
        Ok(verdicts) => verdicts,
        Err(error) => {
            let problem = Box::<Problem>::from(error);
            let verdict = Verdict::Rejected { reason: problem.detail, accepted: Vec::new() };
            return Ok(InstanceVerdict::without_instance(verdict));
        }
    };
    let mut first = None;
    for (key, done) in &verdicts {
        let verdict = wire::verdict(key, done);
        let taken = !matches!(
            verdict.verdict,
            Verdict::NoInstance | Verdict::DeadLettered { .. } | Verdict::Busy
        );
        if taken && first.is_none() {
            drop_letter(handle, partition, number, Principal::default()).await?;
        }
        first.get_or_insert(verdict);
    }
    Ok(first.unwrap_or_else(|| InstanceVerdict::without_instance(Verdict::NoInstance)))
}
