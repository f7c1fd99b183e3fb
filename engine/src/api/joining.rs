//! A start in a transaction: answered once that has the instance as a member, or will not have it.

use std::sync::Arc;
use std::time::Duration;

use gearshift_machine::machine::{
    Command, Generation, Instance, InstanceKey, MEMBERS_MAX, Membership, Principal, Scope,
    Standing, Status, TraceContext, transaction_definition,
};
use gearshift_machine::partition::Done;
use gearshift_machine::value::Value;
use gearshift_protocol::{Problem, ProblemKind, Verdict};
use tokio::time::Instant;

use super::transactions::{CLOSED, key_of};
use super::{commands, transactions, wire};
use crate::runtime::{Error, Handle};

/// The instance runs already, and is no member.
const OUTSIDE: (&str, &str) = ("GS4037", "not_a_member");
/// It has as many members as it may have.
const FULL: (&str, &str) = ("GS4038", "transaction_full");

/// Between two looks at an instance that waits for its transaction.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What is started, and in which transaction.
#[derive(Debug)]
pub(super) struct StartIn {
    pub(super) version: Option<u32>,
    pub(super) input: Value,
    pub(super) transaction: String,
    pub(super) id: Option<Arc<str>>,
    pub(super) trace_context: Option<Arc<TraceContext>>,
}

/// Starts an instance in a transaction; false where the transaction did not say before `until`
/// whether it has it.
pub(super) async fn start(
    handle: &Handle,
    key: &InstanceKey,
    StartIn { version, input, transaction, id, trace_context }: StartIn,
    by: Principal,
    until: Instant,
) -> Result<(Done, bool), Box<Problem>> {
    let scope = key_of(&transaction)?;
    // One that runs is not begun, whatever the transaction would say of it; nor is a repeat.
    let begins = |old: &Instance| {
        old.status.is_ended() && !id.as_ref().is_some_and(|id| old.knows_start(id))
    };
    if handle.instance(key).await?.as_ref().is_none_or(begins) {
        admits(&scope, handle.instance(&scope).await?.as_ref())?;
    }
    let name: Arc<str> = transaction.into();
    let transaction = Arc::clone(&name);
    let command = Command::StartIn { version, input, transaction, id, trace_context };
    let done = handle.command(key.clone(), command, by, Arc::default()).await?;
    let verdict = wire::verdict(key, &done);
    commands::refuse(&verdict)?;
    let is_fresh = matches!(verdict.verdict, Verdict::Started { .. });
    if !is_fresh && !matches!(verdict.verdict, Verdict::Duplicate { .. }) {
        return Ok((done, true));
    }
    let Some(member) = settled(handle, key, (&name, done.generation), until).await? else {
        return Ok((done, false));
    };
    let seen = handle.instance(&scope).await.map_err(Error::behind_a_decision)?;
    if is_member(key, &member, seen.as_ref().and_then(Instance::transaction_scope)) {
        return Ok((done, true));
    }
    if is_fresh {
        // It was open when it was looked at, and has ended since.
        let named = |told: Problem| Box::new(told.with_instance(key.to_string()));
        admits(&scope, seen.as_ref()).map_err(|told| named(*told))?;
        let told = format!("transaction `{name}` had ended meanwhile: nothing was started");
        return Err(named(Problem::new(ProblemKind::Conflict, told).with_code(CLOSED.0, CLOSED.1)));
    }
    let other = match member.of {
        Some((other, standing)) => {
            format!("it belongs to transaction `{other}` ({})", standing.as_str())
        }
        None => "it belongs to none".to_owned(),
    };
    let told = format!("{key} runs already and is no member of transaction `{name}`: {other}");
    let told = Problem::new(ProblemKind::Conflict, told).with_code(OUTSIDE.0, OUTSIDE.1);
    Err(Box::new(told.with_instance(key.to_string())))
}

/// How a life stands that no transaction has yet to say something about.
struct Settled {
    life: Generation,
    of: Option<(Arc<str>, Standing)>,
    asked: Arc<str>,
}

/// Waits until the transaction has said whether it has the instance; `None` after `until`.
async fn settled(
    handle: &Handle,
    key: &InstanceKey,
    (name, life): (&Arc<str>, Generation),
    until: Instant,
) -> Result<Option<Settled>, Box<Problem>> {
    loop {
        let seen = handle.instance(key).await.map_err(Error::behind_a_decision)?;
        let seen = seen.filter(|seen| seen.generation == life);
        let part = seen.as_ref().and_then(Instance::membership);
        let of = part.map(|it| (Arc::clone(&it.name), it.standing));
        let joins = |it: &Membership| it.standing == Standing::Joining && it.name == *name;
        let (Some(instance), true) = (&seen, part.is_some_and(joins)) else {
            return Ok(Some(Settled { life, of, asked: Arc::clone(name) }));
        };
        let left = until.saturating_duration_since(Instant::now());
        if instance.status.is_ended() || instance.status == Status::Stuck || left.is_zero() {
            return Ok(None);
        }
        // One that the transaction refuses is gone, and nothing more is heard of it.
        handle.waiter_after(key, instance.step).wait(left.min(LOOK_AGAIN)).await?;
    }
}

/// Is the life a member of the transaction that it was to be started in? One that is forgotten
/// said nothing against it.
fn is_member(key: &InstanceKey, member: &Settled, scope: Option<&Scope>) -> bool {
    let of_it = member.of.as_ref().filter(|(name, _)| *name == member.asked);
    let is_it = |scope: &Scope| {
        scope.members.iter().any(|known| known.key == *key && known.life == member.life)
    };
    match (of_it, scope) {
        (None, _) => false,
        (Some((_, standing)), None) => *standing != Standing::RolledBack,
        (Some((_, standing)), Some(scope)) => standing.is_bound() || is_it(scope),
    }
}

/// Would the transaction have one member more?
fn admits(key: &InstanceKey, scope: Option<&Instance>) -> Result<(), Box<Problem>> {
    let name = key.key();
    let refused = |(code, word): (&str, &str), detail: String| {
        let told = Problem::new(ProblemKind::Conflict, format!("{detail}: nothing was started"));
        Err(Box::new(told.with_code(code, word)))
    };
    let known = scope.and_then(|scope| Some((scope, scope.transaction_scope()?)));
    let Some((instance, scope)) = known else {
        return Err(transactions::unknown(key.key()));
    };
    let states = wire::state_names(transaction_definition(), &instance.active);
    let over = match states.first().map(String::as_str) {
        Some("open") => None,
        Some("rolling_back") => Some("is being rolled back"),
        Some("rolled_back") => Some("is rolled back"),
        Some(_) | None => Some("is committed"),
    };
    if let Some(over) = over {
        let told = format!("transaction `{name}` {over}");
        return refused(CLOSED, told);
    }
    let members = scope.members.len();
    if members >= MEMBERS_MAX {
        let told =
            format!("transaction `{name}` has {members} members, the limit is {MEMBERS_MAX}");
        return refused(FULL, told);
    }
    Ok(())
}
