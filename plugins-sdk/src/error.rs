//! [`Error`]: why a plugin cannot be served.

/// Why a plugin cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A plugin's or operation's name has other characters than letters, digits, `-` and `_`,
    /// or not 1 to 64 of them.
    #[error("`{name}` is not usable as a name: it needs 1 to 64 letters, digits, `-` or `_`")]
    Name {
        /// The name handed in.
        name: String,
    },
    /// The version is not `major.minor.patch`.
    #[error("`{version}` is not a version such as `1.2.0`")]
    Version {
        /// The version handed in.
        version: String,
    },
    /// Two operations have one name.
    #[error("operation `{operation}` is there twice")]
    DuplicateOperation {
        /// The operation.
        operation: String,
    },
    /// A handler takes a state the plugin was not given.
    #[error("operation `{operation}` takes `State<{state}>`, but no `.state(…)` gives it")]
    MissingState {
        /// The operation.
        operation: String,
        /// The type of the state.
        state: &'static str,
    },
    /// A second signal ended the plugin before all its calls were answered.
    #[error("ended by a second signal before all calls were answered")]
    Interrupted,
    /// The operating system does not tell of signals.
    #[error("signals cannot be taken")]
    Signals(#[source] std::io::Error),
    /// The bus refused.
    #[error("the bus refused")]
    Bus(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<gearshift_bus::Error> for Error {
    fn from(error: gearshift_bus::Error) -> Self {
        Self::Bus(Box::new(error))
    }
}
