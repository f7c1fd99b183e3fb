//! Places become ids: states in pre-order, transitions in the order of their states.

use std::sync::Arc;

use super::draft::{Draft, DraftSequence, Edge};
use super::outline::Place;
use super::states::Builder;
use super::steps::DraftGraph;
use crate::definition::model::{After, Graph, Sequence, State, StateKind, Transition};
use crate::definition::problem::Span;
use crate::machine::{StateId, TransitionId};

/// The states, transitions and sequences of a definition, and where each is written.
pub(super) struct Numbered {
    pub(super) states: Vec<State>,
    pub(super) transitions: Vec<Transition>,
    pub(super) sequences: Vec<Sequence>,
    pub(super) graphs: Vec<Graph>,
    /// Of each state: its key.
    pub(super) state_spans: Vec<Span>,
    /// Of each transition: itself and its target.
    pub(super) spans: Vec<(Span, Span)>,
    /// Of each transition: the named actions of its `do`.
    pub(super) uses: Vec<Vec<(Arc<str>, Span)>>,
    /// Of each state: the named actions of its `entry`.
    pub(super) entry_uses: Vec<Vec<(Arc<str>, Span)>>,
}

/// Numbers everything; there must be at most 65,535 of each.
pub(super) fn number(builder: Builder<'_, '_>) -> Numbered {
    let report = &builder.context.report;
    let line = |span: Span| report.line(span);
    let mut order = Vec::with_capacity(builder.drafts.len());
    walk(&builder.drafts, 0, &mut order);
    let mut ids = vec![StateId::ROOT; builder.drafts.len()];
    for (at, place) in order.iter().enumerate() {
        if let Some(id) = ids.get_mut(*place) {
            *id = StateId(u16::try_from(at).unwrap_or(u16::MAX));
        }
    }
    let mut drafts: Vec<Option<Draft>> = builder.drafts.into_iter().map(Some).collect();
    let mut numbered = Numbered {
        states: Vec::with_capacity(order.len()),
        transitions: Vec::new(),
        sequences: Vec::new(),
        graphs: Vec::new(),
        state_spans: Vec::new(),
        spans: Vec::new(),
        uses: Vec::new(),
        entry_uses: Vec::new(),
    };
    for place in order {
        if let Some(draft) = drafts.get_mut(place).and_then(Option::take) {
            numbered.state(draft, &ids, &line);
        }
    }
    numbered.close();
    let id_of = |place: Place| ids.get(place).copied().unwrap_or(StateId::ROOT);
    numbered.sequences = builder
        .sequences
        .into_iter()
        .map(|DraftSequence { state, steps }| Sequence { state: id_of(state), steps })
        .collect();
    numbered.graphs = builder
        .graphs
        .into_iter()
        .map(|DraftGraph { state, graph }| Graph { state: id_of(state), ..graph })
        .collect();
    numbered
}

fn walk(drafts: &[Draft], place: Place, order: &mut Vec<Place>) {
    order.push(place);
    if let Some(draft) = drafts.get(place) {
        for child in &draft.children {
            walk(drafts, *child, order);
        }
    }
}

impl Numbered {
    fn state(&mut self, draft: Draft, ids: &[StateId], line: &dyn Fn(Span) -> u32) {
        let id_of = |place: Place| ids.get(place).copied().unwrap_or(StateId::ROOT);
        let own = StateId(u16::try_from(self.states.len()).unwrap_or(u16::MAX));
        let mut add = |edge: Edge| self.transition(edge, ids, line);
        let initial = draft.initial.map(&mut add);
        let transitions = draft.on.into_iter().chain(draft.results).map(&mut add).collect();
        let always = draft.always.into_iter().map(&mut add).collect();
        let after = draft
            .after
            .into_iter()
            .map(|(delay, edge)| After { delay, transition: add(edge) })
            .collect();
        let parent = draft.parent.map(id_of);
        // Parents come before their children, so this one's is there.
        if let (StateKind::History { .. }, Some(parent)) = (draft.kind, parent)
            && let Some(parent) = self.states.get_mut(parent.index())
        {
            parent.histories.push(own);
        }
        self.state_spans.push(draft.span);
        self.entry_uses.push(draft.entry_uses);
        self.states.push(State {
            id: draft.id,
            kind: draft.kind,
            parent,
            children: draft.children.into_iter().map(id_of).collect(),
            histories: Vec::new(),
            last: own,
            initial,
            entry: draft.entry,
            exit: draft.exit,
            transitions,
            always,
            after,
            defer: draft.defer,
            defer_ttl_ms: draft.defer_ttl_ms,
            unhandled: draft.unhandled,
            approval: draft.approval,
            output: draft.output,
            hidden_for: draft.hidden_for.map(id_of),
        });
    }

    fn transition(
        &mut self,
        edge: Edge,
        ids: &[StateId],
        line: &dyn Fn(Span) -> u32,
    ) -> TransitionId {
        let id_of = |place: Place| ids.get(place).copied().unwrap_or(StateId::ROOT);
        let id = TransitionId(u16::try_from(self.transitions.len()).unwrap_or(u16::MAX));
        self.spans.push((edge.span, edge.to_span));
        self.uses.push(edge.uses);
        self.transitions.push(Transition {
            name: edge.name,
            source: id_of(edge.source),
            trigger: edge.trigger,
            guard: edge.guard,
            targets: edge.targets.into_iter().map(id_of).collect(),
            internal: edge.internal,
            actions: edge.actions,
            line: line(edge.span),
        });
        id
    }

    /// Sets the last descendant of each state: that of its last child.
    fn close(&mut self) {
        for at in (0..self.states.len()).rev() {
            let last = self
                .states
                .get(at)
                .and_then(|state| state.children.last())
                .and_then(|child| self.states.get(child.index()))
                .map(|child| child.last);
            if let (Some(last), Some(state)) = (last, self.states.get_mut(at)) {
                state.last = last;
            }
        }
    }
}
