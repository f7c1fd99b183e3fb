//! What reads answer. Times are RFC 3339 in UTC with milliseconds; views may lag, never decide.

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::control::{CheckpointView, PausedView};
pub use self::end::EndView;
pub use self::health::{EngineView, Health, HealthStatus, PartitionHealth, SourceHealth};
pub use self::plugins::{
    BreakerView, OperationView, PluginInstanceView, PluginView, RequirementState, RequirementView,
};
pub use self::schedules::{LeftOutView, ScheduleOrderView, SchedulePauseView, ScheduleView};
pub use self::steps::{
    ItemView, ItemsView, ProgressView, RollbackView, StayingItemView, StepErrorView, StepStatus,
    StepView, StepsView, WorkflowMetrics,
};
pub use self::transaction::{MemberView, MembershipView, ScopeView};
pub use self::waits::{CallView, ChildView, TimerView};
use crate::verdict::Status;

mod control;
mod end;
mod health;
mod plugins;
mod schedules;
mod steps;
mod transaction;
mod waits;

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The entries.
    pub items: Vec<T>,
    /// The cursor of the next page; absent on the last one.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What could not be looked at, in words: partitions that refuse to serve. Their entries are
    /// missing here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Instances of which the filter could not say whether they are meant. They are missing here
    /// too; each page tells of those that it passed.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub unjudged: Option<Unjudged>,
}

/// Instances for which a filter is neither true nor false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unjudged {
    /// How many.
    pub count: u64,
    /// How many of them have not ended.
    pub living: u64,
    /// The first of them: of those that have not ended, where there is one.
    pub first: String,
    /// Why that one could not be judged, in words.
    pub reason: String,
}

impl Unjudged {
    /// Counts `other` in, which comes behind these.
    pub fn add(&mut self, other: Self) {
        if self.living == 0 && other.living > 0 {
            (self.first, self.reason) = (other.first, other.reason);
        }
        self.count += other.count;
        self.living += other.living;
    }
}

const fn none<T>() -> Option<T> {
    None
}

impl<T> From<Vec<T>> for Page<T> {
    fn from(items: Vec<T>) -> Self {
        Self { items, next: None, missing: Vec::new(), unjudged: None }
    }
}

/// One line of `gearshift ls`; its field names are the names of `--where`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceSummary {
    /// `workflow/key`.
    pub id: String,
    /// The workflow's name.
    pub workflow: String,
    /// The definition's version.
    pub version: u32,
    /// The correlation key.
    pub key: String,
    /// Which life of the key, from 1.
    pub generation: u32,
    /// Where its life stands.
    pub status: Status,
    /// Active atomic states, in document order.
    pub active: Vec<String>,
    /// When its life began.
    pub started_at: String,
    /// When it last changed.
    pub updated_at: String,
    /// Seconds since its life began.
    pub age_s: u64,
    /// Decisions recorded so far.
    #[serde(default)]
    pub step: u64,
    /// Why only a person can move it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck_reason: Option<String>,
    /// Why what it did is being taken back, while it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback_reason: Option<String>,
    /// How its life ended, where that was in no final state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<EndView>,
    /// The instance whose child it is, as `workflow/key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The transaction that it belongs to, or did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transaction: Option<MembershipView>,
    /// What a person left out with `skip` of what was to be taken back, or to be done in any case,
    /// with the person's reason; and what a `kill` left of a rollback that it broke off, and which
    /// calls were under way then. Items of a `foreach` are named as in ``step `book[3]` ``.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// The engine that was asked does not know its definition: its states have no names there, and
    /// nothing moves it until that definition is deployed again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub definition_unknown: bool,
}

/// All there is to show of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceDetail {
    /// What a list shows.
    #[serde(flatten)]
    pub summary: InstanceSummary,
    /// The hash of the definition's content.
    #[serde(default)]
    pub hash: String,
    /// Active compound and parallel states, in document order.
    #[serde(default)]
    pub within: Vec<String>,
    /// Its variables, by name.
    pub vars: Value,
    /// What it was started with.
    pub input: Value,
    /// The output of its top-level final state.
    #[serde(default)]
    pub output: Value,
    /// Who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initiator: Option<String>,
    /// Armed timers, the earliest first.
    #[serde(default)]
    pub timers: Vec<TimerView>,
    /// Calls under way.
    #[serde(default)]
    pub calls: Vec<CallView>,
    /// Children that run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<ChildView>,
    /// Names of events kept for later, in arrival order.
    #[serde(default)]
    pub deferred: Vec<String>,
    /// Names of events that arrived while stuck or paused, in arrival order.
    #[serde(default)]
    pub parked: Vec<String>,
    /// Open approvals.
    #[serde(default)]
    pub approvals: Vec<Task>,
    /// Who holds it, where it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<PausedView>,
    /// Points that a fork can begin from, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checkpoints: Vec<CheckpointView>,
    /// What it knows, where it is a transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<ScopeView>,
    /// How far its step graphs are.
    #[serde(flatten)]
    pub steps: StepsView,
}

/// One input of an instance and all it caused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// The instance's step.
    pub step: u64,
    /// When.
    pub at: String,
    /// The input in words: an event's name, `start`, `reply validator.validate_document`.
    pub input: String,
    /// Who, where known and not the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What else is to be said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Guards that kept a transition from being taken.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guards: Vec<GuardView>,
    /// Transitions taken, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transitions: Vec<TransitionView>,
    /// Effects in words, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<String>,
    /// Active atomic states afterwards; empty where nothing changed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub active: Vec<String>,
}

/// A guard that was false, or failed and so counts as false.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardView {
    /// The transition's name.
    pub transition: String,
    /// The evaluation error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A transition taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitionView {
    /// Its name.
    pub name: String,
    /// The state it leaves.
    pub from: String,
    /// The states it goes to; empty where it stays.
    #[serde(default)]
    pub to: Vec<String>,
    /// The event that triggered it, where it is not the entry's input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
}

/// Why an instance is where it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// One sentence.
    pub summary: String,
    /// The facts behind it, one per line.
    #[serde(default)]
    pub lines: Vec<String>,
    /// Commands that would move it on.
    #[serde(default)]
    pub try_this: Vec<String>,
}

/// An open approval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// `workflow/key`.
    pub id: String,
    /// What decisions call it, as in `TASK:CHOICE`: a state, or `state.step`.
    #[serde(default)]
    pub task: String,
    /// `workflow@version`.
    pub workflow: String,
    /// What is to be decided.
    #[serde(default)]
    pub title: String,
    /// For whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assign: Option<String>,
    /// When the state's first timer, or the step's timeout, ends the wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// Milliseconds until then; negative when overdue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_in_ms: Option<i64>,
    /// What can be chosen.
    pub choices: Vec<String>,
    /// Who may decide; empty: everybody.
    #[serde(default)]
    pub roles: Vec<String>,
    /// Is the one who started the instance kept from deciding?
    #[serde(default)]
    pub not_initiator: bool,
    /// How many equal votes decide.
    #[serde(default = "one")]
    pub need: u32,
    /// Votes cast so far.
    #[serde(default)]
    pub votes: Vec<VoteView>,
}

const fn one() -> u32 {
    1
}

/// One vote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteView {
    /// What was chosen.
    pub choice: String,
    /// By whom.
    pub user: String,
}

/// One line of `gearshift def ls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionSummary {
    /// The workflow's name.
    pub name: String,
    /// Its version.
    pub version: u32,
    /// Its title.
    #[serde(default)]
    pub title: String,
    /// The hash of its content.
    pub hash: String,
    /// When it was deployed.
    #[serde(default)]
    pub deployed_at: String,
    /// Instances on it that have not ended.
    #[serde(default)]
    pub instances: u64,
    /// Is it the one that new instances run?
    #[serde(default)]
    pub newest: bool,
    /// The version that it comes from, where it was made for instances with further steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub derived_from: Option<u32>,
}

/// One definition with its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DefinitionDetail {
    /// What a list shows.
    #[serde(flatten)]
    pub summary: DefinitionSummary,
    /// The text as deployed.
    pub text: String,
    /// Names of the events it listens to.
    #[serde(default)]
    pub events: Vec<String>,
    /// Operations it calls.
    #[serde(default)]
    pub operations: Vec<String>,
    /// What became of its instances.
    #[serde(default)]
    pub metrics: WorkflowMetrics,
}

/// An event nobody could use, with the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Names it for `dlq show`, `replay` and `drop`.
    pub id: String,
    /// The event's type.
    pub event: String,
    /// Why nobody could use it: a word, then details.
    pub reason: String,
    /// When it became one.
    pub at: String,
    /// `workflow/key`, where it had got so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The payload, as far as it can be shown.
    #[serde(default)]
    pub data: Value,
}

/// A drawing as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphText {
    /// The text, in the language asked for.
    pub text: String,
}
