//! [`Bucket`]: a key-value stream, written raw because keys expire.

use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::header::{NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, NATS_EXPECTED_STREAM};
use async_nats::jetstream::message::StreamMessage;
use bytes::Bytes;
use serde_json::json;
use tokio::time::Instant;

use super::api::{ApiError, Asked, PATIENCE, Tries, codes};
use super::connection::Link;
use super::listing::last_of_each;
use super::log::Ack;
use super::reader::{Wanted, get};
use super::stream::{Stream, settings};
use crate::local::KeyOp;
use crate::nats::KeyWatch;
use crate::{Error, ErrorKind, Swapped, Tail, Value};

const OPERATION: &str = "KV-Operation";
const MARKER_REASON: &str = "Nats-Marker-Reason";
const TTL: &str = "Nats-TTL";
/// How long a key lives, on servers that do not let messages expire: readers look at it.
const OWN_TTL: &str = "Gearshift-TTL";

/// How long one write waits for its answer before its outcome counts as unknown.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// How long the mark of an expired key stays for watchers that are away; one that is away for
/// longer compares what is there.
const MARKER_TTL: Duration = Duration::from_secs(60);

/// A handle to a bucket.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(super) stream: Stream,
    /// What the subjects of its keys begin with.
    pub(super) root: String,
    expires: bool,
}

/// A key that is there.
pub(super) struct Found {
    pub(super) key: String,
    pub(super) value: Value,
    /// When readers have to see it expire by themselves.
    pub(super) expires_ms: Option<i64>,
}

/// How one write ended at the server.
enum Written {
    Stored(u64),
    Conflict,
}

impl Bucket {
    pub(crate) async fn open(
        link: &Link,
        name: &str,
        bytes_max: Option<usize>,
    ) -> Result<Self, Error> {
        let root = format!("$KV.gearshift-{name}.");
        let expires = link.version().has_expiry();
        let mut wanted = settings(json!({
            "subjects": [format!("{root}>")],
            "storage": "file",
            "retention": "limits",
            "discard": "new",
            "max_consumers": -1,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_msgs_per_subject": 1,
            "deny_delete": true,
            "deny_purge": false,
            "allow_rollup_hdrs": true,
            "allow_direct": true,
        }));
        if let Some(bytes_max) = bytes_max {
            wanted.insert("max_bytes".to_owned(), json!(bytes_max));
            wanted.insert("discard".to_owned(), json!("old"));
        }
        if expires {
            wanted.insert("allow_msg_ttl".to_owned(), json!(true));
            let nanos = u64::try_from(MARKER_TTL.as_nanos()).unwrap_or(u64::MAX);
            wanted.insert("subject_delete_marker_ttl".to_owned(), json!(nanos));
        }
        let stream_name = format!("KV_gearshift-{name}");
        let stream = Stream::open(link, stream_name, name, "bucket", wanted).await?;
        Ok(Self { stream, root, expires })
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Value>, Error> {
        Ok(self.last(key).await?.as_ref().and_then(live))
    }

    pub(crate) async fn write(&self, key: &str, op: KeyOp) -> Result<Swapped, Error> {
        let headers = self.headers(&op);
        let value = op.value.unwrap_or_default();
        let Some(expected) = op.expected else {
            return match self.publish(key, headers, None, value).await? {
                Written::Stored(revision) => Ok(Swapped::Stored(revision)),
                Written::Conflict => Err(ErrorKind::Unknown.into()),
            };
        };
        // There the server does not know that a key has expired, and would renew it.
        if !self.expires && expected != 0 {
            let actual = self.get(key).await?.map_or(0, |value| value.revision);
            if actual != expected {
                return Ok(Swapped::Conflict { actual });
            }
        }
        // What the server has to find: for a key that must not exist that is nothing, or the
        // mark left by one that is gone.
        let mut found = expected;
        let mut tries = Tries::new(PATIENCE);
        loop {
            let (headers, value) = (headers.clone(), value.clone());
            if let Written::Stored(revision) =
                self.publish(key, headers, Some(found), value).await?
            {
                return Ok(Swapped::Stored(revision));
            }
            let last = self.last(key).await?;
            let actual = last.as_ref().and_then(live).map_or(0, |value| value.revision);
            if actual != expected {
                return Ok(Swapped::Conflict { actual });
            }
            // Somebody else's write is under way, or what is there is a mark.
            let before = found;
            found = if expected == 0 { last.map_or(0, |last| last.sequence) } else { expected };
            if found == before && !tries.again().await {
                return Err(ErrorKind::Disconnected.into());
            }
        }
    }

    pub(crate) async fn keys(&self, prefix: &str) -> Result<Vec<String>, Error> {
        let entries = self.entries(prefix).await?;
        Ok(entries.into_iter().map(|entry| entry.key).collect())
    }

    pub(crate) async fn head(&self) -> Result<u64, Error> {
        Ok(self.tail().await?.last)
    }

    pub(super) async fn tail(&self) -> Result<Tail, Error> {
        self.stream.tail().await
    }

    pub(crate) async fn watch(&self, prefix: &str) -> Result<KeyWatch, Error> {
        KeyWatch::open(self.clone(), prefix).await
    }

    /// The live keys that begin with `prefix`, in order.
    pub(super) async fn entries(&self, prefix: &str) -> Result<Vec<Found>, Error> {
        let filter = format!("{}>", self.root);
        let begins = |subject: &str| {
            subject.strip_prefix(&self.root).is_some_and(|key| key.starts_with(prefix))
        };
        let messages = last_of_each(&self.stream, &filter, begins).await?;
        let mut entries = Vec::with_capacity(messages.len());
        for message in messages {
            if let Some(key) = message.subject.strip_prefix(&self.root)
                && let Some(value) = live(&message)
            {
                let ttl_ms = expiry(&message.headers);
                let expires_ms = ttl_ms.map(|ttl| sent_ms(&message).saturating_add(ttl));
                entries.push(Found { key: key.to_owned(), value, expires_ms });
            }
        }
        Ok(entries)
    }

    async fn last(&self, key: &str) -> Result<Option<StreamMessage>, Error> {
        let subject = format!("{}{key}", self.root);
        get(&self.stream, Wanted::LastOf(&subject)).await
    }

    fn headers(&self, op: &KeyOp) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(NATS_EXPECTED_STREAM, self.stream.name.as_str());
        if op.value.is_none() {
            headers.insert(OPERATION, "DEL");
        }
        if let Some(ttl) = op.ttl {
            // Whole seconds, rounded up: a key never goes early.
            let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
            let name = if self.expires { TTL } else { OWN_TTL };
            headers.insert(name, seconds.max(1).to_string());
        }
        headers
    }

    async fn publish(
        &self,
        key: &str,
        mut headers: HeaderMap,
        expected: Option<u64>,
        value: Bytes,
    ) -> Result<Written, Error> {
        if let Some(expected) = expected {
            headers.insert(NATS_EXPECTED_LAST_SUBJECT_SEQUENCE, expected.to_string());
        }
        let subject = async_nats::Subject::from(format!("{}{key}", self.root));
        let mut tries = Tries::new(PATIENCE);
        loop {
            let limit = Instant::now() + ANSWER_MAX;
            let (subject, headers) = (subject.clone(), headers.clone());
            let asked = self.stream.link.ask(subject, headers, value.clone(), limit).await;
            let why = match asked {
                Ok(Asked::Answered(message)) => match settle(&message.payload) {
                    Ok(written) => return Ok(written),
                    Err(error) if error.is_passing() => self.stream.error(error),
                    Err(error) => return Err(self.stream.error(error)),
                },
                Ok(Asked::Nobody) => {
                    self.stream.info().await?;
                    ErrorKind::Disconnected.into()
                }
                Ok(Asked::Lost) => {
                    self.stream.link.lifecycle.check()?;
                    return Err(ErrorKind::Unknown.into());
                }
                Err(error) if error.is_retryable() => error,
                Err(error) => return Err(error),
            };
            if !tries.again().await {
                return Err(why);
            }
        }
    }
}

fn settle(payload: &[u8]) -> Result<Written, ApiError> {
    let ack = serde_json::from_slice::<Ack>(payload).map_err(|error| ApiError {
        code: 500,
        err_code: 0,
        description: format!("somebody who is no stream answers: {error}"),
    })?;
    match ack.error {
        None => Ok(Written::Stored(ack.seq)),
        Some(error) => match error.err_code {
            codes::WRONG_LAST_SEQUENCE | codes::WRONG_LAST_SEQUENCE_IN_FLIGHT => {
                Ok(Written::Conflict)
            }
            _ => Err(error),
        },
    }
}

/// The value in a message of a bucket, unless it says that the key is gone.
fn live(message: &StreamMessage) -> Option<Value> {
    let is_live = is_live(&message.headers, sent_ms(message));
    is_live.then(|| Value { revision: message.sequence, value: message.payload.clone() })
}

fn sent_ms(message: &StreamMessage) -> i64 {
    i64::try_from(message.time.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}

/// Whether a message sets its key, and still does.
pub(super) fn is_live(headers: &HeaderMap, sent_ms: i64) -> bool {
    if headers.get(OPERATION).is_some() || headers.get(MARKER_REASON).is_some() {
        return false;
    }
    match expiry(headers) {
        None => true,
        Some(ttl) => sent_ms.saturating_add(ttl) > crate::Clock::system().now_ms(),
    }
}

/// How long a key lives that readers have to watch themselves, in milliseconds.
pub(super) fn expiry(headers: &HeaderMap) -> Option<i64> {
    let seconds: i64 = headers.get(OWN_TTL)?.as_str().parse().ok()?;
    Some(seconds.saturating_mul(1000))
}
