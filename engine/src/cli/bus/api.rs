//! JetStream's own requests, read only: what the server says about an account and its streams.

use std::time::Duration;

use gearshift_bus::{Bus, ErrorKind, Message, Subject};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// How long the server may take; one that does not let us ask says nothing at all.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// Streams looked at, at most.
const STREAMS_MAX: usize = 4_096;

/// How a request ended.
#[derive(Debug)]
pub(super) enum Asked<T> {
    /// Answered.
    Is(T),
    /// Answered with an error.
    Refused(String),
    /// Nobody is there to answer: the request was allowed.
    Nobody,
    /// Silence: the server does not let us ask, or is busy.
    Silence,
}

impl<T> Asked<T> {
    /// The answer, or nothing.
    pub(super) fn answer(self) -> Option<T> {
        match self {
            Self::Is(answer) => Some(answer),
            Self::Refused(_) | Self::Nobody | Self::Silence => None,
        }
    }

    /// Did the server let the request through?
    pub(super) const fn passed(&self) -> bool {
        match self {
            Self::Is(_) | Self::Refused(_) | Self::Nobody => true,
            Self::Silence => false,
        }
    }
}

/// The account: what it uses, and its limits (-1: none).
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Account {
    #[serde(default)]
    pub(super) storage: i64,
    #[serde(default)]
    pub(super) streams: i64,
    pub(super) limits: AccountLimits,
}

/// Limits of an account.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct AccountLimits {
    pub(super) max_storage: i64,
    pub(super) max_streams: i64,
    pub(super) max_consumers: i64,
}

/// One stream.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Stream {
    pub(super) config: StreamConfig,
    pub(super) state: StreamState,
    pub(super) cluster: Option<Cluster>,
    /// When the server said so.
    pub(super) ts: Option<String>,
}

/// How a stream is set up.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamConfig {
    pub(super) name: String,
    pub(super) subjects: Vec<String>,
    pub(super) retention: String,
    pub(super) storage: String,
    pub(super) discard: String,
    pub(super) num_replicas: usize,
    pub(super) max_msgs: i64,
    pub(super) max_bytes: i64,
    /// In nanoseconds.
    pub(super) max_age: i64,
    pub(super) sealed: bool,
    pub(super) persist_mode: String,
    pub(super) mirror: Option<Value>,
    pub(super) sources: Option<Value>,
}

/// What a stream holds.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StreamState {
    pub(super) messages: u64,
    pub(super) bytes: u64,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
    pub(super) num_deleted: u64,
    pub(super) consumer_count: u64,
}

/// Who keeps a stream.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Cluster {
    pub(super) leader: Option<String>,
    #[serde(default)]
    pub(super) replicas: Vec<Replica>,
}

/// One copy of a stream.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Replica {
    pub(super) name: String,
    #[serde(default)]
    pub(super) current: bool,
    #[serde(default)]
    pub(super) offline: bool,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    description: String,
}

#[derive(Deserialize)]
struct StreamPage {
    total: usize,
    #[serde(default)]
    streams: Option<Vec<Stream>>,
}

/// Asks anything of anybody.
pub(super) async fn ask(bus: &Bus, subject: &str, body: Vec<u8>) -> Asked<Vec<u8>> {
    let subject = match Subject::parse(subject) {
        Ok(subject) => subject,
        Err(error) => return Asked::Refused(error.to_string()),
    };
    match bus.requests().request_checked(Message::new(subject, body), PATIENCE).await {
        Ok(reply) => Asked::Is(reply.payload.to_vec()),
        Err(error) if matches!(error.kind(), ErrorKind::NoResponders { .. }) => Asked::Nobody,
        Err(error)
            if matches!(error.kind(), ErrorKind::Timeout { .. } | ErrorKind::Refused { .. }) =>
        {
            Asked::Silence
        }
        Err(error) => Asked::Refused(error.to_string()),
    }
}

async fn api<T: DeserializeOwned>(bus: &Bus, request: &str, body: Value) -> Asked<T> {
    let body = serde_json::to_vec(&body).unwrap_or_default();
    let bytes = match ask(bus, &format!("$JS.API.{request}"), body).await {
        Asked::Is(bytes) => bytes,
        Asked::Refused(reason) => return Asked::Refused(reason),
        Asked::Nobody => return Asked::Nobody,
        Asked::Silence => return Asked::Silence,
    };
    let answer: Value = match serde_json::from_slice(&bytes) {
        Ok(answer) => answer,
        Err(error) => return Asked::Refused(format!("the answer is not JSON: {error}")),
    };
    if let Some(refusal) = answer.get("error") {
        let refusal = Refusal::deserialize(refusal)
            .map_or_else(|_| refusal.to_string(), |refusal| refusal.description);
        return Asked::Refused(refusal);
    }
    match T::deserialize(&answer) {
        Ok(answer) => Asked::Is(answer),
        Err(error) => Asked::Refused(format!("the answer is not understood: {error}")),
    }
}

/// What the account uses and may use.
pub(super) async fn account(bus: &Bus) -> Asked<Account> {
    api(bus, "INFO", Value::Null).await
}

/// All streams of the account.
pub(super) async fn streams(bus: &Bus) -> Asked<Vec<Stream>> {
    let mut list = Vec::new();
    loop {
        let page = json!({ "offset": list.len() });
        let page: StreamPage = match api(bus, "STREAM.LIST", page).await {
            Asked::Is(page) => page,
            Asked::Refused(reason) => return Asked::Refused(reason),
            Asked::Nobody => return Asked::Nobody,
            Asked::Silence => return Asked::Silence,
        };
        let found = page.streams.unwrap_or_default();
        let is_last = found.is_empty();
        list.extend(found);
        if is_last || list.len() >= page.total.min(STREAMS_MAX) {
            return Asked::Is(list);
        }
    }
}

/// May we create streams? Asked with a configuration that no server accepts.
pub(super) async fn may_create(bus: &Bus) -> bool {
    let none = json!({ "name": "" });
    api::<Value>(bus, "STREAM.CREATE.gearshift-doctor", none).await.passed()
}
