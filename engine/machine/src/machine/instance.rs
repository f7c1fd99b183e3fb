//! Instance: all that decides what happens next (rule 3).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cache::CacheKey;
use super::ids::{EffectId, Generation, InstanceKey, Pin, StateId, Timestamp, TransitionId};
use super::input::{CallOutcome, Event};
use super::letter::{Address, Parent};
use super::progress::{Progress, Role};
use super::trace_context::TraceContext;
use super::transaction::Transaction;
use crate::value::Value;

/// One running workflow, pinned to its definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Which instance; not part of the encoded bytes.
    pub key: InstanceKey,
    /// Which life of the key.
    pub generation: Generation,
    /// The definition it runs.
    pub pin: Pin,
    /// Where its life stands.
    pub status: Status,
    /// Why only a person can move it; present exactly while `status` is [`Status::Stuck`].
    pub stuck: Option<Box<Stuck>>,
    /// Decisions recorded so far; the first is 1. Part of every effect id.
    pub step: u64,
    /// Active states in document order, ancestors included, the root too.
    pub active: Vec<StateId>,
    /// Values of the declared variables, in the order of the definition's `vars:`.
    pub vars: Vec<Value>,
    /// What the instance was started with.
    pub input: Value,
    /// Who started it; approvals with `not: [initiator]` need it.
    pub initiator: Option<Arc<str>>,
    /// Stored configurations of history states: history state → states to restore (rule 17).
    pub history: Vec<(StateId, Vec<StateId>)>,
    /// The next id for a timer, sequence or epoch; never reused in one life.
    pub next_id: u32,
    /// Armed timers, in arm order.
    pub timers: Vec<Timer>,
    /// Call sequences under way, in start order (rules 27, 35).
    pub sequences: Vec<RunningSequence>,
    /// Events an active state defers, in arrival order (rules 41-43).
    pub deferred: Vec<Event>,
    /// Events that arrived while stuck or paused, in arrival order (01 §10).
    pub parked: Vec<Event>,
    /// The last producers' ids seen, newest last (rule 45).
    pub marks: Vec<Mark>,
    /// Votes cast on open approvals that need several.
    pub votes: Vec<Vote>,
    /// The output of the top-level final state.
    pub output: Value,
    /// When its life began.
    pub started_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Whose child it is, where it is one.
    pub parent: Option<Box<Parent>>,
    /// How far its step graphs are and what can be taken back, where there is any of it.
    pub progress: Option<Box<Progress>>,
    /// Its part in a transaction, where it has one.
    pub transaction: Option<Box<Transaction>>,
    /// The trace that the last event with one brought.
    pub trace_context: Option<Arc<TraceContext>>,
}

/// Where an instance's life stands (01 §10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Status {
    /// Taking events.
    Running,
    /// Held by an operator.
    Paused,
    /// Taking back what was done.
    Compensating,
    /// Waiting for a person.
    Stuck,
    /// Ended in a final state.
    Done,
    /// Ended by failure.
    Failed,
    /// Ended by an operator or parent.
    Cancelled,
}

impl Status {
    /// The word people see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Compensating => "compensating",
            Self::Stuck => "stuck",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Has the life ended?
    #[must_use]
    pub const fn is_ended(self) -> bool {
        match self {
            Self::Done | Self::Failed | Self::Cancelled => true,
            Self::Running | Self::Paused | Self::Compensating | Self::Stuck => false,
        }
    }
}

/// Why an instance is stuck, and what `retry` and `skip` have to work with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stuck {
    /// What kind of trouble.
    pub kind: StuckKind,
    /// The error in words.
    pub reason: Arc<str>,
    /// Since when.
    pub since: Timestamp,
    /// Where: the state's id.
    pub state: Option<StateId>,
    /// The event that was being processed, offered again by `retry` where the macrostep was
    /// rolled back.
    pub event: Option<Event>,
    /// The sequence that failed, begun again at its failed call by `retry`.
    pub sequence: Option<RunningSequence>,
    /// The block that failed, gone on with at its failed action by `retry`.
    pub block: Option<FailedBlock>,
    /// The reply that was being processed where the macrostep was rolled back.
    pub reply: Option<Box<Reply>>,
    /// Replies that arrived since, in arrival order, at most one per call.
    pub replies: Vec<Reply>,
}

impl Stuck {
    /// Trouble with nothing to work with yet: no event, sequence or block.
    #[must_use]
    pub fn new(kind: StuckKind, reason: impl Into<Arc<str>>, since: Timestamp) -> Self {
        Self {
            kind,
            reason: reason.into(),
            since,
            state: None,
            event: None,
            sequence: None,
            block: None,
            reply: None,
            replies: Vec::new(),
        }
    }
}

/// A block of actions that failed, and where in it (rule 21).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedBlock {
    /// Which block.
    pub place: Place,
    /// The action that failed, from 0: what came before it has happened and is not repeated.
    pub action: u16,
}

/// Where a block of actions stands in the definition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// `entry:` block number `block` of `state`.
    Entry {
        /// Whose.
        state: StateId,
        /// Which of its blocks, from 0.
        block: u16,
    },
    /// `exit:` block number `block` of `state`.
    Exit {
        /// Whose.
        state: StateId,
        /// Which of its blocks, from 0.
        block: u16,
    },
    /// `do:` of a transition.
    Transition {
        /// Which.
        transition: TransitionId,
    },
    /// `set:` of the call whose reply is [`Stuck::event`] (rule 37).
    Result,
}

/// The answer to one attempt of a call, kept while the instance is stuck.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Which call.
    pub call: EffectId,
    /// Which attempt, counted from 1.
    pub attempt: u32,
    /// What came back.
    pub outcome: CallOutcome,
}

/// Kinds of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum StuckKind {
    /// An error event nobody handles (rule 38).
    Error,
    /// A limit of the macrostep was exceeded; it was rolled back (rule 12).
    Livelock,
    /// The machine panicked; the macrostep was rolled back.
    Panic,
    /// `vars` would exceed their limit; the macrostep was rolled back (row E12).
    StateTooLarge,
    /// A call failed for good and nobody handles it.
    CallFailed,
    /// The pinned definition is not there.
    DefinitionMissing,
    /// A call that may not be repeated was sent, and no reply came.
    OutcomeUnknown,
    /// What was done could not be taken back.
    UndoFailed,
    /// No step of a graph can proceed.
    Deadlock,
    /// A person asked for a rollback, and it is done.
    RolledBack,
}

/// A moment kept in state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timer {
    /// Unique in one life: a re-armed timer has another id, so a late firing is stale (rule 33).
    pub id: u32,
    /// When it is due.
    pub due: Timestamp,
    /// What it is for.
    pub kind: TimerKind,
}

/// What a timer is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TimerKind {
    /// `after:` number `index` of `state` (rule 30).
    After {
        /// The state that armed it.
        state: StateId,
        /// Its place in the state's `after:` list.
        index: u16,
        /// How it was armed, where a migration has given its place another delay since.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        armed: Option<Arc<str>>,
    },
    /// A delayed `send` (rule 31), or the `timer` action.
    Send {
        /// The event to offer when due.
        event: Box<Event>,
    },
    /// A delayed `send` to another instance.
    SendTo {
        /// The event to send when due.
        event: Box<Event>,
        /// To whom.
        to: Address,
    },
    /// The attempt of a sequence's call must be answered by now.
    CallDeadline {
        /// [`RunningSequence::id`].
        sequence: u32,
    },
    /// The next attempt of a sequence's call is due.
    CallRetry {
        /// [`RunningSequence::id`].
        sequence: u32,
    },
    /// A deferred event's time to live is over (rule 43).
    DeferredExpiry {
        /// The event's place in [`Instance::deferred`]; kept right as earlier ones leave.
        place: u16,
    },
    /// An ended instance is forgotten (01 §5).
    Retention,
    /// A graph, or one step of it, may take no longer.
    Steps {
        /// [`super::RunningGraph::id`].
        graph: u32,
        /// The step; the graph as a whole where there is none.
        step: Option<u16>,
    },
    /// One decision had no room for all steps and items of a graph that may start.
    MoreSteps {
        /// [`super::RunningGraph::id`].
        graph: u32,
    },
}

impl TimerKind {
    /// The sequence whose call it is for, where it is for one.
    pub(super) const fn of_call(&self) -> Option<u32> {
        match self {
            Self::CallDeadline { sequence } | Self::CallRetry { sequence } => Some(*sequence),
            Self::After { .. }
            | Self::Send { .. }
            | Self::SendTo { .. }
            | Self::DeferredExpiry { .. }
            | Self::Steps { .. }
            | Self::MoreSteps { .. }
            | Self::Retention => None,
        }
    }
}

/// A sequence of calls and actions of an active state (rule 27).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningSequence {
    /// Unique in one life: the epoch that late results are told by (rule 36).
    pub id: u32,
    /// The state whose exit cancels it.
    pub state: StateId,
    /// The place in the definition's `sequences`.
    pub sequence: u16,
    /// The step under way.
    pub position: u16,
    /// The event that caused it: `event` and `data` for its expressions.
    pub event: Option<Box<Event>>,
    /// The call under way.
    pub call: Option<RunningCall>,
    /// What came of the call, child or event that it stands at, where it could not be kept: only
    /// that is done again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<Box<Value>>,
    /// Whose work it is.
    #[serde(default)]
    pub role: Role,
}

/// One call's life.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunningCall {
    /// The call id.
    pub id: EffectId,
    /// The attempt under way or, between attempts, the one that failed last; from 1.
    pub attempt: u32,
    /// Attempts before the call was made again: the policy counts from there, the numbers go on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub before: u32,
    /// Is an attempt under way (to be sent again after a restart)?
    pub sent: bool,
    /// Does the next attempt wait, unsent and without a timer, until it is let go: by whoever
    /// paused its plugin, by its breaker, or by a limit?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// May the call be done: sent by an engine that is gone, or not answered by an attempt before?
    /// What takes back waits until it is sent again, because only that tells.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsure: bool,
    /// Was it recorded that this attempt is sent, because it may be sent only once?
    pub once: bool,
    /// The evaluated input, the same for every attempt.
    pub input: Value,
    /// The latest time an answer to the attempt under way counts; a child has none.
    pub deadline: Timestamp,
    /// The instance that runs as the call, where it is a child and not a plugin's.
    pub child: Option<InstanceKey>,
    /// The attempt was taken and its result comes later; until then its plugin says at least this
    /// often, in milliseconds, that it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_ms: Option<u64>,
    /// What limits of the plugin are counted by, the same for every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per: Option<Arc<str>>,
    /// What its result is kept under, where it is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheKey>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A producer's id, remembered (01 §4): 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// Hash of source and id.
    pub id: u64,
    /// Hash of name and body.
    pub body: u32,
    /// The step counter of the decision that took it.
    pub step: u32,
}

/// One vote on an approval that needs several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// The state with the approval.
    pub state: StateId,
    /// What was chosen.
    pub choice: Arc<str>,
    /// By whom.
    pub user: Arc<str>,
}
