//! Signs: what the end of an attempt says of the operation that was asked.

use gearshift_machine::machine::{CallOutcome, ErrorKind};

/// What an attempt says of the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// It answers, be it with a failure for good.
    Well,
    /// It failed, and may not fail the next time.
    Bad,
    /// Nothing: it was not reached.
    None,
}

/// What an outcome says of the operation: a failure for good is an answer like any other.
pub(super) const fn sign_of(outcome: &CallOutcome) -> Sign {
    let CallOutcome::Failure { kind, .. } = outcome else { return Sign::Well };
    match kind {
        ErrorKind::Permanent => Sign::Well,
        ErrorKind::Retryable
        | ErrorKind::Timeout
        | ErrorKind::InvalidReply
        | ErrorKind::OutcomeUnknown
        | ErrorKind::NotStarted
        | ErrorKind::ChildFailed => Sign::Bad,
        ErrorKind::PluginNotFound => Sign::None,
    }
}

/// How an attempt failed, for people.
pub(super) fn words_of(outcome: &CallOutcome) -> String {
    match outcome {
        CallOutcome::Failure { code, message, .. } if code.is_empty() => message.to_string(),
        CallOutcome::Failure { code, message, .. } => format!("{code}: {message}"),
        CallOutcome::Success(_) | CallOutcome::Cached(_) => String::new(),
    }
}
