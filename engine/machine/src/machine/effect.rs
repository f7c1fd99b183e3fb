//! Effect: all an instance can ask of the world.
//!
//! Nothing here happens before the frame that holds the decision is durable (01 §1, guarantee 2).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{ContentHash, EffectId, StateId, Timestamp};
use super::input::{ErrorKind, Event};
use super::letter::Letter;
use super::progress::Role;
use super::trace_context::TraceContext;
use crate::definition::model::Definition;
use crate::value::{Map, Value};

/// One numbered request to the world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Effect {
    /// Ask a plugin; its answer comes back as [`super::Input::CallReply`].
    Call(CallRequest),
    /// Tell a plugin that nobody waits for its answer any more; best effort.
    CancelCall {
        /// Which call.
        call: EffectId,
    },
    /// Tell whoever holds back this attempt, and has not sent it, to give it up and to answer so
    /// ([`super::NOT_SENT`]). What was sent, or may have been by an engine that is gone, is
    /// answered as ever.
    WithdrawCall {
        /// Which call.
        call: EffectId,
        /// Which attempt, counted from 1.
        attempt: u32,
    },
    /// Publish a message; repeated until the bus has it, under the same id.
    Publish {
        /// The message's stable id.
        id: EffectId,
        /// The bus subject.
        subject: Arc<str>,
        /// The body.
        payload: Value,
        /// The trace it belongs to, where an event brought one.
        trace_context: Option<Arc<TraceContext>>,
    },
    /// Keep what a call gave, as the answer to the same call again; may be lost.
    Keep {
        /// What makes two calls the same.
        under: ContentHash,
        /// The step that asked, or the state.
        step: Arc<str>,
        /// What was asked.
        operation: Arc<str>,
        /// What came back.
        output: Value,
        /// How long, in milliseconds.
        ttl_ms: u64,
    },
    /// Offer an event to the instance itself, after the commit (rule 22).
    SendSelf {
        /// What to offer.
        event: Event,
    },
    /// Hand a letter to another instance, wherever it is; repeated until it was taken.
    Letter(Letter),
    /// Keep an event nobody could take, with the reason.
    DeadLetter {
        /// The event.
        event: Event,
        /// Why nobody took it: a word such as `unhandled`, then details.
        reason: Arc<str>,
    },
    /// Write a line to the log.
    Log {
        /// The author's label.
        label: Arc<str>,
        /// What to show.
        value: Value,
    },
    /// Tell whoever subscribes; may be lost.
    Notice(Notice),
}

/// One attempt of one call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CallRequest {
    /// The call id: the same for all attempts; the plugin's idempotency key.
    pub call: EffectId,
    /// Counted from 1.
    pub attempt: u32,
    /// `plugin.operation`, or `plugin@^1.2.operation`.
    pub operation: Arc<str>,
    /// The operation's input.
    pub input: Value,
    /// The latest time an answer counts.
    pub deadline: Timestamp,
    /// The id of the step that makes the call or is taken back by it, `finally`, or the id of the
    /// state that makes it.
    pub step: Arc<str>,
    /// What the call is for.
    #[serde(default, skip_serializing_if = "Purpose::is_work")]
    pub purpose: Purpose,
    /// What the definition's limits of the plugin are counted by, where they are for each of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Arc<str>>,
    /// What the same call gave before may be kept under this, and is its answer then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<ContentHash>,
    /// The trace it belongs to, where an event brought one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_context: Option<Arc<TraceContext>>,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The work of a state or of a step.
    #[default]
    Work,
    /// It takes back what another call did.
    Undo,
    /// It cleans up behind all steps.
    Finally,
}

impl Purpose {
    /// Is it the call of a state or of a step itself?
    #[must_use]
    pub const fn is_work(&self) -> bool {
        matches!(self, Self::Work)
    }

    /// The word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Work => "work",
            Self::Undo => "undo",
            Self::Finally => "finally",
        }
    }
}

impl From<Role> for Purpose {
    fn from(role: Role) -> Self {
        match role {
            Role::State | Role::Step { .. } => Self::Work,
            Role::Undo { .. } => Self::Undo,
            Role::Finally { .. } => Self::Finally,
        }
    }
}

/// What changed, for whoever listens (01 §10, `gearshift.notice.…`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// What kind of change.
    pub kind: NoticeKind,
    /// Details, by kind: transition name, states left and entered, reason, output.
    pub data: NoticeData,
}

/// Details of a notice. Most notices are heard by nobody, so those that every event makes become
/// a value only where somebody listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum NoticeData {
    /// As people read them.
    Fields(Value),
    /// What a life began with.
    Started {
        /// Its input.
        input: Value,
    },
    /// Transitions were taken.
    Transitioned {
        /// The first name that one of them has.
        name: Option<Arc<str>>,
        /// Active atomic states before.
        from: Vec<StateId>,
        /// Active atomic states after.
        to: Vec<StateId>,
        /// What caused them.
        event: Arc<str>,
    },
    /// A top-level final state was reached.
    Completed {
        /// Active atomic states.
        state: Vec<StateId>,
        /// What came of it.
        output: Value,
    },
    /// Something became of a step.
    Step {
        /// Which.
        step: Arc<str>,
        /// What went wrong with it, and how it says so.
        error: Option<(ErrorKind, Arc<str>)>,
    },
}

impl NoticeData {
    /// The details as people read them; `definition` is the one that the states are of.
    #[must_use]
    pub fn to_value(&self, definition: &Definition) -> Value {
        let names = |states: &[StateId]| {
            let name = |id: &StateId| Value::String(Arc::clone(&definition.state(*id).id));
            Value::list(states.iter().map(name).collect())
        };
        let fields = match self {
            Self::Fields(value) => return value.clone(),
            Self::Started { input } => vec![("input", input.clone())],
            Self::Transitioned { name, from, to, event } => vec![
                ("name", name.clone().map_or(Value::Null, Value::String)),
                ("from", names(from)),
                ("to", names(to)),
                ("event", Value::String(Arc::clone(event))),
            ],
            Self::Completed { state, output } => {
                vec![("state", names(state)), ("output", output.clone())]
            }
            Self::Step { step, error } => {
                let mut fields = vec![("step", Value::String(Arc::clone(step)))];
                if let Some((kind, message)) = error {
                    fields.push(("kind", Value::from(kind.as_str())));
                    fields.push(("message", Value::String(Arc::clone(message))));
                }
                fields
            }
        };
        Self::present(fields)
    }

    /// A map of those fields that are not null.
    pub(crate) fn present(fields: Vec<(&str, Value)>) -> Value {
        fields.into_iter().filter(|(_, value)| !value.is_null()).collect::<Map>().into()
    }
}

/// The last token of a notice's subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// A stuck or paused instance goes on.
    Resumed,
    /// An approval waits for a decision.
    ApprovalRequested,
    /// An attempt of a call failed and will be repeated.
    CallRetrying,
    /// An attempt is held back: its plugin is paused, its breaker open, or a limit reached.
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
    /// A due moment of a schedule was left out.
    ScheduleSkipped,
    /// An instance of a plugin answers calls.
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
        }
    }
}
