//! Actions and transitions.

use super::data::Data;
use super::route::Route;
use super::step::{Cache, Retry, Undo};
use super::tree::{Tree, names};
use crate::convert::Yaml;

/// An action of a state or a transition.
#[derive(Clone, Debug, PartialEq)]
pub struct Action(Form);

#[derive(Clone, Debug, PartialEq)]
enum Form {
    Named(String),
    Inline(Tree),
}

impl Action {
    /// An action of `actions:`.
    #[must_use]
    pub fn named(name: impl Into<String>) -> Self {
        Self(Form::Named(name.into()))
    }

    /// A call of `plugin.operation`.
    #[must_use]
    pub fn call(operation: impl Into<String>) -> Self {
        Self::inline("call", operation)
    }

    /// A message to a subject.
    #[must_use]
    pub fn publish(subject: impl Into<String>) -> Self {
        Self::inline("publish", subject)
    }

    /// An event to the instance itself, in this very step.
    #[must_use]
    pub fn raise(event: impl Into<String>) -> Self {
        Self::inline("raise", event)
    }

    /// A line in the history.
    #[must_use]
    pub fn log(text: impl Into<String>) -> Self {
        Self::inline("log", text)
    }

    /// A variable and its new value, an expression.
    #[must_use]
    pub fn set(path: &str, expression: impl Into<String>) -> Self {
        let mut tree = Tree::default();
        tree.entry("set", path, Yaml::text(expression));
        Self(Form::Inline(tree))
    }

    /// A point to fork from.
    #[must_use]
    pub fn checkpoint(name: impl Into<String>) -> Self {
        Self::inline("checkpoint", name)
    }

    /// Rules that decide something, of which [`Action::keep`] keeps what is needed.
    #[must_use]
    pub fn route(route: Route) -> Self {
        let mut tree = Tree::default();
        tree.put("route", route.0.into());
        Self(Form::Inline(tree))
    }

    /// The input of a call, or the payload of a message.
    #[must_use]
    pub fn with(self, data: impl Into<Data>) -> Self {
        self.changed(|tree| tree.data("with", data))
    }

    /// One member of the input or payload.
    #[must_use]
    pub fn arg(self, name: &str, data: impl Into<Data>) -> Self {
        self.changed(|tree| tree.entry("with", name, data.into().0))
    }

    /// What to keep of the `output` of a call or of rules.
    #[must_use]
    pub fn keep(self, path: &str, expression: impl Into<String>) -> Self {
        self.changed(|tree| tree.entry("set", path, Yaml::text(expression)))
    }

    /// The time of one attempt of a call.
    #[must_use]
    pub fn timeout(self, duration: impl Into<String>) -> Self {
        self.changed(|tree| tree.text("timeout", duration))
    }

    /// How often a call is tried.
    #[must_use]
    pub fn retry(self, retry: Retry) -> Self {
        self.changed(|tree| tree.put("retry", retry.0.into()))
    }

    /// How long the result of a call answers the same call again.
    #[must_use]
    pub fn cache(self, cache: impl Into<Cache>) -> Self {
        self.changed(|tree| tree.put("cache", cache.into().0))
    }

    /// What takes a call back.
    #[must_use]
    pub fn undo(self, undo: impl Into<Undo>) -> Self {
        self.changed(|tree| tree.put("undo", undo.into().0))
    }

    fn inline(kind: &str, text: impl Into<String>) -> Self {
        let mut tree = Tree::default();
        tree.text(kind, text);
        Self(Form::Inline(tree))
    }

    /// A named action has its options where it is defined; they are not said again.
    fn changed(mut self, change: impl FnOnce(&mut Tree)) -> Self {
        if let Form::Inline(tree) = &mut self.0 {
            change(tree);
        }
        self
    }
}

impl From<Action> for Yaml {
    fn from(action: Action) -> Self {
        match action.0 {
            Form::Named(name) => Self::text(name),
            Form::Inline(tree) => tree.into(),
        }
    }
}

/// A transition.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Transition(Tree);

impl Transition {
    /// To a state.
    #[must_use]
    pub fn to(state: impl Into<String>) -> Self {
        let mut tree = Tree::default();
        tree.text("to", state);
        Self(tree)
    }

    /// To several states, in different regions.
    #[must_use]
    pub fn to_all<N: Into<String>>(states: impl IntoIterator<Item = N>) -> Self {
        let mut tree = Tree::default();
        tree.put("to", names(states));
        Self(tree)
    }

    /// One that stays where it is.
    #[must_use]
    pub fn stay() -> Self {
        Self::default()
    }

    /// `name:`, for history and pictures.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.0.text("name", name);
        self
    }

    /// Its guard.
    #[must_use]
    pub fn when(mut self, guard: impl Into<String>) -> Self {
        self.0.text("when", guard);
        self
    }

    /// An action on the way; several are done in order.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.0.more("do", action.into());
        self
    }
}

impl From<Transition> for Yaml {
    fn from(transition: Transition) -> Self {
        // A target alone is written alone.
        transition.0.only("to").unwrap_or_else(|| transition.0.into())
    }
}

impl<T: Into<String>> From<T> for Transition {
    fn from(state: T) -> Self {
        Self::to(state)
    }
}
