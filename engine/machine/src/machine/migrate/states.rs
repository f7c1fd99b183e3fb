//! Which states take the place of the active ones, and whether they fit together.

use std::collections::BTreeSet;

use super::Moving;
use crate::definition::model::{Definition, StateKind, Transition, Trigger};
use crate::machine::ids::StateId;

impl Moving<'_> {
    /// The active states: the counterparts of the atomic ones and all around them.
    pub(super) fn active(&self) -> Result<Vec<StateId>, String> {
        let mut active = BTreeSet::from([StateId::ROOT]);
        for leaf in self.from.leaves(&self.old.active) {
            let state = self.from.state(leaf);
            let Some(id) = self.state(leaf) else { return Err(self.without_counterpart(leaf)) };
            let there = self.to.state(id);
            let rests = there.kind == StateKind::Atomic
                || (there.kind == StateKind::Final && state.kind == StateKind::Final);
            if !rests {
                let (there, name) = (&there.id, &state.id);
                return Err(format!("`{there}`, in place of `{name}`, is no state to rest in"));
            }
            active.insert(id);
            active.extend(self.to.ancestors(id));
        }
        let active: Vec<_> = active.into_iter().collect();
        if let Some(reason) = misfit(self.to, &active) {
            return Err(reason);
        }
        self.around(&active)?;
        Ok(active)
    }

    /// The states around the leaves have counterparts too: their timers live on there.
    fn around(&self, active: &[StateId]) -> Result<(), String> {
        for id in self.old.active.iter().filter(|id| !self.from.state(**id).kind.is_leaf()) {
            let Some(there) = self.state(*id) else { return Err(self.without_counterpart(*id)) };
            let name = &self.from.state(*id).id;
            let mapped = self.states.iter().any(|(left, _)| left == name);
            if mapped && !active.contains(&there) {
                let there = &self.to.state(there).id;
                return Err(format!("`{there}`, in place of `{name}`, would not be active"));
            }
        }
        Ok(())
    }

    fn without_counterpart(&self, id: StateId) -> String {
        let (state, there) = (self.from.state(id), self.there());
        let Some(target) = state.hidden_for else {
            let name = &state.id;
            return format!(
                "state `{name}` has no counterpart in {there}: say which state takes its place \
                 (`--map {name}=STATE`)"
            );
        };
        let name = &self.from.state(target).id;
        let asked = self.asked_on(id);
        let Some(target) = self.state(target) else {
            return format!(
                "{asked} on the way to `{name}`, which has no counterpart in {there}: wait for the \
                 reply, or say which state takes its place (`--map {name}=STATE`)"
            );
        };
        let ways: Vec<_> = ways_to(self.to, target).collect();
        let instead = match ways.as_slice() {
            [] => "asks nothing there".to_owned(),
            [only] => self.asks(*only),
            several if several.iter().any(|way| self.calls_fit(id, *way)) => {
                "has several such ways".to_owned()
            }
            [first, ..] => self.asks(*first),
        };
        format!("{asked} on the way to `{name}`, and {there} {instead}: wait for the reply")
    }

    /// The way to the counterpart of `target` that takes the place of the hidden state `id`: one
    /// on which the same is asked, and of several the one from the same state by the same trigger;
    /// of several such ones that with the same number, where there are as many as before.
    pub(super) fn way(&self, id: StateId, target: StateId) -> Option<StateId> {
        let there = self.state(target)?;
        let fits: Vec<_> = ways_to(self.to, there).filter(|way| self.calls_fit(id, *way)).collect();
        if let [only] = fits.as_slice() {
            return Some(*only);
        }
        let own = edge_to(self.from, id)?;
        let alike =
            |way: &StateId| edge_to(self.to, *way).is_some_and(|edge| self.is_same_edge(own, edge));
        let new: Vec<_> = fits.into_iter().filter(alike).collect();
        if let [only] = new.as_slice() {
            return Some(*only);
        }
        let source = |edge: &Transition| (edge.source, edge.name.clone(), edge.trigger.clone());
        let old = ways_to(self.from, target)
            .filter(|way| edge_to(self.from, *way).map(source) == Some(source(own)))
            .collect::<Vec<_>>();
        let number = old.iter().position(|way| *way == id)?;
        new.get(number).copied().filter(|_| old.len() == new.len())
    }

    fn is_same_edge(&self, old: &Transition, new: &Transition) -> bool {
        if self.state(old.source) != Some(new.source) {
            return false;
        }
        match (&old.name, &new.name) {
            (Some(old), Some(new)) => old == new,
            (_, _) => match (&old.trigger, &new.trigger) {
                (Trigger::After { .. }, Trigger::After { .. }) => true,
                (old, new) => old == new,
            },
        }
    }
}

/// The hidden states on the ways to `target`.
fn ways_to(definition: &Definition, target: StateId) -> impl Iterator<Item = StateId> + '_ {
    let states = (0_u16..).zip(&definition.states);
    let ways = states.filter(move |(_, state)| state.hidden_for == Some(target));
    ways.map(|(at, _)| StateId(at))
}

/// The transition that leads into a hidden state; each has one.
fn edge_to(definition: &Definition, hidden: StateId) -> Option<&Transition> {
    definition.transitions.iter().find(|edge| edge.targets == [hidden])
}

/// Why states are no legal configuration (rule 2).
pub(super) fn misfit(definition: &Definition, active: &[StateId]) -> Option<String> {
    active.iter().find_map(|id| misfit_at(definition, *id, active))
}

/// Why what is active inside of `id` is no legal part of a configuration.
pub(super) fn misfit_at(
    definition: &Definition,
    id: StateId,
    active: &[StateId],
) -> Option<String> {
    let state = definition.state(id);
    let is_history =
        |child: &StateId| matches!(definition.state(*child).kind, StateKind::History { .. });
    match state.kind {
        StateKind::Compound => {
            let number = state.children.iter().filter(|child| active.contains(child)).count();
            (number != 1).then(|| format!("{number} states inside `{}` would be active", state.id))
        }
        StateKind::Parallel => {
            let regions = state.children.iter().filter(|child| !is_history(child));
            let region = regions.into_iter().find(|child| !active.contains(child))?;
            let region = &definition.state(*region).id;
            Some(format!("nothing inside the region `{region}` would be active"))
        }
        StateKind::Atomic | StateKind::Final => None,
        StateKind::History { .. } => Some(format!("`{}` is never active", state.id)),
    }
}
