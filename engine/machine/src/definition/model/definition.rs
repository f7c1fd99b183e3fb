//! Definition: a checked workflow, immutable, `name@version`.

use std::sync::Arc;

use super::action::Sequence;
use super::event::EventDecl;
use super::graph::{Graph, Step};
use super::plugin::PluginRules;
use super::schedule::Schedule;
use super::state::{State, StateKind};
use super::transition::Transition;
use crate::definition::expr::{Expr, Template};
use crate::machine::{ContentHash, Pin, StateId, TransitionId};

/// A checked workflow: a tree of states in document order (rule 1).
#[derive(Clone, Debug)]
pub struct Definition {
    /// `workflow:`.
    pub name: Arc<str>,
    /// `version:`, from 1.
    pub version: u32,
    /// `derived_from:`: the version that a running instance was given further steps on.
    pub derived_from: Option<u32>,
    /// `title:`; the name where there is none.
    pub title: Arc<str>,
    /// SHA-256 of [`Definition::canonical`].
    pub hash: ContentHash,
    /// The definition as canonical JSON, keys in document order: what is stored and deployed.
    pub canonical: Arc<str>,
    /// `correlate:`: the correlation key of an event, where its declaration has none of its own.
    pub correlate: Option<Expr>,
    /// `events:`, in document order.
    pub events: Vec<EventDecl>,
    /// `schedules:`, in document order.
    pub schedules: Vec<Schedule>,
    /// `plugins:`, in document order.
    pub plugins: Vec<Arc<PluginRules>>,
    /// `vars:`, in document order.
    pub vars: Vec<VarDecl>,
    /// All states, pre-order; [`StateId`] is the place here; the root is first.
    pub states: Vec<State>,
    /// All transitions in document order; [`TransitionId`] is the place here.
    pub transitions: Vec<Transition>,
    /// All call sequences.
    pub sequences: Vec<Sequence>,
    /// All step graphs, at most one of a state.
    pub graphs: Vec<Graph>,
    /// `unhandled:` of the definition (rule 44).
    pub unhandled: Unhandled,
    /// `on_error:` (rule 38).
    pub on_error: OnError,
    /// Limits of a macrostep (rule 12).
    pub limits: Limits,
}

/// A declared variable.
#[derive(Clone, Debug)]
pub struct VarDecl {
    /// Its name.
    pub name: Arc<str>,
    /// Its first value, evaluated at the start (rule 14).
    pub initial: Template,
}

/// What becomes of an event nobody takes (rule 44).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unhandled {
    /// A line in the history, nothing else.
    #[default]
    Discard,
    /// Offered again after the configuration changed.
    Defer,
    /// Kept as a dead letter.
    DeadLetter,
    /// The asker is told what would be accepted.
    Reject,
}

/// What an error event nobody handles does to the instance (rule 38).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The instance is stuck; a person decides.
    #[default]
    Suspend,
    /// Nothing, as in SCXML.
    Ignore,
    /// The instance ends as failed.
    Fail,
}

/// Limits of one macrostep (rule 12).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Microsteps.
    pub microsteps: u32,
    /// Internal events queued.
    pub internal_events: u32,
    /// Actions and loop iterations.
    pub actions: u32,
    /// Effects.
    pub effects: u32,
    /// Bytes of all variables together, by [`crate::value::Value::weight`].
    pub vars_bytes: u32,
    /// Bytes of all outputs of steps together, by [`crate::value::Value::weight`].
    pub outputs_bytes: u32,
    /// Deferred or parked events.
    pub deferred: u32,
    /// Bytes of deferred or parked events.
    pub deferred_bytes: u32,
    /// Trace entries kept.
    pub trace: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            microsteps: 1_000,
            internal_events: 1_000,
            actions: 10_000,
            effects: 256,
            vars_bytes: 256 * 1_024,
            outputs_bytes: 4 * 1_024 * 1_024,
            deferred: 100,
            deferred_bytes: 1_024 * 1_024,
            trace: 100,
        }
    }
}

impl Definition {
    /// What it asks of the plugin that `operation` names, if it says anything.
    #[must_use]
    pub fn rules_of(&self, operation: &str) -> Option<&Arc<PluginRules>> {
        self.plugins.iter().find(|rules| rules.are_of(operation))
    }

    /// What an instance keeps of its definition.
    #[must_use]
    pub fn pin(&self) -> Pin {
        Pin { version: self.version, hash: self.hash.prefix() }
    }

    /// Was it made for instances that were given further steps? Then nothing is started of it.
    #[must_use]
    pub const fn is_derived(&self) -> bool {
        self.derived_from.is_some()
    }

    /// The state `id`.
    ///
    /// # Panics
    /// When `id` is not of this definition: instances carry a pin, so that is a bug of ours.
    #[must_use]
    pub fn state(&self, id: StateId) -> &State {
        self.states.get(id.index()).unwrap_or_else(|| panic!("no state {id:?} in {}", self.name))
    }

    /// The transition `id`.
    ///
    /// # Panics
    /// When `id` is not of this definition.
    #[must_use]
    pub fn transition(&self, id: TransitionId) -> &Transition {
        self.transitions
            .get(id.index())
            .unwrap_or_else(|| panic!("no transition {id:?} in {}", self.name))
    }

    /// The state named `name`.
    #[must_use]
    pub fn state_named(&self, name: &str) -> Option<StateId> {
        let at = self.states.iter().position(|state| &*state.id == name)?;
        u16::try_from(at).ok().map(StateId)
    }

    /// The place of the variable `name`.
    #[must_use]
    pub fn var_index(&self, name: &str) -> Option<usize> {
        self.vars.iter().position(|var| &*var.name == name)
    }

    /// Is `state` a proper descendant of `ancestor`?
    #[must_use]
    pub fn is_descendant(&self, state: StateId, ancestor: StateId) -> bool {
        state > ancestor && state <= self.state(ancestor).last
    }

    /// Proper ancestors of `state`, innermost first, the root last.
    pub fn ancestors(&self, state: StateId) -> impl Iterator<Item = StateId> + '_ {
        std::iter::successors(self.state(state).parent, |id| self.state(*id).parent)
    }

    /// The nearest compound proper ancestor of `source` that contains all of `targets` (rule 9).
    #[must_use]
    pub fn common_compound(&self, source: StateId, targets: &[StateId]) -> StateId {
        self.ancestors(source)
            .find(|ancestor| {
                self.state(*ancestor).kind == StateKind::Compound
                    && targets.iter().all(|target| self.is_descendant(*target, *ancestor))
            })
            .unwrap_or(StateId::ROOT)
    }

    /// The active atomic and final states among `active`.
    pub fn leaves<'a>(&'a self, active: &'a [StateId]) -> impl Iterator<Item = StateId> + 'a {
        active.iter().copied().filter(|id| self.state(*id).kind.is_leaf())
    }

    /// The step at place `step` of graph `graph`.
    #[must_use]
    pub fn step(&self, graph: u16, step: u16) -> Option<&Step> {
        self.graphs.get(usize::from(graph))?.steps.get(usize::from(step))
    }

    /// Where the step `id` is: its graph and its place there.
    #[must_use]
    pub fn step_named(&self, id: &str) -> Option<(u16, u16)> {
        (0_u16..).zip(&self.graphs).find_map(|(number, graph)| {
            let at = graph.steps.iter().position(|step| &*step.id == id)?;
            Some((number, u16::try_from(at).ok()?))
        })
    }

    /// The schedule `name`.
    #[must_use]
    pub fn schedule(&self, name: &str) -> Option<&Schedule> {
        self.schedules.iter().find(|schedule| *schedule.name == *name)
    }

    /// The declaration of the event `name`: the first whose descriptor matches.
    #[must_use]
    pub fn event(&self, name: &str) -> Option<&EventDecl> {
        self.events.iter().find(|event| *event.name == *name)
    }
}
