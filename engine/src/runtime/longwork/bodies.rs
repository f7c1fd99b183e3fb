//! Bodies above the inline limit: a reply that names an object → the reply that it stands for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bus, Digest, ErrorKind as BusErrorKind, Message};
use gearshift_machine::machine::{CallOutcome, CallRequest, ErrorKind};
use gearshift_protocol::plugin::OBJECT_BYTES_MAX;
use gearshift_protocol::{ObjectRef, headers};

use crate::runtime::error::Error;
use crate::runtime::providers::{failure, read_reply_within};
use crate::runtime::shared::Shared;

/// Where they lie.
pub(super) const BLOBS: &str = "bodies";
/// What others call that store.
pub(crate) const BUCKET: &str = "gearshift-bodies";
/// Wait before the bus is asked again.
pub(super) const READ_AGAIN: Duration = Duration::from_millis(500);

/// The code and the words of why an answer is none.
pub(crate) type Refused = (&'static str, String);

/// The object whose content the reply is.
pub(crate) fn object_of(reply: &Message) -> Option<ObjectRef> {
    // Most replies are not parsed for this.
    let names_one = reply.payload.starts_with(b"{\"$object\"");
    let failed = [headers::SERVICE_ERROR_CODE, headers::SERVICE_ERROR, headers::PENDING];
    let is_output = failed.iter().all(|name| reply.headers.get(name).is_none());
    (names_one && is_output).then(|| ObjectRef::parse(&reply.payload)).flatten()
}

/// What the reply to the call `call` says whose content is the object.
///
/// # Errors
/// [`Error::Bus`]: it may be read later.
pub(crate) async fn read_object(
    shared: &Arc<Shared>,
    mut reply: Message,
    object: &ObjectRef,
    call: &str,
) -> Result<CallOutcome, Error> {
    let (digest, bytes) = match content_of(&shared.bus, object).await? {
        Ok(found) => found,
        Err((code, text)) => return Ok(failure(ErrorKind::InvalidReply, code, text)),
    };
    reply.payload = bytes;
    shared.bodies.took(digest, shared.config.clock.now());
    Ok(read_reply_within(&reply, call, OBJECT_BYTES_MAX))
}

/// The content of the object that an answer points to; or the code and the words of why there is
/// none, and will be none.
///
/// # Errors
/// What the bus meets: it may be read later.
pub(crate) async fn content_of(
    bus: &Bus,
    object: &ObjectRef,
) -> Result<Result<(Digest, Bytes), Refused>, gearshift_bus::Error> {
    let refused = |code, text| Ok(Err((code, text)));
    let ObjectRef { bucket, name } = object;
    let digest = match Digest::parse(name) {
        Ok(digest) if bucket == BUCKET => digest,
        Ok(_) => {
            return refused("reply_invalid", format!("object store `{bucket}` is not `{BUCKET}`"));
        }
        Err(_) => {
            return refused(
                "reply_invalid",
                format!("object `{name}` is not named by its SHA-256"),
            );
        }
    };
    let blobs = bus.blobs(BLOBS).await?;
    let found = match blobs.get_within(&digest, OBJECT_BYTES_MAX).await {
        Ok(found) => found,
        Err(error) => {
            if let BusErrorKind::TooLarge { size, limit } = error.kind() {
                let text = format!("reply of {size} bytes exceeds the limit of {limit} bytes");
                return refused("reply_too_large", text);
            }
            if let BusErrorKind::Corrupt { .. } = error.kind() {
                return refused("reply_invalid", format!("object `{name}` is damaged"));
            }
            return Err(error);
        }
    };
    match found {
        Some(bytes) => Ok(Ok((digest, bytes))),
        None => refused("object_missing", format!("no object `{name}` in `{BUCKET}`")),
    }
}

/// [`read_object`] until the bus answers, at most until the deadline of `call`.
pub(crate) async fn read_object_by(
    shared: &Arc<Shared>,
    reply: Message,
    object: &ObjectRef,
    call: &CallRequest,
) -> Option<CallOutcome> {
    let id = call.call.to_string();
    loop {
        match read_object(shared, reply.clone(), object, &id).await {
            Ok(outcome) => return Some(outcome),
            Err(error) => tracing::debug!(call = id, %error, "the body of a reply is not read"),
        }
        if shared.config.clock.now() >= call.deadline {
            return None;
        }
        tokio::time::sleep(READ_AGAIN).await;
    }
}
