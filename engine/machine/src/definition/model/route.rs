//! Route: rules of which one decides.

use std::sync::Arc;

use super::action::SetPath;
use crate::definition::expr::{Expr, Template};

/// `route:`: the rules in the order they are asked, greatest priority first, then as written.
#[derive(Clone, Debug)]
pub struct Route {
    /// The first that matches decides; all of them are asked, so that it is known which match.
    pub rules: Vec<RouteRule>,
    /// What is decided where none matches.
    pub default: Option<Verdict>,
    /// What to keep of the decision, as `output`.
    pub set: Vec<(SetPath, Expr)>,
}

impl Route {
    /// The most rules of one `route:`: each is asked every time.
    pub const RULES_MAX: usize = 256;
}

/// One rule.
#[derive(Clone, Debug)]
pub struct RouteRule {
    /// Its name.
    pub name: Arc<str>,
    /// Does it match? Always, where absent.
    pub when: Option<Expr>,
    /// Greater is asked first; 0 where absent.
    pub priority: u32,
    /// What it decides.
    pub verdict: Verdict,
}

/// What a rule decides.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// `to:`: the decision.
    pub to: Template,
    /// `reason:`, for people.
    pub reason: Option<Template>,
    /// `with:`: what goes on with the decision.
    pub with: Option<Template>,
}
