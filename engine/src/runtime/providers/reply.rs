//! A reply: body and headers → outcome (04, protocol v1).

use gearshift_bus::Message;
use gearshift_machine::machine::{CallOutcome, ErrorKind};
use gearshift_machine::value::Value;
use gearshift_protocol::{Pending, headers};

use super::redact::redacted;
use crate::runtime::BODIES;
use crate::runtime::intake::from_msgpack;

/// The largest output of a plugin taken inline, in bytes (01 §10).
const REPLY_MAX: usize = 64 * 1_024;
/// The longest error text kept of a plugin, in bytes (row P7).
const ERROR_TEXT_MAX: usize = 4_096;
/// The longest error code kept of a plugin, in bytes.
const CODE_MAX: usize = 64;

/// The code of a handler that stopped because nobody waits for it any more.
const GIVEN_UP: &str = "499";

/// Body and headers → outcome of the call `call`.
pub(crate) fn read_reply(reply: &Message, call: &str) -> CallOutcome {
    read_reply_within(reply, call, REPLY_MAX)
}

/// [`read_reply`] with another limit of its body, in bytes.
pub(crate) fn read_reply_within(reply: &Message, call: &str, limit: usize) -> CallOutcome {
    let header = |name| reply.headers.get(name);
    if let Some(other) = header(headers::CALL_ID).filter(|other| *other != call) {
        // Row P6: somebody answers for somebody else, by mistake or not.
        tracing::warn!(call, %other, "reply to another call is refused");
        let text = "the reply is to another call";
        return failure(ErrorKind::InvalidReply, "reply_of_another_call", text);
    }
    if header(headers::SERVICE_ERROR_CODE).or_else(|| header(headers::SERVICE_ERROR)).is_some() {
        return read_failure(reply);
    }
    let size = reply.payload.len();
    if size > limit {
        return failure(
            ErrorKind::InvalidReply,
            "reply_too_large",
            format!(
                "reply of {size} bytes exceeds the limit of {limit} bytes: what is larger has to \
                 be an object of `{BODIES}`, which SDKs do by themselves"
            ),
        );
    }
    if Pending::from_headers(|name: &str| reply.headers.get(name)).is_some() {
        let text = "a result that was promised cannot promise another one";
        return failure(ErrorKind::InvalidReply, "pending_again", text);
    }
    let msgpack = header(headers::CONTENT_TYPE).is_some_and(|kind| kind.contains("msgpack"));
    let output = if reply.payload.is_empty() {
        Ok(Value::Null)
    } else if msgpack {
        from_msgpack(&reply.payload)
    } else {
        Value::from_json(&reply.payload).map_err(|error| error.to_string())
    };
    match output {
        Ok(output) => CallOutcome::Success(output),
        Err(error) => failure(ErrorKind::InvalidReply, "reply_invalid", error),
    }
}

/// The promise of a later result of the call `call`; `None` where the reply is the result.
pub(super) fn promise_of(reply: &Message, call: &str) -> Option<Pending> {
    let header = |name: &str| reply.headers.get(name);
    let of_another = header(headers::CALL_ID).is_some_and(|other| other != call);
    let failed = header(headers::SERVICE_ERROR_CODE).or_else(|| header(headers::SERVICE_ERROR));
    Pending::from_headers(header).filter(|_| !of_another && failed.is_none())
}

fn read_failure(reply: &Message) -> CallOutcome {
    let header = |name| reply.headers.get(name);
    let code = header(headers::SERVICE_ERROR_CODE).map_or("", str::trim);
    let kind = match header(headers::ERROR_KIND).map(str::trim) {
        // The handler stopped as it found that nobody waits any more, which is so at the deadline:
        // whoever hears of it there still waits, and its time is up as if nothing had come.
        _ if code == GIVEN_UP => ErrorKind::Timeout,
        Some("permanent") => ErrorKind::Permanent,
        Some("retryable") => ErrorKind::Retryable,
        // Row P9: what it means is anybody's guess, so a person looks.
        Some(_) => ErrorKind::InvalidReply,
        None if code.starts_with('4') => ErrorKind::Permanent,
        None => ErrorKind::Retryable,
    };
    let text = header(headers::SERVICE_ERROR).unwrap_or("no reason given");
    CallOutcome::Failure {
        kind,
        code: told(code, CODE_MAX).into(),
        message: told(text, ERROR_TEXT_MAX).into(),
        retry_after_ms: header(headers::RETRY_AFTER).and_then(retry_after),
    }
}

/// `30s`, or plain seconds; anything else is not a wish (row P8: the policy clamps it).
fn retry_after(text: &str) -> Option<u64> {
    gearshift_machine::definition::duration::parse(text)
        .ok()
        .or_else(|| text.parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1_000)))
}

/// A failed attempt.
pub(crate) fn failure(kind: ErrorKind, code: &str, message: impl AsRef<str>) -> CallOutcome {
    CallOutcome::Failure {
        kind,
        code: code.into(),
        message: told(message.as_ref(), ERROR_TEXT_MAX).into(),
        retry_after_ms: None,
    }
}

/// What is kept of a text about a failure: at most `limit` bytes, and nothing that looks like a
/// secret. What is looked at is bounded too; a secret that is cut there is still known by how it
/// begins.
fn told(text: &str, limit: usize) -> String {
    let seen = shortened(text, ERROR_TEXT_MAX);
    // The bus may have cut it before, up to a character earlier.
    let was_cut = text.len() + 4 > ERROR_TEXT_MAX;
    shortened(&redacted(seen, was_cut), limit).to_owned()
}

/// At most `limit` bytes, cut between characters.
fn shortened(text: &str, limit: usize) -> &str {
    let cut = (0..=limit.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..cut).unwrap_or(text)
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
