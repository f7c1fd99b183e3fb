//! [`Publisher`]: durable where a stream captures the subject, plain elsewhere.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::StatusCode;
use async_nats::jetstream::publish::PublishAck;
use tokio::time::Instant;

use super::api::{Answer, PATIENCE, Tries};
use super::capture;
use super::connection::Link;
use super::live::Outgoing;
use super::traffic::Traffic;
use crate::local::lock;
use crate::{Error, ErrorKind, Message, Subject};

/// How long it counts whether a stream captures a subject.
const KNOWN_FOR: Duration = Duration::from_secs(3);

/// Subjects remembered; beyond that all are forgotten.
const SUBJECTS_MAX: usize = 4_096;

/// How long the acknowledgement of a stream may take.
const ACK_MAX: Duration = Duration::from_secs(5);

/// Publishes and remembers for a moment which subjects a stream captures.
#[derive(Debug, Clone)]
pub(super) struct Publisher {
    traffic: Traffic,
    link: Link,
    known: Arc<Mutex<HashMap<Subject, Known>>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    captured: Captured,
    until: Instant,
}

/// Whether some stream captures a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Captured {
    Yes,
    No,
    /// This login may not ask: the acknowledgement tells, or its absence.
    Untold,
}

/// What became of a message that some stream was to store.
#[derive(Debug)]
pub(super) enum Acknowledged {
    /// It is durable.
    Stored { sequence: u64 },
    /// No stream captures its subject and nobody subscribes to it.
    Nowhere,
}

impl Publisher {
    pub(super) fn new(traffic: Traffic, link: Link) -> Self {
        Self { traffic, link, known: Arc::default() }
    }

    /// Like [`crate::Bus::publish`].
    pub(super) async fn publish(&self, message: &Message) -> Result<(), Error> {
        let mut tries = Tries::new(PATIENCE);
        loop {
            let captured = self.captured(&message.subject).await?;
            if captured == Captured::No {
                return self.tell(message).await;
            }
            match self.store(message, None).await? {
                Acknowledged::Stored { .. } => return Ok(()),
                Acknowledged::Nowhere => {}
            }
            let subject = message.subject.to_string();
            if captured == Captured::Untold {
                return Err(ErrorKind::NoResponders { subject }.into());
            }
            // The stream is gone, or has no leader now: then the message would be in no inbox.
            lock(&self.known).remove(&message.subject);
            if !tries.again().await {
                return Err(no_leader(&subject));
            }
        }
    }

    /// To whoever subscribes now.
    async fn tell(&self, message: &Message) -> Result<(), Error> {
        let before = self.traffic.shared().live().generation;
        self.traffic.tell(Outgoing::from(message)).await?;
        match self.traffic.round_trip_told().await {
            Ok(()) => {}
            // It may wait in a buffer on this side of a server that stands still.
            Err(error) if matches!(error.kind(), ErrorKind::Timeout { .. }) => {
                return Err(Error::new(ErrorKind::Unknown, error));
            }
            Err(error) => return Err(error),
        }
        if self.traffic.shared().live().generation == before {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Unknown, "the connection ended meanwhile"))
    }

    /// Forgets which subjects are captured.
    pub(super) fn forget(&self) {
        lock(&self.known).clear();
    }

    /// Has a stream store the message, this one if it is named.
    pub(super) async fn store(
        &self,
        message: &Message,
        stream: Option<&str>,
    ) -> Result<Acknowledged, Error> {
        let subject = message.subject.as_str();
        let outgoing = Outgoing { stream, ..Outgoing::from(message) };
        let reply = match self.traffic.exchange(outgoing, ACK_MAX).await {
            Ok(reply) => reply,
            Err(error) if matches!(error.kind(), ErrorKind::Timeout { .. }) => {
                return Err(Error::new(ErrorKind::Unknown, error));
            }
            Err(error) => return Err(error),
        };
        if reply.status == Some(StatusCode::NO_RESPONDERS) {
            return Ok(Acknowledged::Nowhere);
        }
        // A subscriber who answers instead of the stream leaves us not knowing.
        let answer: Answer<PublishAck> = serde_json::from_slice(&reply.payload)
            .map_err(|error| Error::new(ErrorKind::Unknown, error))?;
        match answer {
            Answer::Given(ack) => Ok(Acknowledged::Stored { sequence: ack.sequence }),
            Answer::Refused { error } => Err(error.into_error(subject)),
        }
    }

    async fn captured(&self, subject: &Subject) -> Result<Captured, Error> {
        let now = Instant::now();
        let known = lock(&self.known).get(subject).copied();
        if let Some(known) = known.filter(|known| now < known.until) {
            return Ok(known.captured);
        }
        let captured = match capture::holders(&self.link, subject.as_str()).await {
            Ok(holders) if holders.is_empty() => Captured::No,
            Ok(_holders) => Captured::Yes,
            Err(error) if matches!(error.kind(), ErrorKind::Refused { .. }) => Captured::Untold,
            Err(error) => return Err(error),
        };
        let mut all = lock(&self.known);
        if all.len() >= SUBJECTS_MAX {
            all.clear();
        }
        all.insert(subject.clone(), Known { captured, until: now + KNOWN_FOR });
        Ok(captured)
    }
}

/// A stream is to store what is published there, and none answers.
pub(super) fn no_leader(subject: &str) -> Error {
    let text = format!("the stream that captures `{subject}` has no leader");
    Error::new(ErrorKind::Disconnected, text)
}
