//! Migration: an instance goes on under another version of its definition.
//!
//! States, variables, timers and calls are carried over by their names. Nothing is run and nothing
//! is asked: what has no counterpart refuses the migration, and what is dropped is told.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ids::{StateId, Timestamp};
use super::instance::{Instance, RunningSequence, Timer, TimerKind};
use crate::definition::model::{Definition, Delay, SeqStep, StateKind};
use crate::value::Value;

/// A state that is called differently in the new version: the old and the new name.
pub type Renamed = (Arc<str>, Arc<str>);

/// An instance under its new definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Migrated {
    /// The instance.
    pub instance: Instance,
    /// What was dropped or begun on the way, in words.
    pub notes: Vec<String>,
}

/// Carries `old` from its definition to another version of it. `states` says which state takes the
/// place of one that is called differently now.
///
/// # Errors
/// Why not, in words: a state or call under way without counterpart, states that do not fit
/// together, a life that has ended or is stuck.
pub fn migrate(
    old: &Instance,
    from: &Definition,
    to: &Definition,
    states: &[Renamed],
    now: Timestamp,
) -> Result<Migrated, String> {
    if old.status.is_ended() {
        return Err("the instance has ended".to_owned());
    }
    if old.stuck.is_some() {
        return Err("the instance is stuck: retry, skip or cancel it first".to_owned());
    }
    if old.pin == to.pin() {
        return Err(format!("the instance runs `{}@{}` already", to.name, to.version));
    }
    for (left, right) in states {
        if from.state_named(left).is_none() {
            return Err(format!("`{}@{}` has no state `{left}`", from.name, from.version));
        }
        if to.state_named(right).is_none() {
            return Err(format!("`{}@{}` has no state `{right}`", to.name, to.version));
        }
    }
    let moving = Moving { old, from, to, states, now };
    let active = moving.active()?;
    let mut notes = Vec::new();
    let mut instance = old.clone();
    instance.pin = to.pin();
    instance.step += 1;
    instance.updated_at = now;
    instance.vars = moving.vars(&mut notes);
    instance.history = moving.history(&mut notes);
    instance.sequences = moving.sequences(&active)?;
    instance.timers = moving.timers(&active, &mut notes);
    moving.arm(&active, &mut instance, &mut notes)?;
    instance.votes = old
        .votes
        .iter()
        .filter_map(|vote| {
            let state = moving.state(vote.state)?;
            Some(super::instance::Vote { state, ..vote.clone() })
        })
        .collect();
    instance.active = active;
    Ok(Migrated { instance, notes })
}

/// An instance on its way.
struct Moving<'a> {
    old: &'a Instance,
    from: &'a Definition,
    to: &'a Definition,
    states: &'a [Renamed],
    now: Timestamp,
}

impl Moving<'_> {
    /// The counterpart of a state.
    fn state(&self, id: StateId) -> Option<StateId> {
        if id == StateId::ROOT {
            return Some(id);
        }
        let name = &self.from.state(id).id;
        let mapped = self.states.iter().find(|(left, _)| left == name);
        self.to.state_named(mapped.map_or(name, |(_, right)| right))
    }

    /// The active states: the counterparts of the atomic ones and all around them.
    fn active(&self) -> Result<Vec<StateId>, String> {
        let mut active = BTreeSet::from([StateId::ROOT]);
        for leaf in self.from.leaves(&self.old.active) {
            let name = &self.from.state(leaf).id;
            let Some(id) = self.state(leaf) else { return Err(self.without_counterpart(leaf)) };
            let kind = self.to.state(id).kind;
            if !kind.is_leaf() || (kind == StateKind::Final && !self.is_final(leaf)) {
                let there = &self.to.state(id).id;
                return Err(format!("`{there}`, in place of `{name}`, is no state to rest in"));
            }
            active.insert(id);
            active.extend(self.to.ancestors(id));
        }
        let active: Vec<_> = active.into_iter().collect();
        match self.misfit(&active) {
            Some(reason) => Err(reason),
            None => Ok(active),
        }
    }

    fn is_final(&self, id: StateId) -> bool {
        self.from.state(id).kind == StateKind::Final
    }

    fn without_counterpart(&self, id: StateId) -> String {
        let state = self.from.state(id);
        let there = format!("`{}@{}`", self.to.name, self.to.version);
        match state.hidden_for {
            Some(target) => {
                let target = &self.from.state(target).id;
                format!(
                    "calls on the way to `{target}` are under way, and {there} makes none there"
                )
            }
            None => format!("state `{}` has no counterpart in {there}", state.id),
        }
    }

    /// Why the states are no legal configuration (rule 2).
    fn misfit(&self, active: &[StateId]) -> Option<String> {
        for id in active {
            let state = self.to.state(*id);
            let children = || {
                let shown = state.children.iter().filter(|child| {
                    !matches!(self.to.state(**child).kind, StateKind::History { .. })
                });
                shown.filter(|child| active.contains(child)).count()
            };
            match state.kind {
                StateKind::Compound if children() != 1 => {
                    let number = children();
                    return Some(format!("{number} states inside `{}` would be active", state.id));
                }
                StateKind::Parallel => {
                    let inactive = state.children.iter().find(|child| {
                        let kind = self.to.state(**child).kind;
                        !matches!(kind, StateKind::History { .. }) && !active.contains(child)
                    });
                    if let Some(region) = inactive {
                        let region = &self.to.state(*region).id;
                        return Some(format!(
                            "nothing inside the region `{region}` would be active"
                        ));
                    }
                }
                StateKind::Compound
                | StateKind::Atomic
                | StateKind::Final
                | StateKind::History { .. } => {}
            }
        }
        None
    }

    /// Values by name; a new variable begins as it is written.
    fn vars(&self, notes: &mut Vec<String>) -> Vec<Value> {
        for var in self.from.vars.iter().filter(|var| self.to.var_index(&var.name).is_none()) {
            notes.push(format!("variable `{}` is dropped", var.name));
        }
        let value = |var: &crate::definition::model::VarDecl| {
            let known = self.from.var_index(&var.name).and_then(|at| self.old.vars.get(at));
            known.cloned().unwrap_or_else(|| var.initial.as_const().cloned().unwrap_or_default())
        };
        self.to.vars.iter().map(value).collect()
    }

    fn history(&self, notes: &mut Vec<String>) -> Vec<(StateId, Vec<StateId>)> {
        let mut kept = Vec::new();
        for (id, stored) in &self.old.history {
            let list: Option<Vec<_>> = stored.iter().map(|state| self.state(*state)).collect();
            match (self.state(*id), list) {
                (Some(id), Some(list))
                    if matches!(self.to.state(id).kind, StateKind::History { .. }) =>
                {
                    kept.push((id, list));
                }
                (_, _) => {
                    notes.push(format!("what `{}` remembers is dropped", self.from.state(*id).id));
                }
            }
        }
        kept
    }

    /// Calls and children under way: the same one, by its place among those of its state.
    fn sequences(&self, active: &[StateId]) -> Result<Vec<RunningSequence>, String> {
        let mut all = Vec::new();
        for running in &self.old.sequences {
            let what = || {
                let state = &self.from.state(running.state).id;
                format!("a call of `{state}` is under way and has no counterpart")
            };
            let state = self.state(running.state).filter(|id| active.contains(id));
            let state = state.ok_or_else(what)?;
            let of = |definition: &Definition, state: StateId| {
                let sequences = (0_u16..).zip(&definition.sequences);
                let own = sequences.filter(|(_, sequence)| sequence.state == state);
                own.map(|(at, _)| at).collect::<Vec<_>>()
            };
            let own = of(self.from, running.state);
            let place = own.iter().position(|at| *at == running.sequence);
            let there = place.and_then(|place| of(self.to, state).get(place).copied());
            let sequence = there.ok_or_else(what)?;
            if self.step(self.from, running.sequence, running.position)
                != self.step(self.to, sequence, running.position)
            {
                return Err(what());
            }
            all.push(RunningSequence { state, sequence, ..running.clone() });
        }
        Ok(all)
    }

    /// What a step of a sequence waits for: a call, a child, or nothing.
    #[expect(clippy::unused_self, reason = "reads like its siblings")]
    fn step(&self, definition: &Definition, sequence: u16, position: u16) -> Option<&'static str> {
        let sequence = definition.sequences.get(usize::from(sequence))?;
        match sequence.steps.get(usize::from(position))? {
            SeqStep::Call { .. } => Some("call"),
            SeqStep::Child { .. } => Some("child"),
            SeqStep::Wait { .. }
            | SeqStep::Do(_)
            | SeqStep::Name { .. }
            | SeqStep::JumpUnless { .. }
            | SeqStep::Jump { .. } => Some("action"),
        }
    }

    /// Timers of states that are still active keep their due times.
    fn timers(&self, active: &[StateId], notes: &mut Vec<String>) -> Vec<Timer> {
        let mut kept = Vec::new();
        for timer in &self.old.timers {
            let TimerKind::After { state, index } = timer.kind else {
                kept.push(timer.clone());
                continue;
            };
            let there = self.state(state).filter(|id| active.contains(id));
            match there.filter(|id| self.to.state(*id).after.len() > usize::from(index)) {
                Some(state) => {
                    kept.push(Timer { kind: TimerKind::After { state, index }, ..timer.clone() });
                }
                None => {
                    notes.push(format!("a timer of `{}` is dropped", self.from.state(state).id));
                }
            }
        }
        kept
    }

    /// Timers that the new definition adds to active states count from now on.
    fn arm(
        &self,
        active: &[StateId],
        instance: &mut Instance,
        notes: &mut Vec<String>,
    ) -> Result<(), String> {
        for id in active {
            let before = self.old.active.iter().filter(|old| self.state(**old) == Some(*id));
            let known = before.map(|old| self.from.state(*old).after.len()).max().unwrap_or(0);
            let state = self.to.state(*id);
            for (index, after) in (0_u16..).zip(&state.after).skip(known) {
                let Delay::Fixed(ms) = &after.delay else {
                    let name = &state.id;
                    return Err(format!("a computed timer of `{name}` cannot begin on the way"));
                };
                let timer = instance.next_id;
                instance.next_id += 1;
                let (due, kind) = (self.now.plus_ms(*ms), TimerKind::After { state: *id, index });
                instance.timers.push(Timer { id: timer, due, kind });
                notes.push(format!("a timer of `{}` begins now", state.id));
            }
        }
        Ok(())
    }
}
