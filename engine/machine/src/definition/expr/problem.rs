//! What is wrong with the text of an expression.

use std::fmt;

/// Why an expression does not compile; all of them are reported, never only the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprProblem {
    /// The kind: `syntax`, `unknown_name`, `unknown_function`, `too_large`, `too_deep`, `nesting`,
    /// `regex`, `regex_size` or `not_bool`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// Where: a byte offset in the source.
    pub offset: Option<usize>,
}

impl ExprProblem {
    pub(super) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None, offset: None }
    }

    pub(super) fn at(mut self, offset: Option<usize>) -> Self {
        self.offset = offset;
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for ExprProblem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ExprProblem {}
