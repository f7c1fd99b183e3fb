//! Kinds of failures, as a set: `retry: { on: […] }`; and what stands where nothing is said.

use super::action::{CallSpec, RetryPolicy};
use super::graph::Mode;
use crate::machine::ErrorKind;

/// A set of kinds of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSet(u8);

impl KindSet {
    /// What is tried again where nothing else is said: the plugin asked for it, did not answer, or
    /// was not there.
    pub const RETRYABLE: Self = Self::NONE
        .with(ErrorKind::Retryable)
        .with(ErrorKind::Timeout)
        .with(ErrorKind::PluginNotFound);
    /// No kind at all.
    pub const NONE: Self = Self(0);

    /// This set and `kind`.
    #[must_use]
    pub const fn with(self, kind: ErrorKind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Is `kind` in it?
    #[must_use]
    pub const fn contains(self, kind: ErrorKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
}

impl RetryPolicy {
    /// `retry: {}`: what stands in a definition where `retry:` says nothing else.
    #[must_use]
    pub fn written() -> Self {
        Self { attempts: Self::ATTEMPTS, waits_for_plugin: false, ..Self::default() }
    }

    /// Is a failure of this kind tried again at all?
    #[must_use]
    pub const fn repeats(&self, kind: ErrorKind) -> bool {
        self.on.contains(kind)
    }
}

impl Mode {
    /// The word of `mode:`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Graph => "parallel",
            Self::Sequential => "sequential",
            Self::Pipeline => "pipeline",
        }
    }
}

impl CallSpec {
    /// A call of `operation` with all defaults.
    #[must_use]
    pub fn plain(operation: std::sync::Arc<str>) -> Self {
        Self {
            name: std::sync::Arc::clone(&operation),
            operation,
            with: None,
            timeout_ms: Self::TIMEOUT_MS,
            retry: RetryPolicy::default(),
            set: Vec::new(),
            undo: None,
            cache: None,
        }
    }
}
