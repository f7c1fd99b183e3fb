//! Descriptors of events → those of the library.

use super::machine::Export;
use crate::definition::model::{Descriptor, StateKind};

/// What a transition waits for there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// The key of `on`.
    pub(super) key: String,
    /// What must be true besides.
    pub(super) only: Option<String>,
}

impl Pattern {
    fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), only: None }
    }

    /// Does it match every event that `key` matches?
    pub(super) fn covers(&self, key: &str) -> bool {
        if self.key == "*" || self.key == key {
            return true;
        }
        let Some(prefix) = self.key.strip_suffix(".*") else { return false };
        let name = key.strip_suffix(".*").unwrap_or(key);
        name == prefix || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.'))
    }
}

impl Export<'_, '_> {
    /// `a` matches `a` only there, and `a.*` matches `a` and `a.b`, as `a` does here.
    pub(super) fn patterns(&self, descriptor: &Descriptor) -> Vec<Pattern> {
        let name = match descriptor {
            // Timers are events there, and nobody else's here.
            Descriptor::Any => {
                let timers = self.definition.states.iter().any(|state| !state.after.is_empty());
                let only = timers.then(|| "!event.name.startsWith('xstate.after.')".to_owned());
                return vec![Pattern { key: "*".to_owned(), only }];
            }
            Descriptor::Exact(name) | Descriptor::Prefix(name) => &**name,
        };
        if let Some(patterns) = self.platform(name) {
            return patterns;
        }
        let exact = matches!(descriptor, Descriptor::Exact(_)) && !name.starts_with("done.");
        let only = exact.then(|| format!("event.name == '{name}'"));
        vec![Pattern { key: format!("{name}.*"), only }]
    }

    /// Names that the library has of its own.
    fn platform(&self, name: &str) -> Option<Vec<Pattern>> {
        if let Some(id) = name.strip_prefix("done.state.") {
            let id = self.definition.state_named(id)?;
            let kind = self.definition.state(id).kind;
            let inner = matches!(kind, StateKind::Compound | StateKind::Parallel);
            return inner
                .then(|| vec![Pattern::new(format!("xstate.done.state.{}", self.path(id)))]);
        }
        let errors = ["error.communication", "error.platform"];
        let actor = |kind: &str, id: &str| vec![Pattern::new(format!("xstate.{kind}.actor.{id}"))];
        match name {
            "done" => Some(vec![Pattern::new("done.*"), Pattern::new("xstate.done.*")]),
            "done.state" => Some(vec![Pattern::new("xstate.done.state.*")]),
            "done.invoke" => Some(actor("done", "*")),
            "error" => Some(vec![Pattern::new("error.*"), Pattern::new("xstate.error.*")]),
            _ if errors.contains(&name) => {
                Some(vec![Pattern::new(format!("{name}.*")), Pattern::new("xstate.error.actor.*")])
            }
            _ => {
                if let Some(id) = name.strip_prefix("done.invoke.") {
                    return Some(actor("done", id));
                }
                let of = |kind: &&str| name.strip_prefix(*kind)?.strip_prefix(".invoke");
                let rest = errors.iter().find_map(of)?;
                let id = rest.strip_prefix('.').unwrap_or("*");
                Some(actor("error", id))
            }
        }
    }
}
