//! Input: all an instance can be told. Everything arrives in one total order (rule 4).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use super::command::{Command, Fork, TimerOrder};
use super::ids::{EffectId, Generation, Timestamp};
use super::letter::Parent;
use super::trace_context::TraceContext;
use super::transaction::Word;
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
        /// The name that whoever asked gave this start, where it got one: a start with the same
        /// name begins no second life (rule 46).
        id: Option<Arc<str>>,
        /// The trace that whoever asked is in; that of the event goes before it.
        trace_context: Option<Arc<TraceContext>>,
    },
    /// Begin a life as the child of another instance.
    StartChild {
        /// What the instance is started with.
        input: Value,
        /// Whose child it is.
        parent: Parent,
        /// Who started the parent.
        by: Principal,
        /// Why, in the words of that person; empty where nobody said.
        reason: Arc<str>,
        /// The trace that the parent is in.
        trace_context: Option<Arc<TraceContext>>,
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
    /// Begin a life in a transaction, which has to have it as a member first.
    Within {
        /// [`Input::Start`], [`Input::StartChild`] or [`Input::Held`].
        start: Box<Self>,
        /// The transaction's name.
        transaction: Arc<str>,
    },
    /// A transaction and an instance tell each other something.
    Transaction {
        /// Who says it.
        from: super::ids::InstanceKey,
        /// What.
        word: Word,
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
    /// where the answer is [`super::Outcome::Done`], and only then. Or, of a call that was held
    /// back, the next attempt is: it is under way from then on, and whoever says this sends it.
    CallStarted {
        /// Which call.
        call: EffectId,
        /// Which attempt, counted from 1; [`super::NEXT_ATTEMPT`] of what was held back.
        attempt: u32,
    },
    /// A plugin answered an attempt with the promise of a later result: the call stays under way,
    /// and is not asked again by whoever takes over.
    CallPending {
        /// Which call.
        call: EffectId,
        /// Which attempt, counted from 1.
        attempt: u32,
        /// How often the plugin says at least that it lives, in milliseconds.
        heartbeat_ms: u64,
    },
    /// The timer with this id, armed by the instance, is due (rules 30-33).
    TimerDue {
        /// The id in [`super::Timer::id`]; another life of the timer has another id.
        timer: u32,
        /// Since when the owner that hands it in has the instance: nobody heard an answer that
        /// came before, to whoever had it then.
        owned_since: Timestamp,
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
    /// The output of the same call before; the plugin was not asked.
    Cached(Value),
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
