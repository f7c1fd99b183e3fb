//! Transactions as people see them.

use serde::{Deserialize, Serialize};

use crate::verdict::Status;

/// The transaction of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MembershipView {
    /// Its name.
    pub name: String,
    /// Where the member stands: joining open rolling_back committed rolled_back.
    pub standing: String,
    /// Why the transaction is rolled back: who asked for it and why, which member failed, or that
    /// its time was over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a transaction knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeView {
    /// Its members, in the order they joined.
    pub members: Vec<MemberView>,
    /// Calls that can be taken back.
    pub calls: u64,
    /// The newest of them, newest first, as `step of workflow/key`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub newest: Vec<String>,
    /// What it waits for, while it is rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits_for: Option<String>,
    /// The member, as `workflow/key`, that a person has to help before the rollback goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<String>,
    /// Why it is rolled back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// One member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// `workflow/key`.
    pub id: String,
    /// Which life of it.
    pub generation: u32,
    /// What it was told: open hold held gone; once the transaction is over: committed rolled_back
    /// gone.
    pub stand: String,
    /// How it is itself; absent where it is forgotten, or one of very many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Why only a person can move it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_reason: Option<String>,
    /// How its life ended, in words, where that was in no final state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// What a person left out with `skip` of what was to be taken back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}
