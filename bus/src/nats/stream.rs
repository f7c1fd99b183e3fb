//! [`Stream`]: a stream of ours, opened or created, and never altered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::api::{Tries, codes};
use super::connection::Link;
use crate::{Error, ErrorKind, Tail};

/// Where a stream's metadata says what it is.
const KIND_KEY: &str = "gearshift.dev/kind";
const INCARNATION_KEY: &str = "gearshift.dev/incarnation";

/// Begins the description of a stream on servers without metadata.
const DESCRIPTION: &str = "gearshift incarnation ";

/// How long a stream that is created waits for the servers that are to hold its copies: those of
/// a cluster tell one another every ten seconds only what room they have.
const PEERS_PATIENCE: Duration = Duration::from_secs(30);

/// One stream of ours; a clone is another handle to it.
#[derive(Debug, Clone)]
pub(super) struct Stream(Arc<Opened>);

/// What all handles share.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) link: Link,
    /// Its name on the server.
    pub(super) name: String,
    /// The name it was opened with, for messages.
    pub(super) shown: String,
}

/// What the server says of a stream.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct StreamInfo {
    pub(crate) config: Map<String, Value>,
    #[serde(default)]
    pub(crate) created: String,
    pub(crate) state: StreamState,
}

/// What a stream holds.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct StreamState {
    #[serde(default)]
    pub(crate) first_seq: u64,
    #[serde(default)]
    pub(crate) last_seq: u64,
}

impl Stream {
    /// Opens the stream, or creates it as `wanted`.
    ///
    /// One that exists and is set up otherwise is refused: it is somebody's decision.
    pub(super) async fn open(
        link: &Link,
        name: String,
        shown: &str,
        kind: &str,
        wanted: Map<String, Value>,
    ) -> Result<Self, Error> {
        Self::open_with(link, name, shown, kind, wanted, Map::new()).await
    }

    /// [`Stream::open`] of one that begins with settings beside, which may be others later.
    pub(super) async fn open_with(
        link: &Link,
        name: String,
        shown: &str,
        kind: &str,
        wanted: Map<String, Value>,
        at_first: Map<String, Value>,
    ) -> Result<Self, Error> {
        let stream = Self::existing(link, name, shown);
        let mut tries = Tries::new(PEERS_PATIENCE);
        loop {
            if let Some(info) = stream.look().await? {
                stream.check(&info, &wanted)?;
                return Ok(stream);
            }
            let mut config = stream.creation(kind, wanted.clone());
            config.extend(at_first.clone());
            let subject = format!("STREAM.CREATE.{}", stream.name);
            match link.api::<StreamInfo>(&subject, &config).await? {
                Ok(_info) => return Ok(stream),
                // Another one was faster; how it is set up is looked at above.
                Err(error) if error.err_code == codes::STREAM_EXISTS => {}
                Err(error) if error.err_code == codes::REPLICAS_UNSUPPORTED => {
                    return Err(stream.no_peers(&error));
                }
                Err(error) if error.err_code == codes::NO_PEERS => {
                    // Servers of a cluster that starts come one by one.
                    if !tries.again().await {
                        return Err(stream.no_peers(&error));
                    }
                }
                Err(error) => return Err(error.into_error(&stream.name)),
            }
        }
    }

    /// A handle to a stream of any kind that is there already, unchecked.
    pub(super) fn existing(link: &Link, name: String, shown: &str) -> Self {
        Self(Arc::new(Opened { link: link.clone(), name, shown: shown.to_owned() }))
    }

    /// What it holds now, as its leader knows it.
    pub(super) async fn info(&self) -> Result<StreamInfo, Error> {
        let info = self.look().await?;
        info.ok_or_else(|| ErrorKind::NotFound { name: self.shown.clone() }.into())
    }

    pub(super) async fn tail(&self) -> Result<Tail, Error> {
        Ok(self.info().await?.tail())
    }

    /// Removes what lies before `before`.
    pub(super) async fn purge(&self, before: u64) -> Result<(), Error> {
        let subject = format!("STREAM.PURGE.{}", self.name);
        let body = json!({ "seq": before });
        match self.link.api::<Value>(&subject, &body).await? {
            Ok(_purged) => Ok(()),
            Err(error) => Err(self.error(error)),
        }
    }

    pub(super) async fn delete(&self) -> Result<(), Error> {
        let subject = format!("STREAM.DELETE.{}", self.name);
        match self.link.api::<Value>(&subject, &()).await? {
            Ok(_deleted) => Ok(()),
            Err(error) => Err(self.error(error)),
        }
    }

    pub(super) fn error(&self, error: super::api::ApiError) -> Error {
        error.into_error(&self.shown)
    }

    async fn look(&self) -> Result<Option<StreamInfo>, Error> {
        let subject = format!("STREAM.INFO.{}", self.name);
        match self.link.api::<StreamInfo>(&subject, &()).await? {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.err_code == codes::STREAM_NOT_FOUND => Ok(None),
            Err(error) => Err(error.into_error(&self.name)),
        }
    }

    fn creation(&self, kind: &str, mut config: Map<String, Value>) -> Map<String, Value> {
        let incarnation = format!("{:032x}", fastrand::u128(..));
        config.insert("name".to_owned(), json!(self.name));
        config.insert("num_replicas".to_owned(), json!(self.link.replicas()));
        if self.link.version().has_metadata() {
            let metadata = json!({ KIND_KEY: kind, INCARNATION_KEY: incarnation });
            config.insert("metadata".to_owned(), metadata);
        } else {
            config.insert("description".to_owned(), json!(format!("{DESCRIPTION}{incarnation}")));
        }
        config
    }

    fn check(&self, info: &StreamInfo, wanted: &Map<String, Value>) -> Result<(), Error> {
        let mut differences = differences(&info.config, wanted);
        let found = info.config.get("num_replicas").and_then(Value::as_u64).unwrap_or(1);
        if let Some(asked) = self.link.replicas
            && found < u64::try_from(asked).unwrap_or(u64::MAX)
        {
            differences.push(format!("`num_replicas` is {found} instead of {asked}"));
        }
        if differences.is_empty() {
            return Ok(());
        }
        Err(ErrorKind::Mismatch { name: self.name.clone(), differences }.into())
    }

    fn no_peers(&self, error: &super::api::ApiError) -> Error {
        let replicas = self.link.replicas();
        let reason = format!(
            "`{}` gives no {replicas} copies of `{}` ({error}): start the cluster's other \
             servers, or ask for fewer copies by name",
            self.link.address(),
            self.name
        );
        ErrorKind::Refused { reason }.into()
    }
}

impl std::ops::Deref for Stream {
    type Target = Opened;

    fn deref(&self) -> &Opened {
        &self.0
    }
}

impl StreamInfo {
    pub(super) fn tail(&self) -> Tail {
        let last = self.state.last_seq;
        // An empty stream says 0 before its first message, and last + 1 after its last is gone.
        let first = if self.state.first_seq == 0 { last + 1 } else { self.state.first_seq };
        Tail { first, last, incarnation: self.incarnation() }
    }

    /// What we drew when we created it, mixed with when the server did: a stream restored or
    /// created anew by another hand with the old settings is another one too.
    pub(super) fn incarnation(&self) -> u128 {
        let metadata = self.config.get("metadata").and_then(|value| value.get(INCARNATION_KEY));
        let drawn = metadata.or_else(|| self.config.get("description"));
        let drawn = drawn.and_then(Value::as_str).unwrap_or_default();
        let mixed = Sha256::new().chain_update(drawn).chain_update([0]).chain_update(&self.created);
        let digest = mixed.finalize();
        digest.iter().take(16).fold(0, |mixed, byte| mixed << 8 | u128::from(*byte))
    }
}

/// Ways in which any stream of ours may not be limited or led astray, beside what it wants.
const NEUTRAL: [&str; 12] = [
    "max_msgs",
    "max_bytes",
    "max_age",
    "max_msgs_per_subject",
    "max_msg_size",
    "mirror",
    "sources",
    "subject_transform",
    "persist_mode",
    "sealed",
    "no_ack",
    "discard_new_per_subject",
];

fn differences(found: &Map<String, Value>, wanted: &Map<String, Value>) -> Vec<String> {
    let lookalike = |key: &str| matches!(key, "duplicate_window" | "description" | "metadata");
    let keys: BTreeSet<&str> = wanted.keys().map(String::as_str).chain(NEUTRAL).collect();
    let keys = keys.into_iter().filter(|key| !lookalike(key));
    keys.filter_map(|key| {
        let found = found.get(key).unwrap_or(&Value::Null);
        let wanted = wanted.get(key).unwrap_or(&Value::Null);
        let differs = meaning(found) != meaning(wanted);
        differs.then(|| format!("`{key}` is {} instead of {}", said(found), said(wanted)))
    })
    .collect()
}

/// The server leaves out, or writes in several ways, what is not limited or not switched on.
fn meaning(value: &Value) -> &Value {
    let nothing = match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => matches!(number.as_i64(), Some(0 | -1)),
        Value::String(text) => text.is_empty() || text == "default",
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    };
    if nothing { &Value::Null } else { value }
}

fn said(value: &Value) -> String {
    if meaning(value).is_null() { "not set".to_owned() } else { value.to_string() }
}

/// Fields of a stream's settings out of a literal.
pub(super) fn settings(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Map::new()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c4_differences_are_listed_one_by_one() {
        let wanted = settings(json!({ "storage": "file", "max_msgs_per_subject": 1 }));
        let same = json!({ "storage": "file", "max_msgs_per_subject": 1, "max_age": 0,
            "max_msgs": -1, "persist_mode": "default", "mirror": null, "allow_rollup_hdrs": true });
        assert_eq!(differences(&settings(same), &wanted), Vec::<String>::new());
        let other = json!({ "storage": "memory", "max_msgs_per_subject": 1, "max_age": 5,
            "persist_mode": "async", "mirror": { "name": "other" } });
        let differences = differences(&settings(other), &wanted);
        assert_eq!(
            differences,
            [
                "`max_age` is 5 instead of not set",
                "`mirror` is {\"name\":\"other\"} instead of not set",
                "`persist_mode` is \"async\" instead of not set",
                "`storage` is \"memory\" instead of \"file\"",
            ]
        );
    }
}
