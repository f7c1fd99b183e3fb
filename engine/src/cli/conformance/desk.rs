//! [`Desk`]: calls one operation as an engine would, and reads what comes back.

use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bus, Error, ErrorKind, Message, Subject};
use gearshift_machine::machine::{CallOutcome, ErrorKind as CallError};
use gearshift_protocol::plugin::{BODY_BYTES_MAX, OBJECT_BYTES_MAX};
use gearshift_protocol::{CallHeaders, Encoding, ObjectRef, PluginFailure, headers, subjects};
use serde_json::Value;
use uuid::Uuid;

use crate::runtime::{BODIES, Clock, content_of, object_of, read_reply_within};

/// One operation, and how long its answers are waited for.
pub(super) struct Desk<'a> {
    pub(super) bus: &'a Bus,
    pub(super) subject: Subject,
    pub(super) limit: Duration,
}

/// What came back.
#[derive(Debug)]
pub(super) enum Told {
    /// An output.
    Output(Value),
    /// The result follows later; with the reply's promise of signs of life, if it made one.
    Pending(Option<String>),
    /// A failure.
    Failure(PluginFailure),
    /// Neither: why not.
    Wrong(String),
}

impl Desk<'_> {
    /// Headers of a call that nobody made before.
    pub(super) fn fresh(&self) -> CallHeaders {
        let deadline = Clock::System.now().plus_ms(millis(self.limit));
        CallHeaders {
            call_id: format!("{}{}", subjects::CHECK, Uuid::now_v7().simple()),
            attempt: 1,
            deadline: Some(deadline.to_string()),
            workflow: "conformance@1".to_owned(),
            instance: "conformance/check".to_owned(),
            step: "check".to_owned(),
            ..CallHeaders::default()
        }
    }

    /// Calls with an input in this encoding.
    pub(super) async fn call(&self, call: &CallHeaders, encoding: Encoding, input: &Value) -> Told {
        match encoding.encode(input) {
            Ok(body) => self.send(call, encoding.content_type(), body).await,
            Err(error) => Told::Wrong(format!("the sample cannot be written: {error}")),
        }
    }

    /// Calls with these bytes.
    pub(super) async fn send(&self, call: &CallHeaders, content: &str, body: Vec<u8>) -> Told {
        let message = match self.message(call, content, body) {
            Ok(message) => message,
            Err(error) => return Told::Wrong(error.to_string()),
        };
        match self.bus.requests().request(message, self.limit).await {
            Ok(reply) => self.read(reply, &call.call_id).await,
            Err(error) => Told::Wrong(self.unanswered(&error)),
        }
    }

    /// What a reply to a call or its later result says, read as engines read it: what these refuse
    /// is no answer.
    pub(super) async fn read(&self, mut reply: Message, call: &str) -> Told {
        let is_pending = |reply: &Message| {
            let told = reply.headers.get(headers::PENDING);
            told.is_some_and(|told| told.eq_ignore_ascii_case("true"))
        };
        if is_pending(&reply) {
            return Told::Pending(reply.headers.get(headers::HEARTBEAT).map(str::to_owned));
        }
        let object = object_of(&reply);
        let limit = if object.is_some() { OBJECT_BYTES_MAX } else { BODY_BYTES_MAX };
        if let Some(object) = object {
            match self.content(&object).await {
                Ok(bytes) => reply.payload = bytes,
                Err(why) => {
                    let ObjectRef { bucket, name } = object;
                    return Told::Wrong(format!("it answers by `{bucket}/{name}`, but {why}"));
                }
            }
        }
        match read_reply_within(&reply, call, limit) {
            CallOutcome::Failure { kind: CallError::InvalidReply, code, message, .. } => {
                return Told::Wrong(format!("engines refuse the answer: {message} ({code})"));
            }
            CallOutcome::Failure { .. } | CallOutcome::Success(_) | CallOutcome::Cached(_) => {}
        }
        let header = |name: &str| reply.headers.get(name);
        if let Some(failure) = PluginFailure::from_headers(header) {
            return Told::Failure(failure);
        }
        let encoding = match Encoding::of(header(headers::CONTENT_TYPE)) {
            Ok(encoding) => encoding,
            Err(error) => return Told::Wrong(error.to_string()),
        };
        match encoding.decode(&reply.payload) {
            Ok(output) => Told::Output(output),
            Err(error) => {
                let content = encoding.content_type();
                Told::Wrong(format!("the answer's body is not {content}: {error}"))
            }
        }
    }

    /// The content of an object that an answer points to, or why there is none.
    async fn content(&self, object: &ObjectRef) -> Result<Bytes, String> {
        if self.has_no_bodies().await {
            return Err(format!("there is no object store `{BODIES}`"));
        }
        match content_of(self.bus, object).await {
            Ok(Ok((_, bytes))) => Ok(bytes),
            Ok(Err((code, text))) => Err(format!("{text} ({code})")),
            Err(error) => Err(format!("it cannot be read: {error}")),
        }
    }

    /// Is there surely no store for large bodies? To open one would make it, and a check leaves
    /// nothing behind.
    async fn has_no_bodies(&self) -> bool {
        let Ok(subject) = Subject::parse(&format!("$JS.API.STREAM.INFO.OBJ_{BODIES}")) else {
            return false;
        };
        let asked = Message::new(subject, Bytes::new());
        let Ok(reply) = self.bus.requests().request(asked, self.limit).await else { return false };
        let told = serde_json::from_slice::<Value>(&reply.payload).unwrap_or_default();
        told["error"]["code"] == 404
    }

    fn message(&self, call: &CallHeaders, content: &str, body: Vec<u8>) -> Result<Message, Error> {
        let mut message = Message::new(self.subject.clone(), Bytes::from(body))
            .with_header(headers::CONTENT_TYPE, content)?;
        for (name, value) in call.to_headers() {
            message.headers.insert(name, &value)?;
        }
        Ok(message)
    }

    fn unanswered(&self, error: &Error) -> String {
        if let ErrorKind::NoResponders { .. } = error.kind() {
            return format!("nobody answers `{}` (no responders)", self.subject);
        }
        if let ErrorKind::Timeout { .. } = error.kind() {
            return format!("no answer within {}", super::super::words::span(millis(self.limit)));
        }
        error.to_string()
    }
}

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
