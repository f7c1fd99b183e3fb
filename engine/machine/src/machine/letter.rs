//! Letter: what one instance hands another: an event, or what parents and children tell each other.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{EffectId, Generation, InstanceKey};
use super::input::{CallOutcome, Event};
use super::trace_context::TraceContext;
use super::transaction::Word;
use crate::value::Value;

/// One thing on its way from an instance to another (rules 26, 35, 36).
///
/// It waits in the sender's partition until the receiver's has taken it; the receiver's knows by
/// the number which ones it took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Letter {
    /// The effect's stable id.
    pub id: EffectId,
    /// Its place among what waits in the sender's partition; 0 before that partition gave it one.
    pub number: u64,
    /// For whom.
    pub to: InstanceKey,
    /// What it says.
    pub body: LetterBody,
}

/// What a letter says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LetterBody {
    /// Something happened; for an instance that is there (rule 26).
    Event {
        /// What.
        event: Event,
        /// Is it a copy of what the parent got (`forward: true`)? The sender does not care then
        /// whether anybody is there.
        forwarded: bool,
    },
    /// A child tells its parent of something.
    FromChild {
        /// The call that the child is.
        call: EffectId,
        /// What.
        event: Event,
    },
    /// Begin a life as a child.
    Start {
        /// Which version; the latest where absent.
        version: Option<u32>,
        /// What it is started with.
        input: Value,
        /// Whose child.
        parent: Parent,
        /// Who started the parent: approvals of children ask for others than that person too.
        initiator: Option<Arc<str>>,
        /// Why, in the words of the person who wants it; empty where nobody said.
        #[serde(default)]
        reason: Arc<str>,
        /// The trace that the parent is in.
        #[serde(default)]
        trace_context: Option<Arc<TraceContext>>,
    },
    /// The parent does not wait for its child any more (rule 36).
    Cancel {
        /// The call that the child is.
        call: EffectId,
        /// At once, without exit actions?
        kill: bool,
    },
    /// The child ended: the last it says (rule 37).
    Reply {
        /// The call that the child is.
        call: EffectId,
        /// The parent's name for the child.
        invoke_id: Arc<str>,
        /// The parent's life that made the call.
        life: Generation,
        /// How it ended.
        outcome: CallOutcome,
    },
    /// What a transaction and its members tell each other.
    Transaction(Word),
    /// Begin a life as a child, in the transaction of the parent.
    Within {
        /// The transaction's name.
        transaction: Arc<str>,
        /// [`LetterBody::Start`].
        start: Box<Self>,
    },
}

/// Whose child an instance is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The parent.
    pub key: InstanceKey,
    /// Which life of it.
    pub life: Generation,
    /// The parent's call that this life answers; it names the parent's life and entry too.
    pub call: EffectId,
    /// The parent's name for the child, as in `done.invoke.<id>`.
    pub invoke_id: Arc<str>,
    /// How many parents there are above it; 1 for the child of one that has no parent.
    pub depth: u16,
}

impl Parent {
    /// The most parents above an instance: deeper is a chain without end.
    pub const DEPTH_MAX: u16 = 32;

    /// How the parent is told of the child's end: to whom, and what.
    pub(crate) fn reply(&self, outcome: CallOutcome) -> (InstanceKey, LetterBody) {
        let Self { key, life, call, invoke_id, depth: _ } = self;
        let invoke_id = Arc::clone(invoke_id);
        (key.clone(), LetterBody::Reply { call: *call, invoke_id, life: *life, outcome })
    }
}

/// To whom a `send:` goes, once that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Address {
    /// `to: parent`.
    Parent,
    /// `to: invoke.<id>`: the child that runs under this id.
    Child(Arc<str>),
    /// `to: { instance: workflow/key }`.
    Instance(InstanceKey),
}
