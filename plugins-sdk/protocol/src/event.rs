//! Events: the headers of an event, and the answer to one that asked for a verdict.
//!
//! The body of an event is its payload, JSON or MessagePack by content type. With `ce-*` headers
//! it is a `CloudEvent` in binary mode; with a content type that starts with
//! [`headers::CLOUD_EVENTS`] the body is a whole [`CloudEvent`].

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::verdict::{InstanceVerdict, Wait};
use crate::{Header, headers};

/// What the headers of an event say; its type is in the subject (or in `ce-type`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventHeaders {
    /// The publisher's name for the event: `ce-id`, else `Nats-Msg-Id`.
    pub id: Option<String>,
    /// Who published it: `ce-source`.
    pub source: Option<String>,
    /// The type where the envelope names one: `ce-type`.
    pub event_type: Option<String>,
    /// What it is about: `ce-subject`.
    pub subject: Option<String>,
    /// When it happened, RFC 3339: `ce-time`.
    pub time: Option<String>,
    /// The instance it is for, `workflow/key`; else `correlate` finds it.
    pub instance: Option<String>,
    /// When to answer.
    pub wait_for: Wait,
    /// How long the asker waits, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// W3C trace context.
    pub traceparent: Option<String>,
    /// W3C trace context of vendors.
    pub tracestate: Option<String>,
}

impl EventHeaders {
    /// The headers to send; with a source the event is a `CloudEvent` in binary mode.
    #[must_use]
    pub fn to_headers(&self) -> Vec<Header> {
        let mut list = Vec::new();
        let mut add = |name, value: &Option<String>| {
            if let Some(value) = value {
                list.push((name, value.clone()));
            }
        };
        let ce = |value: &Option<String>| value.as_deref().map(ce_encode);
        add(headers::MESSAGE_ID, &ce(&self.id));
        if self.source.is_some() {
            add(headers::CE_SPECVERSION, &Some("1.0".to_owned()));
            add(headers::CE_ID, &ce(&self.id));
            add(headers::CE_SOURCE, &ce(&self.source));
        }
        add(headers::CE_TYPE, &ce(&self.event_type));
        add(headers::CE_SUBJECT, &ce(&self.subject));
        add(headers::CE_TIME, &ce(&self.time));
        add(headers::INSTANCE, &ce(&self.instance));
        add(headers::WAIT_FOR, &self.wait_for.to_header());
        add(headers::TIMEOUT_MS, &self.timeout_ms.map(|millis| millis.to_string()));
        add(headers::TRACEPARENT, &self.traceparent);
        add(headers::TRACESTATE, &self.tracestate);
        list
    }

    /// Reads headers; `get` finds one by name, in any case.
    ///
    /// What is not understood counts as absent: an event is never refused for a header.
    #[must_use]
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Self {
        let ce = |name: &str| get(name).map(ce_decode);
        let plain = |name: &str| get(name).map(str::to_owned);
        Self {
            id: ce(headers::CE_ID).or_else(|| ce(headers::MESSAGE_ID)),
            source: ce(headers::CE_SOURCE),
            event_type: ce(headers::CE_TYPE),
            subject: ce(headers::CE_SUBJECT),
            time: ce(headers::CE_TIME),
            instance: ce(headers::INSTANCE),
            wait_for: Wait::from_header(get(headers::WAIT_FOR)),
            timeout_ms: get(headers::TIMEOUT_MS).and_then(|text| text.trim().parse().ok()),
            traceparent: plain(headers::TRACEPARENT),
            tracestate: plain(headers::TRACESTATE),
        }
    }
}

/// A header value as the binding of `CloudEvents` writes it: what is not printable ASCII, and
/// space, `"` and `%`, become `%` and two hexadecimal digits.
#[must_use]
pub fn ce_encode(text: &str) -> String {
    use std::fmt::Write as _;

    let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'%');
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let mut value = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            value.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            write!(value, "%{byte:02X}").unwrap_or_default();
        }
    }
    value
}

/// Takes [`ce_encode`] back; a `%` that starts no byte stays as it is.
#[must_use]
pub fn ce_decode(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = tail;
        let byte = match tail {
            [high, low, after @ ..] if *first == b'%' => hex(*high, *low).inspect(|_| rest = after),
            _ => None,
        };
        bytes.push(byte.unwrap_or(*first));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// A `CloudEvent` 1.0 in structured mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CloudEvent {
    /// `1.0`.
    pub specversion: String,
    /// Unique per source.
    pub id: String,
    /// Who published it.
    pub source: String,
    /// The event's type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// What it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// When it happened, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// The media type of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub datacontenttype: Option<String>,
    /// The payload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Value>,
    /// The payload as base64, where it is not JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
}

/// The answer to an event that asked: one verdict per instance it concerned, at least one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventReply {
    /// What became of the event.
    pub verdicts: Vec<InstanceVerdict>,
    /// Was everything the asker wanted to wait for reached in time? `true` without a wait.
    #[serde(default = "yes")]
    pub reached: bool,
}

const fn yes() -> bool {
    true
}

impl EventReply {
    /// The answer with these verdicts, nothing waited for in vain.
    #[must_use]
    pub const fn new(verdicts: Vec<InstanceVerdict>) -> Self {
        Self { verdicts, reached: true }
    }

    /// The exit code of the command line: 7 where the wait was in vain, the verdicts' code where
    /// they agree, 8 where only some went well, else the first bad one; 3 without any verdict.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        let mut codes = self.verdicts.iter().map(|one| one.verdict.exit_code());
        let Some(first) = codes.next() else { return 3 };
        let rest: Vec<u8> = codes.collect();
        let bad = std::iter::once(first).chain(rest.iter().copied()).find(|code| *code != 0);
        let some_good = first == 0 || rest.contains(&0);
        match bad {
            Some(_) if some_good => 8,
            Some(code) => code,
            None if self.reached => 0,
            None => 7,
        }
    }
}
