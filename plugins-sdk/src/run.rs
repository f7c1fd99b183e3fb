//! A plugin as a process: connect, serve, drain at the first signal.

use std::path::PathBuf;
use std::time::Duration;

use gearshift_bus::{Bus, Error as BusError, ErrorKind, NatsOptions};

use crate::health::Health;
use crate::hooks::Phase;
use crate::running::Beginning;
use crate::{Error, Plugin, Running};

/// Where NATS is if nothing says otherwise.
const DEFAULT_SERVER: &str = "nats://127.0.0.1:4222";

/// How often it is said that NATS is not there yet.
const SAY_AGAIN: Duration = Duration::from_secs(30);

/// Waits between attempts to connect: doubled from the first to the last.
const WAITS: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(4));

/// Servers and login, as the environment says: the variables of the `gearshift` command.
///
/// | Variable | Meaning |
/// |---|---|
/// | `GEARSHIFT_SERVER`, else `NATS_URL` | addresses, `nats://127.0.0.1:4222` unless set |
/// | `GEARSHIFT_NATS_CREDENTIALS` | a credentials file |
/// | `GEARSHIFT_NATS_NKEY` | a file with an nkey seed |
/// | `GEARSHIFT_NATS_USER`, `GEARSHIFT_NATS_PASSWORD` | a user |
/// | `GEARSHIFT_NATS_TOKEN` | a token |
/// | `GEARSHIFT_NATS_CA` | certificates of authorities to trust beside the system's |
/// | `GEARSHIFT_NATS_CERT`, `GEARSHIFT_NATS_KEY` | a client certificate and its key |
/// | `GEARSHIFT_NATS_TLS_FIRST` | `true`: TLS begins before the server's greeting |
/// | `GEARSHIFT_NATS_INBOX_PREFIX` | where replies arrive |
///
/// Where none of the first five says who we are, the variables of the `nats` command line do:
/// `NATS_CREDS`, `NATS_NKEY`, `NATS_USER` and `NATS_PASSWORD`; likewise `NATS_CA`, `NATS_CERT` and
/// `NATS_KEY`.
///
/// `GEARSHIFT_SERVER` counts where it is the address of a NATS server; it may name an engine's
/// HTTP door instead.
#[must_use]
pub fn nats_from_environment() -> NatsOptions {
    nats_from(|name| std::env::var(name).ok())
}

fn nats_from(variable: impl Fn(&str) -> Option<String>) -> NatsOptions {
    let text = |name: &str| variable(name).filter(|value| !value.is_empty());
    let file = |name: &str| text(name).map(PathBuf::from);
    let server = text("GEARSHIFT_SERVER").filter(|server| {
        server.starts_with("nats://") || server.starts_with("tls://") || !server.contains("://")
    });
    let servers = server.or_else(|| text("NATS_URL"));
    let mut options = NatsOptions::new(servers.as_deref().unwrap_or(DEFAULT_SERVER));
    options.credentials = file("GEARSHIFT_NATS_CREDENTIALS");
    options.nkey = file("GEARSHIFT_NATS_NKEY");
    options.user = text("GEARSHIFT_NATS_USER");
    options.password = text("GEARSHIFT_NATS_PASSWORD");
    options.token = text("GEARSHIFT_NATS_TOKEN");
    // A login is one thing: it is not put together from both kinds of variables.
    let logs_in = options.credentials.is_some()
        || options.nkey.is_some()
        || options.user.is_some()
        || options.token.is_some();
    if !logs_in {
        options.credentials = file("NATS_CREDS");
        options.nkey = file("NATS_NKEY");
        options.user = text("NATS_USER");
        options.password = text("NATS_PASSWORD");
    }
    options.ca = file("GEARSHIFT_NATS_CA").or_else(|| file("NATS_CA"));
    options.certificate = file("GEARSHIFT_NATS_CERT").or_else(|| file("NATS_CERT"));
    options.key = file("GEARSHIFT_NATS_KEY").or_else(|| file("NATS_KEY"));
    options.tls_first = text("GEARSHIFT_NATS_TLS_FIRST").is_some_and(|value| {
        matches!(&*value.to_ascii_lowercase(), "1" | "true" | "yes" | "on" | "y" | "t")
    });
    options.inbox_prefix = text("GEARSHIFT_NATS_INBOX_PREFIX")
        .map(|prefix| prefix.trim_end_matches(".>").trim_end_matches('.').to_owned());
    options
}

impl Plugin {
    /// Answers calls over NATS until the process is told to end: the `main` of a plugin.
    ///
    /// Servers and login come from the environment, [`nats_from_environment`]. Where
    /// `GEARSHIFT_HEALTH` names an address such as `127.0.0.1:8081`, `/livez` there says that the
    /// process is alive and `/readyz` whether the plugin answers calls, else 503.
    ///
    /// # Errors
    ///
    /// Those of [`Plugin::run_on`].
    pub async fn run(self) -> Result<(), Error> {
        let health = std::env::var("GEARSHIFT_HEALTH").ok().filter(|address| !address.is_empty());
        self.run_with(nats_from_environment(), health).await
    }

    /// Answers calls over these NATS servers until the process is told to end.
    ///
    /// A server that is not there yet is waited for. At the first SIGTERM or Ctrl-C the plugin
    /// takes itself off, answers what it has taken and returns; at the second one it returns at
    /// once.
    ///
    /// # Errors
    ///
    /// Those of [`Plugin::serve`], [`Error::Bus`] where the server refuses the login, and
    /// [`Error::Interrupted`] after a second signal. A plugin whose login is no longer let hear
    /// its calls ends with [`Error::Bus`] as well, rather than to wait for them in vain.
    pub async fn run_on(self, options: NatsOptions) -> Result<(), Error> {
        self.run_with(options, None).await
    }

    async fn run_with(self, mut options: NatsOptions, health: Option<String>) -> Result<(), Error> {
        // What is wrong with the plugin itself shows without a server.
        self.check()?;
        options.name = format!("plugin {} {}", self.name, self.version);
        let mut signals = Signals::new()?;
        let (name, version, hooks) = (self.name.clone(), self.version.clone(), self.hooks.clone());
        let gauge = self.gauge();
        let _health = match health {
            Some(address) => Some(Health::open(&address, gauge.clone()).await?),
            None => None,
        };
        let bus = tokio::select! {
            biased;
            () = signals.next() => return Ok(()),
            bus = connect(&options) => bus?,
        };
        let beginning = tokio::select! {
            biased;
            () = signals.next() => return Ok(()),
            beginning = Beginning::show(&self, &bus) => beginning?,
        };
        tokio::select! {
            biased;
            () = signals.next() => return Ok(()),
            initialized = hooks.run(Phase::Initialize) => initialized?,
        }
        let running = tokio::select! {
            biased;
            () = signals.next() => {
                hooks.run_last(Phase::Cleanup).await;
                return Ok(());
            }
            running = Box::pin(Running::activate(self, &bus, gauge, beginning)) => running?,
        };
        tracing::info!(%name, %version, "plugin answers calls");
        let refused = tokio::select! {
            biased;
            () = signals.next() => None,
            error = running.refused() => Some(error),
        };
        tracing::info!(%name, "plugin ends once its calls are answered");
        tokio::select! {
            biased;
            () = signals.next() => Err(Error::Interrupted),
            ended = end(running, bus) => refused.map_or(ended, Err),
        }
    }
}

async fn end(running: Running, bus: Bus) -> Result<(), Error> {
    running.drain().await;
    // The last answers are on their way until the bus says that they left.
    Ok(bus.close().await?)
}

/// Connects as soon as there is a server to connect to.
async fn connect(options: &NatsOptions) -> Result<Bus, BusError> {
    let (mut wait, longest) = WAITS;
    let mut said: Option<tokio::time::Instant> = None;
    loop {
        let error = match Bus::connect(options).await {
            Ok(bus) => return Ok(bus),
            Err(error) => error,
        };
        if !matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::Timeout { .. }) {
            return Err(error);
        }
        if said.is_none_or(|said| said.elapsed() >= SAY_AGAIN) {
            let reason = describe(&error);
            tracing::warn!(reason, "NATS is not there yet; waiting for it");
            said = Some(tokio::time::Instant::now());
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

/// What lies beneath an error, or the error itself.
fn describe(error: &dyn std::error::Error) -> String {
    let Some(mut last) = error.source() else { return error.to_string() };
    while let Some(next) = last.source() {
        last = next;
    }
    last.to_string()
}

/// What tells the process to end.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Self, Error> {
        use tokio::signal::unix::{SignalKind, signal};

        let failed = |error: std::io::Error| Error::Signals(error);
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    #[cfg(not(unix))]
    fn new() -> Result<Self, Error> {
        Ok(Self {})
    }

    #[cfg(unix)]
    async fn next(&mut self) {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    #[cfg(not(unix))]
    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(pairs: &[(&str, &str)]) -> NatsOptions {
        nats_from(|name| {
            let found = pairs.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_server_is_that_of_the_command_else_that_of_nats_else_the_local_one() {
        assert_eq!(from(&[]).servers, "nats://127.0.0.1:4222");
        assert_eq!(from(&[("NATS_URL", "nats://a:1")]).servers, "nats://a:1");
        let both = [("NATS_URL", "nats://a:1"), ("GEARSHIFT_SERVER", "tls://b:2,tls://c:3")];
        assert_eq!(from(&both).servers, "tls://b:2,tls://c:3");
        let http = [("NATS_URL", "nats://a:1"), ("GEARSHIFT_SERVER", "http://127.0.0.1:4500")];
        assert_eq!(from(&http).servers, "nats://a:1", "an engine's HTTP door is no NATS server");
        assert_eq!(from(&[("GEARSHIFT_SERVER", "")]).servers, "nats://127.0.0.1:4222");
        assert_eq!(from(&[("GEARSHIFT_SERVER", "a:1")]).servers, "a:1");
    }

    #[test]
    fn the_login_has_the_variables_of_the_command() {
        let options = from(&[
            ("GEARSHIFT_NATS_CREDENTIALS", "/a.creds"),
            ("GEARSHIFT_NATS_NKEY", "/a.nk"),
            ("GEARSHIFT_NATS_USER", "pay"),
            ("GEARSHIFT_NATS_PASSWORD", "secret"),
            ("GEARSHIFT_NATS_TOKEN", "t"),
            ("GEARSHIFT_NATS_CA", "/ca.pem"),
            ("GEARSHIFT_NATS_CERT", "/cert.pem"),
            ("GEARSHIFT_NATS_KEY", "/key.pem"),
            ("GEARSHIFT_NATS_INBOX_PREFIX", "_INBOX_pay.>"),
            ("GEARSHIFT_NATS_TLS_FIRST", "true"),
        ]);
        let path = |text: &str| Some(PathBuf::from(text));
        assert_eq!((options.credentials, options.nkey), (path("/a.creds"), path("/a.nk")));
        assert_eq!(options.user.as_deref(), Some("pay"));
        assert_eq!(options.password.as_deref(), Some("secret"));
        assert_eq!(options.token.as_deref(), Some("t"));
        assert_eq!(options.ca, path("/ca.pem"));
        assert_eq!((options.certificate, options.key), (path("/cert.pem"), path("/key.pem")));
        assert_eq!(options.inbox_prefix.as_deref(), Some("_INBOX_pay"));
        assert!(options.tls_first && !from(&[("GEARSHIFT_NATS_TLS_FIRST", "false")]).tls_first);
    }

    #[test]
    fn variables_of_the_nats_command_line_log_in_where_ours_do_not() {
        let theirs = [("NATS_USER", "eve"), ("NATS_PASSWORD", "pw"), ("NATS_CA", "/ca.pem")];
        let options = from(&theirs);
        assert_eq!(
            (options.user.as_deref(), options.password.as_deref()),
            (Some("eve"), Some("pw"))
        );
        assert_eq!(options.ca, Some(PathBuf::from("/ca.pem")));
        let both = [theirs[0], theirs[1], ("GEARSHIFT_NATS_NKEY", "/a.nk")];
        let options = from(&both);
        assert_eq!((options.user, options.password), (None, None));
        assert_eq!(
            from(&[("NATS_CREDS", "/a.creds")]).credentials,
            Some(PathBuf::from("/a.creds"))
        );
    }

    #[tokio::test]
    async fn what_is_wrong_with_the_plugin_shows_without_a_server() {
        let nowhere = NatsOptions::new("nats://127.0.0.1:1");
        let wrong = Plugin::new("no name", "1.0.0").run_on(nowhere).await;
        assert!(matches!(wrong, Err(Error::Name { .. })), "{wrong:?}");
    }
}
