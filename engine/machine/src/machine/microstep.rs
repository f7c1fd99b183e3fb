//! One microstep: exit set → actions → entry set (rules 10, 11, 17, 18).

use super::entry::EntrySet;
use super::ids::{StateId, TransitionId};
use super::input::{Event, EventKind};
use super::instance::Place;
use super::work::{ActionError, Origin, Overrun, Work};
use crate::definition::model::StateKind;
use crate::value::Value;

impl Work<'_> {
    /// Takes `enabled` all at once; `trigger` is what the trace names, `event` what actions see.
    pub(super) fn microstep(
        &mut self,
        enabled: &[TransitionId],
        trigger: Option<&Event>,
        event: Option<&Event>,
    ) -> Result<(), Overrun> {
        self.counts.microsteps += 1;
        let limit = self.definition.limits.microsteps;
        for &transition in enabled {
            self.record_fired(transition, trigger);
        }
        if self.counts.microsteps > limit {
            return Err(Overrun::Livelock(format!("microsteps exceed the limit of {limit}")));
        }
        // Domains depend on history, which the exits below record anew: W3C's algorithm computes
        // the entry set after the exits, so that a transition back into history sees them.
        let exits = self.compute_exit_set(enabled);
        self.exit_states(&exits, event)?;
        self.execute_transition_content(enabled, event)?;
        let entry = self.compute_entry_set(enabled);
        self.enter_states(&entry, event)
    }

    /// Active proper descendants of the domains, in document order (rule 9).
    pub(super) fn compute_exit_set(&self, enabled: &[TransitionId]) -> Vec<StateId> {
        let mut exits = Vec::new();
        for &transition in enabled {
            let Some(domain) = self.domain(transition) else { continue };
            let inside = |id: &StateId| self.definition.is_descendant(*id, domain);
            exits.extend(self.instance.active.iter().copied().filter(inside));
        }
        if enabled.len() > 1 {
            exits.sort_unstable();
            exits.dedup();
        }
        exits
    }

    /// Leaves `exits` in reverse document order; history of all of them is recorded before any
    /// exit action runs (rules 10, 17).
    pub(super) fn exit_states(
        &mut self,
        exits: &[StateId],
        event: Option<&Event>,
    ) -> Result<(), Overrun> {
        for &id in exits {
            self.record_history(id);
        }
        for &id in exits.iter().rev() {
            let state = self.state(id);
            for (block, actions) in (0_u16..).zip(&state.exit) {
                self.run_block(actions, Place::Exit { state: id, block }, event)?;
            }
            self.cancel_timers_of(id);
            self.cancel_calls_of(id)?;
            self.instance.votes.retain(|vote| vote.state != id);
            self.instance.active.retain(|active| *active != id);
            self.moved = true;
            self.ever_moved = true;
        }
        Ok(())
    }

    /// Stores what is active below `id` in its history children, every time it is left.
    fn record_history(&mut self, id: StateId) {
        for &child in &self.state(id).histories {
            let StateKind::History { deep } = self.state(child).kind else { continue };
            let belongs = |active: &StateId| {
                if deep {
                    self.state(*active).kind.is_leaf() && self.definition.is_descendant(*active, id)
                } else {
                    self.state(*active).parent == Some(id)
                }
            };
            let stored: Vec<_> = self.instance.active.iter().copied().filter(belongs).collect();
            match self.instance.history.iter_mut().find(|(state, _)| *state == child) {
                Some(slot) => slot.1 = stored,
                None => self.instance.history.push((child, stored)),
            }
        }
    }

    fn execute_transition_content(
        &mut self,
        enabled: &[TransitionId],
        event: Option<&Event>,
    ) -> Result<(), Overrun> {
        for &transition in enabled {
            let actions = &self.transition(transition).actions;
            self.run_block(actions, Place::Transition { transition }, event)?;
        }
        Ok(())
    }

    /// Enters the states of `entry` in document order (rule 10).
    pub(super) fn enter_states(
        &mut self,
        entry: &EntrySet,
        event: Option<&Event>,
    ) -> Result<(), Overrun> {
        for &id in &entry.states {
            if let Err(place) = self.instance.active.binary_search(&id) {
                self.instance.active.insert(place, id);
                self.moved = true;
                self.ever_moved = true;
            }
            let state = self.state(id);
            for (block, actions) in (0_u16..).zip(&state.entry) {
                self.run_block(actions, Place::Entry { state: id, block }, event)?;
            }
            if let (true, Some(transition)) = (entry.by_default.contains(&id), state.initial) {
                let actions = &self.transition(transition).actions;
                self.run_block(actions, Place::Transition { transition }, event)?;
            }
            for &(_, transition) in entry.history.iter().filter(|(parent, _)| *parent == id) {
                let actions = &self.transition(transition).actions;
                self.run_block(actions, Place::Transition { transition }, event)?;
            }
            self.arm_after(id, event)?;
            if let Some(approval) = &state.approval {
                self.ask_for_approval(approval, (id, None), event);
            }
            if state.kind == StateKind::Final {
                self.raise_done(id, event)?;
            }
        }
        Ok(())
    }

    /// The done events of entering the final state `id` (rules 18, 19).
    pub(super) fn raise_done(&mut self, id: StateId, event: Option<&Event>) -> Result<(), Overrun> {
        let Some(parent) = self.state(id).parent else { return Ok(()) };
        if parent == StateId::ROOT {
            let output = self.state(id).output.as_ref().map(|it| it.eval(&self.scope(event)));
            let output = output.unwrap_or(Ok(Value::Null));
            if let Some(output) = self.last_word(id, event, output) {
                self.instance.output = output;
                self.running = false;
            }
            return Ok(());
        }
        let output = self.final_output(id, event)?;
        self.queue_done(parent, output)?;
        let mut region = parent;
        while let Some(above) = self.state(region).parent {
            if self.state(above).kind != StateKind::Parallel || !self.is_in_final(above) {
                break;
            }
            if above == StateId::ROOT {
                self.running = false;
                break;
            }
            self.queue_done(above, None)?;
            region = above;
        }
        Ok(())
    }

    /// Evaluates the output of a final state after its entry actions.
    fn final_output(
        &mut self,
        id: StateId,
        event: Option<&Event>,
    ) -> Result<Option<Value>, Overrun> {
        let Some(output) = &self.state(id).output else { return Ok(None) };
        match output.eval(&self.scope(event)) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                let error = ActionError::evaluating("error.execution.output", error);
                let origin = Origin { state: Some(id), ..Origin::default() };
                self.queue_error(error, origin)?;
                Ok(None)
            }
        }
    }

    /// Queues `done.state.<id>`.
    pub(super) fn queue_done(&mut self, id: StateId, output: Option<Value>) -> Result<(), Overrun> {
        let name = format!("done.state.{}", self.state(id).id);
        let event = self.made(name.into(), EventKind::Internal, output);
        self.enqueue(event, None)
    }

    /// Is a final child of a compound active, or are all regions of a parallel in final states?
    fn is_in_final(&self, id: StateId) -> bool {
        let state = self.state(id);
        match state.kind {
            StateKind::Compound => self.instance.active.iter().any(|active| {
                let active = self.state(*active);
                active.kind == StateKind::Final && active.parent == Some(id)
            }),
            StateKind::Parallel => state
                .children
                .iter()
                .filter(|child| !matches!(self.state(**child).kind, StateKind::History { .. }))
                .all(|child| self.is_in_final(*child)),
            StateKind::Atomic | StateKind::Final | StateKind::History { .. } => false,
        }
    }
}
