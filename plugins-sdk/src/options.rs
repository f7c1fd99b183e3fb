//! [`OperationOptions`]: what callers are told of an operation.

use std::time::Duration;

/// What callers are told of an operation, beside its name and schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperationOptions {
    pub(crate) idempotent: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) heartbeat: Option<Duration>,
}

impl OperationOptions {
    /// An idempotent operation that needs no certain time.
    #[must_use]
    pub const fn new() -> Self {
        Self { idempotent: true, timeout: None, heartbeat: None }
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

    /// The operation takes long: callers that can wait for it are told at once that the result
    /// comes later, and hear a sign of life at least once per `heartbeat`.
    ///
    /// The signs are sent by themselves, three per interval, for as long as the handler runs; what
    /// [`Context::heartbeat`](crate::Context::heartbeat) told last goes with them. So the handler
    /// must not block its thread: `tokio::task::spawn_blocking` is for that. The result is
    /// published durably, and repeatedly until it is stored or nobody waits for it any more. A
    /// call without a place for results (by hand) is answered directly.
    #[must_use]
    pub const fn long(mut self, heartbeat: Duration) -> Self {
        self.heartbeat = Some(heartbeat);
        self
    }
}

impl Default for OperationOptions {
    fn default() -> Self {
        Self::new()
    }
}
