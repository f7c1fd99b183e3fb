//! Approvals: what a person is asked.

use super::data::Data;
use super::tree::{Tree, names};
use crate::convert::Yaml;

/// `approval:` of a state or a step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Approval(Tree);

impl Approval {
    /// `title:`, what the task list shows.
    #[must_use]
    pub fn title(mut self, title: impl Into<Data>) -> Self {
        self.0.data("title", title);
        self
    }

    /// `assign:` it to a person.
    #[must_use]
    pub fn assign(mut self, person: impl Into<Data>) -> Self {
        self.0.data("assign", person);
        self
    }

    /// `choices:`; approve and reject by default.
    #[must_use]
    pub fn choices<C: Into<String>>(mut self, choices: impl IntoIterator<Item = C>) -> Self {
        self.0.put("choices", names(choices));
        self
    }

    /// `roles:` of which one is needed.
    #[must_use]
    pub fn roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        self.0.put("roles", names(roles));
        self
    }

    /// `not: initiator`: who started it may not decide.
    #[must_use]
    pub fn not_initiator(mut self) -> Self {
        self.0.text("not", "initiator");
        self
    }

    /// `need:` so many who agree.
    #[must_use]
    pub fn need(mut self, persons: u32) -> Self {
        self.0.literal("need", persons);
        self
    }

    /// `event:` a decision becomes; `user.action` by default.
    #[must_use]
    pub fn event(mut self, name: impl Into<String>) -> Self {
        self.0.text("event", name);
        self
    }
}

impl From<Approval> for Yaml {
    fn from(approval: Approval) -> Self {
        // Where nothing is said every default is meant.
        if approval == Approval::default() {
            return Self::Literal("true".to_owned());
        }
        approval.0.into()
    }
}
