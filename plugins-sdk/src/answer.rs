//! From a request to its answer: limits, encodings, and panics that stay where they are.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures_util::FutureExt as _;
use gearshift_protocol::{Encoding, plugin};

use crate::context::Context;
use crate::failure::Failure;
use crate::handler::Answer;
use crate::plugin::Operation;

/// Runs one handler on one body; never panics.
pub(crate) async fn answer(
    operation: &Operation,
    context: Context,
    encoding: Encoding,
    body: Bytes,
) -> Answer {
    within_limit("input", body.len())?;
    // The call is made inside the future, so that a panic before its first await is caught too.
    let run = async { (operation.handler.call)(context, encoding, body).await };
    let output = match AssertUnwindSafe(run).catch_unwind().await {
        Ok(output) => output?,
        Err(panic) => return Err(panicked(panic.as_ref(), operation.options.idempotent)),
    };
    within_limit("output", output.len())?;
    Ok(output)
}

fn within_limit(what: &str, size: usize) -> Result<(), Failure> {
    let limit = plugin::BODY_BYTES_MAX;
    if size <= limit {
        return Ok(());
    }
    let message = format!("{what} of {size} bytes exceeds the limit of {limit}");
    Err(Failure::permanent(message).code(413))
}

fn panicked(panic: &(dyn Any + Send), idempotent: bool) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let message = format!("the handler panicked: {}", text.unwrap_or("without a message"));
    match idempotent {
        true => Failure::retryable(message),
        // It may have had its effect before.
        false => Failure::permanent(message).code(500),
    }
}
