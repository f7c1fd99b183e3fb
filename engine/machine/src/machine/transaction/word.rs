//! What transactions and their members tell each other: by letters, exactly once and in order.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::ids::{EffectId, Generation};

/// One thing that a transaction and an instance tell each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// Begin where you are not there yet, and have me as a member.
    Begin {
        /// Which life of the sender.
        life: Generation,
        /// The call that waits.
        ask: Ask,
        /// How long the transaction stays open, in milliseconds.
        timeout_ms: u64,
    },
    /// Have me as a member.
    Join {
        /// Which life of the sender.
        life: Generation,
        /// The call that waits; none where the sender was started in the transaction.
        ask: Option<Ask>,
    },
    /// Let stay what your members did.
    Commit {
        /// Which life of the sender.
        life: Generation,
        /// The call that waits.
        ask: Ask,
    },
    /// Take back what your members did.
    RollBack {
        /// Which life of the sender.
        life: Generation,
        /// The call that waits.
        ask: Ask,
        /// Why.
        reason: Arc<str>,
    },
    /// A call that can be taken back succeeded.
    Did {
        /// Its number with the sender.
        undo: u32,
        /// A step or an operation.
        what: Arc<str>,
    },
    /// It was taken back, or left behind by a person.
    Undone {
        /// Its number with the sender.
        undo: u32,
    },
    /// I stand still: nothing is under way here.
    Held,
    /// I cannot take it back: a person has to help.
    Troubled {
        /// Why.
        reason: Arc<str>,
    },
    /// I failed or was cancelled: take back what we did.
    Aborted {
        /// Why.
        reason: Arc<str>,
    },
    /// There is no such instance, or no such life of it.
    Gone,
    /// You are a member.
    Joined {
        /// Which life of the receiver.
        life: Generation,
        /// The call that this answers.
        ask: Option<Ask>,
    },
    /// That cannot be.
    Refused {
        /// Which life of the receiver.
        life: Generation,
        /// The call that this answers.
        ask: Option<Ask>,
        /// What kind of refusal.
        refusal: Refusal,
        /// Why, in words.
        message: Arc<str>,
    },
    /// It is done.
    Answered {
        /// Which life of the receiver.
        life: Generation,
        /// The call that this answers.
        ask: Ask,
    },
    /// Stand still.
    Hold {
        /// Which life of the receiver.
        life: Generation,
        /// Why.
        reason: Arc<str>,
    },
    /// Take this back.
    TakeBack {
        /// Which life of the receiver.
        life: Generation,
        /// Its number with the receiver.
        undo: u32,
    },
    /// Take all of this back, the newest first: nobody else did anything in between.
    TakeBackRun {
        /// Which life of the receiver.
        life: Generation,
        /// The number of the newest with the receiver.
        undo: u32,
        /// The number of the oldest.
        down_to: u32,
    },
    /// It is over.
    Settled {
        /// Which life of the receiver.
        life: Generation,
        /// Does what was done stay?
        committed: bool,
    },
}

/// The attempt of a call that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Which call.
    pub call: EffectId,
    /// Which attempt, from 1.
    pub attempt: u32,
}

/// Why a transaction does not do what it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// There is no such transaction.
    Unknown,
    /// It is there with other options.
    Exists,
    /// It is not open any more.
    Closed,
    /// It has as many members as it may have.
    Full,
    /// It is committed, and what is to be started in it belongs to one of its members: that begins
    /// outside.
    Committed,
}

impl Refusal {
    /// The code that a failed call has.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "transaction_unknown",
            Self::Exists => "transaction_exists",
            Self::Closed | Self::Committed => "transaction_closed",
            Self::Full => "transaction_full",
        }
    }
}

impl Word {
    /// What the history calls it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Begin { .. } => "begin",
            Self::Join { .. } => "join",
            Self::Commit { .. } => "commit",
            Self::RollBack { .. } => "rollback",
            Self::Did { .. } => "did",
            Self::Undone { .. } => "undone",
            Self::Held => "held",
            Self::Troubled { .. } => "troubled",
            Self::Aborted { .. } => "aborted",
            Self::Gone => "gone",
            Self::Joined { .. } => "joined",
            Self::Refused { .. } => "refused",
            Self::Answered { .. } => "answered",
            Self::Hold { .. } => "hold",
            Self::TakeBack { .. } | Self::TakeBackRun { .. } => "take back",
            Self::Settled { committed: true, .. } => "committed",
            Self::Settled { committed: false, .. } => "rolled back",
        }
    }
}
