//! Guard and mapping expressions: compiled once, bounded, total (02 §7).

mod bounds;
mod compile;
mod cost;
mod evaluate;
mod functions;
mod lower;
mod names;
mod no_bool;
mod parse;
mod path;
mod problem;
mod reads;
mod scope;
mod steps;
mod template;
mod vals;

#[cfg(test)]
mod tests;

pub use compile::{Expr, ExprKind};
pub use names::{NameSet, Names};
pub use problem::ExprProblem;
pub(crate) use reads::StepReads;
pub use scope::{EvalError, Scope};
pub use template::{Template, TextPart};
