//! Trace: what happened, kept with the instance for people to read.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ids::{StateId, Timestamp, TransitionId};
use super::work::Work;

/// One line of an instance's history: one input and all it caused.
///
/// Ids instead of names keep an entry at some 20 bytes; the pinned definition gives the words.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TraceEntry {
    /// The instance's step counter after the decision.
    pub step: u64,
    /// When the owner took the input.
    pub at: Timestamp,
    /// The input in words: an event name, `start`, `reply validator.validate_document`,
    /// `timer after under_review`, `command cancel`.
    pub input: Arc<str>,
    /// Who, where known and not the engine.
    pub by: Option<Arc<str>>,
    /// What else is to be said: an operator's reason, an error, why it was ignored.
    pub note: Option<Arc<str>>,
    /// Guards evaluated for the input that were false or failed.
    pub guards: Vec<GuardVerdict>,
    /// Transitions taken, in order.
    pub fired: Vec<Fired>,
    /// Effects in words, in order: `publish notify.email`, `call archive.store`.
    pub effects: Vec<Arc<str>>,
    /// Active atomic states afterwards; empty when nothing changed them.
    pub active: Vec<StateId>,
    /// Of a migration, the version whose states and transitions the lines before this one name.
    #[serde(default)]
    pub before: Option<u32>,
}

/// A guard that kept a transition from being taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardVerdict {
    /// Whose guard.
    pub transition: TransitionId,
    /// The evaluation error, where it failed (which counts as false).
    pub error: Option<Arc<str>>,
}

/// A transition taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fired {
    /// Which.
    pub transition: TransitionId,
    /// The event that triggered it, where it is not the entry's input; empty for eventless ones.
    pub event: Option<Arc<str>>,
}

impl Work<'_> {
    /// Adds to the note of the trace entry.
    pub(super) fn note(&mut self, text: impl Into<Arc<str>>) {
        let text = text.into();
        self.entry.note = Some(match self.entry.note.take() {
            None => text,
            Some(earlier) => format!("{earlier}; {text}").into(),
        });
    }
}
