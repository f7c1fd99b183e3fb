//! Checkpoints: named points of an instance's life, to fork from (decision 0023).

use std::sync::Arc;

use super::commands::rejected;
use super::deferral::event_weight;
use super::effect::NoticeKind;
use super::ids::StateId;
use super::input::Event;
use super::instance::{Instance, RunningSequence, Status};
use super::outcome::Outcome;
use super::progress::{Checkpoint, ItemState, Role, RunningGraph, StepState};
use super::transaction::{Membership, Standing};
use super::work::{ActionError, Failure, Origin, Overrun, Work};
use crate::definition::expr::Template;
use crate::value::Value;

/// Checkpoints that one instance keeps: each is a copy of what it knows.
pub const CHECKPOINTS_MAX: usize = 16;

/// Bytes of one checkpoint, by [`Value::weight`]: it is written to the journal as a whole.
pub const CHECKPOINT_BYTES_MAX: usize = 256 * 1_024;

/// Bytes of all checkpoints of an instance: it carries them with every decision.
pub const CHECKPOINTS_BYTES_MAX: usize = 1_024 * 1_024;

/// The event of an action whose checkpoint cannot be saved.
const NOT_SAVED: &str = "error.execution.checkpoint";

/// The longest name of a checkpoint, in bytes.
const NAME_MAX: usize = 64;

impl Instance {
    /// Points that a fork can begin from, oldest first.
    #[must_use]
    pub fn checkpoints(&self) -> &[Checkpoint] {
        self.progress.as_deref().map(|progress| progress.checkpoints.as_slice()).unwrap_or_default()
    }
}

impl Work<'_> {
    /// Saves a point to fork from, as an operator asks for it.
    pub(super) fn checkpoint(&mut self, name: &Arc<str>) -> Outcome {
        match self.save_point(name) {
            Ok(()) => {
                self.base = None;
                Outcome::Done
            }
            Err(reason) => rejected(reason),
        }
    }

    /// `checkpoint:`: a point to be saved when the macrostep is quiescent, for only then the
    /// active states and the steps are what a fork can begin with.
    pub(super) fn run_checkpoint(
        &mut self,
        name: &Template,
        event: Option<&Event>,
    ) -> Result<(), Failure> {
        let name = self.text(name, event, NOT_SAVED)?;
        checked_name(&name).map_err(|reason| Failure::Error(refused(reason)))?;
        self.saves.retain(|known| *known != name);
        self.saves.push(name);
        Ok(())
    }

    /// Points that actions asked for wait until a person lets the instance go on.
    fn save_later(&mut self, names: Vec<Arc<str>>) {
        for name in names {
            self.note(format!("checkpoint {name} is saved as soon as it goes on"));
            let waiting = &mut self.instance.progress.get_or_insert_default().saves;
            waiting.retain(|known| *known != name);
            // No more than there can be checkpoints: the rest would be refused then.
            if waiting.len() < CHECKPOINTS_MAX {
                waiting.push(name);
            }
        }
    }

    /// Saves the points that actions asked for; false where there are none.
    pub(super) fn save_points(&mut self) -> Result<bool, Overrun> {
        let mut names = std::mem::take(&mut self.saves);
        if self.trouble.is_some() {
            // What failed is still in the middle: a fork could not begin there.
            self.save_later(names);
            return Ok(false);
        }
        // What is taken back meanwhile is no point to go on from either.
        if !self.is_rolling_back()
            && let Some(progress) = self.instance.progress.as_deref_mut()
        {
            let waiting = std::mem::take(&mut progress.saves).into_iter();
            let waiting = waiting.filter(|name| !names.contains(name)).collect::<Vec<_>>();
            names.splice(0..0, waiting);
        }
        for name in &names {
            match self.save_point(name) {
                Ok(()) => self.note(format!("checkpoint {name} saved")),
                Err(reason) => self.queue_error(refused(reason), Origin::default())?,
            }
        }
        Ok(!names.is_empty())
    }

    fn save_point(&mut self, name: &Arc<str>) -> Result<(), String> {
        checked_name(name)?;
        match self.instance.status {
            Status::Running | Status::Paused if self.instance.active.is_empty() => {
                return Err("the instance has not begun: there is nothing to save".to_owned());
            }
            Status::Running | Status::Paused => {}
            Status::Stuck => {
                let reason = "the instance is stuck: a checkpoint is of one that can go on";
                return Err(reason.to_owned());
            }
            Status::Compensating => return Err("what was done is being taken back".to_owned()),
            Status::Done | Status::Failed | Status::Cancelled => return Err("ended".to_owned()),
        }
        let of_state = |sequence: &&RunningSequence| sequence.role == Role::State;
        let graphs = self.instance.progress.as_deref().map(|it| it.graphs.clone());
        let checkpoint = Checkpoint {
            name: Arc::clone(name),
            at: self.now,
            step: self.instance.step,
            pin: self.instance.pin,
            active: self.instance.active.clone(),
            vars: self.instance.vars.clone(),
            history: self.instance.history.clone(),
            sequences: self.instance.sequences.iter().filter(of_state).cloned().collect(),
            graphs: graphs.unwrap_or_default(),
        };
        let weight = checkpoint.weight();
        if weight > CHECKPOINT_BYTES_MAX {
            return Err(format!(
                "a checkpoint of {weight} bytes exceeds the limit of {CHECKPOINT_BYTES_MAX} bytes"
            ));
        }
        let others = || self.instance.checkpoints().iter().filter(|known| known.name != *name);
        let total = weight + others().map(Checkpoint::weight).sum::<usize>();
        if others().count() >= CHECKPOINTS_MAX {
            return Err(format!(
                "the instance has {CHECKPOINTS_MAX} checkpoints, which is the limit: save under \
                 one of their names: {}",
                names(self.instance.checkpoints())
            ));
        }
        if total > CHECKPOINTS_BYTES_MAX {
            return Err(format!(
                "checkpoints of {total} bytes exceed the limit of {CHECKPOINTS_BYTES_MAX} bytes"
            ));
        }
        let is_member = |member: &Membership| {
            member.standing.is_bound() && member.standing != Standing::Joining
        };
        let is_within = self.instance.membership().is_some_and(is_member);
        let progress = self.instance.progress.get_or_insert_default();
        progress.checkpoints.retain(|known| known.name != *name);
        progress.checkpoints.push(checkpoint);
        progress.within.retain(|known| known != name);
        if is_within {
            progress.within.push(Arc::clone(name));
        }
        let id = |state: StateId| Value::String(Arc::clone(&self.state(state).id));
        let states = Value::list(self.leaves().into_iter().map(id).collect());
        let fields = vec![("name", Value::String(Arc::clone(name))), ("state", states)];
        self.notice(NoticeKind::CheckpointSaved, fields);
        Ok(())
    }
}

impl Checkpoint {
    /// How much it counts against the limits, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        let vars: usize = self.vars.iter().map(Value::weight).sum();
        let sequences = self.sequences.iter().map(|sequence| {
            let call = sequence.call.as_ref().map_or(0, |call| call.input.weight());
            let event = sequence.event.as_deref().map_or(0, event_weight);
            32 + call + event
        });
        let graphs = self.graphs.iter().map(graph_weight);
        64 + self.name.len() + vars + sequences.sum::<usize>() + graphs.sum::<usize>()
    }
}

fn graph_weight(run: &RunningGraph) -> usize {
    let event = run.event.as_deref().map_or(0, event_weight);
    32 + event + run.steps.iter().map(step_weight).sum::<usize>()
}

fn step_weight(step: &StepState) -> usize {
    let items = |fan: &super::FanState| {
        let items = fan.items.iter().map(|item| match item {
            ItemState::Done(output) => 1 + output.weight(),
            ItemState::Open | ItemState::Undone | ItemState::Failed { .. } => 32,
            ItemState::Unkept(unkept) => 32 + unkept.output.weight(),
        });
        fan.list.weight() + items.sum::<usize>()
    };
    let votes: usize = step.votes.iter().map(|vote| 8 + vote.user.len()).sum();
    24 + votes + step.output.weight() + step.fan.as_deref().map_or(0, items)
}

/// Names of checkpoints, as complaints list them.
pub(super) fn names(checkpoints: &[Checkpoint]) -> String {
    checkpoints.iter().map(|known| format!("`{}`", known.name)).collect::<Vec<_>>().join(", ")
}

fn refused(reason: String) -> ActionError {
    ActionError::new(NOT_SAVED, reason)
}

/// Can a checkpoint be called so? The error says what is wrong with it.
pub(crate) fn checked_name(name: &str) -> Result<(), String> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_-.".contains(letter);
    if name.is_empty() || name.len() > NAME_MAX || !name.chars().all(allowed) {
        return Err(format!(
            "the name `{}` is not 1 to {NAME_MAX} of the characters `A-Z a-z 0-9 _ - .`",
            name.escape_debug()
        ));
    }
    Ok(())
}
