//! What an instance knows: variables by name, and what history states remember (rule 17).

use std::cell::Cell;
use std::collections::BTreeSet;

use super::Moving;
use super::states::misfit_at;
use crate::definition::expr::Scope;
use crate::definition::model::{Definition, StateKind, Trigger};
use crate::machine::ids::StateId;
use crate::machine::work::FUEL;
use crate::value::Value;

impl Moving<'_> {
    /// Values by name; a new variable begins as at the start, without an event in hand (rule 14).
    pub(super) fn vars(
        &self,
        active: &[StateId],
        notes: &mut Vec<String>,
    ) -> Result<Vec<Value>, String> {
        for var in self.from.vars.iter().filter(|var| self.to.var_index(&var.name).is_none()) {
            notes.push(format!("variable `{}` is dropped", var.name));
        }
        let known = |name: &str| self.old.vars.get(self.from.var_index(name)?).cloned();
        let carried = self.to.vars.iter().map(|var| known(&var.name).unwrap_or_default());
        let mut vars: Vec<_> = carried.collect();
        let fuel = Cell::new(FUEL);
        for (at, var) in self.to.vars.iter().enumerate() {
            if self.from.var_index(&var.name).is_some() {
                continue;
            }
            let scope = Scope {
                definition: self.to,
                key: Some(&self.old.key),
                vars: &vars,
                active,
                event: None,
                input: &self.old.input,
                output: None,
                error: None,
                steps: None,
                now: self.now,
                locals: &[],
                fuel: &fuel,
            };
            match (var.initial.eval(&scope), vars.get_mut(at)) {
                (Ok(value), Some(slot)) => {
                    notes.push(format!("variable `{}` begins with its first value", var.name));
                    *slot = value;
                }
                (Ok(_), None) => {}
                (Err(error), _) => notes.push(format!("variable `{}` is null: {error}", var.name)),
            }
        }
        let weight: usize = vars.iter().map(Value::weight).sum();
        let limit = self.to.limits.vars_bytes as usize;
        if weight > limit {
            let there = self.there();
            return Err(format!(
                "variables of {weight} bytes exceed the limit of {limit} bytes of {there}"
            ));
        }
        Ok(vars)
    }

    /// Deferred events are offered again when the active states change, and not before.
    pub(super) fn tell_deferred(&self, active: &[StateId], notes: &mut Vec<String>) {
        for event in &self.old.deferred {
            let takes = |of: &Definition, id: StateId| {
                let mut edges = of.state(id).transitions.iter();
                edges.any(|edge| match &of.transition(*edge).trigger {
                    Trigger::Events(list) => list.iter().any(|it| it.matches(&event.name)),
                    Trigger::Always | Trigger::After { .. } | Trigger::Initial => false,
                })
            };
            // It waits for nothing new where a state took it before.
            if self.old.active.iter().any(|id| takes(self.from, *id)) {
                continue;
            }
            if let Some(id) = active.iter().rev().find(|id| takes(self.to, **id)) {
                let (name, state) = (&event.name, &self.to.state(*id).id);
                notes.push(format!(
                    "deferred `{name}`, which `{state}` takes there, waits for the next change of \
                     the active states"
                ));
            }
        }
    }

    /// What history states remember, where they could lead there again.
    pub(super) fn history(&self, notes: &mut Vec<String>) -> Vec<(StateId, Vec<StateId>)> {
        let mut kept = Vec::new();
        for (id, stored) in &self.old.history {
            match self.remembered(*id, stored) {
                Ok(entry) => kept.push(entry),
                Err(reason) => {
                    let name = |id: &StateId| {
                        let state = self.from.state(*id);
                        let shown = state.hidden_for.map(|target| &self.from.state(target).id);
                        shown.unwrap_or(&state.id).to_string()
                    };
                    let stored: Vec<_> = stored.iter().map(name).collect();
                    notes.push(format!(
                        "what `{}` remembers ({}) is dropped: {reason}",
                        name(id),
                        stored.join(", ")
                    ));
                }
            }
        }
        kept
    }

    fn remembered(
        &self,
        id: StateId,
        stored: &[StateId],
    ) -> Result<(StateId, Vec<StateId>), String> {
        let nowhere = |id: StateId| {
            format!("`{}` has no counterpart in {}", self.from.state(id).id, self.there())
        };
        let there = self.state(id).ok_or_else(|| nowhere(id))?;
        let state = self.to.state(there);
        let (StateKind::History { deep }, Some(parent)) = (state.kind, state.parent) else {
            return Err(format!("`{}` is no history state", state.id));
        };
        let mut list = BTreeSet::new();
        for stored in stored {
            list.insert(self.state(*stored).ok_or_else(|| nowhere(*stored))?);
        }
        for id in &list {
            let found = self.to.state(*id);
            let fits = match deep {
                true => found.kind.is_leaf() && self.to.is_descendant(*id, parent),
                false => found.parent == Some(parent),
            };
            if !fits {
                return Err(format!("`{}` cannot lead to `{}`", state.id, found.id));
            }
        }
        // Leaves with all around them up to the parent must be a configuration of it; of children
        // the ways further down are the default ones.
        let mut inside = list.clone();
        if deep {
            inside.extend(list.iter().flat_map(|id| self.to.ancestors(*id)));
        }
        let inside: Vec<_> = inside.into_iter().collect();
        let asked = inside.iter().filter(|id| deep && self.to.is_descendant(**id, parent));
        let misfit =
            std::iter::once(&parent).chain(asked).find_map(|id| misfit_at(self.to, *id, &inside));
        match misfit {
            Some(reason) => Err(reason),
            None => Ok((there, list.into_iter().collect())),
        }
    }
}
