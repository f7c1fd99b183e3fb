//! [`OperationOptions`]: what callers are told of an operation.

use std::time::Duration;

/// What callers are told of an operation, beside its name and schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationOptions {
    pub(crate) idempotent: bool,
    pub(crate) timeout: Option<Duration>,
}

impl OperationOptions {
    /// An idempotent operation that needs no certain time.
    #[must_use]
    pub const fn new() -> Self {
        Self { idempotent: true, timeout: None }
    }

    /// Is it harmless to be asked again with the same call id?
    ///
    /// Where it is not, the engine asks once. If the answer is lost, it does not ask again: the
    /// instance waits for a person who has looked. So say `false` only where the call id cannot
    /// be used to recognize a repeat.
    #[must_use]
    pub const fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// How long an answer may take. Callers are told; definitions set their own `timeout:`.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Default for OperationOptions {
    fn default() -> Self {
        Self::new()
    }
}
