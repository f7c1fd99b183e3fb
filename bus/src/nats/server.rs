//! [`PrivateServer`]: a `nats-server` of our own, for development and tests.

use std::path::PathBuf;

/// How a private server is started.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ServerOptions {
    /// The program; else `NATS_SERVER_BIN`, else `nats-server` on the PATH.
    pub program: Option<PathBuf>,
    /// Where it keeps its streams.
    pub store: PathBuf,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Further lines of its configuration.
    pub config: String,
}

/// Why there is no private server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// No program was found.
    #[error("no nats-server program: {0}")]
    Missing(String),
    /// It did not start.
    #[error("nats-server did not start: {0}")]
    Start(String),
}

/// A running server; dropping it ends it with kill -9.
#[derive(Debug)]
pub struct PrivateServer {}

impl PrivateServer {
    /// Starts a server with JetStream and `sync_interval: always`, and waits until it answers as
    /// the server we started.
    ///
    /// # Errors
    ///
    /// [`ServerError`].
    pub async fn start(_options: ServerOptions) -> Result<Self, ServerError> {
        todo!()
    }

    /// Where clients connect: `nats://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> &str {
        todo!()
    }
}
