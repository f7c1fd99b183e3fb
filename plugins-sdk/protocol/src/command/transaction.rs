//! Transactions: a named scope over several instances, committed or taken back as one.

use serde::{Deserialize, Serialize};

/// Begins a transaction. One that is open with the same timeout answers `duplicate`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginTransaction {
    /// Its name: that of the instance `transaction/NAME`.
    pub name: String,
    /// How long it stays open before it is rolled back by itself, in milliseconds; absent: one
    /// hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// Commits a transaction, or rolls it back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndTransaction {
    /// Its name.
    pub name: String,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}
