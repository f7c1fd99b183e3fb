//! Progress: how far the step graphs of an instance are, and what can be taken back.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::chunks::Chunks;
use super::done_again::Committed;
use super::end::End;
use super::ids::{EffectId, Pin, StateId, Timestamp};
use super::input::{ErrorKind, Event};
use super::instance::{Reply, RunningSequence, Vote};
use super::outputs::Weighed;
use crate::value::Value;

/// All that an instance with step graphs, undo or checkpoints remembers beyond other ones.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progress {
    /// One graph per state that ran or runs one: the latest run.
    pub graphs: Vec<RunningGraph>,
    /// What was done and can be taken back, oldest first.
    pub undo: Chunks<Undoable>,
    /// What is being taken back.
    pub rollback: Option<Box<Rollback>>,
    /// Who holds it and since when; present exactly while it is [`super::Status::Paused`].
    pub paused: Option<Box<Paused>>,
    /// Points that a fork can begin from, oldest first.
    pub checkpoints: Vec<Checkpoint>,
    /// Checkpoints that are saved as soon as it goes on: it is stuck where they were to be saved.
    pub saves: Vec<Arc<str>>,
    /// Checkpoints that were saved in a transaction, which a fork of them would not belong to.
    pub within: Vec<Arc<str>>,
    /// What a person left out of what was to be taken back, or done in any case.
    pub left_out: Vec<Arc<str>>,
    /// [`super::Instance::adrift`].
    pub adrift: Vec<RunningSequence>,
    /// How its life ended, or ends once all is cleaned up; nothing of a final state.
    pub end: Option<Box<End>>,
    /// What all outputs of steps weigh.
    pub(crate) weighed: Weighed,
}

/// One run of a step graph.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningGraph {
    /// Unique in one life; late timers and results are told by it.
    pub id: u32,
    /// The place in the definition's `graphs`.
    pub graph: u16,
    /// Where it stands.
    pub phase: Phase,
    /// The event that caused it: `event` and `data` for its expressions.
    pub event: Option<Box<Event>>,
    /// One per step, in document order.
    pub steps: Chunks<StepState>,
    /// Steps that are not over yet.
    pub open: u16,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

/// Where a graph stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Steps run or wait.
    Running,
    /// `finally:` runs.
    Finally,
    /// It is over.
    Ended,
}

/// What became of a step so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepState {
    /// Where it stands.
    pub status: StepStatus,
    /// Attempts made.
    pub attempts: u32,
    /// Its result.
    pub output: Value,
    /// What went wrong last.
    pub error: Option<Box<StepError>>,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When its work stopped, as long as a person, its fallback or the end of a rollback is to say
    /// what becomes of it.
    pub stopped_at: Option<Timestamp>,
    /// The items of `foreach:`.
    pub fan: Option<Box<FanState>>,
    /// Votes on its approval, where several must agree.
    pub votes: Vec<Vote>,
    /// Did its result come from the cache?
    pub cached: bool,
    /// Items of `foreach:` whose undo a person left out: what they did stays.
    pub stays: Vec<u32>,
    /// What it did in transactions that are committed: that is final.
    pub committed: Vec<Committed>,
}

/// Where a step stands (01 §10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepStatus {
    /// It waits for its needs.
    #[default]
    Pending,
    /// It runs.
    Running,
    /// An attempt failed, and another one will be made.
    Retrying,
    /// It succeeded.
    Completed,
    /// It failed for good.
    Failed,
    /// It did not have to run, or its failure was left behind.
    Skipped,
    /// It was cut off.
    Cancelled,
    /// It had completed and was taken back.
    Undone,
}

impl StepStatus {
    /// The word people see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Undone => "undone",
        }
    }

    /// Is it over?
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Pending | Self::Running | Self::Retrying => false,
            Self::Completed | Self::Failed | Self::Skipped | Self::Cancelled | Self::Undone => true,
        }
    }
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepError {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// The plugin's code; empty where it gave none.
    pub code: Arc<str>,
    /// In words.
    pub message: Arc<str>,
}

/// The items of a fan-out.
#[derive(Clone, Debug, PartialEq)]
pub struct FanState {
    /// The list, as it was when the step began.
    pub list: Value,
    /// The next item to start.
    pub next: u32,
    /// Items under way.
    pub open: u32,
    /// Items that failed.
    pub failed: u32,
    /// What became of each.
    pub items: Chunks<ItemState>,
}

/// What became of one item.
#[derive(Clone, Debug, PartialEq)]
pub enum ItemState {
    /// It was not started or runs.
    Open,
    /// Its result.
    Done(Value),
    /// It was done, and taken back.
    Undone,
    /// It failed for good.
    Failed {
        /// Why.
        error: Box<StepError>,
        /// Attempts of its call beyond the first.
        retries: u32,
    },
    /// Its call, child or event gave something that could not be kept.
    Unkept(Box<Unkept>),
}

/// What came for an item of a fan-out, and why it could not be kept: only that is done again.
#[derive(Clone, Debug, PartialEq)]
pub struct Unkept {
    /// Why it failed.
    pub error: StepError,
    /// Where in its program it halted.
    pub position: u16,
    /// What came.
    pub output: Value,
}

impl Unkept {
    /// It was done after nobody waited for it any more.
    pub(super) fn done(position: u16, output: Value) -> Self {
        let (kind, code, message) = (ErrorKind::Timeout, Arc::default(), Arc::default());
        Self { error: StepError { kind, code, message }, position, output }
    }
}

impl ItemState {
    /// Why it failed, where it did.
    #[must_use]
    pub fn error(&self) -> Option<&StepError> {
        match self {
            Self::Open | Self::Done(_) | Self::Undone => None,
            Self::Failed { error, .. } => Some(error),
            Self::Unkept(unkept) => Some(&unkept.error),
        }
    }
}

/// Whose work a sequence is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// Actions of a state.
    #[default]
    State,
    /// A step, or one item of its `foreach:`.
    Step {
        /// [`RunningGraph::id`].
        graph: u32,
        /// Which step.
        step: u16,
        /// Which item.
        item: Option<u32>,
    },
    /// It takes back what [`Undoable::id`] names.
    Undo {
        /// Which.
        undo: u32,
    },
    /// `finally:` of a graph.
    Finally {
        /// [`RunningGraph::id`].
        graph: u32,
    },
}

/// A call that succeeded and can be taken back.
#[derive(Clone, Debug, PartialEq)]
pub struct Undoable {
    /// Unique in one life.
    pub id: u32,
    /// The program of the call, and the call's place in it.
    pub sequence: u16,
    /// The call's place in the program.
    pub position: u16,
    /// The state that made it.
    pub state: StateId,
    /// The step it was, where it was one: the graph's run and the step's place.
    pub step: Option<(u32, u16)>,
    /// Which item of the step's `foreach:` it was; none in what earlier programs wrote.
    pub item: Option<u32>,
    /// What the call was given.
    pub input: Value,
    /// What it gave.
    pub output: Value,
    /// When it succeeded.
    pub at: Timestamp,
    /// The call, where it failed as what it gave could not be used: an attempt of it that succeeds
    /// puts its output here.
    pub unusable: Option<EffectId>,
}

/// A rollback under way: newest first, one at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Rollback {
    /// Undoables older than this one stay; `None` takes back all.
    pub down_to: Option<u32>,
    /// What comes when all is taken back.
    pub then: Then,
    /// Why, in words.
    pub reason: Arc<str>,
}

/// What comes after a rollback.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// The error of this graph is raised; a workflow that does not handle it ends as failed.
    Raise {
        /// [`RunningGraph::id`].
        graph: u32,
        /// The error event.
        event: Box<Event>,
    },
    /// The instance ends as failed.
    Fail,
    /// The instance ends as cancelled.
    Cancel {
        /// By whom.
        by: Arc<str>,
    },
    /// The instance waits for a person, who asked for the rollback.
    Hold {
        /// Replies to calls of states that arrived since, in arrival order, at most one per call:
        /// they are taken when the person lets it go on.
        replies: Vec<Reply>,
    },
    /// It waits for its transaction, which says what is taken back, and when.
    Transaction,
    /// The instance ends as cancelled: its parent does not wait for it any more.
    Orphaned,
}

/// An operator's hold on an instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Paused {
    /// Since when.
    pub since: Timestamp,
    /// What becomes of its timers.
    pub clocks: Clocks,
    /// By whom.
    pub by: Arc<str>,
    /// Why, in the operator's words.
    pub reason: Arc<str>,
    /// Replies that arrived since, in arrival order, at most one per call.
    pub replies: Vec<Reply>,
    /// The event that started a life which has not begun yet.
    pub start: Option<Box<Event>>,
}

/// What becomes of the timers of a paused instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Clocks {
    /// They stand still: each is due later by as long as the pause was.
    #[default]
    Freeze,
    /// They go on: what became due meanwhile fires at the resume.
    Keep,
}

impl Clocks {
    /// The word people write and see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Freeze => "freeze",
            Self::Keep => "keep",
        }
    }
}

/// A named point of an instance's life, to fork from.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Its name.
    pub name: Arc<str>,
    /// When it was saved.
    pub at: Timestamp,
    /// The instance's step counter then.
    pub step: u64,
    /// The definition it ran then.
    pub pin: Pin,
    /// Its active states.
    pub active: Vec<StateId>,
    /// Its variables.
    pub vars: Vec<Value>,
    /// Stored configurations of history states.
    pub history: Vec<(StateId, Vec<StateId>)>,
    /// Sequences of states that were under way.
    pub sequences: Vec<RunningSequence>,
    /// Its step graphs.
    pub graphs: Vec<RunningGraph>,
}
