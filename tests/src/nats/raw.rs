//! Streams as the server keeps them, read by the plain client.

use std::io::Error;

use async_nats::jetstream;
use async_nats::jetstream::stream::LastRawMessageErrorKind;

use crate::journal::Message;

/// The stream of a partition's journal.
#[must_use]
pub fn journal(partition: u16) -> String {
    format!("gearshift-log-journal-{partition}")
}

/// The journals of all partitions there are.
///
/// # Errors
/// Those of the server.
pub async fn journals(client: &async_nats::Client) -> Result<Vec<Vec<Message>>, Error> {
    let mut all = Vec::new();
    for partition in 0.. {
        match stored(client, &journal(partition)).await? {
            Some(messages) => all.push(messages),
            None => break,
        }
    }
    Ok(all)
}

/// Everything that a stream holds, in order; none where there is no such stream.
///
/// # Errors
/// Those of the server.
pub async fn stored(
    client: &async_nats::Client,
    name: &str,
) -> Result<Option<Vec<Message>>, Error> {
    let context = jetstream::new(client.clone());
    let mut stream = match context.get_stream(name).await {
        Ok(stream) => stream,
        Err(error) if is_missing(&error) => return Ok(None),
        Err(error) => return Err(Error::other(format!("`{name}`: {error}"))),
    };
    let state = stream.info().await.map_err(Error::other)?.state.clone();
    let mut messages = Vec::new();
    for sequence in state.first_sequence..=state.last_sequence {
        match stream.get_raw_message(sequence).await {
            Ok(message) => messages.push(Message {
                sequence,
                time_ms: i64::try_from(message.time.unix_timestamp_nanos() / 1_000_000)
                    .map_err(Error::other)?,
                frame: message.payload.to_vec(),
            }),
            // A hole is for the checker to find.
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {}
            Err(error) => return Err(Error::other(format!("`{name}` {sequence}: {error}"))),
        }
    }
    Ok(Some(messages))
}

fn is_missing(error: &jetstream::context::GetStreamError) -> bool {
    use async_nats::jetstream::ErrorCode;
    use async_nats::jetstream::context::GetStreamErrorKind;
    matches!(error.kind(), GetStreamErrorKind::JetStream(inner)
        if inner.error_code() == ErrorCode::STREAM_NOT_FOUND)
}
