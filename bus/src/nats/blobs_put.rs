//! Storing a blob: its parts under a number of their own, then the name that tells of them.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_EXPECTED_STREAM, NATS_ROLLUP};
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::object_store::ObjectInfo;
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use super::api::{Answer, Asked, PATIENCE, Tries};
use super::blobs::{Blobs, age_of, encoded};
use super::reader::{Wanted, get};
use crate::{Digest, Error, ErrorKind};

/// Bytes of one part, as the server's own clients cut them.
const PART_BYTES: usize = 128 * 1024;

/// How the server is told that this message replaces the others of its subject.
const ROLLUP_SUBJECT: &str = "sub";

impl Blobs {
    /// What is there and was stored less than `young` ago stays as it is.
    pub(crate) async fn put(&self, bytes: Bytes, young: Duration) -> Result<Digest, Error> {
        let digest = Digest::of(&bytes);
        let is_stored = matches!(Box::pin(self.get(&digest, usize::MAX)).await, Ok(Some(_)));
        let before = get(&self.stream, Wanted::LastOf(&self.name_subject(&digest))).await?;
        if let (true, Some(before)) = (is_stored, &before)
            && self.renew(before, young).await
        {
            return Ok(digest);
        }
        // Only a damaged one has the name still.
        let number = self.store_parts(&bytes).await?;
        self.store_name(&digest, &number, &bytes).await?;
        if let Some(Ok(before)) =
            before.map(|message| serde_json::from_slice::<ObjectInfo>(&message.payload))
            && before.nuid != number
        {
            self.sweep(&[before.nuid]).await;
        }
        Ok(digest)
    }

    /// Stores the name of what is whole once more, so that it is as young as what is stored now;
    /// false where it has gone or changed meanwhile.
    async fn renew(&self, before: &StreamMessage, young: Duration) -> bool {
        if age_of(before) < young {
            return true;
        }
        let mut headers = HeaderMap::new();
        headers.insert(NATS_ROLLUP, ROLLUP_SUBJECT);
        headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, before.sequence.to_string());
        let (subject, name) = (before.subject.to_string(), before.payload.clone());
        self.store(&subject, headers, name, Instant::now() + PATIENCE).await.is_ok()
    }

    /// Stores the parts in order, and gives their number. Those of a try that failed are removed:
    /// no name will ever tell of them.
    async fn store_parts(&self, bytes: &Bytes) -> Result<String, Error> {
        let mut tries = Tries::new(PATIENCE);
        let mut failed = Vec::new();
        let stored = loop {
            let number = format!("{:032x}", fastrand::u128(..));
            let error = match self.store_all(&number, bytes, tries.deadline).await {
                Ok(()) => break Ok(number),
                Err(error) => error,
            };
            failed.push(number);
            if !error.is_retryable() || !tries.again().await {
                break Err(error);
            }
        };
        self.sweep(&failed).await;
        stored
    }

    async fn store_all(&self, number: &str, bytes: &Bytes, deadline: Instant) -> Result<(), Error> {
        let subject = self.parts_subject(number);
        for begin in (0..bytes.len()).step_by(PART_BYTES) {
            let part = bytes.slice(begin..bytes.len().min(begin + PART_BYTES));
            self.store(&subject, HeaderMap::new(), part, deadline).await?;
        }
        Ok(())
    }

    /// Stores the name. It is the same each time, so it is sent again after every doubt; the parts
    /// stay where nobody knows whether it was stored.
    async fn store_name(&self, digest: &Digest, number: &str, bytes: &Bytes) -> Result<(), Error> {
        let subject = self.name_subject(digest);
        let name = json!({
            "name": digest.as_str(),
            "bucket": self.name,
            "nuid": number,
            "size": bytes.len(),
            "chunks": bytes.len().div_ceil(PART_BYTES),
            "digest": format!("SHA-256={}", encoded(&Sha256::digest(bytes))),
            "options": { "max_chunk_size": PART_BYTES },
        });
        let name = Bytes::from(name.to_string());
        let mut headers = HeaderMap::new();
        headers.insert(NATS_ROLLUP, ROLLUP_SUBJECT);
        let mut tries = Tries::new(PATIENCE);
        loop {
            let stored = self.store(&subject, headers.clone(), name.clone(), tries.deadline).await;
            let Err(error) = stored else { return Ok(()) };
            if !error.is_retryable() {
                self.sweep(&[number.to_owned()]).await;
                return Err(error);
            }
            if !tries.again().await {
                return Err(error);
            }
        }
    }

    /// Has the stream store one message.
    async fn store(
        &self,
        subject: &str,
        mut headers: HeaderMap,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<(), Error> {
        headers.insert(NATS_EXPECTED_STREAM, self.stream.name.as_str());
        let asked = self.stream.link.ask(subject.into(), headers, payload, deadline).await?;
        let lost = |text: String| Err(Error::new(ErrorKind::Disconnected, text));
        match asked {
            Asked::Answered(message) => match serde_json::from_slice(&message.payload) {
                Ok(Answer::<PublishAck>::Given(_)) => Ok(()),
                Ok(Answer::Refused { error }) => Err(self.stream.error(error)),
                Err(error) => {
                    let reason = format!("`{subject}` is answered by {error}");
                    Err(ErrorKind::Refused { reason }.into())
                }
            },
            // No leader, or no such stream: its information tells.
            Asked::Nobody => {
                self.stream.info().await?;
                lost(format!("nobody takes parts of `{}`", self.stream.name))
            }
            Asked::Lost => lost(format!("`{}` does not answer", self.stream.name)),
        }
    }

    /// Removes parts, as far as that goes now.
    async fn sweep(&self, numbers: &[String]) {
        for number in numbers {
            if let Err(error) = self.purge(&self.parts_subject(number)).await {
                tracing::warn!(%error, stream = self.stream.name, number, "parts are left behind");
            }
        }
    }
}
