//! What a partition can be told, and what it answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::definition::model::{Definition, Early};
use crate::machine::{
    CallOutcome, Command, Effect, EffectId, Event, Generation, InstanceKey, Letter, Outcome,
    Principal, StateId, Status, Timestamp, TraceContext, TraceEntry,
};
use crate::value::Value;

use super::schedule::ScheduleOrder;

/// Where an input stands in its source, so that a redelivery is noticed exactly (rule 45 a).
///
/// Positions of one source are told in order; one that was refused as busy is told again, and
/// everything behind it of the same source with it. Several instances may take the event of one
/// position: a position counts as seen per instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Position {
    /// Which inbox.
    pub source: u16,
    /// The sequence there, from 1.
    pub sequence: u64,
}

/// One thing a partition is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PartitionInput {
    /// An event for an instance.
    Deliver {
        /// Which instance.
        key: InstanceKey,
        /// What happened.
        event: Event,
        /// What to do when there is no such instance (rule 46).
        early: Early,
        /// Where it comes from; `None` for the doors that answer.
        source: Option<Position>,
    },
    /// Begin a life (rule 14).
    Start {
        /// Which instance.
        key: InstanceKey,
        /// Which version; the latest where absent.
        version: Option<u32>,
        /// What it is started with.
        input: Value,
        /// Who asked.
        by: Principal,
        /// The name that whoever asked gave this start, where it got one: a start with the same
        /// name begins no second life (rule 46).
        #[serde(default)]
        id: Option<Arc<str>>,
        /// The trace that whoever asked is in.
        #[serde(default)]
        trace_context: Option<Arc<TraceContext>>,
    },
    /// A plugin answered, or the dispatcher knows that it cannot.
    CallReply {
        /// Whose call.
        key: InstanceKey,
        /// Which call.
        call: EffectId,
        /// Which attempt, from 1.
        attempt: u32,
        /// What came back.
        outcome: CallOutcome,
    },
    /// A letter from an instance of some partition, this one included; taken exactly once.
    ///
    /// Letters of one partition are told in the order of their numbers; one that was refused as
    /// busy is told again, and everything behind it. The sender's partition forgets it when it
    /// hears [`PartitionInput::Confirmed`]; this one, where it is its own.
    Letter {
        /// The partition of the sender.
        from: u16,
        /// The number of the letter before it to this partition, where that one may not have been
        /// taken yet; else 0.
        after: u64,
        /// Who sent it.
        sender: InstanceKey,
        /// The letter, with the number its partition gave it.
        letter: Letter,
    },
    /// An attempt of a call that may not be repeated, or was held back, is about to be sent. It may
    /// be sent where the answer is [`Outcome::Done`] and the frame is durable, and only then.
    CallStarted {
        /// Whose call.
        key: InstanceKey,
        /// Which call.
        call: EffectId,
        /// Which attempt, from 1; [`crate::machine::NEXT_ATTEMPT`] of what was held back.
        attempt: u32,
    },
    /// A plugin answered an attempt with the promise of a later result.
    CallPending {
        /// Whose call.
        key: InstanceKey,
        /// Which call.
        call: EffectId,
        /// Which attempt, from 1.
        attempt: u32,
        /// How often the plugin says at least that it lives, in milliseconds.
        heartbeat_ms: u64,
    },
    /// The result that a plugin promised, out of an inbox.
    CallResult {
        /// Whose call.
        key: InstanceKey,
        /// Which call.
        call: EffectId,
        /// Which attempt, from 1.
        attempt: u32,
        /// What came of it.
        outcome: CallOutcome,
        /// Where it comes from.
        source: Position,
    },
    /// A timer of an instance is due.
    TimerDue {
        /// Whose timer.
        key: InstanceKey,
        /// [`crate::machine::Timer::id`].
        timer: u32,
    },
    /// An operator's order.
    Command {
        /// To which instance.
        key: InstanceKey,
        /// What to do.
        command: Command,
        /// Who asked.
        by: Principal,
        /// Why, in the operator's words.
        reason: Arc<str>,
    },
    /// A pending effect is settled: the bus has the message.
    Confirmed {
        /// Which.
        effect: EffectId,
    },
    /// An event nobody can take, straight to the dead letters.
    Reject {
        /// The event, as far as it was understood.
        event: Event,
        /// Why: a word such as `undecodable`, then details.
        reason: Arc<str>,
        /// The instance it meant, where known.
        key: Option<InstanceKey>,
        /// Where it comes from.
        source: Option<Position>,
    },
    /// Deliver a dead letter again; where it is taken now, or given up anew, it leaves the dead
    /// letters in the same frame. Where it is refused or has no effect it stays.
    Replay {
        /// Which dead letter.
        dead_letter: u64,
        /// To which instance.
        key: InstanceKey,
        /// What to do when there is no such instance.
        early: Early,
        /// Who asked.
        by: Principal,
    },
    /// Forget a dead letter.
    Drop {
        /// Which.
        dead_letter: u64,
        /// Who asked.
        by: Principal,
    },
    /// Everything of a source up to this position was looked at; nothing else is in it for us.
    Advance {
        /// Which inbox.
        source: u16,
        /// The last sequence that was looked at.
        sequence: u64,
    },
    /// An event an instance sent to itself is next (rule 22); [`super::Partition::due`] gives it.
    SelfEvent {
        /// Its number.
        id: u64,
    },
    /// A schedule that is kept here is planned, due or meant. [`super::Partition::due`] gives the
    /// due ones, without the moments that follow the one that was kept: those are to be filled in.
    Schedule {
        /// [`crate::definition::model::Schedule::key`].
        key: InstanceKey,
        /// What it is told.
        order: ScheduleOrder,
    },
    /// An early event waited too long; [`super::Partition::due`] gives it.
    BufferExpired {
        /// Its number.
        id: u64,
    },
}

/// An input and the time its owner took it (01 §6).
#[derive(Clone, Debug, PartialEq)]
pub struct Stamped {
    /// The input.
    pub input: PartitionInput,
    /// When; the partition never lets time go back.
    pub at: Timestamp,
}

/// What a partition made of a batch of inputs.
///
/// Nothing of it may leave before the frame is durable (01 §1, guarantee 2); where the frame can
/// not be made durable as this owner's, the partition is dropped and restored.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The frame to append; `None` when there is nothing to record.
    pub frame: Option<Vec<u8>>,
    /// One answer per input taken, in order.
    pub results: Vec<Done>,
    /// Inputs not taken because the frame is full: the rest of the batch, in order.
    pub left: Vec<Stamped>,
}

/// The answer to one input.
#[derive(Clone, Debug)]
pub struct Done {
    /// The instance it was for.
    pub key: Option<InstanceKey>,
    /// The definition that instance runs; names for the ids here.
    pub definition: Option<Arc<Definition>>,
    /// What became of the input.
    pub outcome: Outcome,
    /// What to dispatch once the frame is durable, in order.
    pub effects: Vec<Effect>,
    /// What happened, where something was recorded.
    pub trace: Option<TraceEntry>,
    /// Which life of the key; 0 where there is no instance.
    pub generation: Generation,
    /// The instance's step counter after the decision.
    pub step: u64,
    /// The instance's status after the decision.
    pub status: Option<Status>,
    /// The instance's active states after the decision, ancestors included.
    pub active: Vec<StateId>,
}
