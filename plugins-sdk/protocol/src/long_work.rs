//! [`Pending`], [`Heartbeat`]: calls that answer later, and their signs of life; [`ObjectRef`]:
//! bodies that do not travel inline.

use serde::{Deserialize, Deserializer, Serialize};

use crate::plugin::{format_duration, one_line, parse_duration};
use crate::{Header, headers};

/// How often a sign of life comes where nobody said, in milliseconds.
pub const HEARTBEAT_DEFAULT_MS: u64 = 30_000;
/// Longest note of a heartbeat, in bytes.
pub const NOTE_BYTES_MAX: usize = 256;
/// Largest heartbeat that is read, in bytes.
pub const HEARTBEAT_BYTES_MAX: usize = 4 * 1024;

/// A reply that only says that the result comes later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// How often a sign of life comes at least, where the reply says so.
    pub heartbeat_ms: Option<u64>,
}

impl Pending {
    /// The headers of the reply; its body is empty.
    #[must_use]
    pub fn to_headers(self) -> Vec<Header> {
        let mut list = vec![(headers::PENDING, "true".to_owned())];
        if let Some(millis) = self.heartbeat_ms {
            list.push((headers::HEARTBEAT, format_duration(millis)));
        }
        list
    }

    /// Reads the headers of a reply; `None` where it is the result itself. An interval that is
    /// none, or 0, counts as absent.
    #[must_use]
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let pending = get(headers::PENDING)?;
        let told = get(headers::HEARTBEAT).and_then(parse_duration);
        pending
            .trim()
            .eq_ignore_ascii_case("true")
            .then(|| Self { heartbeat_ms: told.filter(|millis| *millis > 0) })
    }
}

/// `Nats-Msg-Id` of a result that is published: repeats of it are one.
#[must_use]
pub fn result_id(call_id: &str, attempt: u32) -> String {
    format!("{call_id}.{attempt}")
}

/// The body of a sign of life, published to `gearshift.heartbeat.<call id>`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The attempt it belongs to.
    #[serde(default = "first")]
    pub attempt: u32,
    /// How much is done, from 0 to 100.
    #[serde(default, deserialize_with = "percent", skip_serializing_if = "Option::is_none")]
    pub percent: Option<u8>,
    /// What is being done, one line of at most [`NOTE_BYTES_MAX`] bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

const fn first() -> u32 {
    1
}

/// Other languages send `40.0` or `120`; neither makes a sign of life none.
fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    let whole = value.as_f64().map(|number| number.clamp(0.0, 100.0).round());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 100")]
    Ok(whole.map(|number| number as u8))
}

impl Heartbeat {
    /// A sign of life; above 100 the percentage is 100, and a long note is cut.
    #[must_use]
    pub fn new(attempt: u32, percent: Option<u8>, note: &str) -> Self {
        let note = one_line(note, NOTE_BYTES_MAX);
        Self { attempt, percent: percent.map(|percent| percent.min(100)), note }
    }

    /// The body to publish.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        // Numbers and a text are always JSON.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads a body; an empty one is a sign of life of the first attempt, and `None` what is no
    /// heartbeat or is larger than 4 KiB.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        if body.is_empty() {
            return Some(Self::new(1, None, ""));
        }
        if body.len() > HEARTBEAT_BYTES_MAX {
            return None;
        }
        let read: Self = serde_json::from_slice(body).ok()?;
        Some(Self::new(read.attempt, read.percent, &read.note))
    }
}

/// The object store that bodies travel by.
pub const BODIES_BUCKET: &str = "gearshift-bodies";
/// Longest name of a bucket or object, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// A body above the inline limit, as what travels instead: `{"$object": "<bucket>/<name>"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// The object store.
    pub bucket: String,
    /// The object in it.
    pub name: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(rename = "$object", borrow)]
    object: std::borrow::Cow<'a, str>,
}

impl ObjectRef {
    /// The body to send, which is JSON whatever the object holds.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        let object = format!("{}/{}", self.bucket, self.name).into();
        // A text is always JSON.
        serde_json::to_vec(&Wire { object }).unwrap_or_default()
    }

    /// Reads a JSON body; `None` where it is anything else than such a reference.
    #[must_use]
    pub fn parse(body: &[u8]) -> Option<Self> {
        if body.len() > 4 * NAME_BYTES_MAX {
            return None;
        }
        let wire: Wire<'_> = serde_json::from_slice(body).ok()?;
        let (bucket, name) = wire.object.split_once('/')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_name = |text: &str| (1..=NAME_BYTES_MAX).contains(&text.len());
        let is_bucket = is_name(bucket) && bucket.bytes().all(plain);
        let is_object = is_name(name) && name.bytes().all(|byte| plain(byte) || byte == b'.');
        let found = || Self { bucket: bucket.to_owned(), name: name.to_owned() };
        (is_bucket && is_object).then(found)
    }
}
