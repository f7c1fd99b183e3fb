//! [`Puller`]: a stream's messages ahead of whoever reads them.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::{StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use serde::Serialize;
use tokio::time::Instant;

use super::Version;
use super::api::ApiError;
use crate::{Error, ErrorKind};

/// Messages asked for at once.
const BATCH: u64 = 2_048;

/// How long messages may gather before they are asked for. One that comes after a pause is there
/// at once; of those that come all the time the server sends, and a reader works on, many together.
const GATHER: Duration = Duration::from_millis(5);

/// With so many the server has ready no more are waited for.
const GATHERED: u64 = 512;

/// Bytes asked for at once.
const BATCH_BYTES: usize = 8 * 1024 * 1024;

/// How long the server keeps an unanswered request.
const EXPIRES: Duration = Duration::from_secs(30);

/// How often the server says that it is there, if it has nothing else to say.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How often a silent connection is looked at.
const TICK: Duration = Duration::from_millis(250);

/// Silent ticks after which the consumer counts as lost: three heartbeats.
const SILENT_TICKS_MAX: u32 = 24;

/// How long the client may take what is to be sent.
const SEND_MAX: Duration = Duration::from_secs(5);

/// Requests in a row that may end over the size of what is next: that of one which others had
/// taken from, and one more. What does not fit a whole one never comes this way.
const TOO_LARGE_MAX: u32 = 2;

/// How long a consumer outlives its reader.
const INACTIVE: Duration = Duration::from_secs(60);

/// An ephemeral consumer without acknowledgements, and what it sends.
#[derive(Debug)]
pub(super) struct Puller {
    jetstream: Context,
    stream: String,
    consumer: String,
    inbox: String,
    subscriber: Subscriber,
    /// Messages asked for that did not come yet.
    outstanding: u64,
    /// When one message was asked for last.
    felt: Option<Instant>,
    /// Whether that was the last that was asked for, so that all which gathered is not yet.
    feels: bool,
    connects: u64,
    silent_ticks: u32,
    /// Requests that ended over the size of what is next, since it came.
    too_large: u32,
    /// Messages that the server has for us beyond those that arrived.
    pub(super) pending: u64,
}

/// What came next.
#[derive(Debug)]
pub(super) enum Pulled {
    /// A message.
    Message(async_nats::Message),
    /// Nothing more comes: the consumer or the connection went.
    Lost(&'static str),
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// For one, which tells how many there are.
    One,
    /// For so many.
    Now(u64),
    /// Not before.
    At(Instant),
    /// Enough is asked for.
    Nothing,
}

#[derive(Serialize)]
struct Request {
    batch: u64,
    max_bytes: usize,
    expires: u128,
    idle_heartbeat: u128,
}

impl Puller {
    /// Starts at `sequence`, which lies in the stream or right behind it.
    pub(super) async fn start(
        jetstream: &Context,
        stream: &str,
        sequence: u64,
        filters: &[String],
    ) -> Result<Self, Error> {
        let client = jetstream.client();
        // Read before the consumer is made: a reconnect from here on is noticed.
        let connects = client.statistics().connects.load(Ordering::Relaxed);
        let (filter_subject, filter_subjects) = match filters {
            [one] => (one.clone(), Vec::new()),
            several => (String::new(), several.to_vec()),
        };
        let version = Version::parse(&client.server_info().version);
        if !filter_subjects.is_empty() && !version.has_filters() {
            // It would leave them out unsaid and give every message of the stream.
            let patterns = filter_subjects.join("`, `");
            let reason = format!(
                "nats-server {version} reads one pattern of stream `{stream}` at a time, \
                 not `{patterns}`: update it"
            );
            return Err(ErrorKind::Refused { reason }.into());
        }
        let config = pull::Config {
            deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: sequence },
            ack_policy: AckPolicy::None,
            filter_subject,
            filter_subjects,
            inactive_threshold: INACTIVE,
            memory_storage: true,
            num_replicas: 1,
            ..pull::Config::default()
        };
        let consumer = jetstream.create_consumer_on_stream(config, stream).await;
        let consumer = consumer.map_err(|error| not_created(stream, error))?;
        let info = consumer.cached_info();
        let inbox = client.new_inbox();
        let subscriber = client
            .subscribe(inbox.clone())
            .await
            .map_err(|error| Error::new(ErrorKind::Disconnected, error))?;
        Ok(Self {
            jetstream: jetstream.clone(),
            stream: stream.to_owned(),
            consumer: info.name.clone(),
            inbox,
            subscriber,
            outstanding: 0,
            felt: None,
            feels: true,
            connects,
            silent_ticks: 0,
            too_large: 0,
            pending: info.num_pending,
        })
    }

    /// The next message. Dropping the future loses none.
    pub(super) async fn next(&mut self) -> Pulled {
        loop {
            let gathers_until = match self.ask_ahead().await {
                Ok(gathers_until) => gathers_until,
                Err(reason) => return Pulled::Lost(reason),
            };
            let until = gathers_until.unwrap_or_else(|| Instant::now() + TICK);
            match tokio::time::timeout_at(until, self.subscriber.next()).await {
                Ok(Some(message)) => {
                    if let Some(pulled) = self.take(message) {
                        return pulled;
                    }
                }
                Ok(None) => return Pulled::Lost("the connection was closed"),
                Err(_elapsed) => {
                    if self.has_reconnected() {
                        return Pulled::Lost("the connection was lost");
                    }
                    self.silent_ticks += u32::from(gathers_until.is_none());
                    if self.silent_ticks > SILENT_TICKS_MAX {
                        return Pulled::Lost("the server fell silent");
                    }
                }
            }
        }
    }

    /// The next message if it is here already.
    pub(super) fn ready(&mut self) -> Option<Pulled> {
        loop {
            // Without its turn of the task's budget a full channel looks empty after some.
            let next = tokio::task::unconstrained(self.subscriber.next());
            match next.now_or_never()? {
                Some(message) => {
                    if let Some(pulled) = self.take(message) {
                        return Some(pulled);
                    }
                }
                None => return Some(Pulled::Lost("the connection was closed")),
            }
        }
    }

    /// Whether what was asked for may have been lost with a connection.
    fn has_reconnected(&self) -> bool {
        self.jetstream.client().statistics().connects.load(Ordering::Relaxed) != self.connects
    }

    /// Whether what the server has may become more before it is asked for.
    pub(super) fn gathers(&self) -> bool {
        matches!(self.next_ask(), Ask::At(_))
    }

    /// Whether only one message was asked for, so that far more may be there.
    pub(super) const fn feels(&self) -> bool {
        self.feels
    }

    fn next_ask(&self) -> Ask {
        let beyond = self.pending.saturating_sub(self.outstanding);
        if beyond >= GATHERED && self.outstanding <= BATCH / 2 {
            return Ask::Now(beyond.min(BATCH));
        }
        if self.outstanding > 0 {
            return Ask::Nothing;
        }
        if self.feels && self.pending > 0 {
            return Ask::Now(self.pending);
        }
        let at = self.felt.map(|felt| felt + GATHER);
        at.filter(|at| *at > Instant::now()).map_or(Ask::One, Ask::At)
    }

    /// Asks for more before the last that was asked for has come; until when it does not, if
    /// messages may gather.
    pub(super) async fn ask_ahead(&mut self) -> Result<Option<Instant>, &'static str> {
        let ask = self.next_ask();
        let batch = match ask {
            Ask::One => 1,
            Ask::Now(batch) => batch,
            Ask::At(at) => return Ok(Some(at)),
            Ask::Nothing => return Ok(None),
        };
        let request = Request {
            batch,
            max_bytes: BATCH_BYTES,
            expires: EXPIRES.as_nanos(),
            idle_heartbeat: HEARTBEAT.as_nanos(),
        };
        let request = serde_json::to_vec(&request).map_err(|_error| "a request is no JSON")?;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream, self.consumer);
        let client = self.jetstream.client();
        let asking = client.publish_with_reply(subject, self.inbox.clone(), request.into());
        tokio::time::timeout(SEND_MAX, asking)
            .await
            .map_err(|_elapsed| "the connection takes nothing")?
            .map_err(|_error| "the connection was closed")?;
        self.outstanding += batch;
        self.feels = ask == Ask::One;
        if self.feels {
            self.felt = Some(Instant::now());
        }
        Ok(None)
    }

    /// A message, or a word of the server about its request.
    fn take(&mut self, message: async_nats::Message) -> Option<Pulled> {
        self.silent_ticks = 0;
        // Only deliveries ask for an acknowledgement; a stored message may carry any status.
        if message.reply.as_ref().is_some_and(|reply| reply.starts_with("$JS.ACK.")) {
            self.outstanding = self.outstanding.saturating_sub(1);
            self.too_large = 0;
            return Some(Pulled::Message(message));
        }
        let status = message.status?;
        if status == StatusCode::IDLE_HEARTBEAT {
            return None;
        }
        if status == StatusCode::NO_RESPONDERS {
            return Some(Pulled::Lost("the consumer is gone"));
        }
        let description = message.description.as_deref().unwrap_or_default();
        if ["Consumer Deleted", "Server Shutdown", "Leadership Change"].contains(&description) {
            return Some(Pulled::Lost("the consumer was deleted or moved"));
        }
        if description.contains("MaxBytes") {
            self.too_large += 1;
            if self.too_large > TOO_LARGE_MAX {
                return Some(Pulled::Lost("a message is larger than what is asked for at once"));
            }
        }
        let left = message.headers.as_ref().and_then(|map| map.get("Nats-Pending-Messages"));
        let left = left.and_then(|left| left.as_str().parse().ok()).unwrap_or(u64::MAX);
        self.outstanding = self.outstanding.saturating_sub(left);
        None
    }
}

impl Drop for Puller {
    /// Takes the consumer back, as far as that goes without waiting; the server does it later.
    fn drop(&mut self) {
        let subject = format!("$JS.API.CONSUMER.DELETE.{}.{}", self.stream, self.consumer);
        let client = self.jetstream.client();
        if client.publish(subject, Bytes::new()).now_or_never().is_none() {
            tracing::debug!(consumer = self.consumer, "left a consumer to its end");
        }
    }
}

fn not_created(stream: &str, error: async_nats::jetstream::stream::ConsumerError) -> Error {
    use async_nats::jetstream::stream::ConsumerErrorKind as Kind;
    let kind = match error.kind() {
        Kind::JetStream(refusal) => {
            let refusal = ApiError {
                code: u64::try_from(refusal.code()).unwrap_or(u64::MAX),
                err_code: refusal.error_code().0,
                description: refusal.to_string(),
            };
            return refusal.into_error(stream);
        }
        // One made without our knowing is dropped by the server: asking again does no harm.
        Kind::TimedOut
        | Kind::Request
        | Kind::InvalidConsumerType
        | Kind::InvalidName
        | Kind::Other => ErrorKind::Disconnected,
    };
    Error::new(kind, error)
}
