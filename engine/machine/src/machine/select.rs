//! Which transitions fire (rules 6-9).

use super::ids::{StateId, TransitionId};
use super::input::Event;
use super::tasks::Asker;
use super::work::{ActionError, Origin, Overrun, Work};
use crate::definition::model::{StateKind, Trigger};

/// What a selection looks for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wanted<'e> {
    /// Transitions triggered by this event.
    Event(&'e Event),
    /// Eventless transitions.
    Eventless,
    /// This transition only: a timer of `after:` is due (rule 30).
    Only(TransitionId),
}

/// History that leads to history is followed this far; the loader refuses cycles.
const HISTORY_HOPS_MAX: u32 = 64;

impl Work<'_> {
    /// The transitions enabled by `wanted`, without conflicts, in selection order (rules 6-8).
    ///
    /// `event` is what guards see; for eventless transitions it is the event last in hand.
    pub(super) fn select_transitions(
        &mut self,
        wanted: Wanted<'_>,
        event: Option<&Event>,
    ) -> Result<Vec<TransitionId>, Overrun> {
        let mut enabled = Vec::new();
        if let Wanted::Only(id) = wanted {
            if self.is_active(self.transition(id).source) && self.guard_holds(id, event)? {
                enabled.push(id);
            }
            return Ok(enabled);
        }
        // An ancestor shared by several atomic states is asked once: guards are pure.
        let mut refused = Vec::new();
        let mut at = 0;
        while let Some(&leaf) = self.instance.active.get(at) {
            at += 1;
            if self.state(leaf).kind.is_leaf() {
                self.select_from(leaf, wanted, event, &mut enabled, &mut refused)?;
            }
        }
        Ok(self.remove_conflicting_transitions(enabled))
    }

    /// Walks from `leaf` to the root and takes the first transition that is enabled (rule 6).
    fn select_from(
        &mut self,
        leaf: StateId,
        wanted: Wanted<'_>,
        event: Option<&Event>,
        enabled: &mut Vec<TransitionId>,
        refused: &mut Vec<TransitionId>,
    ) -> Result<(), Overrun> {
        let mut next = Some(leaf);
        while let Some(id) = next {
            let state = self.state(id);
            let candidates = match wanted {
                Wanted::Event(_) => &state.transitions,
                Wanted::Eventless => &state.always,
                Wanted::Only(_) => return Ok(()),
            };
            next = state.parent;
            if !self.is_bound_to(id) {
                continue;
            }
            for &candidate in candidates {
                if enabled.contains(&candidate) {
                    return Ok(());
                }
                let triggered = self.is_triggered(candidate, wanted);
                if !triggered || refused.contains(&candidate) || self.is_barred(candidate) {
                    continue;
                }
                if self.guard_holds(candidate, event)? {
                    enabled.push(candidate);
                    return Ok(());
                }
                refused.push(candidate);
            }
        }
        Ok(())
    }

    /// May transitions of `id` take the event? One that decides an approval is for its state
    /// and those around or inside it; one that decides a step is for that step alone.
    fn is_bound_to(&self, id: StateId) -> bool {
        let bound = match self.offered.bound {
            None => return true,
            Some(Asker::Step { .. }) => return false,
            Some(Asker::State(bound)) => bound,
        };
        id == bound
            || self.definition.is_descendant(bound, id)
            || self.definition.is_descendant(id, bound)
    }

    /// Would the transition take a decision that was refused?
    fn is_barred(&self, id: TransitionId) -> bool {
        let transition = self.transition(id);
        let Trigger::Events(descriptors) = &transition.trigger else { return false };
        self.offered.barred.iter().any(|(state, event)| {
            *state == transition.source
                && descriptors.iter().any(|descriptor| descriptor.matches(event))
        })
    }

    /// Does the trigger of `id` fit?
    fn is_triggered(&self, id: TransitionId, wanted: Wanted<'_>) -> bool {
        match (&self.transition(id).trigger, wanted) {
            (Trigger::Events(descriptors), Wanted::Event(event)) => {
                descriptors.iter().any(|descriptor| descriptor.matches(&event.name))
            }
            (Trigger::Always, Wanted::Eventless) => true,
            (
                Trigger::Events(_) | Trigger::Always | Trigger::After { .. } | Trigger::Initial,
                Wanted::Event(_) | Wanted::Eventless | Wanted::Only(_),
            ) => false,
        }
    }

    /// Evaluates the guard of `id`; an error counts as false and is raised (rule 38).
    fn guard_holds(&mut self, id: TransitionId, event: Option<&Event>) -> Result<bool, Overrun> {
        let Some(guard) = &self.transition(id).guard else { return Ok(true) };
        match guard.eval_bool(&self.scope(event)) {
            Ok(true) => Ok(true),
            Ok(false) => {
                self.record_guard(id, None);
                Ok(false)
            }
            Err(error) => {
                let message = error.to_string();
                self.record_guard(id, Some(message.as_str().into()));
                let origin =
                    Origin { state: Some(self.transition(id).source), ..Origin::default() };
                self.queue_error(ActionError::new("error.execution.guard", message), origin)?;
                Ok(false)
            }
        }
    }

    /// Drops transitions whose exit sets intersect: the descendant's wins, else the one of the
    /// earlier atomic state (rule 8).
    pub(super) fn remove_conflicting_transitions(
        &self,
        enabled: Vec<TransitionId>,
    ) -> Vec<TransitionId> {
        if enabled.len() < 2 {
            return enabled;
        }
        let mut kept: Vec<TransitionId> = Vec::with_capacity(enabled.len());
        for candidate in enabled {
            let source = self.transition(candidate).source;
            let mut preempted = Vec::new();
            let mut wins = true;
            for &earlier in &kept {
                if !self.conflict(candidate, earlier) {
                    continue;
                }
                if self.definition.is_descendant(source, self.transition(earlier).source) {
                    preempted.push(earlier);
                } else {
                    wins = false;
                    break;
                }
            }
            if wins {
                kept.retain(|earlier| !preempted.contains(earlier));
                kept.push(candidate);
            }
        }
        kept
    }

    /// Do the exit sets intersect? Domains are active and have active descendants, so exit sets
    /// intersect exactly where one domain contains the other.
    fn conflict(&self, left: TransitionId, right: TransitionId) -> bool {
        let (Some(left), Some(right)) = (self.domain(left), self.domain(right)) else {
            return false;
        };
        left == right
            || self.definition.is_descendant(left, right)
            || self.definition.is_descendant(right, left)
    }

    /// The domain of a transition (rule 9); `None` for a targetless one.
    pub(super) fn domain(&self, id: TransitionId) -> Option<StateId> {
        let transition = self.transition(id);
        if transition.targets.is_empty() {
            return None;
        }
        let targets = self.effective_targets(id);
        let inside = |target: &StateId| self.definition.is_descendant(*target, transition.source);
        let stays = transition.internal
            && self.state(transition.source).kind == StateKind::Compound
            && targets.iter().all(inside);
        if stays {
            return Some(transition.source);
        }
        Some(self.definition.common_compound(transition.source, &targets))
    }

    /// The targets with history states resolved to what they stand for (rule 17).
    pub(super) fn effective_targets(&self, id: TransitionId) -> Vec<StateId> {
        let mut targets = Vec::new();
        self.resolve_targets(&self.transition(id).targets, &mut targets, HISTORY_HOPS_MAX);
        targets
    }

    fn resolve_targets(&self, from: &[StateId], into: &mut Vec<StateId>, hops: u32) {
        for &target in from {
            let state = self.state(target);
            let is_history = matches!(state.kind, StateKind::History { .. });
            if !is_history || hops == 0 {
                into.push(target);
            } else if let Some(stored) = self.stored_history(target) {
                into.extend_from_slice(stored);
            } else if let Some(default) = state.initial {
                self.resolve_targets(&self.transition(default).targets, into, hops - 1);
            }
        }
    }

    /// What was active when the parent of the history state `id` was last left.
    pub(super) fn stored_history(&self, id: StateId) -> Option<&[StateId]> {
        let stored = self.instance.history.iter().find(|(state, _)| *state == id)?;
        Some(&stored.1)
    }
}
