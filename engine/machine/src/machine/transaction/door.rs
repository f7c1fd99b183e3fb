//! Which inputs transactions take otherwise than other instances, and which their members do not.

use super::super::commands::rejected;
use super::super::decide::{decide, unchanged};
use super::super::ids::{InstanceKey, Timestamp};
use super::super::input::{Command, Input};
use super::super::instance::Instance;
use super::super::outcome::Decision;
use super::member::{begin_within, on_word};
use super::model::TRANSACTION;
use super::scope::{begin_scope, on_order};
use super::word::Word;
use crate::definition::model::Definition;

/// What becomes of an input that has to do with transactions; `None` where it has not.
pub(in super::super) fn about_transaction(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    input: &Input,
    now: Timestamp,
) -> Option<Decision> {
    if key.workflow() == TRANSACTION {
        return of_transaction(old, key, definition, input, now);
    }
    if let Some(reason) = old.and_then(|old| still_bound(old, input)) {
        return Some(unchanged(rejected(reason)));
    }
    if let Input::Within { start, transaction } = input {
        return Some(if old.is_none_or(|old| old.status.is_ended()) {
            begin_within(old, key, definition, (start, transaction), now)
        } else {
            decide(old, key, definition, start, now)
        });
    }
    let Input::Transaction { from, word } = input else { return None };
    old.map(|old| on_word(old, definition, (from, word), now))
}

/// What becomes of an input to a transaction; `None` where it is like any other instance.
fn of_transaction(
    old: Option<&Instance>,
    key: &InstanceKey,
    definition: &Definition,
    input: &Input,
    now: Timestamp,
) -> Option<Decision> {
    let ended = old.is_none_or(|old| old.status.is_ended());
    Some(match (old, input) {
        (
            old,
            Input::Command { command: Command::Begin { .. }, .. }
            | Input::Transaction { word: Word::Begin { .. }, .. },
        ) if ended => begin_scope(old, key, definition, input, now),
        (Some(old), Input::Command { .. } | Input::Transaction { .. }) => {
            on_order(old, definition, input, now)
        }
        (_, Input::Start { .. } | Input::StartChild { .. } | Input::Held { .. })
        | (_, Input::Within { .. } | Input::Orphaned { .. }) => {
            unchanged(rejected("a transaction is begun, committed and rolled back"))
        }
        (
            _,
            Input::Event(_)
            | Input::ChildReply { .. }
            | Input::ChildEvent { .. }
            | Input::CallReply { .. }
            | Input::CallStarted { .. }
            | Input::CallPending { .. }
            | Input::TimerDue { .. }
            | Input::Transaction { .. }
            | Input::Command { .. },
        ) => return None,
    })
}

/// Why no other life of it may begin yet: its transaction decides about the one that ended.
fn still_bound(old: &Instance, input: &Input) -> Option<String> {
    let begins = matches!(
        input,
        Input::Start { .. } | Input::StartChild { .. } | Input::Held { .. } | Input::Within { .. }
    ) || matches!(input, Input::Command { command: Command::Fork(_), .. });
    let name = old.membership().filter(|_| begins && old.status.is_ended() && old.is_bound())?;
    Some(format!("its last life belongs to the transaction `{}`, which is open", name.name))
}
