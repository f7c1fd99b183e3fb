//! From a request to its answer: limits, encodings, and panics that stay where they are.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt as _;
use gearshift_protocol::Encoding;
use gearshift_protocol::plugin::BODY_BYTES_MAX;

use crate::bodies;
use crate::context::Context;
use crate::failure::Failure;
use crate::plugin::Operation;

/// The output and its encoding, which may be another one than that of the input.
pub(crate) type Answered = Result<(Encoding, Vec<u8>), Failure>;

/// Runs one handler on one body; never panics.
pub(crate) async fn answer(
    operation: &Operation,
    context: Context,
    encoding: Encoding,
    mut body: Bytes,
) -> Answered {
    let shared = Arc::clone(&context.shared);
    // Rare, so its room is not part of every call; likewise below.
    if let Some(object) = bodies::named(&shared.outlet, encoding, &body)? {
        body = Box::pin(bodies::fetch(&shared.outlet, &object)).await?;
    }
    // The call is made inside the future, so that a panic before its first await is caught too.
    let run = async { (operation.handler.call)(context, encoding, body).await };
    let output = match AssertUnwindSafe(run).catch_unwind().await {
        Ok(output) => output?,
        Err(panic) => {
            return Err(panicked("handler", panic.as_ref(), operation.options.idempotent));
        }
    };
    if output.len() <= BODY_BYTES_MAX {
        return Ok((encoding, output));
    }
    Box::pin(bodies::output(&shared.outlet, encoding, output)).await
}

pub(crate) fn panicked(who: &str, panic: &(dyn Any + Send), idempotent: bool) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("the {who} panicked: {}", text.unwrap_or("without a message"));
    match idempotent {
        true => Failure::retryable(message),
        // It may have had its effect before.
        false => Failure::permanent(message).code(500),
    }
}
