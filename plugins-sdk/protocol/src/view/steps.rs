//! How far the step graphs of an instance are, and what became of a workflow's instances.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The step graphs of one instance; all empty where its definition has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepsView {
    /// Steps that are done for good (completed or skipped), of all steps: 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<f64>,
    /// Steps under way, in document order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub current_step: Vec<String>,
    /// Steps that completed.
    #[serde(skip_serializing_if = "is_zero")]
    pub completed_steps: u32,
    /// All steps.
    #[serde(skip_serializing_if = "is_zero")]
    pub total_steps: u32,
    /// Each step, in document order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepView>,
    /// What is being taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<RollbackView>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none_left(number: &u64) -> bool {
    *number == 0
}

/// How far a call is, as its plugin says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressView {
    /// How much is done, from 0 to 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// What is being done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// When the plugin was heard of last.
    pub heard_at: String,
}

/// One step of a step graph.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepView {
    /// Its name.
    pub id: String,
    /// Its title; the name where it has none.
    pub title: String,
    /// Where it stands.
    pub status: StepStatus,
    /// What it gave; absent where it is heavier than a view may be.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub result: Value,
    /// How heavy a result is that is left out, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
    /// What went wrong last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepErrorView>,
    /// How far the plugin of its call says it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressView>,
    /// Attempts beyond the first.
    pub retry_count: u32,
    /// Did its result come from the cache, and was its plugin not asked?
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<String>,
    /// How long it took, or takes so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// The items of its `foreach`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemsView>,
    /// The items of its `foreach` that failed and, once the step is over, those that have no result
    /// for another reason; in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub missing_items: Vec<ItemView>,
    /// How many more of them there are, where they are heavier than a view may be.
    #[serde(skip_serializing_if = "is_none_left")]
    pub missing_items_left: u64,
    /// Items of its `foreach` that were done and are taken back, while or after something was.
    #[serde(skip_serializing_if = "is_none_left")]
    pub undone_items: u64,
    /// Items of its `foreach` that were done and stay while or after something is taken back: their
    /// undo failed or was skipped, they were committed, the rollback did not go back so far, or the
    /// instance was killed; in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub staying_items: Vec<StayingItemView>,
    /// How many more of them there are, where they are more than a view shows.
    #[serde(skip_serializing_if = "is_none_left")]
    pub staying_items_left: u64,
    /// It runs no more: its answer is there, and is kept until the instance goes on, which is
    /// paused or stuck. `duration_ms` is the time until then.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub answered: bool,
    /// What a pending step needs and has not got yet: names, or `one of a, b`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
}

/// Where a step stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepStatus {
    /// It waits for its needs.
    #[default]
    Pending,
    /// It runs.
    Running,
    /// An attempt failed, and another one will be made.
    Retrying,
    /// It succeeded.
    Completed,
    /// It failed for good.
    Failed,
    /// It did not have to run, or its failure was left behind.
    Skipped,
    /// It was cut off.
    Cancelled,
    /// It had completed and was taken back, all of it: where an item stays it is `completed`.
    Undone,
    /// A status this reader does not know yet.
    #[serde(other)]
    Other,
}

impl StepStatus {
    /// The word people see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Undone => "undone",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// Why a step failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StepErrorView {
    /// `retryable`, `permanent`, `timeout`, ….
    pub kind: String,
    /// The plugin's code, where it gave one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub code: String,
    /// In words.
    pub message: String,
}

/// How far the items of a fan-out are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemsView {
    /// All of them.
    pub total: u64,
    /// Those that succeeded.
    pub done: u64,
    /// Those that failed for good.
    pub failed: u64,
}

/// One item of a fan-out.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ItemView {
    /// Its number in the list, from 0.
    pub index: u64,
    /// The item; absent where it is heavier than a view may be.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub item: Value,
    /// How heavy an item is that is left out, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_bytes: Option<u64>,
    /// `failed`; `cancelled` where it was cut off, `pending` where it was never begun.
    pub status: StepStatus,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StepErrorView>,
    /// Attempts of its call beyond the first, where it failed.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_count: u32,
}

/// One item of a fan-out that is not taken back, although what was done is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StayingItemView {
    /// Its number in the list, from 0.
    pub index: u64,
    /// The item; absent where it is heavier than a view may be.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub item: Value,
    /// How heavy an item is that is left out, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item_bytes: Option<u64>,
    /// Why it stays, in words.
    pub why: String,
}

/// A rollback under way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RollbackView {
    /// Why.
    pub reason: String,
    /// The step that is being taken back, where it is a step's call; of a `foreach` with the number
    /// of the item: `book[3]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// How many calls are still to be taken back, this one included.
    pub left: u64,
    /// How many calls under way are waited for first: what succeeds is taken back too.
    pub awaited: u64,
}

/// What became of a workflow's instances, as far as they are still known: ended ones are forgotten
/// after their retention.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkflowMetrics {
    /// All of them.
    pub total: u64,
    /// Those that reached a final state.
    pub completed: u64,
    /// Those that failed.
    pub failed: u64,
    /// Those that were cancelled or killed.
    pub cancelled: u64,
    /// Those that only a person can move.
    pub stuck: u64,
    /// Those that have not ended and are not stuck.
    pub running: u64,
    /// Steps of all of them that completed.
    pub steps_completed: u64,
    /// Steps that failed.
    pub steps_failed: u64,
    /// Steps that were skipped.
    pub steps_skipped: u64,
    /// How long completed ones took on average, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean_ms: Option<u64>,
    /// The shortest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_ms: Option<u64>,
    /// The longest of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<u64>,
}
