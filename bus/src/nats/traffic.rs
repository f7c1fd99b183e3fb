//! [`Traffic`]: one reply subscription for all requests of a connection.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_nats::{Client, StatusCode, Subscriber};
use futures_util::StreamExt;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::notices::NoticeGate;
use super::wire;
use crate::local::{Lifecycle, lock, timed_out};
use crate::{Error, ErrorKind, Message, Subject};

/// How often a lost connection is looked at by a request that waits for it.
const RECONNECT_POLL: Duration = Duration::from_millis(20);

/// Entries above which unanswered probes are forgotten.
const WAITING_MAX: usize = 65_536;

/// Longest wait for the server's word that it took what was sent before.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(1);

/// Sends requests and tells replies apart by the last token of the subject they arrive at.
///
/// The client's own way keeps an entry for ever for each request that timed out.
#[derive(Debug, Clone)]
pub(super) struct Traffic(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    #[expect(dead_code, reason = "held for its drop, which ends the task")]
    tasks: JoinSet<()>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) lifecycle: Lifecycle,
    /// What every reply subject begins with, up to the last dot.
    prefix: String,
    waiting: Mutex<HashMap<u64, Waiting>>,
    pub(super) gate: Mutex<NoticeGate>,
    started: OnceLock<tokio::time::Instant>,
}

#[derive(Debug)]
enum Waiting {
    Request(oneshot::Sender<async_nats::Message>),
    /// Nobody waits; that nobody listens is told to the gate.
    Probe(Subject),
}

/// Takes the entry of a request away that ended without its reply.
struct Entry<'a> {
    shared: &'a Shared,
    token: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        lock(&self.shared.waiting).remove(&self.token);
    }
}

impl Traffic {
    pub(super) async fn start(client: &Client, lifecycle: Lifecycle) -> Result<Self, Error> {
        let prefix = format!("{}.", client.new_inbox());
        let replies = client
            .subscribe(format!("{prefix}*"))
            .await
            .map_err(|error| Error::new(ErrorKind::Disconnected, error))?;
        let shared = Arc::new(Shared {
            client: client.clone(),
            lifecycle,
            prefix,
            waiting: Mutex::default(),
            gate: Mutex::default(),
            started: OnceLock::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(hand_out(Arc::clone(&shared), replies));
        Ok(Self(Arc::new(Inner { shared, tasks })))
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// The first reply, as the client delivers it; a 503 of the server is an error.
    pub(super) async fn ask(
        &self,
        message: &Message,
        timeout: Duration,
    ) -> Result<async_nats::Message, Error> {
        let headers = wire::outbound(&message.headers)?;
        let reply = self
            .exchange(message.subject.as_str(), headers, message.payload.clone(), timeout)
            .await?;
        if reply.status == Some(StatusCode::NO_RESPONDERS) {
            return Err(ErrorKind::NoResponders { subject: message.subject.to_string() }.into());
        }
        Ok(reply)
    }

    pub(super) async fn exchange(
        &self,
        subject: &str,
        headers: Option<async_nats::HeaderMap>,
        payload: bytes::Bytes,
        timeout: Duration,
    ) -> Result<async_nats::Message, Error> {
        let shared = self.shared();
        shared.lifecycle.check()?;
        let (sender, receiver) = oneshot::channel();
        let (token, reply_to) = shared.enter(Waiting::Request(sender));
        let entry = Entry { shared, token };
        let mut sent = false;
        let attempt = async {
            shared.connected().await;
            shared.send(subject, Some(reply_to), headers, payload).await?;
            sent = true;
            receiver.await.map_err(|error| Error::new(ErrorKind::Unknown, error))
        };
        let outcome = tokio::select! {
            biased;
            outcome = tokio::time::timeout(timeout, attempt) => outcome,
            () = shared.lifecycle.closed() => return Err(ErrorKind::Closed.into()),
        };
        drop(entry);
        match outcome {
            Ok(outcome) => outcome,
            Err(_elapsed) if sent => Err(timed_out(timeout)),
            Err(elapsed) => Err(Error::new(ErrorKind::Disconnected, elapsed)),
        }
    }

    /// Returns once the server has taken everything that was sent before.
    ///
    /// The client's flush ends at our socket. A request that nobody serves is answered by the
    /// server itself, after what went before on this connection. A login that may not publish
    /// to its own inbox gets no answer; then the wait is all there is.
    pub(super) async fn round_trip(&self) -> Result<(), Error> {
        let subject = self.shared().client.new_inbox();
        match self.exchange(&subject, None, bytes::Bytes::new(), ROUND_TRIP_MAX).await {
            Ok(_reply) => Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::Timeout { .. }) => {
                tracing::debug!(subject, "the server did not answer a round trip");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Tells whoever subscribes, if anybody does; never waits.
    pub(super) fn notify(&self, message: Message) -> Result<(), Error> {
        let shared = self.shared();
        let now = shared.elapsed();
        let verdict = lock(&shared.gate).decide(&message.subject, now);
        let reply_to = match verdict {
            super::notices::Verdict::Drop => return Ok(()),
            super::notices::Verdict::Send => None,
            super::notices::Verdict::Probe => {
                let (token, reply_to) = shared.enter(Waiting::Probe(message.subject.clone()));
                let replaced = lock(&shared.gate).probing(&message.subject, token);
                shared.forget(replaced);
                Some(reply_to)
            }
        };
        let headers = wire::outbound(&message.headers)?;
        let sending = shared.send(message.subject.as_str(), reply_to, headers, message.payload);
        // Without a turn of the task's budget a ready channel looks full after some messages.
        let sending = tokio::task::unconstrained(sending);
        match futures_util::FutureExt::now_or_never(sending) {
            Some(Err(error)) if matches!(error.kind(), ErrorKind::TooLarge { .. }) => Err(error),
            // A notice may be lost: the client's queue is full, or there is no connection.
            Some(_) | None => Ok(()),
        }
    }
}

impl Shared {
    /// Sends a message; waits while the client's queue is full.
    pub(super) async fn send(
        &self,
        subject: &str,
        reply_to: Option<String>,
        headers: Option<async_nats::HeaderMap>,
        payload: bytes::Bytes,
    ) -> Result<(), Error> {
        let client = &self.client;
        let subject = async_nats::Subject::from(subject);
        match (reply_to, headers) {
            (None, None) => client.publish(subject, payload).await,
            (None, Some(headers)) => client.publish_with_headers(subject, headers, payload).await,
            (Some(reply), None) => client.publish_with_reply(subject, reply, payload).await,
            (Some(reply), Some(headers)) => {
                client.publish_with_reply_and_headers(subject, reply, headers, payload).await
            }
        }
        .map_err(|error| wire::not_sent(client, error))
    }

    /// Waits for the connection: what the client queues meanwhile would leave after the caller
    /// gave up on it.
    async fn connected(&self) {
        while self.client.connection_state() != async_nats::connection::State::Connected {
            tokio::time::sleep(RECONNECT_POLL).await;
        }
    }

    /// A token that nobody can guess who saw others, and the subject its reply arrives at.
    fn enter(&self, waiting: Waiting) -> (u64, String) {
        let token = fastrand::u64(..);
        lock(&self.waiting).insert(token, waiting);
        (token, format!("{}{token:x}", self.prefix))
    }

    /// Takes a replaced probe away, and all probes once there are far more than subjects.
    fn forget(&self, replaced: Option<u64>) {
        let mut waiting = lock(&self.waiting);
        if let Some(token) = replaced {
            waiting.remove(&token);
        }
        if waiting.len() > WAITING_MAX {
            waiting.retain(|_, one| matches!(one, Waiting::Request(_)));
        }
    }

    fn elapsed(&self) -> Duration {
        self.started.get_or_init(tokio::time::Instant::now).elapsed()
    }
}

async fn hand_out(shared: Arc<Shared>, mut replies: Subscriber) {
    while let Some(reply) = replies.next().await {
        let token = reply.subject.strip_prefix(shared.prefix.as_str());
        let Some(token) = token.and_then(|token| u64::from_str_radix(token, 16).ok()) else {
            continue;
        };
        // Taken out before it is handed over: the lock is not held meanwhile.
        let waiting = lock(&shared.waiting).remove(&token);
        match waiting {
            Some(Waiting::Request(sender)) => {
                // The requester may have given up in this moment; then nobody needs the reply.
                sender.send(reply).unwrap_or_default();
            }
            Some(Waiting::Probe(subject)) => {
                let nobody = reply.status == Some(StatusCode::NO_RESPONDERS);
                if nobody {
                    let now = shared.elapsed();
                    lock(&shared.gate).nobody(&subject, token, now);
                }
            }
            None => {}
        }
    }
}
