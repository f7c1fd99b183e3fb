//! [`Notice`]: what changed, for whoever listens on `gearshift.notice.<workflow>.<kind>`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One change of one instance; may be lost, so it never decides anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// The workflow's name.
    pub workflow: String,
    /// The correlation key.
    pub key: String,
    /// Which life of the key, from 1.
    pub generation: u32,
    /// The instance's step that caused it.
    pub step: u64,
    /// When, RFC 3339 in UTC with milliseconds.
    pub at: String,
    /// What kind of change.
    pub kind: NoticeKind,
    /// Details, by kind: transition name, states left and entered, reason, output.
    #[serde(default)]
    pub data: Value,
}

impl Notice {
    /// `workflow/key`.
    #[must_use]
    pub fn instance(&self) -> String {
        format!("{}/{}", self.workflow, self.key)
    }

    /// The subject it is published on.
    #[must_use]
    pub fn subject(&self) -> String {
        crate::subjects::notice(&self.workflow, self.kind.as_str())
    }
}

/// The last token of a notice's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoticeKind {
    /// A life began.
    Started,
    /// Transitions were taken.
    Transitioned,
    /// A top-level final state was reached.
    Completed,
    /// The instance ended as failed.
    Failed,
    /// The instance was cancelled or killed.
    Cancelled,
    /// Only a person can move the instance now.
    Stuck,
    /// A stuck instance goes on.
    Resumed,
    /// An approval waits for a decision.
    ApprovalRequested,
    /// An attempt of a call failed and will be repeated.
    CallRetrying,
    /// An attempt of a call is held back before it is sent: its plugin is paused, its breaker open,
    /// or a limit reached (`code` says which). It is no failure, and no attempt is counted.
    CallHeld,
    /// A call failed for good.
    CallFailed,
    /// The plugin of a call said how far it is.
    CallProgress,
    /// A step began.
    StepStarted,
    /// A step succeeded.
    StepCompleted,
    /// A step failed for good.
    StepFailed,
    /// A step did not have to run, or was left behind.
    StepSkipped,
    /// A step was taken back.
    StepUndone,
    /// What was done is being taken back.
    Compensating,
    /// All that was to be taken back is.
    RolledBack,
    /// What the members of a transaction did stays.
    Committed,
    /// An operator holds the instance.
    Paused,
    /// A named point to fork from was saved.
    CheckpointSaved,
    /// An operator wrote to variables.
    VarsSet,
    /// A due moment of a schedule was left out; `key` is `workflow/schedule` and no instance.
    ScheduleSkipped,
    /// An instance of a plugin answers calls; `workflow` is `plugin`, `key` the plugin's name,
    /// here and in those that follow.
    Registered,
    /// An instance of a plugin takes no more calls.
    Unregistered,
    /// An instance of a plugin has room again.
    Available,
    /// An instance of a plugin has no room.
    Overloaded,
    /// Calls of an operation are not sent: the last ones failed.
    BreakerOpened,
    /// One call of the operation is tried.
    BreakerHalfOpen,
    /// Calls of the operation are sent again.
    BreakerClosed,
    /// A kind this reader does not know yet.
    #[serde(other)]
    Other,
}

impl NoticeKind {
    /// The subject token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Transitioned => "transitioned",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Stuck => "stuck",
            Self::Resumed => "resumed",
            Self::ApprovalRequested => "approval_requested",
            Self::CallRetrying => "call_retrying",
            Self::CallHeld => "call_held",
            Self::CallFailed => "call_failed",
            Self::CallProgress => "call_progress",
            Self::StepStarted => "step_started",
            Self::StepCompleted => "step_completed",
            Self::StepFailed => "step_failed",
            Self::StepSkipped => "step_skipped",
            Self::StepUndone => "step_undone",
            Self::Compensating => "compensating",
            Self::RolledBack => "rolled_back",
            Self::Committed => "committed",
            Self::Paused => "paused",
            Self::CheckpointSaved => "checkpoint_saved",
            Self::VarsSet => "vars_set",
            Self::ScheduleSkipped => "schedule_skipped",
            Self::Registered => "registered",
            Self::Unregistered => "unregistered",
            Self::Available => "available",
            Self::Overloaded => "overloaded",
            Self::BreakerOpened => "breaker_opened",
            Self::BreakerHalfOpen => "breaker_half_open",
            Self::BreakerClosed => "breaker_closed",
            Self::Other => "other",
        }
    }
}
