//! [`Error`]: a kind to branch on and a source to print.

use std::fmt;

/// Why an operation of the bus failed.
///
/// The kind says what a caller does next; the source, if any, says what lay beneath. It prints
/// the kind only, so that a chain of sources prints nothing twice.
pub struct Error {
    kind: ErrorKind,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What a caller branches on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ErrorKind {
    /// The operation may have happened or not: look before repeating it.
    #[error("the outcome is unknown")]
    Unknown,
    /// Nobody serves the subject; the request was never delivered.
    #[error("nobody serves `{subject}`")]
    NoResponders {
        /// The subject asked.
        subject: String,
    },
    /// No reply came in time; whether the request was handled is unknown.
    #[error("no reply within {millis} ms")]
    Timeout {
        /// How long the caller waited, in milliseconds.
        millis: u64,
    },
    /// The connection to the bus is down.
    #[error("disconnected from the bus")]
    Disconnected,
    /// A bounded queue is full; nothing was delivered.
    #[error("queue is full at its limit of {}", grouped(*limit))]
    Full {
        /// The limit, in messages.
        limit: usize,
    },
    /// What was handed in exceeds a limit; nothing was done.
    #[error("{} bytes exceed the limit of {}", grouped(*size), grouped(*limit))]
    TooLarge {
        /// The size handed in, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The thing addressed does not exist, or was destroyed.
    #[error("`{name}` does not exist")]
    NotFound {
        /// What was addressed.
        name: String,
    },
    /// The text is not a subject or pattern, or not one that can be captured.
    #[error("`{text}` is not usable as a subject: {reason}")]
    InvalidSubject {
        /// The text handed in.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The text is not a name or key.
    #[error("`{text}` is not usable as a name: {reason}")]
    InvalidName {
        /// The text handed in.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The header cannot travel.
    #[error("header `{name}` is not usable: {reason}")]
    InvalidHeader {
        /// The header's name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No pattern of the inbox matches the subject; nothing was stored.
    #[error("no captured pattern matches `{subject}`")]
    NotCaptured {
        /// The subject published to.
        subject: String,
    },
    /// Two captured patterns could match one subject; the captured set stays as it was.
    #[error("`{pattern}` overlaps `{other}` of inbox `{inbox}`")]
    Overlap {
        /// The pattern handed in.
        pattern: String,
        /// The pattern it overlaps.
        other: String,
        /// The inbox that captures the other pattern.
        inbox: String,
    },
    /// The entries asked for were trimmed.
    #[error("entries before {first} were trimmed")]
    Trimmed {
        /// The first sequence that can still be read.
        first: u64,
    },
    /// Stored bytes are not the ones that were written.
    #[error("stored bytes are corrupt{}", at(*sequence))]
    Corrupt {
        /// The damaged entry, if the damage is inside one.
        sequence: Option<u64>,
    },
    /// Another process (or another bus of this one) has the directory open.
    #[error("`{dir}` is locked by another process")]
    Locked {
        /// The directory.
        dir: String,
    },
    /// The bus was closed.
    #[error("the bus is closed")]
    Closed,
    /// The disk is full; nothing was acknowledged and the store takes no more writes.
    #[error("the disk is full")]
    DiskFull,
    /// The operating system refused; nothing was acknowledged.
    #[error("input or output failed")]
    Io,
    /// The server does not let us: login, permissions, what it has switched off, its limits.
    #[error("refused by the server: {reason}")]
    Refused {
        /// Which server, what it refused and what to do.
        reason: String,
    },
    /// What is stored there under this name is set up otherwise; it was left as it is.
    #[error("`{name}` is set up otherwise: {}", differences.join("; "))]
    Mismatch {
        /// Its name on the server.
        name: String,
        /// What differs, one entry each.
        differences: Vec<String>,
    },
    /// An earlier write failed, so the store takes no more writes until it is opened again.
    #[error("the store takes no more writes because an earlier one failed: {reason}")]
    Poisoned {
        /// What failed earlier.
        reason: String,
    },
}

impl ErrorKind {
    /// Whether the same operation may succeed later and cannot have happened already.
    ///
    /// [`ErrorKind::Unknown`] and [`ErrorKind::Timeout`] are not retryable: the operation may
    /// have happened, so repeating it is the caller's decision.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::NoResponders { .. } | Self::Disconnected | Self::Full { .. } => true,
            Self::Unknown
            | Self::Timeout { .. }
            | Self::TooLarge { .. }
            | Self::NotFound { .. }
            | Self::InvalidSubject { .. }
            | Self::InvalidName { .. }
            | Self::InvalidHeader { .. }
            | Self::NotCaptured { .. }
            | Self::Overlap { .. }
            | Self::Trimmed { .. }
            | Self::Corrupt { .. }
            | Self::Locked { .. }
            | Self::Closed
            | Self::DiskFull
            | Self::Io
            | Self::Refused { .. }
            | Self::Mismatch { .. }
            | Self::Poisoned { .. } => false,
        }
    }
}

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { kind, source: Some(source.into()) }
    }

    /// What to branch on.
    #[must_use]
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whether the same operation may succeed later; see [`ErrorKind::is_retryable`].
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        self.kind.is_retryable()
    }

    /// The kind and every source beneath it, in one line.
    pub(crate) fn describe(&self) -> String {
        match &self.source {
            None => self.kind.to_string(),
            Some(source) => format!("{}: {source}", self.kind),
        }
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl From<std::io::Error> for Error {
    fn from(source: std::io::Error) -> Self {
        use std::io::ErrorKind as Os;
        let full = matches!(
            source.kind(),
            Os::StorageFull | Os::QuotaExceeded | Os::FileTooLarge | Os::WriteZero
        );
        Self::new(if full { ErrorKind::DiskFull } else { ErrorKind::Io }, source)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error").field("kind", &self.kind).field("source", &self.source).finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

fn at(sequence: Option<u64>) -> String {
    sequence.map(|sequence| format!(" at sequence {sequence}")).unwrap_or_default()
}

/// A number with thousands separators: `1,204`.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_the_value_and_the_limit() {
        let kind = ErrorKind::TooLarge { size: 1_048_577, limit: 1_048_576 };
        assert_eq!(kind.to_string(), "1,048,577 bytes exceed the limit of 1,048,576");
        assert_eq!(ErrorKind::Full { limit: 12 }.to_string(), "queue is full at its limit of 12");
    }
}
