//! [`Error`]: why a plugin cannot be served.

/// Why a plugin cannot be served.
///
/// Its `Debug` form is made of words too: it is what Rust prints where `main` returns an error.
#[derive(thiserror::Error)]
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
    /// What is required of another plugin is no version requirement.
    #[error("`{version}` of plugin `{plugin}` is no version requirement such as `>=1.0.0`")]
    Requirement {
        /// The other plugin's name.
        plugin: String,
        /// The requirement handed in.
        version: String,
    },
    /// More requirements or interfaces than are read.
    #[error("{count} {what}, more than the limit of {limit}")]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many were handed in.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The reliability is no share.
    #[error("`{reliability}` is no reliability: it needs a number from 0 to 1")]
    Reliability {
        /// The number handed in.
        reliability: f64,
    },
    /// A hook of the plugin's life failed, so it is not served.
    #[error("`{hook}` failed: {message}")]
    Hook {
        /// Which one, such as `on_initialize`.
        hook: &'static str,
        /// What went wrong.
        message: String,
    },
    /// The health door cannot be opened.
    #[error("`{address}` cannot be listened on for health")]
    Health {
        /// The address handed in.
        address: String,
        /// What the operating system said.
        source: std::io::Error,
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

impl std::fmt::Debug for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::failure::chain(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `main` that returns the error prints this form, and nobody reads a tree of fields.
    #[test]
    fn the_form_for_debugging_is_made_of_words() {
        let name = Error::Name { name: "my.plug".to_owned() };
        assert_eq!(
            format!("{name:?}"),
            "`my.plug` is not usable as a name: it needs 1 to 64 letters, digits, `-` or `_`"
        );
        let inner = std::io::Error::other("nobody listens");
        let bus = Error::Bus(Box::new(inner));
        assert_eq!(format!("{bus:?}"), "the bus refused: nobody listens");
    }
}
