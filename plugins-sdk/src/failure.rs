//! [`Failure`]: how an attempt failed, and whether another one makes sense; [`OrFailure`]: how
//! boxed errors and texts become one.

use std::fmt;
use std::time::Duration;

use gearshift_protocol::{FailureKind, PluginFailure};

/// How an attempt failed.
///
/// Every error becomes a retryable one by `?`; boxed ones do by [`OrFailure`]. It is no
/// [`std::error::Error`] itself, because that would forbid the conversion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    kind: FailureKind,
    code: String,
    message: String,
    retry_after: Option<Duration>,
}

impl Failure {
    /// Another attempt may succeed; the code is 500 unless set.
    #[must_use]
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Retryable, "500", message.into())
    }

    /// Another attempt is useless; the code is 422 unless set.
    #[must_use]
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Permanent, "422", message.into())
    }

    /// The answer of an operation that stopped because nobody waits for it any more; code 499.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(FailureKind::Permanent, "499", "cancelled".to_owned())
    }

    /// The answer to a call whose deadline went by before it was begun; code 499.
    pub(crate) fn expired() -> Self {
        let message = "it waited in the plugin's queue until its deadline was over";
        Self::new(FailureKind::Permanent, "499", message.to_owned())
    }

    fn new(kind: FailureKind, code: &str, message: String) -> Self {
        Self { kind, code: code.to_owned(), message, retry_after: None }
    }

    /// The same failure with this code, which definitions see as `error.code`.
    #[must_use]
    pub fn code(mut self, code: impl fmt::Display) -> Self {
        self.code = code.to_string();
        self
    }

    /// The same failure with the wish not to be asked again earlier; the definition's policy
    /// bounds it.
    #[must_use]
    pub const fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// Does another attempt make sense?
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self.kind {
            FailureKind::Retryable => true,
            FailureKind::Permanent => false,
        }
    }

    /// The code, such as `422`.
    #[must_use]
    pub fn code_text(&self) -> &str {
        &self.code
    }

    /// What went wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn into_wire(self) -> PluginFailure {
        let millis = |after: Duration| u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        PluginFailure {
            kind: self.kind,
            code: self.code,
            message: self.message,
            retry_after_ms: self.retry_after.map(millis),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, {})", self.message, self.code, self.kind.as_str())
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::retryable(chain(&error))
    }
}

/// Makes a [`Failure`] of what is no error itself but can become a boxed one: `Box<dyn Error + Send
/// + Sync>`, `anyhow::Error`, a text.
///
/// Rust lets no `?` convert those beside every error, so it takes a word:
///
/// ```
/// use std::error::Error;
/// use gearshift_plugins_sdk::{Failure, OrFailure};
///
/// fn pages(text: &str) -> Result<u32, Box<dyn Error + Send + Sync>> {
///     Ok(text.parse()?)
/// }
///
/// async fn count(text: String) -> Result<u32, Failure> {
///     let pages = pages(&text).or_permanent()?;
///     pages.checked_add(1).ok_or("too many pages").or_retryable()
/// }
/// # let plugin = gearshift_plugins_sdk::Plugin::new("pages", "1.0.0").operation("count", count);
/// # assert_eq!(plugin.name(), "pages");
/// ```
pub trait OrFailure<T> {
    /// The failure may be tried again, as by `?`.
    ///
    /// # Errors
    ///
    /// [`Failure::retryable`] with the words of the error and of what caused it.
    fn or_retryable(self) -> Result<T, Failure>;

    /// Trying again is useless.
    ///
    /// # Errors
    ///
    /// [`Failure::permanent`] with the words of the error and of what caused it.
    fn or_permanent(self) -> Result<T, Failure>;
}

impl<T, E: Into<Box<dyn std::error::Error + Send + Sync>>> OrFailure<T> for Result<T, E> {
    fn or_retryable(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::retryable(chain(&*error.into())))
    }

    fn or_permanent(self) -> Result<T, Failure> {
        self.map_err(|error| Failure::permanent(chain(&*error.into())))
    }
}

/// The words of an error and of what caused it.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        message.push_str(": ");
        message.push_str(&source.to_string());
        next = source.source();
    }
    message
}
