//! [`Link`]: one connection, and what has become of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, ServerAddr, jetstream};
use tokio::sync::watch;

use super::complaints::Complaints;
use super::login::{self, Login};
use super::refusal::not_connected;
use super::{NatsOptions, Version};
use crate::local::Lifecycle;
use crate::{Error, ErrorKind};

/// A half-open connection is given up after two of these without an answer.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// One try to reach one server.
const ATTEMPT_MAX: Duration = Duration::from_secs(3);

/// Longest pause between two tries to come back.
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(1);

/// What the server's own client waits for an answer of JetStream.
const JETSTREAM_TIMEOUT: Duration = Duration::from_secs(5);

/// The subject that every login asks on, and that few may ask on.
pub(super) const MAY_NOT_BE_KNOWN: &str = "$JS.API.INFO";

/// One connection; a clone is another handle to it.
#[derive(Debug, Clone)]
pub(crate) struct Link(Arc<Connected>);

/// What all handles share.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(super) client: Client,
    pub(super) jetstream: jetstream::Context,
    pub(super) lifecycle: Lifecycle,
    /// As asked for; `None` leaves it to the server.
    pub(super) replicas: Option<usize>,
    address: String,
    pub(super) signal: watch::Receiver<Signal>,
}

/// What has happened to the connection so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Signal {
    /// How often it was made.
    pub(crate) connects: u64,
    /// How often it was lost.
    pub(crate) disconnects: u64,
    /// What the server said against it since then.
    pub(crate) complaints: Complaints,
    /// Why it does not come back.
    trouble: Option<String>,
}

impl Link {
    pub(crate) async fn connect(
        options: &NatsOptions,
        lifecycle: Lifecycle,
    ) -> Result<Self, Error> {
        let link = Self::open(options, lifecycle).await?;
        link.check_server().await?;
        Ok(link)
    }

    /// Another connection beside one whose server was checked.
    pub(super) async fn open(options: &NatsOptions, lifecycle: Lifecycle) -> Result<Self, Error> {
        let addresses = addresses(&options.servers)?;
        let (sender, signal) = watch::channel(Signal::default());
        let settings = settings(options, &addresses).await?;
        let settings = settings.event_callback(move |event| {
            note(&sender, event);
            std::future::ready(())
        });
        let address = shown(&addresses);
        let connecting = settings.connect(addresses.as_slice());
        let client = match tokio::time::timeout(options.connect_timeout, connecting).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => {
                let login = Login::of(options, &addresses);
                return Err(not_connected(&address, options, login, error));
            }
            Err(_) => {
                let millis = options.connect_timeout.as_millis();
                let text = format!("`{address}` did not let us in within {millis} ms");
                return Err(Error::new(ErrorKind::Disconnected, text));
            }
        };
        let mut jetstream = jetstream::new(client.clone());
        jetstream.set_timeout(JETSTREAM_TIMEOUT);
        let replicas = options.replicas;
        let connected = Connected { client, jetstream, lifecycle, replicas, address, signal };
        Ok(Self(Arc::new(connected)))
    }

    /// What happens to the connection from now on.
    pub(crate) fn signal(&self) -> watch::Receiver<Signal> {
        let mut signal = self.signal.clone();
        signal.mark_unchanged();
        signal
    }

    /// The addresses it was given, without login.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Ends with the refusal once the server says that a message sent to `subject` from now on is
    /// not ours to send, or that we hear no replies; else never.
    pub(super) fn refusal(&self, subject: &str) -> impl Future<Output = Error> + use<> {
        let (mut signal, link) = (self.signal(), self.clone());
        let since = signal.borrow().complaints.count();
        let subject = subject.to_owned();
        async move {
            let said = signal.wait_for(|signal| {
                signal.complaints.refuses_publish(&subject, since) || link.is_deaf(signal)
            });
            match said.await.map(|signal| link.is_deaf(&signal)) {
                Ok(true) => link.deaf(),
                Ok(false) => link.refuses(&format!("publish `{subject}`")),
                // The connection has ended, and says nothing more.
                Err(_ended) => std::future::pending().await,
            }
        }
    }

    /// The error for what the server does not let us do.
    pub(super) fn refuses(&self, what: &str) -> Error {
        let reason = format!("`{}` does not let this login {what}", self.address);
        ErrorKind::Refused { reason }.into()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// That the connection is lost, and why it does not come back; `None` while there is one.
    pub(super) fn absence(&self) -> Option<String> {
        if self.is_up() {
            return None;
        }
        let lost = format!("the connection to `{}` is lost", self.address);
        let trouble = self.signal.borrow().trouble.clone();
        Some(trouble.map_or_else(|| lost.clone(), |trouble| format!("{lost}: {trouble}")))
    }

    /// How much the server has said so far, in bytes, answers to pings included.
    pub(super) fn heard(&self) -> u64 {
        self.client.statistics().in_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn version(&self) -> Version {
        Version::parse(&self.client.server_info().version)
    }

    /// Copies that a new stream gets.
    pub(crate) fn replicas(&self) -> usize {
        let is_clustered =
            || self.client.server_info().cluster.is_some_and(|name| !name.is_empty());
        self.replicas.unwrap_or_else(|| if is_clustered() { 3 } else { 1 })
    }

    async fn check_server(&self) -> Result<(), Error> {
        let info = self.client.server_info();
        let version = Version::parse(&info.version);
        if version < Version::OLDEST {
            let reason = format!(
                "`{}` runs nats-server {}, which is older than {}: update it",
                self.address,
                info.version,
                Version::OLDEST
            );
            return Err(ErrorKind::Refused { reason }.into());
        }
        self.account().await.map(|_account| ())
    }
}

impl std::ops::Deref for Link {
    type Target = Connected;

    fn deref(&self) -> &Connected {
        &self.0
    }
}

fn note(sender: &watch::Sender<Signal>, event: Event) {
    match event {
        Event::Connected => sender.send_modify(|signal| {
            if signal.disconnects > 0 {
                tracing::warn!("the connection to the bus is back");
            }
            signal.connects += 1;
            signal.complaints.forget();
            signal.trouble = None;
        }),
        Event::Disconnected => {
            tracing::warn!("the connection to the bus was lost");
            sender.send_modify(|signal| signal.disconnects += 1);
        }
        Event::ServerError(error) => {
            let text = error.to_string();
            // Every login asks about JetStream, and goes without the answer where it may not.
            match text.contains(MAY_NOT_BE_KNOWN) {
                true => tracing::debug!(%error, "the bus complains"),
                false => tracing::warn!(%error, "the bus complains"),
            }
            sender.send_modify(|signal| signal.complaints.note(text));
        }
        Event::ClientError(error) => {
            let text = error.to_string();
            sender.send_if_modified(|signal| {
                let is_new = signal.trouble.as_ref() != Some(&text);
                // The first connection's failure is told by whoever wants it.
                if is_new && signal.connects > 0 && signal.connects <= signal.disconnects {
                    tracing::warn!(reason = text, "the connection to the bus does not come back");
                }
                signal.trouble = Some(text);
                false
            });
        }
        event
        @ (Event::LameDuckMode | Event::Draining | Event::Closed | Event::SlowConsumer(_)) => {
            tracing::debug!(%event, "the bus tells")
        }
    }
}

pub(super) fn addresses(servers: &str) -> Result<Vec<ServerAddr>, Error> {
    let texts = servers.split(',').map(str::trim).filter(|text| !text.is_empty());
    let parsed = texts.map(|text| {
        text.parse::<ServerAddr>().map_err(|error| {
            let reason = format!("`{}` is no address of a server: {error}", without_login(text));
            Error::from(ErrorKind::Refused { reason })
        })
    });
    let addresses: Vec<_> = parsed.collect::<Result<_, _>>()?;
    if addresses.is_empty() {
        let reason = "no address of a server was given".to_owned();
        return Err(ErrorKind::Refused { reason }.into());
    }
    Ok(addresses)
}

fn without_login(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

fn shown(addresses: &[ServerAddr]) -> String {
    let shown = addresses.iter().map(|address| format!("{}:{}", address.host(), address.port()));
    shown.collect::<Vec<_>>().join(",")
}

async fn settings(
    options: &NatsOptions,
    addresses: &[ServerAddr],
) -> Result<ConnectOptions, Error> {
    let mut settings = ConnectOptions::new()
        .name(&options.name)
        .ping_interval(PING_INTERVAL)
        .connection_timeout(options.connect_timeout.min(ATTEMPT_MAX))
        .request_timeout(Some(JETSTREAM_TIMEOUT))
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay);
    if let Some(prefix) = &options.inbox_prefix {
        settings = settings.custom_inbox_prefix(prefix);
    }
    if options.ignore_discovered {
        settings = settings.ignore_discovered_servers();
    }
    let settings = login::encrypt(settings, options).await?;
    login::log_in(settings, options, addresses).await
}

/// At once, then slower and slower.
fn reconnect_delay(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    if attempts <= 1 {
        return Duration::ZERO;
    }
    Duration::from_millis(5).saturating_mul(2_u32.pow(doublings)).min(RECONNECT_DELAY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_are_not_shown() {
        let Ok(addresses) = addresses("nats://ann:secret@one:4222, two") else {
            unreachable!("both are addresses")
        };
        assert_eq!(shown(&addresses), "one:4222,two:4222");
        let refused = super::addresses("ftp://ann:secret@one").unwrap_err().to_string();
        assert!(!refused.contains("secret"), "{refused}");
    }

    #[test]
    fn coming_back_is_tried_at_once_and_then_once_a_second() {
        assert_eq!(reconnect_delay(1), Duration::ZERO);
        assert_eq!(reconnect_delay(2), Duration::from_millis(10));
        assert_eq!(reconnect_delay(1_000_000), RECONNECT_DELAY_MAX);
    }
}
