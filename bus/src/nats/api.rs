//! Requests over a [`Link`], to streams and to the server's own interface for them.

use std::time::Duration;

use async_nats::{HeaderMap, RequestErrorKind};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep, timeout_at};

use super::connection::{Link, MAY_NOT_BE_KNOWN, Signal};
use crate::{Error, ErrorKind};

/// How long an operation rides out elections and lost connections.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// How long one request waits for its answer.
const ANSWER_MAX: Duration = Duration::from_secs(4);

const PAUSE_MIN: Duration = Duration::from_millis(20);
const PAUSE_MAX: Duration = Duration::from_millis(500);

/// The server's numbers for its refusals.
pub(super) mod codes {
    pub(in super::super) const NO_PEERS: u64 = 10_005;
    pub(in super::super) const INSUFFICIENT: u64 = 10_023;
    pub(in super::super) const NO_MESSAGE_FOUND: u64 = 10_037;
    pub(in super::super) const NO_JETSTREAM_FOR_ACCOUNT: u64 = 10_039;
    pub(in super::super) const NO_STORAGE: u64 = 10_047;
    pub(in super::super) const STREAM_EXISTS: u64 = 10_058;
    pub(in super::super) const STREAM_NOT_FOUND: u64 = 10_059;
    pub(in super::super) const SUBJECTS_OVERLAP: u64 = 10_065;
    pub(in super::super) const WRONG_LAST_SEQUENCE: u64 = 10_071;
    pub(in super::super) const REPLICAS_UNSUPPORTED: u64 = 10_074;
    pub(in super::super) const NO_JETSTREAM: u64 = 10_076;
    pub(in super::super) const STORE_FAILED: u64 = 10_077;
    pub(in super::super) const WRONG_LAST_SEQUENCE_IN_FLIGHT: u64 = 10_164;
}

/// How a request ended.
#[derive(Debug)]
pub(super) enum Asked {
    Answered(async_nats::Message),
    /// It was not delivered.
    Nobody,
    /// It was delivered or not.
    Lost,
}

/// What the server said instead of an answer.
#[derive(Debug, Clone, Deserialize, thiserror::Error)]
#[error("{description} ({err_code})")]
pub(super) struct ApiError {
    #[serde(default)]
    pub(super) code: u64,
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

/// An answer or a refusal.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Answer<T> {
    Refused { error: ApiError },
    Given(T),
}

#[derive(Deserialize)]
struct Refusal {
    error: Option<ApiError>,
}

/// What our account is and may.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Account {
    #[serde(default)]
    pub(super) domain: Option<String>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) api: ApiLevel,
    #[serde(default)]
    pub(super) storage: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Limits {
    #[serde(default)]
    pub(super) max_storage: i64,
    #[serde(default)]
    pub(super) max_streams: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct ApiLevel {
    #[serde(default)]
    pub(super) level: u32,
}

impl ApiError {
    /// Whether it passes of itself: no leader right now.
    pub(super) fn is_passing(&self) -> bool {
        let lasting = [
            codes::NO_JETSTREAM,
            codes::NO_JETSTREAM_FOR_ACCOUNT,
            codes::NO_STORAGE,
            codes::INSUFFICIENT,
            codes::STORE_FAILED,
        ];
        self.code == 503 && !lasting.contains(&self.err_code)
    }

    /// For those who did not expect any; `name` is what was asked for.
    pub(super) fn into_error(self, name: &str) -> Error {
        let kind = match self.err_code {
            codes::STREAM_NOT_FOUND => ErrorKind::NotFound { name: name.to_owned() },
            codes::NO_STORAGE | codes::INSUFFICIENT => ErrorKind::DiskFull,
            codes::STORE_FAILED if self.description.contains("no space") => ErrorKind::DiskFull,
            codes::STORE_FAILED => ErrorKind::Io,
            _ if self.is_passing() => ErrorKind::Disconnected,
            _ => ErrorKind::Refused { reason: format!("`{name}`: {self}") },
        };
        Error::new(kind, self)
    }
}

impl Link {
    /// Sends one request and waits for its answer, at most until `deadline`.
    ///
    /// While the connection is down nothing is sent: the error is then `Disconnected`. An answer
    /// that the lost connection took along is not waited for.
    pub(super) async fn ask(
        &self,
        subject: async_nats::Subject,
        headers: HeaderMap,
        payload: Bytes,
        deadline: Instant,
    ) -> Result<Asked, Error> {
        self.up(deadline).await?;
        let mut signal = self.signal.clone();
        let lost = signal.borrow_and_update().disconnects;
        let request = async_nats::Request::new().payload(payload).timeout(None);
        let request = if headers.is_empty() { request } else { request.headers(headers) };
        let asking = self.client.send_request(subject, request);
        let answer = tokio::select! {
            biased;
            answer = timeout_at(deadline, asking) => answer,
            _ = signal.wait_for(|signal| signal.disconnects > lost) => return Ok(Asked::Lost),
            () = self.lifecycle.closed() => return Ok(Asked::Lost),
        };
        match answer {
            Ok(Ok(message)) => Ok(Asked::Answered(message)),
            Ok(Err(error)) => match error.kind() {
                RequestErrorKind::NoResponders => Ok(Asked::Nobody),
                RequestErrorKind::MaxPayloadExceeded => {
                    let limit = self.client.max_payload();
                    Err(Error::new(ErrorKind::TooLarge { size: limit + 1, limit }, error))
                }
                RequestErrorKind::InvalidSubject => {
                    let reason = error.to_string();
                    Err(ErrorKind::Refused { reason }.into())
                }
                RequestErrorKind::TimedOut | RequestErrorKind::Other => Ok(Asked::Lost),
            },
            Err(_elapsed) => Ok(Asked::Lost),
        }
    }

    /// Waits until the connection is there.
    pub(super) async fn up(&self, deadline: Instant) -> Result<(), Error> {
        self.lifecycle.check()?;
        if self.is_up() {
            return Ok(());
        }
        let mut signal = self.signal.clone();
        loop {
            signal.mark_unchanged();
            if self.is_up() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let text = format!("`{}` is not there", self.address());
                return Err(Error::new(ErrorKind::Disconnected, text));
            }
            tokio::select! {
                biased;
                () = self.lifecycle.closed() => return Err(ErrorKind::Closed.into()),
                _ = signal.changed() => {}
                () = sleep(PAUSE_MIN) => {}
            }
        }
    }

    /// Asks the server's interface; only for what may be asked twice.
    ///
    /// Rides out what passes; the outer error says that nobody answered, the inner one what was
    /// answered.
    pub(super) async fn api<T: DeserializeOwned>(
        &self,
        subject: &str,
        body: &impl Serialize,
    ) -> Result<Result<T, ApiError>, Error> {
        let body = serde_json::to_vec(body)
            .map_err(|error| ErrorKind::Refused { reason: error.to_string() })?;
        let body = if body == b"null" { Bytes::new() } else { Bytes::from(body) };
        let subject = async_nats::Subject::from(format!("$JS.API.{subject}"));
        let mut tries = Tries::new(PATIENCE);
        loop {
            let limit = tries.deadline.min(Instant::now() + ANSWER_MAX);
            let asked = tokio::select! {
                biased;
                asked = self.ask(subject.clone(), HeaderMap::new(), body.clone(), limit) => asked,
                refusal = self.refusal(&subject), if &*subject != MAY_NOT_BE_KNOWN => Err(refusal),
            };
            self.lifecycle.check()?;
            let why = match asked {
                Ok(Asked::Answered(message)) => match parse::<T>(&message.payload) {
                    Ok(Err(error)) if error.is_passing() => error.to_string(),
                    Ok(answer) => return Ok(answer),
                    Err(error) => {
                        let reason = format!("`{subject}` is answered by {error}");
                        return Err(ErrorKind::Refused { reason }.into());
                    }
                },
                Ok(Asked::Nobody) => "nobody answers for streams".to_owned(),
                Ok(Asked::Lost) => self.silence(&subject)?,
                Err(error) if matches!(error.kind(), ErrorKind::Disconnected) => error.describe(),
                Err(error) => return Err(error),
            };
            if !tries.again().await {
                return Err(Error::new(ErrorKind::Disconnected, format!("`{subject}`: {why}")));
            }
        }
    }

    /// What our account may do; nothing is known to who may not ask: such a login may still call,
    /// answer and publish.
    pub(super) async fn account(&self) -> Result<Account, Error> {
        let off = || {
            let reason = format!(
                "`{}` (nats-server {}) has no JetStream for us: switch it on (a `jetstream` block \
                 in the server's configuration and in the account's)",
                self.address(),
                self.version()
            );
            Error::from(ErrorKind::Refused { reason })
        };
        let info = self.client.server_info();
        if !info.jetstream && info.cluster.is_none_or(|cluster| cluster.is_empty()) {
            return Err(off());
        }
        let mut signal = self.signal();
        let denied = signal.wait_for(|signal| self.is_deaf(signal) || may_not_ask(signal));
        let answer = tokio::select! {
            biased;
            answer = self.api::<Account>("INFO", &()) => answer?,
            Ok(signal) = denied => {
                let is_deaf = self.is_deaf(&signal);
                return if is_deaf { Err(self.deaf()) } else { Ok(Account::default()) };
            }
        };
        match answer {
            Ok(account) => Ok(account),
            Err(error) => match error.err_code {
                codes::NO_JETSTREAM | codes::NO_JETSTREAM_FOR_ACCOUNT => Err(off()),
                _ => Err(error.into_error("JetStream")),
            },
        }
    }

    /// Whether we may not subscribe to where replies arrive.
    pub(super) fn is_deaf(&self, signal: &Signal) -> bool {
        signal.complaints.refuses_subscriptions_below(&self.inbox_prefix())
    }

    pub(super) fn deaf(&self) -> Error {
        let reason = format!(
            "`{}` does not let us subscribe to `{}>`, where replies arrive: allow it, or give the \
             inbox prefix that is allowed",
            self.address(),
            self.inbox_prefix()
        );
        ErrorKind::Refused { reason }.into()
    }

    /// With its final dot.
    fn inbox_prefix(&self) -> String {
        let inbox = self.client.new_inbox();
        inbox.rsplit_once('.').map_or_else(String::new, |(prefix, _)| format!("{prefix}."))
    }

    /// No answer: perhaps because we may not even ask.
    fn silence(&self, subject: &str) -> Result<String, Error> {
        match self.signal.borrow().complaints.about(subject) {
            Some(text) => {
                let reason = format!("`{}`: {text}", self.address());
                Err(ErrorKind::Refused { reason }.into())
            }
            None => Ok("no answer".to_owned()),
        }
    }
}

fn may_not_ask(signal: &Signal) -> bool {
    signal.complaints.about(MAY_NOT_BE_KNOWN).is_some()
}

fn parse<T: DeserializeOwned>(payload: &[u8]) -> Result<Result<T, ApiError>, serde_json::Error> {
    match serde_json::from_slice::<Refusal>(payload)?.error {
        Some(error) => Ok(Err(error)),
        None => serde_json::from_slice(payload).map(Ok),
    }
}

/// Tries until a deadline, with growing pauses.
#[derive(Debug)]
pub(super) struct Tries {
    pub(super) deadline: Instant,
    pause: Duration,
}

impl Tries {
    pub(super) fn new(patience: Duration) -> Self {
        Self { deadline: Instant::now() + patience, pause: PAUSE_MIN }
    }

    /// Whether there is time for another try; pauses before it.
    pub(super) async fn again(&mut self) -> bool {
        if Instant::now() + self.pause >= self.deadline {
            return false;
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        true
    }
}
