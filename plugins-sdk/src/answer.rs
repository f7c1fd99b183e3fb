//! From a request to its answer: limits, encodings, and panics that stay where they are.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use gearshift_protocol::Encoding;
use gearshift_protocol::plugin::BODY_BYTES_MAX;

use crate::bodies;
use crate::context::Context;
use crate::failure::Failure;
use crate::handler::Answer;
use crate::outlet::Outlet;
use crate::plugin::Operation;

/// The output and its encoding, which may be another one than that of the input.
pub(crate) type Answered = Result<(Encoding, Vec<u8>), Failure>;

/// A handler at work on one body; it never panics, and its drop ends it.
pub(crate) struct Work {
    handler: BoxFuture<'static, Answer>,
    idempotent: bool,
}

impl Work {
    /// Begins with its first poll.
    pub(crate) fn new(
        operation: &Operation,
        context: Context,
        encoding: Encoding,
        body: Bytes,
    ) -> Self {
        let handler = (operation.handler.call)(context, encoding, body);
        Self { handler, idempotent: operation.options.idempotent }
    }
}

impl Future for Work {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Answer> {
        let handler = self.handler.as_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| handler.poll(task)));
        polled.unwrap_or_else(|panic| {
            Poll::Ready(Err(panicked("handler", panic.as_ref(), self.idempotent)))
        })
    }
}

/// Runs one handler on one body, whatever its size; never panics.
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
    let output = Work::new(operation, context, encoding, body).await?;
    sized(&shared.outlet, encoding, output).await
}

/// The output as it travels: one that is too large for a message is stored.
pub(crate) async fn sized(outlet: &Outlet, encoding: Encoding, output: Vec<u8>) -> Answered {
    if output.len() <= BODY_BYTES_MAX {
        return Ok((encoding, output));
    }
    Box::pin(bodies::output(outlet, encoding, output)).await
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
