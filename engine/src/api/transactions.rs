//! Transactions: begin, commit and rollback by name, and what there is to see of them.

use std::borrow::Cow;
use std::sync::Arc;

use gearshift_machine::definition::duration;
use gearshift_machine::machine::{
    Asked, Command, End, Instance, InstanceKey, Member, Principal, Scope, Stand, Standing, Status,
    TIMEOUT_MS, TIMEOUT_MS_MAX, TRANSACTION, Timer, TimerKind, transaction_definition,
};
use gearshift_protocol::command::{BeginTransaction, EndTransaction};
use gearshift_protocol::view::{MemberView, MembershipView, ScopeView, Why};
use gearshift_protocol::{Problem, ProblemKind, Verdict};

use super::commands::refuse;
use super::plain::of_step;
use super::{Reply, plain, problem, reply, wire};
use crate::runtime::Handle;

/// The transaction is not open any more.
pub(super) const CLOSED: (&str, &str) = ("GS4021", "transaction_closed");
/// It is open with other options.
const EXISTS: (&str, &str) = ("GS4024", "transaction_exists");
/// A transaction decides about the instance, or has decided.
const DECIDES: (&str, &str) = ("GS4025", "transaction_decides");
/// Nobody began it.
const UNKNOWN: (&str, &str) = ("GS4026", "unknown_transaction");

/// Calls that a look at a transaction lists.
const CALLS_SHOWN: usize = 10;
/// Stuck members that are told one by one.
const STUCK_SHOWN: usize = 3;
/// Members that a look at a transaction asks how they are: each is in a partition of its own.
const MEMBERS_ASKED: usize = 100;

/// The code of a refusal that a transaction is the reason of.
pub(super) fn code_of(reason: &str) -> Option<(&'static str, &'static str)> {
    // Every refusal of ours names the transaction.
    let name = reason.find("transaction `")?;
    if reason.contains("` is open already") {
        return Some(EXISTS);
    }
    let ended = ["` is committed", "` is rolled back", "` is being rolled back"];
    let closed = name == 0 && ended.iter().any(|words| reason.contains(words));
    let of_member = reason.contains("what the instance did");
    Some(if closed && !of_member { CLOSED } else { DECIDES })
}

pub(super) fn key_of(name: &str) -> Result<InstanceKey, Box<Problem>> {
    InstanceKey::new(TRANSACTION, name).map_err(|reason| problem(ProblemKind::BadRequest, reason))
}

/// Nobody began the transaction, or it is forgotten.
pub(super) fn unknown(name: &str) -> Box<Problem> {
    let told = format!("no transaction `{name}` was begun");
    Box::new(Problem::new(ProblemKind::NotFound, told).with_code(UNKNOWN.0, UNKNOWN.1))
}

/// Begins a transaction.
pub(super) async fn begin(handle: &Handle, order: BeginTransaction, by: Principal) -> Reply {
    let timeout_ms = order.timeout_ms.unwrap_or(TIMEOUT_MS);
    if timeout_ms > TIMEOUT_MS_MAX {
        let (given, limit) = (duration::format(timeout_ms), duration::format(TIMEOUT_MS_MAX));
        let told = format!("timeout of {given} exceeds the limit of {limit}");
        return Err(problem(ProblemKind::BadRequest, told));
    }
    give(handle, &order.name, Command::Begin { timeout_ms }, (by, &order.reason)).await
}

/// Commits a transaction, or rolls it back.
pub(super) async fn end(
    handle: &Handle,
    order: EndTransaction,
    command: Command,
    by: Principal,
) -> Reply {
    give(handle, &order.name, command, (by, &order.reason)).await
}

async fn give(
    handle: &Handle,
    name: &str,
    command: Command,
    (by, reason): (Principal, &str),
) -> Reply {
    let key = key_of(name)?;
    let done = handle.command(key.clone(), command, by, Arc::from(reason)).await?;
    let verdict = wire::verdict(&key, &done);
    if verdict.verdict == Verdict::NoInstance {
        return Err(unknown(name));
    }
    refuse(&verdict)?;
    reply(&verdict)
}

/// The transaction that an instance belongs to, or did.
pub(super) fn membership(instance: &Instance) -> Option<MembershipView> {
    let member = instance.membership()?;
    let standing = member.standing.as_str().to_owned();
    let reason = (!member.reason.is_empty()).then(|| plain(&member.reason));
    Some(MembershipView { name: member.name.to_string(), standing, reason })
}

/// A name as a shell takes it.
pub(super) fn quoted(name: &str) -> Cow<'_, str> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./:@".contains(letter);
    match !name.is_empty() && name.chars().all(plain) {
        true => name.into(),
        false => format!("'{}'", name.replace('\'', "'\\''")).into(),
    }
}

/// What an instance waits for because of a transaction.
pub(super) async fn why(handle: &Handle, instance: &Instance, why: &mut Why) {
    of_member(instance, why);
    of_scope(instance, why);
    stuck_members(handle, instance, why).await;
    // Until the member has said that it goes on, its trouble is told; it may be over.
    let troubled = instance.transaction_scope().and_then(Scope::troubled);
    let Some(member) = troubled.filter(|_| !instance.status.is_ended()) else { return };
    let seen = handle.instance(&member.key).await.ok().flatten();
    if seen.is_some_and(|seen| seen.status == Status::Stuck) {
        let id = member.key.to_string();
        for verb in ["retry", "skip"] {
            why.try_this.push(format!("gearshift {verb} {}", quoted(&id)));
        }
    }
}

/// Members of an open transaction that only a person can move.
async fn stuck_members(handle: &Handle, instance: &Instance, why: &mut Why) {
    let open = |scope: &ScopeView| scope.waits_for.is_none() && scope.reason.is_none();
    let living = Some(instance).filter(|instance| !instance.status.is_ended());
    let Some(mut scope) = living.and_then(scope).filter(open) else { return };
    if let Err(error) = ends(handle, &mut scope).await {
        tracing::debug!(%error, "how the members are is not known");
    }
    let stuck = scope.members.iter().filter_map(|it| Some((&it.id, it.stuck_reason.as_ref()?)));
    for (id, reason) in stuck.take(STUCK_SHOWN) {
        why.lines.push(format!("`{id}` is stuck: {reason}"));
        why.try_this.push(format!("gearshift why {}", quoted(id)));
    }
}

/// What an instance waits for as a member, or because it asks for something.
fn of_member(instance: &Instance, why: &mut Why) {
    let asked = instance.sequences.iter().filter_map(|it| it.call.as_ref()?.child.as_ref());
    for key in asked.filter(|key| key.workflow() == TRANSACTION) {
        why.lines.push(format!("waits for an answer of `{key}`"));
    }
    if let Some(member) = instance.membership() {
        let name = &member.name;
        if instance.is_revived() {
            let end = instance.end().map_or_else(|| "done".to_owned(), End::words);
            why.lines.push(format!("had ended: {end}"));
        }
        // Its own end says as much.
        let end = instance.end().map(End::words).unwrap_or_default();
        let own = format!("`{}` ", instance.key);
        let reason = Some(&*member.reason).filter(|reason| {
            !reason.is_empty() && !end.contains(reason) && !reason.starts_with(&own)
        });
        let because = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        why.lines.push(match member.standing {
            Standing::Joining => format!("waits for transaction `{name}` to have it as a member"),
            Standing::Open => format!("belongs to transaction `{name}`, which is open"),
            Standing::Holding | Standing::Held => {
                format!("belongs to transaction `{name}`, which is being rolled back{because}")
            }
            Standing::Committed => format!("belonged to transaction `{name}`: what it did stays"),
            Standing::RolledBack => {
                format!("belonged to transaction `{name}`, which is rolled back{because}")
            }
        });
        if member.standing.is_bound() || member.standing == Standing::RolledBack {
            why.try_this.push(format!("gearshift transaction show {}", quoted(name)));
        }
    }
}

/// What a transaction waits for.
fn of_scope(instance: &Instance, why: &mut Why) {
    let Some(scope) = scope(instance) else { return };
    let many = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    if !instance.status.is_ended() {
        let members = many(scope.members.len(), "member");
        let calls = many(usize::try_from(scope.calls).unwrap_or(usize::MAX), "call");
        why.lines.push(format!("it has {members}, and {calls} that can be taken back"));
    }
    if let Some(reason) = &scope.reason {
        why.lines.push(format!("rolled back: {reason}"));
    }
    if let Some(waits_for) = scope.waits_for {
        why.lines.push(format!("waits for {waits_for}"));
    }
    if let Some(member) = waited_for(instance) {
        why.try_this.push(format!("gearshift why {}", quoted(&member.key.to_string())));
    }
    let is_end = |timer: &&Timer| matches!(timer.kind, TimerKind::After { .. });
    if let Some(timer) = instance.timers.iter().find(is_end) {
        why.lines.push(format!("is rolled back by itself at {}", timer.due));
        let name = quoted(instance.key.key());
        for verb in ["commit", "rollback"] {
            why.try_this.push(format!("gearshift transaction {verb} {name}"));
        }
    }
}

/// The member that a rollback waits for: one says itself what it waits for.
fn waited_for(instance: &Instance) -> Option<&Member> {
    let scope = instance.transaction_scope().filter(|_| !instance.status.is_ended())?;
    if let Some(member) = scope.troubled() {
        return Some(member);
    }
    let newest = scope.entries.last().filter(|_| scope.asked != Asked::Nothing);
    let undoes = newest.and_then(|entry| scope.members.get(usize::try_from(entry.member).ok()?));
    undoes.or_else(|| scope.members.iter().find(|member| member.stand == Stand::Asked))
}

/// What a transaction knows.
pub(super) fn scope(instance: &Instance) -> Option<ScopeView> {
    let scope = instance.transaction_scope()?;
    let name = |member: u32| {
        let at = usize::try_from(member).ok()?;
        scope.members.get(at).map(|member| member.key.to_string())
    };
    let newest = scope.entries.iter().rev().take(CALLS_SHOWN);
    let newest =
        newest.map(|entry| format!("{} of {}", entry.what, name(entry.member).unwrap_or_default()));
    let newest: Vec<String> = newest.collect();
    let holding = scope.members.iter().find(|member| member.stand == Stand::Asked);
    let waits_for = match (&scope.trouble, newest.first(), holding) {
        (Some(trouble), _, _) => {
            Some(format!("a person: {trouble}; `gearshift retry` or `skip` it"))
        }
        (None, Some(first), _) if scope.asked != Asked::Nothing => {
            Some(format!("{first} to be taken back"))
        }
        (None, _, Some(member)) => Some(format!("{} to stand still", member.key)),
        (None, _, None) => None,
    };
    let states = wire::state_names(transaction_definition(), &instance.active);
    let over = states.first().and_then(|state| match state.as_str() {
        over @ ("committed" | "rolled_back") => Some(over),
        _ => None,
    });
    Some(ScopeView {
        members: scope.members.iter().map(|it| member(it, over)).collect(),
        calls: u64::try_from(scope.entries.len()).unwrap_or(u64::MAX),
        newest,
        waits_for,
        stuck: scope.troubled().map(|member| member.key.to_string()),
        reason: (!scope.reason.is_empty()).then(|| scope.reason.to_string()),
    })
}

/// A member as it stands, or with the word of a transaction that is over.
fn member(member: &Member, over: Option<&str>) -> MemberView {
    let stand = match (member.stand, over) {
        (Stand::Gone, _) => "gone",
        (Stand::Open | Stand::Asked | Stand::Held, Some(over)) => over,
        (Stand::Open, None) => "open",
        (Stand::Asked, None) => "hold",
        (Stand::Held, None) => "held",
    };
    let (id, generation) = (member.key.to_string(), member.life.0);
    MemberView { id, generation, stand: stand.to_owned(), ..MemberView::default() }
}

/// Asks the first members how they are.
pub(super) async fn ends(handle: &Handle, scope: &mut ScopeView) -> Result<(), Box<Problem>> {
    for member in scope.members.iter_mut().take(MEMBERS_ASKED) {
        let Ok(key) = InstanceKey::parse(&member.id) else { continue };
        let seen = handle.instance(&key).await?;
        let seen = seen.filter(|seen| seen.generation.0 == member.generation);
        let Some(seen) = seen else { continue };
        member.status = Some(wire::status(seen.status));
        member.stuck_reason = stuck_reason(handle, &seen);
        member.end = seen.end().map(|end| plain(&end.words()));
        member.left_out = seen.left_out().iter().map(ToString::to_string).collect();
    }
    // Until the member has said that it goes on, its trouble is told; it may be over.
    if let Some(stuck) = scope.stuck.take()
        && let Ok(key) = InstanceKey::parse(&stuck)
        && handle.instance(&key).await?.is_some_and(|seen| seen.status == Status::Stuck)
    {
        scope.stuck = Some(stuck);
    }
    Ok(())
}

/// Why only a person can move an instance.
fn stuck_reason(handle: &Handle, instance: &Instance) -> Option<String> {
    let reason = &instance.stuck.as_ref()?.reason;
    let registry = handle.definitions().registry();
    let definition = registry.pinned(instance.key.workflow(), instance.pin);
    Some(definition.map_or_else(|| plain(reason), |definition| of_step(reason, definition)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tx_a_name_is_one_word_of_the_shell() {
        assert_eq!(quoted("move-7"), "move-7");
        assert_eq!(quoted("my move; it's"), r"'my move; it'\''s'");
    }

    #[test]
    fn tx_refusals_have_codes() {
        for (reason, code) in [
            ("transaction `t` is open already, with a timeout of 5m", Some(EXISTS)),
            ("transaction `t` is committed: what its members did stays", Some(CLOSED)),
            ("transaction `t` is being rolled back", Some(CLOSED)),
            ("transaction `t` is committed: what the instance did in it stays", Some(DECIDES)),
            ("the instance belongs to the transaction `t`: roll that back", Some(DECIDES)),
            ("its last life belongs to the transaction `t`, which is open", Some(DECIDES)),
            ("the instance is paused already", None),
        ] {
            assert_eq!(code_of(reason), code, "{reason}");
        }
    }
}
