//! [`Desk`]: calls one operation as an engine would, and reads what comes back.

use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bus, Error, ErrorKind, Message, Subject};
use gearshift_protocol::{CallHeaders, Encoding, PluginFailure, headers};
use serde_json::Value;
use uuid::Uuid;

use crate::runtime::Clock;

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
            call_id: format!("check-{}", Uuid::now_v7().simple()),
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
            Ok(reply) => read(&reply),
            Err(error) => Told::Wrong(self.unanswered(&error)),
        }
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

/// What a reply or a later result says.
pub(super) fn read(reply: &Message) -> Told {
    let header = |name: &str| reply.headers.get(name);
    if header(headers::PENDING).is_some_and(|told| told.eq_ignore_ascii_case("true")) {
        return Told::Pending(header(headers::HEARTBEAT).map(str::to_owned));
    }
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

/// Whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
