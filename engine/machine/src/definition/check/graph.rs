//! Which states can be entered, and which loops never end.

use std::collections::BTreeMap;

use crate::definition::model::{Definition, StateKind, Trigger};
use crate::machine::{StateId, TransitionId};

/// All transitions of a state that can be selected.
pub(super) fn transitions_of(
    definition: &Definition,
    state: StateId,
) -> impl Iterator<Item = TransitionId> + '_ {
    let state = definition.state(state);
    let after = state.after.iter().map(|after| after.transition);
    state.transitions.iter().chain(&state.always).copied().chain(after)
}

/// Is there nothing that could keep the transition from being taken?
pub(super) fn unguarded(definition: &Definition, transition: TransitionId) -> bool {
    definition.transition(transition).guard.as_ref().is_none_or(|guard| guard.is_literal_true())
}

/// Which states can be entered if every guard can be true; by [`StateId`].
pub(super) fn reachable(definition: &Definition) -> Vec<bool> {
    let mut walk = Walk {
        definition,
        active: vec![false; definition.states.len()],
        entered: vec![false; definition.states.len()],
        queue: vec![StateId::ROOT],
    };
    while let Some(state) = walk.queue.pop() {
        walk.enter(state);
    }
    walk.active
}

struct Walk<'a> {
    definition: &'a Definition,
    active: Vec<bool>,
    entered: Vec<bool>,
    queue: Vec<StateId>,
}

impl Walk<'_> {
    fn enter(&mut self, state: StateId) {
        let definition = self.definition;
        match self.entered.get_mut(state.index()) {
            Some(entered) if !*entered => *entered = true,
            _ => return,
        }
        for above in definition.ancestors(state) {
            self.activate(above);
            if definition.state(above).kind == StateKind::Parallel {
                self.regions(above, Some(state));
            }
        }
        self.activate(state);
        match definition.state(state).kind {
            StateKind::Parallel => self.regions(state, None),
            StateKind::Compound | StateKind::History { .. } => {
                if let Some(initial) = definition.state(state).initial {
                    self.queue.extend(&definition.transition(initial).targets);
                }
            }
            StateKind::Atomic | StateKind::Final => {}
        }
    }

    fn regions(&mut self, parallel: StateId, except: Option<StateId>) {
        let definition = self.definition;
        for region in &definition.state(parallel).children {
            let inside = except
                .is_some_and(|state| state == *region || definition.is_descendant(state, *region));
            let history = matches!(definition.state(*region).kind, StateKind::History { .. });
            if !inside && !history {
                self.queue.push(*region);
            }
        }
    }

    fn activate(&mut self, state: StateId) {
        match self.active.get_mut(state.index()) {
            Some(active) if !*active => *active = true,
            _ => return,
        }
        for transition in transitions_of(self.definition, state) {
            self.queue.extend(&self.definition.transition(transition).targets);
        }
    }
}

/// A loop of transitions that are taken at once and always (L3): the first of them, and the states
/// on the way. One loop for each set of states.
pub(super) fn endless_loops(definition: &Definition) -> Vec<(TransitionId, Vec<StateId>)> {
    let certain = certain_transitions(definition);
    let mut next: BTreeMap<StateId, Vec<StateId>> = BTreeMap::new();
    for at in 0..definition.states.len() {
        let Ok(at) = u16::try_from(at) else { continue };
        let id = StateId(at);
        let state = definition.state(id);
        let mut targets: Vec<StateId> = Vec::new();
        if let Some(transition) = certain.get(&id) {
            targets.extend(&definition.transition(*transition).targets);
        } else {
            // Entering it enters these too, and makes what is around it active.
            match state.kind {
                StateKind::Compound | StateKind::History { .. } => {
                    let initial = state.initial.map(|initial| definition.transition(initial));
                    targets.extend(initial.iter().flat_map(|initial| &initial.targets));
                }
                StateKind::Parallel => targets.extend(&state.children),
                StateKind::Atomic => {
                    targets.extend(definition.ancestors(id).find(|up| certain.contains_key(up)));
                }
                StateKind::Final => {}
            }
        }
        next.insert(id, targets);
    }
    let mut looped: Vec<StateId> = Vec::new();
    let mut found = Vec::new();
    for (source, transition) in &certain {
        if looped.contains(source) {
            continue;
        }
        if definition.transition(*transition).targets.is_empty() {
            looped.push(*source);
            found.push((*transition, vec![*source]));
        } else if let Some(path) = way_back(&next, *source) {
            looped.extend(&path);
            found.push((*transition, path));
        }
    }
    found
}

/// For each state the eventless transition that is taken whenever the state is active.
fn certain_transitions(definition: &Definition) -> BTreeMap<StateId, TransitionId> {
    let mut certain = BTreeMap::new();
    for at in 0..definition.states.len() {
        let Ok(at) = u16::try_from(at) else { continue };
        let id = StateId(at);
        let state = definition.state(id);
        let Some(first) = state.always.first().copied() else { continue };
        let below = definition
            .states
            .iter()
            .enumerate()
            .filter(|(index, _)| *index > id.index() && *index <= state.last.index());
        let mut inner_first = below.filter(|(_, inner)| !inner.always.is_empty());
        let always = definition.transition(first).trigger == Trigger::Always;
        if always && unguarded(definition, first) && inner_first.next().is_none() {
            certain.insert(id, first);
        }
    }
    certain
}

/// The shortest way from `start` back to it.
fn way_back(next: &BTreeMap<StateId, Vec<StateId>>, start: StateId) -> Option<Vec<StateId>> {
    let mut came_from: BTreeMap<StateId, StateId> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(state) = queue.pop_front() {
        for target in next.get(&state).into_iter().flatten() {
            if *target == start {
                let mut path = vec![state];
                while let Some(before) = path.last().and_then(|state| came_from.get(state)) {
                    path.push(*before);
                }
                path.reverse();
                return Some(path);
            }
            if !came_from.contains_key(target) {
                came_from.insert(*target, state);
                queue.push_back(*target);
            }
        }
    }
    None
}
