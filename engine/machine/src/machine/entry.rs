//! Which states a microstep enters (rules 15-17).

use super::ids::{StateId, TransitionId};
use super::work::Work;
use crate::definition::model::StateKind;

/// What a microstep enters.
#[derive(Debug, Default)]
pub(super) struct EntrySet {
    /// In document order.
    pub(super) states: Vec<StateId>,
    /// Those entered by default: the actions of their `initial:` run.
    pub(super) by_default: Vec<StateId>,
    /// Parents of history states that had nothing stored, with the default's actions to run.
    pub(super) history: Vec<(StateId, TransitionId)>,
}

impl EntrySet {
    fn insert(&mut self, id: StateId) {
        if let Err(place) = self.states.binary_search(&id) {
            self.states.insert(place, id);
        }
    }
}

impl Work<'_> {
    /// The states that `enabled` enters (W3C `computeEntrySet`).
    pub(super) fn compute_entry_set(&self, enabled: &[TransitionId]) -> EntrySet {
        let mut set = EntrySet::default();
        for &id in enabled {
            let transition = self.transition(id);
            for &target in &transition.targets {
                self.add_descendants(target, &mut set);
            }
            let Some(domain) = self.domain(id) else { continue };
            for target in self.effective_targets(id) {
                self.add_ancestors(target, domain, &mut set);
            }
        }
        set
    }

    /// The states entered at the start: the root and what it leads to (rule 14).
    pub(super) fn compute_initial_set(&self) -> EntrySet {
        let mut set = EntrySet::default();
        self.add_descendants(StateId::ROOT, &mut set);
        set
    }

    fn add_descendants(&self, id: StateId, set: &mut EntrySet) {
        let state = self.state(id);
        match state.kind {
            StateKind::Atomic | StateKind::Final => set.insert(id),
            StateKind::Compound => {
                set.insert(id);
                if set.by_default.contains(&id) {
                    return;
                }
                set.by_default.push(id);
                self.add_default(id, set);
            }
            StateKind::Parallel => {
                set.insert(id);
                self.add_regions(id, set);
            }
            StateKind::History { .. } => {
                let parent = state.parent.unwrap_or(StateId::ROOT);
                if let Some(stored) = self.stored_history(id) {
                    self.add_targets(stored, parent, set);
                } else if let Some(default) = state.initial
                    && !set.history.contains(&(parent, default))
                {
                    set.history.push((parent, default));
                    self.add_targets(&self.transition(default).targets, parent, set);
                }
            }
        }
    }

    /// Enters the default of a compound: `initial:`, else its first child (rule 15).
    fn add_default(&self, id: StateId, set: &mut EntrySet) {
        let state = self.state(id);
        if let Some(initial) = state.initial {
            self.add_targets(&self.transition(initial).targets, id, set);
            return;
        }
        let is_real =
            |child: &&StateId| !matches!(self.state(**child).kind, StateKind::History { .. });
        if let Some(&first) = state.children.iter().find(is_real) {
            self.add_descendants(first, set);
        }
    }

    fn add_targets(&self, targets: &[StateId], below: StateId, set: &mut EntrySet) {
        for &target in targets {
            self.add_descendants(target, set);
        }
        for &target in targets {
            self.add_ancestors(target, below, set);
        }
    }

    /// Enters all ancestors of `id` below `domain`; parallels among them enter their other
    /// regions by default.
    fn add_ancestors(&self, id: StateId, domain: StateId, set: &mut EntrySet) {
        for ancestor in self.definition.ancestors(id) {
            if ancestor == domain || !self.definition.is_descendant(ancestor, domain) {
                break;
            }
            set.insert(ancestor);
            if self.state(ancestor).kind == StateKind::Parallel {
                self.add_regions(ancestor, set);
            }
        }
    }

    /// Enters those regions of a parallel in which nothing is entered yet.
    fn add_regions(&self, id: StateId, set: &mut EntrySet) {
        for &region in &self.state(id).children {
            let is_history = matches!(self.state(region).kind, StateKind::History { .. });
            let inside = |state: &StateId| self.definition.is_descendant(*state, region);
            if !is_history && !set.states.iter().any(inside) {
                self.add_descendants(region, set);
            }
        }
    }
}
