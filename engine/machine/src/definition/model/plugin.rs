//! What a definition asks of the plugins it calls: breakers, choice of instances, limits.

use std::sync::Arc;

use crate::definition::expr::Template;

/// One entry of `plugins:`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginRules {
    /// The plugin, or the interface, that calls name.
    pub name: Arc<str>,
    /// `breaker:`; `None` where it is off.
    pub breaker: Option<BreakerRules>,
    /// `balance:`.
    pub balance: Balance,
    /// `prefer:` has `performance`.
    pub prefers_performance: bool,
    /// `prefer:` has `reliability`.
    pub prefers_reliability: bool,
    /// `concurrency:`: calls of one engine under way at once.
    pub concurrency: Option<u32>,
    /// `rate:`: calls that one engine sends.
    pub rate: Option<Rate>,
    /// `per:`: both limits hold for each value of it.
    pub per: Option<Per>,
}

impl PluginRules {
    /// What counts where a definition says nothing.
    #[must_use]
    pub const fn new(name: Arc<str>) -> Self {
        Self {
            name,
            breaker: Some(BreakerRules::DEFAULT),
            balance: Balance::Group,
            prefers_performance: false,
            prefers_reliability: false,
            concurrency: None,
            rate: None,
            per: None,
        }
    }

    /// Are these the rules of the plugin that `operation` names?
    #[must_use]
    pub fn are_of(&self, operation: &str) -> bool {
        let rest = operation.strip_prefix(&*self.name);
        rest.is_some_and(|rest| rest.starts_with(['.', '@']))
    }
}

/// When calls of an operation are not sent because the last ones failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerRules {
    /// Failures in a row that open it.
    pub threshold: u32,
    /// How long it stays open before one call is tried.
    pub reset_ms: u64,
    /// What calls do meanwhile.
    pub open: WhileOpen,
}

impl BreakerRules {
    /// Five failures, thirty seconds, and calls wait.
    pub const DEFAULT: Self = Self { threshold: 5, reset_ms: 30_000, open: WhileOpen::Wait };
}

/// What calls do while a breaker is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhileOpen {
    /// They wait, and no attempt is counted.
    #[default]
    Wait,
    /// They fail at once.
    Fail,
}

/// Which instance of a plugin gets a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Balance {
    /// Whichever member of the queue group the bus picks.
    #[default]
    Group,
    /// Any, by chance.
    Random,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest calls of this engine under way.
    LeastInFlight,
    /// Each by its weight.
    Weighted,
    /// The one with the most room, by what the instances tell.
    Resource,
}

impl Balance {
    /// Every way, with its word.
    pub const WORDS: [(&'static str, Self); 6] = [
        ("group", Self::Group),
        ("random", Self::Random),
        ("round_robin", Self::RoundRobin),
        ("least_in_flight", Self::LeastInFlight),
        ("weighted", Self::Weighted),
        ("resource", Self::Resource),
    ];
}

/// So many in so long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In how long.
    pub period_ms: u64,
}

/// `per:`: what limits are counted by.
#[derive(Clone, Debug)]
pub struct Per {
    /// As it is written, by which it is compared.
    pub text: Arc<str>,
    /// The same, to be evaluated.
    pub template: Template,
}

impl PartialEq for Per {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Per {}
