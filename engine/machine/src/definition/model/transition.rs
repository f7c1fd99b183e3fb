//! Transition: one edge.

use std::sync::Arc;

use super::action::Action;
use super::event::Descriptor;
use crate::definition::expr::Expr;
use crate::machine::StateId;

/// One edge of the statechart.
#[derive(Clone, Debug)]
pub struct Transition {
    /// The author's name, for history and pictures.
    pub name: Option<Arc<str>>,
    /// The state it leaves from; of `initial:` and `default:` transitions the owner.
    pub source: StateId,
    /// What it waits for.
    pub trigger: Trigger,
    /// `when:`.
    pub guard: Option<Expr>,
    /// `to:`; empty for a targetless transition.
    pub targets: Vec<StateId>,
    /// `internal: true` (rule 9).
    pub internal: bool,
    /// `do:`, up to the first call where a hidden state runs the rest (rule 27).
    pub actions: Vec<Action>,
    /// 1-based line in the file, 0 where there is none.
    pub line: u32,
}

/// What a transition waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// Any of these events.
    Events(Vec<Descriptor>),
    /// Nothing: taken as soon as its guard is true.
    Always,
    /// The timer of entry `index` of the source's `after:`.
    After {
        /// The place in [`super::State::after`].
        index: u16,
    },
    /// Entering its owner by default; never selected.
    Initial,
}
