//! Decision: what one input made of one instance.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::effect::Effect;
use super::ids::StateId;
use super::instance::Instance;
use super::trace::TraceEntry;

/// The machine's answer to one input.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The instance as it is now. `None`: nothing changed and nothing is to be recorded (a stale
    /// timer, rule 33).
    pub instance: Option<Instance>,
    /// What to ask of the world once the decision is durable, in order.
    pub effects: Vec<Effect>,
    /// What happened, for the history; `None` exactly where `instance` is.
    pub trace: Option<TraceEntry>,
    /// The verdict for whoever asked.
    pub outcome: Outcome,
}

/// What became of an input; the wire's verdicts are made of it (01 §4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// A life began; the active states after it.
    Started {
        /// Active atomic states, in document order.
        to: Vec<StateId>,
    },
    /// At least one transition was taken.
    Transitioned {
        /// Active atomic states before.
        from: Vec<StateId>,
        /// Active atomic states after.
        to: Vec<StateId>,
        /// A call is under way, so that more follows.
        waiting: bool,
    },
    /// Kept for later: an active state defers it, or the instance is stuck or paused and parks it.
    Deferred,
    /// Recorded without effect.
    Ignored {
        /// Why: `unhandled`, `ended`, `late_reply`, `second_reply`, `stale_timer`, ….
        reason: Arc<str>,
    },
    /// The publisher's id was seen before, with the same content (rule 45).
    Duplicate {
        /// The step counter of the decision that took the first one.
        at: u64,
    },
    /// The publisher's id was seen before with other content.
    IdReuse {
        /// The step counter of the decision that took the first one.
        at: u64,
    },
    /// Not accepted in this state (`unhandled: reject`), or a command that does not apply.
    Rejected {
        /// Why, in words.
        reason: Arc<str>,
        /// What would be accepted now: event names, or the choices of an approval.
        accepted: Vec<Arc<str>>,
    },
    /// The principal may not do this.
    Denied {
        /// Why, in words.
        reason: Arc<str>,
    },
    /// Kept as a dead letter.
    DeadLettered {
        /// Why nobody took it.
        reason: Arc<str>,
    },
    /// The input was consumed, the macrostep rolled back, and the instance waits for a person.
    Stuck {
        /// Why.
        reason: Arc<str>,
    },
    /// What the input names is not there; nothing is recorded. Only partitions answer this.
    NotFound {
        /// What is missing: `instance`, `definition`, `dead letter`, ….
        what: Arc<str>,
    },
    /// A limit is reached and nothing is recorded: try again later. Only partitions answer this.
    Busy {
        /// Which limit.
        what: Arc<str>,
    },
    /// Recorded; nothing else to tell: a confirmed publish, a finished command.
    Done,
}
