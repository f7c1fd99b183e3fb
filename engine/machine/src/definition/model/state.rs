//! State: a node of a definition.

use std::sync::Arc;

use super::action::{Action, Delay};
use super::definition::Unhandled;
use super::event::Descriptor;
use crate::definition::expr::Template;
use crate::machine::{StateId, TransitionId};

/// A node of the tree (rule 1).
#[derive(Clone, Debug)]
pub struct State {
    /// Its unique id; the root has the workflow's name, a hidden state `to~n`.
    pub id: Arc<str>,
    /// What kind of node.
    pub kind: StateKind,
    /// `None` for the root only.
    pub parent: Option<StateId>,
    /// Children in document order, history states included.
    pub children: Vec<StateId>,
    /// Those children that are history states (rule 17).
    pub histories: Vec<StateId>,
    /// The last of its descendants in document order; itself where it has none.
    pub last: StateId,
    /// The transition into its default descendants, with `initial:`'s actions (rule 15); for a
    /// history state the one to its `default:` (rule 17).
    pub initial: Option<TransitionId>,
    /// `entry:`: blocks of actions (rule 21).
    pub entry: Vec<Vec<Action>>,
    /// `exit:`: blocks of actions.
    pub exit: Vec<Vec<Action>>,
    /// Event-triggered transitions in document order; those of `done:` and `failed:` and of
    /// `approval:` come last.
    pub transitions: Vec<TransitionId>,
    /// Eventless transitions in document order.
    pub always: Vec<TransitionId>,
    /// `after:` in document order (rule 30).
    pub after: Vec<After>,
    /// `defer:` (rule 41).
    pub defer: Vec<Descriptor>,
    /// Milliseconds a deferred event may wait; 0 is no limit (rule 43).
    pub defer_ttl_ms: u64,
    /// `unhandled:` (rule 44).
    pub unhandled: Option<Unhandled>,
    /// `approval:`.
    pub approval: Option<Approval>,
    /// `output:` of a final state (rule 18).
    pub output: Option<Template>,
    /// Inserted by the loader for calls on the way to this state (rule 27).
    pub hidden_for: Option<StateId>,
}

/// Kinds of nodes (rule 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateKind {
    /// No children.
    Atomic,
    /// One child is active.
    Compound,
    /// All children are active.
    Parallel,
    /// Atomic, and its parent is done when it is entered.
    Final,
    /// Never active: stands for what was active when its parent was left.
    History {
        /// All active atomic descendants instead of the active children.
        deep: bool,
    },
}

impl StateKind {
    /// Is it atomic or final?
    #[must_use]
    pub const fn is_leaf(self) -> bool {
        match self {
            Self::Atomic | Self::Final => true,
            Self::Compound | Self::Parallel | Self::History { .. } => false,
        }
    }
}

/// One entry of `after:`.
#[derive(Clone, Debug)]
pub struct After {
    /// How long after the entry.
    pub delay: Delay,
    /// The transition that is offered then, and only it.
    pub transition: TransitionId,
}

/// `approval:`: a person decides.
#[derive(Clone, Debug)]
pub struct Approval {
    /// What the task list shows.
    pub title: Template,
    /// The one person asked, where the author names one.
    pub assign: Option<Template>,
    /// The choices, in document order.
    pub choices: Vec<Arc<str>>,
    /// The event a decision becomes, with `{action, userId}`; `user.action` by default.
    pub event: Arc<str>,
    /// Who may decide; empty is everybody.
    pub roles: Vec<Arc<str>>,
    /// `not: [initiator]`: who started it may not decide.
    pub not_initiator: bool,
    /// How many persons must make the same choice; 1 by default.
    pub need: u32,
}
