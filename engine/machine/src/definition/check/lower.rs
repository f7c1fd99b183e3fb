//! Calls become sequences of states; calls on the way to a target get a hidden state (rule 27).

use std::sync::Arc;

use super::actions::plain_item;
use super::draft::{Draft, DraftSequence, Edge, Item};
use super::outline::Place;
use super::states::Builder;
use super::transitions::{done_trigger, failed_trigger};
use crate::definition::model::{Action, Descriptor, SeqStep, StateKind, Trigger};

impl Builder<'_, '_> {
    /// Lowers the calls of all transitions.
    pub(super) fn lower(&mut self) {
        let mut place = 0;
        while place < self.drafts.len() {
            let draft = self.draft(place);
            let mut initial = draft.initial.take();
            let mut on = std::mem::take(&mut draft.on);
            let mut results = std::mem::take(&mut draft.results);
            let mut always = std::mem::take(&mut draft.always);
            let mut after = std::mem::take(&mut draft.after);
            let edges = initial
                .iter_mut()
                .chain(&mut on)
                .chain(&mut results)
                .chain(&mut always)
                .chain(after.iter_mut().map(|(_, edge)| edge));
            for edge in edges {
                self.edge(edge);
            }
            let draft = self.draft(place);
            draft.initial = initial;
            draft.on = on;
            draft.results = results;
            draft.always = always;
            draft.after = after;
            place += 1;
        }
    }

    /// Leaves of `do:` what runs at once; the rest goes to a sequence.
    fn edge(&mut self, edge: &mut Edge) {
        let items = std::mem::take(&mut edge.items);
        let Some(first) = items.iter().position(Item::calls) else {
            edge.actions.extend(items.into_iter().filter_map(plain_item));
            return;
        };
        let Some(target) = edge.targets.first().copied() else {
            edge.actions = self.split(edge.source, items);
            return;
        };
        let mut items = items;
        let rest = items.split_off(first);
        edge.actions = items.into_iter().filter_map(plain_item).collect();
        let parent = self.domain(edge);
        let hidden = self.hide(edge, parent, target);
        let steps = self.steps(hidden, rest);
        let action = self.sequence(hidden, steps);
        let id = Arc::clone(&self.draft(hidden).id);
        let onward = Edge {
            source: hidden,
            trigger: done_trigger(&id),
            guard: None,
            targets: std::mem::take(&mut edge.targets),
            internal: false,
            items: Vec::new(),
            actions: Vec::new(),
            failed: Vec::new(),
            ..edge.clone()
        };
        edge.targets = vec![hidden];
        let mut failed = std::mem::take(&mut edge.failed);
        for edge in &mut failed {
            edge.source = hidden;
            edge.trigger = failed_at(&id);
        }
        let draft = self.draft(hidden);
        draft.entry = vec![vec![action]];
        draft.results = vec![onward];
        draft.results.extend(failed);
    }

    /// Adds the hidden state `X~n` as the last child of `parent`.
    fn hide(&mut self, edge: &Edge, parent: Place, target: Place) -> Place {
        let target_id = Arc::clone(&self.draft(target).id);
        let same = |draft: &&Draft| draft.hidden_for == Some(target);
        let number = self.drafts.iter().filter(same).count() + 1;
        let place = self.drafts.len();
        let id = Arc::from(format!("{target_id}~{number}"));
        self.drafts.push(Draft::hidden(id, edge.span, parent, target));
        self.draft(parent).children.push(place);
        place
    }

    /// The state whose child the hidden state becomes: the transition's domain (rule 9).
    fn domain(&self, edge: &Edge) -> Place {
        let kind = |place: Place| self.drafts.get(place).map(|draft| draft.kind);
        let inside = |place: Place| edge.targets.iter().all(|target| self.is_below(*target, place));
        if edge.internal && kind(edge.source) == Some(StateKind::Compound) && inside(edge.source) {
            return edge.source;
        }
        self.above(edge.source)
            .find(|up| kind(*up) == Some(StateKind::Compound) && inside(*up))
            .unwrap_or(0)
    }

    fn above(&self, place: Place) -> impl Iterator<Item = Place> + '_ {
        let parent = |place: Place| self.drafts.get(place).and_then(|draft| draft.parent);
        std::iter::successors(parent(place), move |up| parent(*up))
    }

    pub(super) fn is_below(&self, place: Place, ancestor: Place) -> bool {
        self.above(place).any(|up| up == ancestor)
    }

    /// What of a block runs at once; from the first call on it is a sequence of `place`.
    pub(super) fn split(&mut self, place: Place, mut items: Vec<Item>) -> Vec<Action> {
        let Some(first) = items.iter().position(Item::calls) else {
            return items.into_iter().filter_map(plain_item).collect();
        };
        let rest = items.split_off(first);
        let mut actions: Vec<Action> = items.into_iter().filter_map(plain_item).collect();
        let steps = self.steps(place, rest);
        actions.push(self.sequence(place, steps));
        actions
    }

    /// Puts a sequence of `place` into the definition.
    pub(super) fn sequence(&mut self, place: Place, steps: Vec<SeqStep>) -> Action {
        Action::Sequence(self.program(place, steps))
    }

    /// Puts a program of `place` into the definition, and says where.
    pub(super) fn program(&mut self, place: Place, steps: Vec<SeqStep>) -> u16 {
        let number = u16::try_from(self.sequences.len()).unwrap_or(u16::MAX);
        self.sequences.push(DraftSequence { state: place, steps });
        number
    }

    /// The id of the next call of `place`: `S.0`, `S.1`, ….
    pub(super) fn next_call(&mut self, place: Place) -> Arc<str> {
        let draft = self.draft(place);
        let id = format!("{}.{}", draft.id, draft.calls);
        draft.calls += 1;
        id.into()
    }

    pub(super) fn steps(&mut self, place: Place, items: Vec<Item>) -> Vec<SeqStep> {
        let mut steps = Vec::new();
        self.emit(place, items, &mut steps);
        steps
    }

    fn emit(&mut self, place: Place, items: Vec<Item>, steps: &mut Vec<SeqStep>) {
        for item in items {
            match item {
                Item::Do(action) => steps.push(SeqStep::Do(action)),
                Item::Call(spec, _) => {
                    let invoke_id = self.next_call(place);
                    steps.push(SeqStep::Call { spec, invoke_id });
                }
                Item::If(branches) => self.emit_branches(place, branches, steps),
            }
        }
    }

    /// Each branch jumps behind the last one; a false guard jumps to the next branch.
    fn emit_branches(
        &mut self,
        place: Place,
        branches: Vec<(Option<crate::definition::expr::Expr>, Vec<Item>)>,
        steps: &mut Vec<SeqStep>,
    ) {
        let mut exits = Vec::new();
        let last = branches.len().saturating_sub(1);
        for (number, (guard, body)) in branches.into_iter().enumerate() {
            let test = steps.len();
            let guarded = guard.is_some();
            if let Some(guard) = guard {
                steps.push(SeqStep::JumpUnless { guard, target: 0 });
            }
            self.emit(place, body, steps);
            if number < last {
                exits.push(steps.len());
                steps.push(SeqStep::Jump { target: 0 });
            }
            let next = position(steps.len());
            if guarded && let Some(SeqStep::JumpUnless { target, .. }) = steps.get_mut(test) {
                *target = next;
            }
        }
        let end = position(steps.len());
        for exit in exits {
            if let Some(SeqStep::Jump { target }) = steps.get_mut(exit) {
                *target = end;
            }
        }
    }
}

fn position(steps: usize) -> u16 {
    u16::try_from(steps).unwrap_or(u16::MAX)
}

/// What `failed:` of a transition waits for while the hidden state `id` is active.
fn failed_at(id: &str) -> Trigger {
    let mut trigger = failed_trigger(id);
    if let Trigger::Events(descriptors) = &mut trigger {
        descriptors.push(Descriptor::Prefix("error.execution".into()));
    }
    trigger
}
