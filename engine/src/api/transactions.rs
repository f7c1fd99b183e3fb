//! Transactions: begin, commit and rollback by name, and what there is to see of them.

use std::sync::Arc;

use gearshift_machine::machine::{
    Command, Instance, InstanceKey, Member, Principal, Stand, TIMEOUT_MS, TIMEOUT_MS_MAX,
    TRANSACTION,
};
use gearshift_protocol::command::{BeginTransaction, EndTransaction};
use gearshift_protocol::view::{MemberView, MembershipView, ScopeView, Why};
use gearshift_protocol::{Problem, ProblemKind, Verdict};

use super::commands::refuse;
use super::{Reply, problem, reply, wire};
use crate::runtime::Handle;

/// The transaction is not open any more.
const CLOSED: (&str, &str) = ("GS4021", "transaction_closed");
/// It is open with other options.
const EXISTS: (&str, &str) = ("GS4024", "transaction_exists");
/// A transaction decides about the instance, or has decided.
const DECIDES: (&str, &str) = ("GS4025", "transaction_decides");
/// Nobody began it.
const UNKNOWN: (&str, &str) = ("GS4026", "unknown_transaction");

/// Calls that a look at a transaction lists.
const CALLS_SHOWN: usize = 10;

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

fn key_of(name: &str) -> Result<InstanceKey, Box<Problem>> {
    InstanceKey::new(TRANSACTION, name).map_err(|reason| problem(ProblemKind::BadRequest, reason))
}

/// Is it a name that a transaction can have?
pub(super) fn check_name(name: &str) -> Result<(), Box<Problem>> {
    key_of(name).map(drop)
}

/// Begins a transaction.
pub(super) async fn begin(handle: &Handle, order: BeginTransaction, by: Principal) -> Reply {
    let timeout_ms = order.timeout_ms.unwrap_or(TIMEOUT_MS);
    if timeout_ms > TIMEOUT_MS_MAX {
        let told = format!("timeout of {timeout_ms} ms exceeds the limit of {TIMEOUT_MS_MAX} ms");
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
        let told = format!("no transaction `{}` was begun", name.escape_debug());
        let told = Problem::new(ProblemKind::NotFound, told).with_code(UNKNOWN.0, UNKNOWN.1);
        return Err(Box::new(told.with_instance(key.to_string())));
    }
    refuse(&verdict)?;
    reply(&verdict)
}

/// The transaction that an instance belongs to, or did.
pub(super) fn membership(instance: &Instance) -> Option<MembershipView> {
    let member = instance.membership()?;
    let standing = member.standing.as_str().to_owned();
    Some(MembershipView { name: member.name.to_string(), standing })
}

/// What an instance waits for because of a transaction.
pub(super) fn why(instance: &Instance, why: &mut Why) {
    let asked = instance.sequences.iter().filter_map(|it| it.call.as_ref()?.child.as_ref());
    for key in asked.filter(|key| key.workflow() == TRANSACTION) {
        why.lines.push(format!("waits for an answer of `{key}`"));
    }
    if let Some(member) = instance.membership().filter(|member| member.standing.is_bound()) {
        let (name, standing) = (&member.name, member.standing.as_str());
        why.lines.push(format!("belongs to transaction `{name}`: {standing}"));
        why.try_this.push(format!("gearshift transaction show {name}"));
    }
    if let Some(waits_for) = scope(instance).and_then(|scope| scope.waits_for) {
        why.lines.push(format!("waits for {waits_for}"));
    }
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
        (Some(trouble), _, _) => Some(format!("a person: {trouble}")),
        (None, Some(first), _) if scope.asked => Some(format!("{first} to be taken back")),
        (None, _, Some(member)) => Some(format!("{} to stand still", member.key)),
        (None, _, None) => None,
    };
    Some(ScopeView {
        members: scope.members.iter().map(member).collect(),
        calls: u64::try_from(scope.entries.len()).unwrap_or(u64::MAX),
        newest,
        waits_for,
        reason: (!scope.reason.is_empty()).then(|| scope.reason.to_string()),
    })
}

fn member(member: &Member) -> MemberView {
    let stand = match member.stand {
        Stand::Open => "open",
        Stand::Asked => "hold",
        Stand::Held => "held",
        Stand::Gone => "gone",
    };
    MemberView { id: member.key.to_string(), generation: member.life.0, stand: stand.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tx_refusals_have_codes() {
        for (reason, code) in [
            ("transaction `t` is open already, with a timeout of 5 ms", Some(EXISTS)),
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
