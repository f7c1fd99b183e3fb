//! Expr: an expression, compiled.

use std::fmt;
use std::sync::Arc;

use super::lower::{Compiled, Plan, Tables};
use super::{EvalError, ExprProblem, Names, Scope, evaluate, parse};
use crate::value::Value;

/// What an expression is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExprKind {
    /// It decides: comprehensions do not nest, and a literal that is no bool is refused.
    Guard,
    /// It computes: comprehensions nest twice at most.
    Value,
}

/// A compiled expression; cloning shares it.
#[derive(Clone)]
pub struct Expr(Arc<Compiled>);

impl Expr {
    /// Reads and checks `source` (E1-E7, B1, B2, B4).
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn compile(
        source: &str,
        kind: ExprKind,
        names: &Names<'_>,
    ) -> Result<Self, Vec<ExprProblem>> {
        parse::compile(source, kind, names).map(|compiled| Self(Arc::new(compiled)))
    }

    /// The text as written.
    #[must_use]
    pub fn source(&self) -> &str {
        &self.0.source
    }

    /// The value in `scope` (B3, B5).
    ///
    /// # Errors
    /// [`EvalError::Failed`] where the expression has no value, [`EvalError::Limit`] where a bound
    /// was exceeded.
    pub fn eval(&self, scope: &Scope<'_>) -> Result<Value, EvalError> {
        evaluate::value(&self.0, scope)
    }

    /// The verdict in `scope`; only a bool is one (E3).
    ///
    /// # Errors
    /// As [`Expr::eval`], and [`EvalError::Failed`] for a value that is no bool.
    pub fn eval_bool(&self, scope: &Scope<'_>) -> Result<bool, EvalError> {
        evaluate::verdict(&self.0, scope)
    }

    /// How it is evaluated.
    pub(super) fn plan(&self) -> &Plan {
        &self.0.plan
    }

    /// What it refers to.
    pub(super) fn tables(&self) -> &Tables {
        &self.0.tables
    }

    /// The value that it always has, where it is written down.
    #[must_use]
    pub fn constant(&self) -> Option<&Value> {
        match &self.0.plan {
            Plan::Const(value) => Some(value),
            Plan::Path(_) | Plan::Cel(_) => None,
        }
    }

    /// Is it the literal `true`?
    #[must_use]
    pub fn is_literal_true(&self) -> bool {
        matches!(self.0.plan, Plan::Const(Value::Bool(true)))
    }
}

impl fmt::Debug for Expr {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Space around it says nothing: what is compared by this is alike without it.
        write!(formatter, "Expr({:?})", self.source().trim())
    }
}
