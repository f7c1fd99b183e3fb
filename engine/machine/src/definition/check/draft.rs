//! Draft: a state while it is built; places instead of ids, because calls may still add states.

use std::sync::Arc;

use super::outline::{Named, Place};
use crate::definition::expr::{Expr, Template};
use crate::definition::model::{
    Action, Approval, CallSpec, Delay, Descriptor, SeqStep, StateKind, Trigger, Unhandled,
};
use crate::definition::problem::Span;

/// A state under construction.
pub(super) struct Draft {
    pub(super) id: Arc<str>,
    pub(super) span: Span,
    pub(super) kind: StateKind,
    pub(super) parent: Option<Place>,
    pub(super) children: Vec<Place>,
    pub(super) initial: Option<Edge>,
    pub(super) entry: Vec<Vec<Action>>,
    pub(super) exit: Vec<Vec<Action>>,
    pub(super) on: Vec<Edge>,
    /// Those of `done:` and `failed:`.
    pub(super) results: Vec<Edge>,
    pub(super) always: Vec<Edge>,
    pub(super) after: Vec<(Delay, Edge)>,
    pub(super) defer: Vec<Descriptor>,
    pub(super) defer_ttl_ms: u64,
    pub(super) unhandled: Option<Unhandled>,
    pub(super) approval: Option<Approval>,
    pub(super) output: Option<Template>,
    pub(super) hidden_for: Option<Place>,
    /// Calls numbered so far: `S.0`, `S.1`, ….
    pub(super) calls: usize,
    /// The ids that `invoke:` gives.
    pub(super) invoke_ids: Vec<Arc<str>>,
    /// Named actions of `entry`, with their places.
    pub(super) entry_uses: Vec<(Arc<str>, Span)>,
}

impl Draft {
    pub(super) fn new(named: &Named<'_>) -> Self {
        Self {
            id: Arc::clone(&named.id),
            span: named.span,
            kind: named.kind,
            parent: named.parent,
            children: named.children.clone(),
            initial: None,
            entry: Vec::new(),
            exit: Vec::new(),
            on: Vec::new(),
            results: Vec::new(),
            always: Vec::new(),
            after: Vec::new(),
            defer: Vec::new(),
            defer_ttl_ms: 0,
            unhandled: None,
            approval: None,
            output: None,
            hidden_for: None,
            calls: 0,
            invoke_ids: Vec::new(),
            entry_uses: Vec::new(),
        }
    }

    /// The hidden state in which the calls on the way to `target` run (rule 27).
    pub(super) fn hidden(id: Arc<str>, span: Span, parent: Place, target: Place) -> Self {
        Self {
            kind: StateKind::Atomic,
            parent: Some(parent),
            children: Vec::new(),
            defer: vec![Descriptor::Any],
            hidden_for: Some(target),
            ..Self::new(&Named {
                id,
                span,
                node: &NOTHING,
                kind: StateKind::Atomic,
                parent: None,
                children: Vec::new(),
            })
        }
    }
}

static NOTHING: crate::definition::parse::Node = crate::definition::parse::Node {
    span: Span::new(0, 0),
    kind: crate::definition::parse::Kind::List(Vec::new()),
};

/// A transition under construction.
#[derive(Clone)]
pub(super) struct Edge {
    pub(super) name: Option<Arc<str>>,
    pub(super) source: Place,
    pub(super) trigger: Trigger,
    pub(super) guard: Option<Expr>,
    pub(super) targets: Vec<Place>,
    pub(super) internal: bool,
    /// `do:` as written; [`Edge::actions`] is what is left of it after lowering.
    pub(super) items: Vec<Item>,
    pub(super) actions: Vec<Action>,
    /// `failed:`.
    pub(super) failed: Vec<Self>,
    /// The transition as a whole, and its target.
    pub(super) span: Span,
    pub(super) to_span: Span,
    /// Named actions, with their places.
    pub(super) uses: Vec<(Arc<str>, Span)>,
    /// Its guard or its target could not be read: nobody knows what it does.
    pub(super) unread: bool,
}

/// An action as written: calls are not lowered yet.
#[derive(Clone)]
pub(super) enum Item {
    /// An action that does not wait.
    Do(Action),
    /// A call, and where it is written.
    Call(Arc<CallSpec>, Span),
    /// Branches with calls inside.
    If(Vec<(Option<Expr>, Vec<Self>)>),
}

impl Item {
    /// Is there a call in it?
    pub(super) fn calls(&self) -> bool {
        match self {
            Self::Do(_) => false,
            Self::Call(..) => true,
            Self::If(branches) => branches.iter().any(|(_, body)| body.iter().any(Self::calls)),
        }
    }

    /// The first call in it.
    pub(super) fn first_call(&self) -> Option<Span> {
        match self {
            Self::Do(_) => None,
            Self::Call(_, span) => Some(*span),
            Self::If(branches) => {
                branches.iter().flat_map(|(_, body)| body).find_map(Self::first_call)
            }
        }
    }
}

/// A sequence whose state has no id yet.
pub(super) struct DraftSequence {
    pub(super) state: Place,
    pub(super) steps: Vec<SeqStep>,
}
