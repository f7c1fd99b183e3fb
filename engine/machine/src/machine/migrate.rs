//! Migration: an instance goes on under another version of its definition.
//!
//! States, steps, variables, timers, votes and calls are carried over by their names. What has no
//! counterpart refuses the migration, and what is dropped, begun or void is told. Nothing is run or
//! asked, but for steps whose needs are over: those start in the same decision.

mod approvals;
mod calls;
mod kept;
mod states;
mod steps;
mod timers;
mod undo;

use std::sync::Arc;

use approvals::void_step_votes;

use super::ids::{StateId, Timestamp};
use super::instance::{Instance, Status};
use super::macrostep::{Again, Cause};
use super::needs::{Verdict, has_room, verdict};
use super::outcome::Decision;
use super::progress::{Phase, StepState, StepStatus};
use super::work::Work;
use crate::definition::model::{Definition, Step};

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
    if old.progress.as_deref().is_some_and(|progress| progress.rollback.is_some()) {
        return Err("what was done is being taken back: wait for its end".to_owned());
    }
    if old.active.is_empty() {
        return Err("the instance has not begun: resume it first".to_owned());
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
        let again = |(other, there): &&Renamed| other == left && there != right;
        if let Some((_, other)) = states.iter().find(again) {
            return Err(format!("`{left}` cannot be both `{right}` and `{other}`"));
        }
    }
    let moving = Moving { old, from, to, states, now };
    let active = moving.active()?;
    let mut notes = Vec::new();
    let mut instance = old.clone();
    instance.pin = to.pin();
    instance.step = instance.step.saturating_add(1);
    instance.updated_at = now;
    instance.votes = moving.votes(&active, &mut notes);
    instance.sequences = moving.sequences(&active, &mut notes)?;
    moving.timers(&active, &mut instance, &mut notes)?;
    moving.progress(&active, &mut instance, &mut notes)?;
    void_step_votes(&mut instance, to, &mut notes);
    instance.vars = moving.vars(&active, &mut notes)?;
    instance.history = moving.history(&mut notes);
    moving.tell_deferred(&active, &mut notes);
    instance.active = active;
    Ok(Migrated { instance, notes })
}

/// Carries `old` to a version that was derived from its own, by further steps.
///
/// # Errors
/// As [`migrate`], and where the steps that the further ones would join have ended.
pub fn migrate_extended(
    old: &Instance,
    from: &Definition,
    to: &Definition,
    now: Timestamp,
) -> Result<Migrated, String> {
    let migrated = migrate(old, from, to, &[], now)?;
    let progress = migrated.instance.progress.as_deref();
    let runs = progress.map(|progress| progress.graphs.as_slice()).unwrap_or_default();
    let ended = runs.iter().filter(|run| run.phase != Phase::Running).find(|run| {
        let graph =
            |of: &Definition| of.graphs.get(usize::from(run.graph)).map(|it| it.steps.len());
        graph(from) != graph(to)
    });
    match ended.and_then(|run| to.graphs.get(usize::from(run.graph))) {
        Some(graph) => {
            let state = &to.state(graph.state).id;
            Err(format!("the steps of `{state}` have ended: there can be no further ones"))
        }
        None => Ok(migrated),
    }
}

/// Lets an instance go on that was migrated in this decision: steps start whose needs are over.
/// `None` where nothing of it can.
pub(crate) fn go_on(
    migrated: &Instance,
    definition: &Definition,
    (words, by, note): (&'static str, Option<Arc<str>>, &Arc<str>),
    now: Timestamp,
) -> Option<Decision> {
    if migrated.status != Status::Running || !may_start(migrated, definition) {
        return None;
    }
    // The order is one step of the instance's life, which the work counts.
    let instance = Instance { step: migrated.step.saturating_sub(1), ..migrated.clone() };
    let mut work = Work::new(definition, instance, None, now, words.into());
    work.entry.by = by;
    work.note(Arc::clone(note));
    work.ever_moved = true;
    work.start_ready_steps();
    let outcome = work.standing();
    Some(work.finish(outcome))
}

/// Is there a step that waits, and nothing it waits for?
fn may_start(instance: &Instance, definition: &Definition) -> bool {
    let Some(progress) = instance.progress.as_deref() else { return false };
    let running = progress.graphs.iter().filter(|run| run.phase == Phase::Running);
    running.into_iter().any(|run| {
        let Some(graph) = definition.graphs.get(usize::from(run.graph)) else { return false };
        let ready = |(spec, state): (&Step, &StepState)| {
            state.status == StepStatus::Pending
                && spec.fallback_of.is_none()
                && !matches!(verdict(spec, run, graph), Verdict::Wait)
        };
        has_room(graph, run) && graph.steps.iter().zip(run.steps.iter()).any(ready)
    })
}

impl Work<'_> {
    /// Starts the steps that could have been started before, had they been there.
    pub(super) fn start_ready_steps(&mut self) {
        if !may_start(&self.instance, self.definition) {
            return;
        }
        let progress = self.instance.progress.as_deref();
        let runs = progress.into_iter().flat_map(|progress| &progress.graphs);
        let running = runs.filter(|run| run.phase == Phase::Running);
        let all = running.flat_map(|run| (0_u16..).zip(run.steps.iter()).map(|it| (run.id, it.0)));
        let all: Vec<_> = all.collect();
        self.attempt(&|| Again::Event(None), |work| {
            work.wakes.extend(all);
            work.macrostep(Cause::Resume(None))
        });
    }
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
