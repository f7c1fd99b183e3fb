//! The definition that every transaction runs.

use std::sync::{Arc, OnceLock};

use super::model::TRANSACTION;
use crate::definition::model::Definition;
use crate::definition::{Format, load};

/// What the states of a transaction mean; what is done in them is in `drive`.
///
/// Only the engine's own events move it: one from outside has another type. Transactions are pinned
/// to this text, so another one is another version beside it.
const TEXT: &str = "
workflow: built_in
title: Transaction
initial: open
states:
  open:
    on:
      transaction.commit: { when: event.type == 'platform', to: committed }
      transaction.rollback: { when: event.type == 'platform', to: rolling_back }
    after: { \"${ input.timeout_ms }\": rolling_back }
  rolling_back:
    on:
      transaction.done: { when: event.type == 'platform', to: rolled_back }
  committed: { final: true }
  rolled_back: { final: true }
";

/// The definition of [`TRANSACTION`]: part of the program, deployed by nobody.
#[must_use]
pub fn transaction_definition() -> &'static Arc<Definition> {
    static DEFINITION: OnceLock<Arc<Definition>> = OnceLock::new();
    DEFINITION.get_or_init(|| {
        let loaded = load(TEXT, TRANSACTION, Format::Yaml);
        // The text is ours: a test loads it.
        let mut definition = loaded.unwrap_or_else(|problems| panic!("{problems:?}")).definition;
        definition.name = TRANSACTION.into();
        Arc::new(definition)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tx_the_definition_never_changes() {
        let definition = transaction_definition();
        let hash = definition.hash.to_string();
        assert_eq!((definition.version, hash.get(..16)), (1, Some("4b45994ee45b8b07")));
    }
}
