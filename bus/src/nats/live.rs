//! [`Live`]: the connection that requests use right now, and how it comes back.
//!
//! The client ends for good over a carriage return in a header's value, and anybody may send
//! one. So what strangers send arrives here, never on the connection that the journal uses.

use std::time::Duration;

use async_nats::{Client, Subscriber};
use bytes::Bytes;

use super::connection::Link;
use super::{NatsOptions, wire};
use crate::local::Lifecycle;
use crate::{Error, ErrorKind, Headers, Subject};

/// First pause after a connection could not be made.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// Longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// One connection; replaced by the next generation once it has ended.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) client: Client,
    link: Link,
    /// How many there were before.
    pub(super) generation: u64,
}

/// What is sent, and again over the next connection if this one had ended already.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outgoing<'a> {
    pub(super) subject: &'a str,
    /// Likewise, where the client's own form of it is at hand: it is not copied.
    pub(super) to: Option<&'a async_nats::Subject>,
    pub(super) headers: &'a Headers,
    /// Only a stream of this name may store it.
    pub(super) stream: Option<&'a str>,
    pub(super) payload: &'a Bytes,
    /// What is asked, where a second reply to it is of interest.
    pub(super) asked: Option<&'a Subject>,
}

impl Live {
    pub(super) async fn open(
        options: &NatsOptions,
        lifecycle: &Lifecycle,
        generation: u64,
    ) -> Result<Self, Error> {
        let link = Link::open(options, lifecycle.clone()).await?;
        Ok(Self { client: link.client.clone(), link, generation })
    }

    /// The next one and its replies; tries until there is one.
    pub(super) async fn renew(
        options: &NatsOptions,
        lifecycle: &Lifecycle,
        generation: u64,
        replies_to: &str,
    ) -> (Self, Subscriber) {
        let mut pause = PAUSE_MIN;
        loop {
            match Self::with_replies(options, lifecycle, generation, replies_to).await {
                Ok(renewed) => return renewed,
                Err(error) => tracing::debug!(%error, "the connection is not back yet"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn with_replies(
        options: &NatsOptions,
        lifecycle: &Lifecycle,
        generation: u64,
        replies_to: &str,
    ) -> Result<(Self, Subscriber), Error> {
        let live = Self::open(options, lifecycle, generation).await?;
        let replies = live.subscribe(replies_to).await?;
        Ok((live, replies))
    }

    pub(super) async fn subscribe(&self, pattern: &str) -> Result<Subscriber, Error> {
        let subscribing = self.client.subscribe(pattern.to_owned());
        subscribing.await.map_err(|error| Error::new(ErrorKind::Disconnected, error))
    }

    pub(super) fn is_up(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Changes whenever the connection is lost, made anew or replaced.
    pub(super) fn number(&self) -> u64 {
        let signal = self.link.signal.borrow();
        (self.generation << u32::BITS) + signal.connects + signal.disconnects
    }

    /// [`Link::absence`] of this connection.
    pub(super) fn absence(&self) -> Option<String> {
        self.link.absence()
    }

    /// [`Link::heard`] of this connection.
    pub(super) fn heard(&self) -> u64 {
        self.link.heard()
    }

    /// [`Link::refusal`] of this connection.
    pub(super) fn refusal(&self, subject: &str) -> impl Future<Output = Error> + use<> {
        self.link.refusal(subject)
    }

    /// Ends with the refusal of one of these once the server says so, else with the connection.
    pub(super) async fn refuses_subscription(&self, patterns: &[String]) -> Option<Error> {
        let mut signal = self.link.signal();
        let refused = |pattern: &&String| self.check_subscription(pattern).err();
        loop {
            if let Some(error) = patterns.iter().find_map(|pattern| refused(&pattern)) {
                return Some(error);
            }
            signal.changed().await.ok()?;
        }
    }

    /// Whether the server has refused a subscription; asked once it has answered something that
    /// was sent after it.
    pub(super) fn check_subscription(&self, pattern: &str) -> Result<(), Error> {
        match self.link.signal.borrow().complaints.refuses_subscription(pattern) {
            true => Err(self.link.refuses(&format!("subscribe to `{pattern}`"))),
            false => Ok(()),
        }
    }

    /// Sends a message; waits while the client's queue is full.
    pub(super) async fn send(
        &self,
        outgoing: Outgoing<'_>,
        reply_to: Option<&str>,
    ) -> Result<(), Error> {
        let client = &self.client;
        let reply_to = reply_to.map(async_nats::Subject::from);
        let copied = || async_nats::Subject::from(outgoing.subject);
        let subject = outgoing.to.cloned().unwrap_or_else(copied);
        let payload = outgoing.payload.clone();
        let mut headers = wire::outbound(outgoing.headers)?;
        if let Some(stream) = outgoing.stream {
            headers.get_or_insert_default().insert(wire::EXPECTED_STREAM, stream);
        }
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
}

impl<'a> From<&'a crate::Message> for Outgoing<'a> {
    fn from(message: &'a crate::Message) -> Self {
        let (subject, headers) = (message.subject.as_str(), &message.headers);
        let asked = Some(&message.subject);
        Self { subject, to: None, headers, stream: None, payload: &message.payload, asked }
    }
}
