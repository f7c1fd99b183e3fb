//! What there is to see of schedules.

use serde::{Deserialize, Serialize};

/// A schedule of a deployed workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleView {
    /// `workflow/schedule`.
    pub id: String,
    /// The workflow that it starts.
    pub workflow: String,
    /// The schedule's name.
    pub name: String,
    /// The version that it starts: the newest.
    pub version: u32,
    /// When it is due: `cron 0 6 * * MON-FRI Europe/Berlin`, `every 15m`.
    pub recurrence: String,
    /// What a due moment does while an earlier start runs.
    pub overlap: String,
    /// What becomes of moments that nobody was there for.
    pub catch_up: String,
    /// The next moments, the first one first; none before its partition has planned it.
    #[serde(default)]
    pub next: Vec<String>,
    /// The last moment that something was started for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
    /// What was started then: `workflow/key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_instance: Option<String>,
    /// What was started and has not ended: `workflow/key`, oldest first.
    #[serde(default)]
    pub running: Vec<String>,
    /// How many starts wait for the end of another.
    #[serde(default)]
    pub waiting: u32,
    /// How many instances it started.
    #[serde(default)]
    pub started: u64,
    /// How many moments it left out.
    #[serde(default)]
    pub skipped: u64,
    /// Is it paused, or its definition? Then the calendar starts nothing.
    #[serde(default)]
    pub paused: bool,
    /// Who paused it; absent where only its definition is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<SchedulePauseView>,
    /// The last moment that was left out since it started something.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<LeftOutView>,
    /// What people ordered, oldest first; of many the last ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orders: Vec<ScheduleOrderView>,
}

/// Who paused a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchedulePauseView {
    /// Since when.
    pub since: String,
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
}

/// A moment that a schedule left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOutView {
    /// When that was decided.
    pub at: String,
    /// Why.
    pub reason: String,
}

/// What a person ordered of a schedule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleOrderView {
    /// When.
    pub at: String,
    /// `trigger`, `pause` or `resume`.
    pub what: String,
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default)]
    pub reason: String,
    /// What came of it, in words; empty where it is what was ordered.
    #[serde(default)]
    pub came: String,
}
