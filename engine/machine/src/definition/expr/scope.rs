//! What an expression can see.

use std::cell::Cell;
use std::sync::Arc;

use crate::definition::model::Definition;
use crate::machine::{Event, InstanceKey, Progress, StateId, Timestamp};
use crate::value::Value;

/// The names of E7 and their values, borrowed; nothing is converted before it is read.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// The definition: names of variables, of states for `active(…)`.
    pub definition: &'a Definition,
    /// `key`, `instance`, `workflow`; absent while `correlate` looks for the key.
    pub key: Option<&'a InstanceKey>,
    /// `vars`, in the order of the definition.
    pub vars: &'a [Value],
    /// Active states, for `active(id)`.
    pub active: &'a [StateId],
    /// `event` and `data`; unbound until the first event (rule 39).
    pub event: Option<&'a Event>,
    /// `input`: what the instance was started with.
    pub input: &'a Value,
    /// `output`: the result, in a call's `set`.
    pub output: Option<&'a Value>,
    /// `error`, where one is in hand.
    pub error: Option<&'a Value>,
    /// `steps`: how far the instance's graphs are, where it has any.
    pub steps: Option<&'a Progress>,
    /// `now`.
    pub now: Timestamp,
    /// Names that `each` binds, innermost last.
    pub locals: &'a [(Arc<str>, Value)],
    /// Iterations still allowed in this macrostep (B5): deterministic, never time.
    pub fuel: &'a Cell<u32>,
}

/// Why an expression gave no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// Absent member, wrong type, overflow, division by zero, ….
    #[error("{0}")]
    Failed(String),
    /// A bound of 02 §7 was exceeded: `error.execution.limit`.
    #[error("{0}")]
    Limit(String),
}

/// A scope without its fuel: what may be shared while cel evaluates.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) definition: &'a Definition,
    pub(super) key: Option<&'a InstanceKey>,
    pub(super) vars: &'a [Value],
    pub(super) active: &'a [StateId],
    pub(super) event: Option<&'a Event>,
    pub(super) input: &'a Value,
    pub(super) output: Option<&'a Value>,
    pub(super) error: Option<&'a Value>,
    pub(super) steps: Option<&'a Progress>,
    pub(super) now: Timestamp,
    pub(super) locals: &'a [(Arc<str>, Value)],
}

impl<'a> From<&Scope<'a>> for View<'a> {
    fn from(scope: &Scope<'a>) -> Self {
        Self {
            definition: scope.definition,
            key: scope.key,
            vars: scope.vars,
            active: scope.active,
            event: scope.event,
            input: scope.input,
            output: scope.output,
            error: scope.error,
            steps: scope.steps,
            now: scope.now,
            locals: scope.locals,
        }
    }
}
