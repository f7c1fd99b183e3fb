//! What helps an instance on: orders that it takes as it stands, and no others.

use gearshift_machine::definition::codes;
use gearshift_machine::machine::{
    Instance, Role, RunningSequence, Standing, Status, StuckKind, TimerKind,
};
use gearshift_protocol::view::Why;

/// What stands still, what the orders mean where that is not plain, and which of them help.
pub(super) fn of_stuck(instance: &Instance, id: &str, why: &mut Why) {
    let Some(stuck) = &instance.stuck else { return };
    let in_finally = rolls_back(instance) && is_in_finally(stuck.sequence.as_ref());
    let verbs = verbs(instance, stuck.kind);
    let means = means(stuck.kind, in_finally).into_iter().filter(|(verb, _)| verbs.contains(verb));
    let means: Vec<_> = means.map(|(verb, does)| format!("`{verb}` {does}")).collect();
    if let Some(look) = look(stuck.kind, in_finally) {
        why.lines.push(format!("{look}: {}", means.join(", ")));
    }
    why.try_this.extend(verbs.iter().map(|verb| format!("gearshift {verb} {id}")));
}

/// A paused instance goes on when it is told to; one that waits for its transaction is not told.
pub(super) fn of_paused(instance: &Instance, id: &str, why: &mut Why) {
    let waits = instance.membership().is_some_and(|member| match member.standing {
        Standing::Joining | Standing::Holding | Standing::Held => true,
        Standing::Open | Standing::Committed | Standing::RolledBack => false,
    });
    if !waits {
        why.try_this.push(format!("gearshift resume {id}"));
    }
}

/// An attempt that comes later may come now.
pub(super) fn of_retry(instance: &Instance, id: &str, why: &mut Why) {
    if !matches!(instance.status, Status::Running | Status::Compensating) {
        return;
    }
    let retries = instance.timers.iter();
    let retries = retries.filter(|timer| matches!(timer.kind, TimerKind::CallRetry { .. }));
    if let Some(next) = retries.min_by_key(|timer| timer.due) {
        why.try_this.push(format!("gearshift timer fire {id} {}", next.id));
    }
}

/// Is something being taken back, or `finally:` run behind that?
fn rolls_back(instance: &Instance) -> bool {
    instance.progress.as_deref().is_some_and(|progress| progress.rollback.is_some())
}

/// Is what is stuck an undo that its transaction waits for, or would wait for?
fn is_transactions(instance: &Instance) -> bool {
    let failed = instance.stuck.as_deref().and_then(|stuck| stuck.sequence.as_ref());
    let Some(Role::Undo { undo }) = failed.map(|it| it.role) else { return false };
    instance.membership().is_some_and(|it| it.standing.is_bound() && undo >= it.since)
}

fn is_in_finally(failed: Option<&RunningSequence>) -> bool {
    failed.is_some_and(|sequence| matches!(sequence.role, Role::Finally { .. }))
}

/// The orders that a stuck instance takes.
fn verbs(instance: &Instance, kind: StuckKind) -> Vec<&'static str> {
    let mut verbs = vec!["retry"];
    // The start is not left behind, and behind a rollback by hand nothing failed.
    if !instance.active.is_empty() && kind != StuckKind::RolledBack {
        verbs.push("skip");
    }
    // A member ends with its transaction, which has to know what becomes of that undo; a rollback
    // under way is broken off, or nothing.
    if takes_end(instance) && !is_transactions(instance) {
        verbs.push(if rolls_back(instance) { "kill" } else { "cancel" });
    }
    verbs
}

/// Does it take an order to end? A member ends with its transaction once that is rolled back, and
/// one that had ended is over but for what is under way.
pub(super) fn takes_end(instance: &Instance) -> bool {
    !instance.is_held_by_transaction() && !instance.is_revived()
}

/// What a person should know before the orders, where they are not plain.
fn look(kind: StuckKind, in_finally: bool) -> Option<String> {
    match kind {
        StuckKind::OutcomeUnknown => {
            Some(format!("{}: look whether it happened", codes::OUTCOME_UNKNOWN))
        }
        StuckKind::UndoFailed => Some("look whether it is taken back".to_owned()),
        StuckKind::RolledBack => Some("what was done is taken back".to_owned()),
        StuckKind::Error
        | StuckKind::Livelock
        | StuckKind::Panic
        | StuckKind::StateTooLarge
        | StuckKind::CallFailed
        | StuckKind::DefinitionMissing
        | StuckKind::Deadlock => {
            in_finally.then(|| "what can be taken back is taken back".to_owned())
        }
    }
}

/// What each order does, where that is not plain.
fn means(kind: StuckKind, in_finally: bool) -> Vec<(&'static str, &'static str)> {
    match kind {
        StuckKind::OutcomeUnknown => {
            vec![("retry", "sends it again"), ("skip", "goes on as if it had")]
        }
        StuckKind::UndoFailed => vec![
            ("retry", "calls it again"),
            ("skip", "leaves it as it is and takes back what is older"),
            ("kill", "leaves all of that"),
        ],
        StuckKind::RolledBack => {
            vec![("retry", "does the steps again"), ("cancel", "takes back the rest and ends it")]
        }
        StuckKind::Error
        | StuckKind::Livelock
        | StuckKind::Panic
        | StuckKind::StateTooLarge
        | StuckKind::CallFailed
        | StuckKind::DefinitionMissing
        | StuckKind::Deadlock => match in_finally {
            true => vec![
                ("retry", "does again what failed in `finally`"),
                ("skip", "goes on behind it"),
                ("kill", "leaves the rest of it and ends the instance"),
            ],
            false => Vec::new(),
        },
    }
}
