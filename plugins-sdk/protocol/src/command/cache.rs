//! Results of calls that are kept: having them forgotten.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Has results of calls forgotten that are kept for the same calls again; the next ones ask their
/// plugins. Without a workflow, all of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClearCache {
    /// Only those of this workflow, whichever its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
    /// Of the workflow only those that this step, or state, asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// Of the step only those with this `key`; where the definition has none, with this input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Value>,
    /// Only count them.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// What was forgotten, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClearCacheReply {
    /// How many, by who asked for them, in order.
    pub results: Vec<KeptResults>,
    /// Nothing was done.
    #[serde(default)]
    pub dry_run: bool,
}

impl ClearCacheReply {
    /// How many in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.results.iter().map(|one| one.count).sum()
    }
}

/// Kept results of one operation, asked for by one step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptResults {
    /// The workflow.
    pub workflow: String,
    /// The step, or the state; empty where an earlier engine kept them.
    pub step: String,
    /// `plugin.operation`.
    pub operation: String,
    /// How many.
    pub count: u64,
}
