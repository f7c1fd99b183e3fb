//! Input: all an instance can be told. Everything arrives in one total order (rule 4).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{EffectId, Generation, Timestamp};
use super::letter::Parent;
use super::progress::Clocks;
use crate::value::Value;

/// One thing an instance is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Begin a life: enter the initial states (rule 14).
    Start {
        /// What the instance is started with; `input` in expressions.
        input: Value,
        /// The event that caused the start; offered as the first ordinary event afterwards.
        event: Option<Event>,
        /// Who asked.
        by: Principal,
    },
    /// Begin a life as the child of another instance.
    StartChild {
        /// What the instance is started with.
        input: Value,
        /// Whose child it is.
        parent: Parent,
        /// Who started the parent.
        by: Principal,
    },
    /// Begin a life that is paused from the start, because its definition is: nothing of it runs
    /// before it is resumed. A life that is there already is told the start.
    Held {
        /// [`Input::Start`] or [`Input::StartChild`].
        start: Box<Self>,
        /// Who paused the definition.
        by: Arc<str>,
        /// Why, in the operator's words.
        reason: Arc<str>,
    },
    /// Something happened outside, or was sent by the instance to itself or by another one.
    Event(Event),
    /// A child of the instance ended.
    ChildReply {
        /// The call that the child is.
        call: EffectId,
        /// The name under which it ran.
        invoke_id: Arc<str>,
        /// The instance's life that started it.
        life: Generation,
        /// How it ended.
        outcome: CallOutcome,
    },
    /// A child of the instance told it something.
    ChildEvent {
        /// The call that the child is.
        call: EffectId,
        /// What.
        event: Event,
    },
    /// A plugin answered, or the dispatcher knows that it cannot.
    CallReply {
        /// Which call.
        call: EffectId,
        /// Which attempt, counted from 1.
        attempt: u32,
        /// What came back.
        outcome: CallOutcome,
    },
    /// An attempt of a call that may not be repeated is about to be sent, once; it may be sent
    /// where the answer is [`super::Outcome::Done`], and only then.
    CallStarted {
        /// Which call.
        call: EffectId,
        /// Which attempt, counted from 1.
        attempt: u32,
    },
    /// The timer with this id, armed by the instance, is due (rules 30-33).
    TimerDue {
        /// The id in [`super::Timer::id`]; another life of the timer has another id.
        timer: u32,
    },
    /// The parent does not wait for the instance any more (rule 36).
    Orphaned {
        /// At once, without exit actions?
        kill: bool,
    },
    /// An operator's order.
    Command {
        /// What to do.
        command: Command,
        /// Who asked.
        by: Principal,
        /// Why, in the operator's words; empty when not said.
        reason: Arc<str>,
    },
}

/// Who did something: authenticated by the door it came through.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// The login name; empty for the engine itself and for anonymous publishers.
    pub user: Arc<str>,
    /// The roles it may act in; `*` stands for all of them.
    pub roles: Vec<Arc<str>>,
}

/// Where an event comes from (rule 39).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// From outside, or `send`.
    #[default]
    External,
    /// From `raise` and done events.
    Internal,
    /// From the engine itself: timers, errors.
    Platform,
}

impl EventKind {
    /// The word expressions see as `event.type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Internal => "internal",
            Self::Platform => "platform",
        }
    }
}

/// Something that happened (rule 39): absent fields are absent in expressions too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// The name: 1-16 tokens joined by `.` (rule 28).
    pub name: Arc<str>,
    /// Where it comes from.
    pub kind: EventKind,
    /// The payload; `data` in expressions. `None` where the sender gave none.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::value::present"
    )]
    pub data: Option<Value>,
    /// The publisher's name for the message.
    pub id: Option<Arc<str>>,
    /// Who published it, as it says itself (`ce-source`).
    pub source: Option<Arc<str>>,
    /// When it happened, as the publisher says, else when the owner took it.
    pub time: Option<Timestamp>,
    /// The subject it was published on, where that differs from the name.
    pub subject: Option<Arc<str>>,
    /// Message headers, as an expression may read them.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::value::present"
    )]
    pub headers: Option<Value>,
    /// The id of the `send` that made it.
    pub send_id: Option<Arc<str>>,
    /// The call or child it is the result of.
    pub invoke_id: Option<Arc<str>>,
    /// Who published it, where the door knows; approvals check it.
    pub by: Option<Principal>,
    /// The instance that sent it, as `workflow/key`: an address to answer to.
    pub origin: Option<Arc<str>>,
}

impl Event {
    /// The event with the owner's time where the publisher gave none (rules 4, 39).
    pub(super) fn stamped(&self, now: Timestamp) -> Self {
        Self { time: self.time.or(Some(now)), ..self.clone() }
    }
}

/// How an attempt of a call ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum CallOutcome {
    /// The plugin's output.
    Success(Value),
    /// The plugin, or the way to it, failed.
    Failure {
        /// Whether another attempt makes sense, and what went wrong.
        kind: ErrorKind,
        /// The plugin's own code, such as `422`; empty when it gave none.
        code: Arc<str>,
        /// What it said.
        message: Arc<str>,
        /// The plugin's wish when to be asked again, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

/// Kinds of failed calls, as policies and expressions name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ErrorKind {
    /// The plugin says: try again.
    Retryable,
    /// The plugin says: trying again is useless.
    Permanent,
    /// No answer before the deadline; the outcome is unknown.
    Timeout,
    /// No service answers the subject; never delivered.
    PluginNotFound,
    /// The answer is not one: malformed or too large.
    InvalidReply,
    /// It was sent once, may not be sent again, and nobody knows whether it had effect.
    OutcomeUnknown,
    /// The child could not be started.
    NotStarted,
    /// The child ended as failed, or was ended by a person.
    ChildFailed,
}

impl ErrorKind {
    /// The word expressions see as `error.kind`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retryable => "retryable",
            Self::Permanent => "permanent",
            Self::Timeout => "timeout",
            Self::PluginNotFound => "plugin_not_found",
            Self::InvalidReply => "invalid_reply",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::NotStarted => "not_started",
            Self::ChildFailed => "child_failed",
        }
    }

    /// May the retry policy try again?
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        match self {
            Self::Retryable | Self::Timeout | Self::PluginNotFound => true,
            Self::Permanent
            | Self::InvalidReply
            | Self::OutcomeUnknown
            | Self::NotStarted
            | Self::ChildFailed => false,
        }
    }

    /// Did the way to it fail, and not what was asked (rule 35)?
    #[must_use]
    pub const fn is_communication(self) -> bool {
        match self {
            Self::Retryable | Self::Timeout | Self::PluginNotFound | Self::NotStarted => true,
            Self::Permanent | Self::InvalidReply | Self::OutcomeUnknown | Self::ChildFailed => {
                false
            }
        }
    }
}

/// An operator's orders to one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Decide an open approval by one of its choices.
    Decide {
        /// The choice, such as `approve`.
        choice: Arc<str>,
        /// Further fields of the event's payload.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            deserialize_with = "crate::value::present"
        )]
        data: Option<Value>,
    },
    /// End softly: exit actions run (rule 20).
    Cancel,
    /// End at once: nothing runs (rule 20).
    Kill,
    /// Re-run what made the instance stuck.
    Retry,
    /// Leave what made the instance stuck behind and go on.
    Skip,
    /// Go on under another version of the definition.
    Migrate {
        /// Which version.
        version: u32,
        /// States that are called differently there: the old and the new one.
        states: Vec<super::migrate::Renamed>,
    },
    /// Hold the instance: events are parked, replies are kept, no timer fires, nothing is retried.
    Pause {
        /// What becomes of its timers.
        clocks: Clocks,
    },
    /// Let a paused instance go on.
    Resume,
    /// Take back what was done, newest first, then wait for a person.
    RollBack {
        /// Down to this step, it included; all of it where absent.
        from: Option<Arc<str>>,
    },
    /// Write to declared variables or members of them.
    Set {
        /// Where, and what.
        values: Vec<(Arc<str>, Value)>,
    },
    /// Save a point that a fork can begin from.
    Checkpoint {
        /// Its name; an earlier one of the same name is replaced.
        name: Arc<str>,
    },
    /// Fire or move an armed timer.
    Timer {
        /// [`super::Timer::id`].
        timer: u32,
        /// Which of it.
        order: TimerOrder,
    },
    /// Begin the life of an instance where another one was; told to the new one.
    Fork(Box<Fork>),
}

impl Command {
    /// What the history calls it.
    #[must_use]
    pub const fn words(&self) -> &'static str {
        match self {
            Self::Decide { .. } => "command decide",
            Self::Cancel => "command cancel",
            Self::Kill => "command kill",
            Self::Retry => "command retry",
            Self::Skip => "command skip",
            Self::Migrate { .. } => "command migrate",
            Self::Pause { .. } => "command pause",
            Self::Resume => "command resume",
            Self::RollBack { .. } => "command rollback",
            Self::Set { .. } => "command set",
            Self::Checkpoint { .. } => "command checkpoint",
            Self::Timer { order: TimerOrder::Fire, .. } => "command timer fire",
            Self::Timer { order: TimerOrder::At(_) | TimerOrder::By(_), .. } => {
                "command timer move"
            }
            Self::Fork(_) => "command fork",
        }
    }
}

/// What an operator does to a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimerOrder {
    /// It is due now.
    Fire,
    /// It is due then.
    At(Timestamp),
    /// It is due so many milliseconds later, or earlier.
    By(i64),
}

/// What an instance that is a fork begins with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fork {
    /// The instance it was taken from, as `workflow/key`.
    pub origin: Arc<str>,
    /// The checkpoint or step.
    pub from: Arc<str>,
    /// The definition both run.
    pub pin: super::ids::Pin,
    /// The instance as it was there, encoded.
    #[serde(with = "super::bytes")]
    pub seed: Vec<u8>,
}
