//! Rules of which one decides.

use super::data::Data;
use super::tree::Tree;
use crate::convert::Yaml;

/// `route:` of a step or an action.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Route(pub(super) Tree);

impl Route {
    /// A rule.
    #[must_use]
    pub fn rule(mut self, name: &str, says: impl FnOnce(Rule) -> Rule) -> Self {
        self.0.entry("rules", name, says(Rule::default()).0.into());
        self
    }

    /// What is decided where no rule matches.
    #[must_use]
    pub fn otherwise(mut self, decision: impl Into<Data>) -> Self {
        self.0.entry("default", "to", decision.into().0);
        self
    }

    /// Why, where no rule matches.
    #[must_use]
    pub fn otherwise_because(mut self, reason: impl Into<String>) -> Self {
        self.0.entry("default", "reason", Yaml::text(reason));
        self
    }
}

/// One rule of a [`Route`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rule(Tree);

impl Rule {
    /// `when:` it matches.
    #[must_use]
    pub fn when(mut self, guard: impl Into<String>) -> Self {
        self.0.text("when", guard);
        self
    }

    /// `priority:`; greater is asked first.
    #[must_use]
    pub fn priority(mut self, priority: u32) -> Self {
        self.0.literal("priority", priority);
        self
    }

    /// `to:` the decision.
    #[must_use]
    pub fn to(mut self, decision: impl Into<Data>) -> Self {
        self.0.data("to", decision);
        self
    }

    /// `reason:`, for people.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.0.text("reason", reason);
        self
    }

    /// One member of `with:`, what goes on with the decision.
    #[must_use]
    pub fn arg(mut self, name: &str, data: impl Into<Data>) -> Self {
        self.0.entry("with", name, data.into().0);
        self
    }
}
