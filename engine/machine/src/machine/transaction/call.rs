//! What workflows ask of transactions: calls of `transaction.begin`, `join`, `commit` and
//! `rollback`, answered by the transaction and not by a plugin.

use std::sync::Arc;

use super::super::ids::{EffectId, InstanceKey};
use super::super::letter::LetterBody;
use super::super::work::{ActionError, Failure, Overrun, Work};
use super::model::{Membership, Standing, TIMEOUT_MS, TIMEOUT_MS_MAX, TRANSACTION, Transaction};
use super::word::{Ask, Word};
use crate::definition::duration;
use crate::value::Value;

/// What is wrong with the input of such a call, or with who asks.
const MALFORMED: &str = "error.execution.transaction";

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Begin it where it is not there, and belong to it.
    Begin,
    /// Belong to it.
    Join,
    /// Let what was done stay.
    Commit,
    /// Take back what was done.
    RollBack,
}

impl Verb {
    /// Every verb, as operations are called.
    const ALL: [(&'static str, Self); 4] = [
        ("begin", Self::Begin),
        ("join", Self::Join),
        ("commit", Self::Commit),
        ("rollback", Self::RollBack),
    ];
}

/// The verb of an operation that is not a plugin's.
pub(crate) fn verb_of(operation: &str) -> Option<Verb> {
    let verb = operation.strip_prefix(TRANSACTION)?.strip_prefix('.')?;
    Verb::ALL.into_iter().find(|(word, _)| *word == verb).map(|(_, verb)| verb)
}

/// Does a transaction answer this operation, and no plugin?
#[must_use]
pub fn asks_transaction(operation: &str) -> bool {
    verb_of(operation).is_some()
}

/// What a call says, understood.
#[derive(Debug)]
struct Order {
    verb: Verb,
    to: InstanceKey,
    name: Arc<str>,
    timeout_ms: u64,
    reason: Arc<str>,
}

/// Reads the input of a call.
fn order(verb: Verb, input: &Value) -> Result<Order, String> {
    // As the `undo:` of `begin`, it gets what that was given.
    let input = input.get("input").filter(|_| input.get("name").is_none()).unwrap_or(input);
    if let Some(level) = input.get("isolation_level").or_else(|| input.get("isolation")) {
        return Err(format!(
            "isolation `{}` is not promised: others see what members did before the commit",
            level.as_str().unwrap_or_default()
        ));
    }
    let name = match input.get("name").or_else(|| input.as_str().map(|_| input)) {
        Some(Value::String(name)) => Arc::clone(name),
        Some(other) => return Err(format!("`name` is a text, found {}", other.type_name())),
        None => return Err("`name` is missing: which transaction?".to_owned()),
    };
    let to = InstanceKey::new(TRANSACTION, &name)?;
    let timeout_ms = match input.get("timeout") {
        None | Some(Value::Null) => TIMEOUT_MS,
        Some(Value::String(text)) => duration::parse(text)?,
        Some(Value::Int(number)) => u64::try_from(*number).unwrap_or(0),
        Some(Value::Uint(number)) => *number,
        Some(other) => {
            return Err(format!("`timeout` is a duration, found {}", other.type_name()));
        }
    };
    if timeout_ms == 0 {
        return Err("a transaction stays open for `1ms` at least".to_owned());
    }
    if timeout_ms > TIMEOUT_MS_MAX {
        let (timeout, limit) = (duration::format(timeout_ms), duration::format(TIMEOUT_MS_MAX));
        return Err(format!("timeout of {timeout} exceeds the limit of {limit}"));
    }
    let reason = input.get("reason").and_then(Value::as_str).unwrap_or_default().into();
    Ok(Order { verb, to, name, timeout_ms, reason })
}

impl Work<'_> {
    /// Refuses what no transaction needs to be asked about, before the call is made.
    pub(in super::super) fn check_transaction(
        &self,
        verb: Verb,
        input: &Value,
    ) -> Result<(), Failure> {
        let refuse = |message: String| Failure::Error(ActionError::new(MALFORMED, message));
        let order = order(verb, input).map_err(refuse)?;
        let joins = match verb {
            Verb::Begin | Verb::Join => true,
            Verb::Commit | Verb::RollBack => false,
        };
        match self.instance.membership() {
            Some(known) if joins && known.standing.is_bound() && known.name != order.name => {
                Err(refuse(format!(
                    "the instance belongs to the transaction `{}` already, which is open",
                    known.name
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Asks the transaction; gives which instance was asked.
    pub(in super::super) fn ask_transaction(
        &mut self,
        verb: Verb,
        (call, attempt): (EffectId, u32),
        input: &Value,
    ) -> Result<Option<InstanceKey>, Overrun> {
        // It was checked before its first attempt.
        let Ok(order) = order(verb, input) else { return Ok(None) };
        let (life, ask) = (self.instance.generation, Ask::new(call, attempt));
        let word = match order.verb {
            Verb::Begin => Word::Begin { life, ask, timeout_ms: order.timeout_ms },
            Verb::Join => Word::Join { life, ask: Some(ask) },
            Verb::Commit => Word::Commit { life, ask },
            Verb::RollBack => Word::RollBack { life, ask, reason: order.reason },
        };
        match order.verb {
            Verb::Begin | Verb::Join if !self.instance.is_bound() => {
                self.instance.transaction = Some(Box::new(Transaction::Member(Membership {
                    name: order.name,
                    standing: Standing::Joining,
                    since: self.instance.next_id,
                    waits: false,
                    ended: None,
                    reason: Arc::default(),
                })));
            }
            Verb::Begin | Verb::Join | Verb::Commit | Verb::RollBack => {}
        }
        let words = format!("{} {}", word.as_str(), order.to);
        self.emit_letter(order.to.clone(), LetterBody::Transaction(word), words)?;
        Ok(Some(order.to))
    }
}
