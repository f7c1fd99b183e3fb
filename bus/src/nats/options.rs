//! [`NatsOptions`]: which servers, and who we are there.

use std::path::PathBuf;
use std::time::Duration;

use super::connection::addresses;
use crate::Error;

/// How to reach NATS servers.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NatsOptions {
    /// Addresses such as `nats://127.0.0.1:4222` or `tls://host:4222`, separated by commas.
    pub servers: String,
    /// The name of this connection in the server's lists.
    pub name: String,
    /// A credentials file (JWT and seed). Of several logins one is used, in this order:
    /// credentials, nkey, user, token, the one in the address.
    pub credentials: Option<PathBuf>,
    /// A file with an nkey seed.
    pub nkey: Option<PathBuf>,
    /// A user's name, with [`NatsOptions::password`].
    pub user: Option<String>,
    /// A user's password.
    pub password: Option<String>,
    /// A token.
    pub token: Option<String>,
    /// A file with certificates of the authorities to trust, instead of the system's.
    pub ca: Option<PathBuf>,
    /// A client certificate, with [`NatsOptions::key`].
    pub certificate: Option<PathBuf>,
    /// The client certificate's key.
    pub key: Option<PathBuf>,
    /// Whether the TLS handshake comes before the server's greeting.
    pub tls_first: bool,
    /// Where replies arrive, without the final `.>`; `_INBOX` unless set.
    pub inbox_prefix: Option<String>,
    /// Copies of every stream; `None` takes 3 where the servers form a cluster, else 1.
    pub replicas: Option<usize>,
    /// Whether only the given addresses are used, never those that servers tell.
    pub ignore_discovered: bool,
    /// How long the first connection may take.
    pub connect_timeout: Duration,
}

impl NatsOptions {
    /// No login, system certificates, everything else as it is by default.
    #[must_use]
    pub fn new(servers: &str) -> Self {
        Self {
            servers: servers.to_owned(),
            name: "gearshift".to_owned(),
            credentials: None,
            nkey: None,
            user: None,
            password: None,
            token: None,
            ca: None,
            certificate: None,
            key: None,
            tls_first: false,
            inbox_prefix: None,
            replicas: None,
            ignore_discovered: false,
            connect_timeout: Duration::from_secs(5),
        }
    }

    /// Looks whether the servers are addresses, without asking anybody.
    ///
    /// # Errors
    /// [`ErrorKind::Refused`](crate::ErrorKind::Refused), naming the first that is none without its
    /// login.
    pub fn check_servers(&self) -> Result<(), Error> {
        addresses(&self.servers).map(drop)
    }
}

impl std::fmt::Debug for NatsOptions {
    /// Secrets stay out.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsOptions")
            .field("name", &self.name)
            .field("user", &self.user)
            .field("credentials", &self.credentials)
            .field("inbox_prefix", &self.inbox_prefix)
            .finish_non_exhaustive()
    }
}
