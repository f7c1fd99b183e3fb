//! [`Log`]: one stream per log, one subject, every publish names the sequence it expects.

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SEQUENCE, NATS_EXPECTED_STREAM};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Duration, Instant};

use super::api::{ApiError, Asked, PATIENCE, Tries, codes};
use super::connection::Link;
use super::reader::Reader;
use super::stream::{Stream, settings};
use crate::{Appended, Entry, Error, ErrorKind, Tail};

/// How long one frame waits for its answer before its outcome counts as unknown.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// A handle to a log.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    stream: Stream,
    subject: async_nats::Subject,
    reader: Reader,
}

/// What a stream answers to a publish.
#[derive(Debug, Deserialize)]
pub(super) struct Ack {
    #[serde(default)]
    pub(super) error: Option<ApiError>,
    #[serde(default)]
    pub(super) stream: String,
    #[serde(default)]
    pub(super) seq: u64,
}

impl Log {
    pub(crate) async fn open(link: &Link, name: &str) -> Result<Self, Error> {
        let subject = subject(name);
        let wanted = settings(json!({
            "subjects": [subject],
            "storage": "file",
            "retention": "limits",
            "discard": "new",
            "max_consumers": -1,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_msgs_per_subject": -1,
            "deny_delete": true,
            "deny_purge": false,
            "allow_direct": false,
            // Frames carry no message ids, so the server need not remember any for long.
            "duplicate_window": 100_000_000,
        }));
        let stream_name = format!("gearshift-log-{name}");
        let stream = Stream::open(link, stream_name, name, "log", wanted).await?;
        let reader = Reader::new(stream.clone());
        Ok(Self { stream, subject: subject.into(), reader })
    }

    pub(crate) async fn append(&self, expected: u64, frame: Bytes) -> Result<Appended, Error> {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_LAST_SEQUENCE, expected.to_string());
        headers.insert(NATS_EXPECTED_STREAM, self.stream.name.as_str());
        self.check_size(&frame)?;
        let mut tries = Tries::new(PATIENCE);
        loop {
            let limit = Instant::now() + ANSWER_MAX;
            let (subject, headers) = (self.subject.clone(), headers.clone());
            let asked = self.stream.link.ask(subject, headers, frame.clone(), limit).await;
            let why = match asked {
                Ok(Asked::Answered(message)) => match self.settle(expected, &message.payload) {
                    Ok(appended) => return Ok(appended),
                    // It said that it did not take the frame, and that this passes.
                    Err(error) if error.is_retryable() => error,
                    Err(error) => return Err(error),
                },
                // No leader, or no such stream: its information tells.
                Ok(Asked::Nobody) => {
                    self.stream.info().await?;
                    let text = format!("nobody takes frames of `{}`", self.stream.name);
                    Error::new(ErrorKind::Disconnected, text)
                }
                Ok(Asked::Lost) => return Ok(Appended::Unknown),
                // Nothing was sent.
                Err(error) if error.is_retryable() => error,
                Err(error) => return Err(error),
            };
            if !tries.again().await {
                return Err(why);
            }
        }
    }

    pub(crate) async fn read_from(
        &self,
        sequence: u64,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.reader.read_from(sequence, max_bytes).await
    }

    pub(crate) async fn tail(&self) -> Result<Tail, Error> {
        self.stream.tail().await
    }

    pub(crate) async fn trim(&self, before: u64) -> Result<(), Error> {
        let tail = self.stream.tail().await?;
        let before = before.min(tail.last + 1);
        // The server takes 0 for everything.
        if before <= tail.first {
            return Ok(());
        }
        self.stream.purge(before).await
    }

    pub(crate) async fn destroy(&self) -> Result<(), Error> {
        self.stream.delete().await
    }

    fn settle(&self, expected: u64, payload: &[u8]) -> Result<Appended, Error> {
        let Ok(ack) = serde_json::from_slice::<Ack>(payload) else {
            let reason = format!("`{}` is answered by somebody who is no stream", self.subject);
            return Err(ErrorKind::Refused { reason }.into());
        };
        match ack.error {
            None if ack.seq == expected + 1 && ack.stream == self.stream.name => {
                Ok(Appended::Stored(ack.seq))
            }
            // Stored, but not where it had to be: whoever reads the tail sees what happened.
            None => Ok(Appended::Unknown),
            Some(error) if error.err_code == codes::WRONG_LAST_SEQUENCE => {
                match last_sequence(&error.description) {
                    Some(actual) => Ok(Appended::Fenced { actual }),
                    None => Err(error.into_error(&self.stream.name)),
                }
            }
            Some(error) => Err(self.stream.error(error)),
        }
    }

    /// The server's limit holds for the headers as well.
    fn check_size(&self, frame: &Bytes) -> Result<(), Error> {
        // Two header lines with a sequence of at most 20 digits each, and what frames them.
        let headers = 128 + self.stream.name.len();
        let limit = self.stream.link.client.max_payload().saturating_sub(headers);
        crate::message::check_size(frame.len(), limit)
    }
}

/// `journal-0` is written to `gearshift.journal.0`, so that permissions can name all journals.
fn subject(name: &str) -> String {
    match name.rsplit_once('-') {
        Some((kind, rest)) if !kind.is_empty() && !rest.is_empty() => {
            format!("gearshift.{kind}.{rest}")
        }
        Some(_) | None => format!("gearshift.log.{name}"),
    }
}

/// The number in `wrong last sequence: 5`.
pub(super) fn last_sequence(description: &str) -> Option<u64> {
    description.rsplit_once(':')?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_group_logs_by_what_they_are() {
        assert_eq!(subject("journal-0"), "gearshift.journal.0");
        assert_eq!(subject("by-hand-12"), "gearshift.by-hand.12");
        assert_eq!(subject("l"), "gearshift.log.l");
        assert_eq!(subject("-x"), "gearshift.log.-x");
    }

    #[test]
    fn a_fence_names_the_last_sequence() {
        assert_eq!(last_sequence("wrong last sequence: 17"), Some(17));
        assert_eq!(last_sequence("wrong last sequence"), None);
    }
}
