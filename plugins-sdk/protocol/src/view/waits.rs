//! What an instance waits for: timers, calls, children.

use serde::{Deserialize, Serialize};

use super::ProgressView;

/// An armed timer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimerView {
    /// Names it for `timer fire` and `timer move`.
    #[serde(default)]
    pub id: u32,
    /// What it is for, such as `after 24h in under_review`.
    pub name: String,
    /// When it is due.
    pub due: String,
    /// It does not fire before the instance goes on: that is paused, stuck, or being taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stands_still: bool,
    /// How long it has left when its instance is resumed, in milliseconds, where a pause stopped
    /// its clock: it is due later by as long as the pause is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

/// A call under way, or one whose answer is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallView {
    /// The call id.
    pub id: String,
    /// The step that makes it, where it is one of a step graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    /// `plugin.operation`.
    pub operation: String,
    /// The attempt under way, the one that failed last, or of what is held back the one that waits;
    /// from 1.
    pub attempt: u32,
    /// Attempts in all, where the definition bounds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// When the call began, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// The latest time an answer to the attempt under way counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<String>,
    /// When the next attempt begins, between attempts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// How the attempt failed behind which the next one comes, as far as the history goes back:
    /// kind, code and message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
    /// It is answered: `succeeded`, or kind, code and message of the failure. The answer is kept
    /// until the instance goes on, which is stuck, paused, or being taken back by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<String>,
    /// What holds it back before it is sent, in words: who paused its plugin, its open breaker,
    /// whose limit it is and how many are ahead, or that its instance is to go on first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// It waits to be sent again, and may be done all the same: an engine that is gone may have
    /// sent it, or an attempt before was not answered. A rollback waits until that is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
    /// The plugin took the attempt and answers later.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pending: bool,
    /// How far its plugin says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<ProgressView>,
}

/// An instance that runs as a call of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChildView {
    /// The parent's name for it, as in `done.invoke.<id>`.
    pub id: String,
    /// `workflow/key`.
    pub instance: String,
}
