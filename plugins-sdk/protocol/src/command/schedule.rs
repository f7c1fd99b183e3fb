//! Orders to schedules.

use serde::{Deserialize, Serialize};

/// Lets a schedule start an instance now; its `overlap` counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerSchedule {
    /// The workflow.
    pub workflow: String,
    /// The schedule's name.
    pub schedule: String,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}

/// What became of a [`TriggerSchedule`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerReply {
    /// `workflow/schedule`.
    pub schedule: String,
    /// What was started: `workflow/key`; absent where it waits for the end of another start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
}

/// Lets a schedule start nothing by the calendar, or lets it start again; what runs goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldSchedule {
    /// The workflow.
    pub workflow: String,
    /// The schedule's name.
    pub schedule: String,
    /// Why, in the operator's words.
    #[serde(default)]
    pub reason: String,
}
