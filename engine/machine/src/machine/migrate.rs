//! Migration: an instance goes on under another version of its definition.
//!
//! States, variables, timers, votes and calls are carried over by their names. Nothing is run and
//! nothing is asked: what has no counterpart refuses the migration, and what is dropped, begun or
//! void is told.

mod approvals;
mod calls;
mod kept;
mod states;
mod timers;

use std::sync::Arc;

use super::ids::{StateId, Timestamp};
use super::instance::Instance;
use super::progress::{Phase, Progress, RunningGraph};
use crate::definition::model::Definition;

/// A state that is called differently in the new version: the old and the new name.
pub type Renamed = (Arc<str>, Arc<str>);

/// An instance under its new definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Migrated {
    /// The instance.
    pub instance: Instance,
    /// What was dropped, begun or made void on the way, in words.
    pub notes: Vec<String>,
}

/// Carries `old` from its definition to another version of it. `states` says which state takes the
/// place of one that is called differently now.
///
/// # Errors
/// Why not, in words, and what to do: a state or call under way without counterpart, states that
/// do not fit together, a life that has ended or is stuck.
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
    let under_way = |progress: &Progress| {
        let open = |run: &RunningGraph| run.phase != Phase::Ended;
        progress.graphs.iter().any(open) || !progress.undo.is_empty() || progress.paused.is_some()
    };
    if old.progress.as_deref().is_some_and(under_way) {
        return Err("steps are under way, the instance is paused, or it did what can be taken \
                    back: none of that is migrated yet; let it end"
            .to_owned());
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
    instance.progress = None;
    instance.pin = to.pin();
    instance.step = instance.step.saturating_add(1);
    instance.updated_at = now;
    instance.votes = moving.votes(&active, &mut notes);
    instance.sequences = moving.sequences(&active, &mut notes)?;
    moving.timers(&active, &mut instance, &mut notes)?;
    instance.vars = moving.vars(&active, &mut notes)?;
    instance.history = moving.history(&mut notes);
    moving.tell_deferred(&active, &mut notes);
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
    /// The counterpart of a state: what the mapping says, else the one of the same name; of a
    /// hidden one, the way to the same target on which the same is asked.
    fn state(&self, id: StateId) -> Option<StateId> {
        if id == StateId::ROOT {
            return Some(id);
        }
        let state = self.from.state(id);
        let mapped = self.states.iter().find(|(left, _)| *left == state.id);
        match (mapped, state.hidden_for) {
            (Some((_, right)), _) => self.to.state_named(right),
            (None, None) => self.to.state_named(&state.id),
            (None, Some(target)) => self.way(id, target),
        }
    }

    /// The counterpart of a state, where that is one of these.
    fn state_in(&self, id: StateId, active: &[StateId]) -> Option<StateId> {
        self.state(id).filter(|id| active.contains(id))
    }

    /// The new definition, as people call it.
    fn there(&self) -> String {
        format!("`{}@{}`", self.to.name, self.to.version)
    }
}
