//! Which states can be entered, and which loops never end.

use std::collections::{BTreeMap, BTreeSet};

use crate::definition::model::{Definition, StateKind, Transition, Trigger};
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

/// The domain of a transition (rule 9), where history states stand for what is inside their parent;
/// `None` for a targetless one.
pub(super) fn domain(definition: &Definition, transition: &Transition) -> Option<StateId> {
    let Transition { source, targets, .. } = transition;
    let inside = |target: &StateId| definition.is_descendant(*target, *source);
    let stays = transition.internal
        && definition.state(*source).kind == StateKind::Compound
        && targets.iter().all(inside);
    let around = || if stays { *source } else { definition.common_compound(*source, targets) };
    (!targets.is_empty()).then(around)
}

/// `id` and its descendants, in document order.
pub(super) fn subtree(definition: &Definition, id: StateId) -> impl Iterator<Item = StateId> {
    (id.0..=definition.state(id).last.0).map(StateId)
}

/// The children of a parallel state that are active with it.
pub(super) fn regions(
    definition: &Definition,
    parallel: StateId,
) -> impl Iterator<Item = StateId> + '_ {
    let history = |id: &StateId| matches!(definition.state(*id).kind, StateKind::History { .. });
    definition.state(parallel).children.iter().copied().filter(move |id| !history(id))
}

/// What is entered with `state` where nothing more is said (rule 15), itself included; not many
/// more than `limit`.
pub(super) fn default_entry(
    definition: &Definition,
    state: StateId,
    limit: usize,
) -> BTreeSet<StateId> {
    let mut entered = BTreeSet::new();
    let mut queue = vec![state];
    while let Some(id) = queue.pop().filter(|_| entered.len() < limit) {
        let here = definition.state(id);
        if !entered.insert(id) {
            continue;
        }
        if here.kind == StateKind::Parallel {
            queue.extend(regions(definition, id));
        }
        let targets = here.initial.map(|id| definition.transition(id).targets.as_slice());
        let targets = targets.unwrap_or_default();
        let history = matches!(here.kind, StateKind::History { .. });
        let top = if history { here.parent } else { Some(id) };
        for target in targets {
            queue.push(*target);
            for up in definition.ancestors(*target).take_while(|up| Some(*up) != top) {
                entered.insert(up);
                let others = |region: &StateId| {
                    !targets.iter().any(|it| it == region || definition.is_descendant(*it, *region))
                };
                if definition.state(up).kind == StateKind::Parallel {
                    queue.extend(regions(definition, up).filter(others));
                }
            }
        }
    }
    entered
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
        for region in regions(definition, parallel) {
            let inside = except
                .is_some_and(|state| state == region || definition.is_descendant(state, region));
            if !inside {
                self.queue.push(region);
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
