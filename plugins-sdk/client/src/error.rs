//! [`Error`]: a kind to branch on and a source to print.

use gearshift_protocol::{CodecError, Problem};

/// Why a request failed.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a caller branches on.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing answers there, or the connection broke.
    #[error("`{target}` cannot be reached")]
    Unreachable {
        /// The address or subject asked.
        target: String,
    },
    /// No answer in time; whether it was done is unknown.
    #[error("no answer within {}", gearshift_protocol::plugin::format_duration(*millis))]
    Timeout {
        /// How long the client waited, in milliseconds.
        millis: u64,
    },
    /// The engine, or the client on its behalf, refused.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The answer is not one this client understands.
    #[error("the answer is not understood: {reason}")]
    Protocol {
        /// What is wrong with it.
        reason: String,
    },
}

impl Error {
    pub(crate) fn unreachable(
        target: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        let kind = ErrorKind::Unreachable { target: target.into() };
        Self { kind, source: Some(source.into()) }
    }

    pub(crate) fn protocol(reason: impl Into<String>) -> Self {
        ErrorKind::Protocol { reason: reason.into() }.into()
    }

    /// What to branch on.
    #[must_use]
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The engine's refusal, if it is one.
    #[must_use]
    pub const fn problem(&self) -> Option<&Problem> {
        match &self.kind {
            ErrorKind::Problem(problem) => Some(problem),
            ErrorKind::Unreachable { .. }
            | ErrorKind::Timeout { .. }
            | ErrorKind::Protocol { .. } => None,
        }
    }

    /// The exit code of the command line: 6 unreachable, 7 timed out, 70 not understood, else
    /// the problem's.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match &self.kind {
            ErrorKind::Unreachable { .. } => 6,
            ErrorKind::Timeout { .. } => 7,
            ErrorKind::Problem(problem) => problem.exit_code(),
            ErrorKind::Protocol { .. } => 70,
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        ErrorKind::Problem(Box::new(problem)).into()
    }
}

impl From<CodecError> for Error {
    fn from(error: CodecError) -> Self {
        Self::protocol(error.to_string())
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
