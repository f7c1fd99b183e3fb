//! Picture: states and edges as the author wrote them, without what the loader put in between.

use super::label;
use crate::definition::model::{Definition, State, StateKind, Transition};
use crate::machine::{StateId, TransitionId};

/// What both formats draw.
pub(super) struct Picture<'a> {
    pub(super) definition: &'a Definition,
    /// In document order.
    pub(super) edges: Vec<Edge>,
    /// Lines beside a state: what it does without leaving.
    pub(super) notes: Vec<(StateId, Vec<String>)>,
}

/// One arrow.
pub(super) struct Edge {
    pub(super) from: StateId,
    pub(super) to: StateId,
    pub(super) label: String,
    /// The state in whose box it is drawn.
    pub(super) home: StateId,
}

impl<'a> Picture<'a> {
    pub(super) fn new(definition: &'a Definition) -> Self {
        let mut picture = Self { definition, edges: Vec::new(), notes: Vec::new() };
        for (place, state) in definition.states.iter().enumerate() {
            if let (None, Ok(id)) = (state.hidden_for, u16::try_from(place)) {
                picture.add(StateId(id), state);
            }
        }
        picture
    }

    /// Is it drawn? Hidden states are part of the edges through them.
    pub(super) fn shows(&self, id: StateId) -> bool {
        self.definition.state(id).hidden_for.is_none()
    }

    /// Shown children in document order.
    pub(super) fn children(&self, id: StateId) -> impl Iterator<Item = StateId> + '_ {
        self.definition.state(id).children.iter().copied().filter(|child| self.shows(*child))
    }

    /// The same without history: regions of a parallel state are no others.
    pub(super) fn real_children(&self, id: StateId) -> impl Iterator<Item = StateId> + '_ {
        self.children(id).filter(|child| !self.is_history(*child))
    }

    pub(super) fn is_history(&self, id: StateId) -> bool {
        matches!(self.definition.state(id).kind, StateKind::History { .. })
    }

    /// A name that no state has.
    pub(super) fn free_name(&self, wish: &str) -> String {
        let mut name = wish.to_owned();
        let taken = |name: &str| self.definition.states.iter().any(|state| *state.id == *name);
        while taken(&name) {
            name.push('_');
        }
        name
    }

    /// Where the default entry into `id` leads.
    pub(super) fn default_of(&self, id: StateId) -> Vec<StateId> {
        let state = self.definition.state(id);
        match (state.kind, state.initial) {
            (StateKind::Compound, None) => self.children(id).take(1).collect(),
            (StateKind::Compound | StateKind::History { .. }, Some(transition)) => {
                let targets = &self.definition.transition(transition).targets;
                targets.iter().map(|target| self.resolve(*target)).collect()
            }
            (StateKind::Atomic | StateKind::Final | StateKind::Parallel, _)
            | (StateKind::History { .. }, None) => Vec::new(),
        }
    }

    fn add(&mut self, id: StateId, state: &State) {
        let mut notes = Vec::new();
        for transition in state.transitions.iter().chain(&state.always) {
            self.transition(id, *transition, None, &mut notes);
        }
        for after in &state.after {
            let when = label::after(&after.delay);
            self.transition(id, after.transition, Some(&when), &mut notes);
        }
        if !notes.is_empty() {
            self.notes.push((id, notes));
        }
    }

    fn transition(
        &mut self,
        from: StateId,
        id: TransitionId,
        when: Option<&str>,
        notes: &mut Vec<String>,
    ) {
        let definition = self.definition;
        let transition = definition.transition(id);
        let mut calls = label::actions(definition, &transition.actions);
        if transition.targets.is_empty() {
            notes.push(label::line(definition, transition, when, &calls));
            return;
        }
        for target in &transition.targets {
            let hidden = definition.state(*target);
            if hidden.hidden_for.is_none() {
                self.edge(from, *target, label::line(definition, transition, when, &calls));
                continue;
            }
            for block in &hidden.entry {
                calls.extend(label::actions(definition, block));
            }
            let mut onward = hidden.transitions.iter().map(|id| definition.transition(*id));
            for target in onward.next().iter().flat_map(|done| &done.targets) {
                self.edge(from, *target, label::line(definition, transition, when, &calls));
            }
            for failed in onward {
                self.failed(from, failed);
            }
        }
    }

    /// The way out when a call on the way fails.
    fn failed(&mut self, from: StateId, failed: &Transition) {
        let calls = label::actions(self.definition, &failed.actions);
        let line = label::line(self.definition, failed, Some("failed"), &calls);
        for target in &failed.targets {
            self.edge(from, self.resolve(*target), line.clone());
        }
    }

    fn edge(&mut self, from: StateId, to: StateId, label: String) {
        let both = |up: &StateId| {
            self.definition.is_descendant(from, *up) && self.definition.is_descendant(to, *up)
        };
        // What crosses regions is drawn around all of them.
        let box_of = |up: &StateId| self.definition.state(*up).kind != StateKind::Parallel;
        let mut around = self.definition.ancestors(from).skip_while(|up| !both(up));
        let home = around.find(box_of).unwrap_or(StateId::ROOT);
        self.edges.push(Edge { from, to, label, home });
    }

    /// The state a hidden one stands in for.
    fn resolve(&self, id: StateId) -> StateId {
        self.definition.state(id).hidden_for.unwrap_or(id)
    }
}
