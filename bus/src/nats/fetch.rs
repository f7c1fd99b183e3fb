//! Messages one at a time, in a form that no header can break.
//!
//! The client closes its connection when a header block cannot be read, so a message that
//! broke it is read here, where the server hands out its bytes in base64.

use async_nats::jetstream::stream::RawMessage;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::api::codes;
use super::connection::Link;
use super::wire;
use crate::{Delivered, Error};

#[derive(Serialize)]
struct Ask<'a> {
    seq: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    message: RawMessage,
}

/// The message at `sequence` or, with filters, the first one from there on that matches.
pub(super) async fn fetch(
    link: &Link,
    stream: &str,
    sequence: u64,
    filters: &[String],
) -> Result<Option<Delivered>, Error> {
    if filters.is_empty() {
        return one(link, stream, Ask { seq: sequence, next_by_subj: None }).await;
    }
    let mut first: Option<Delivered> = None;
    for filter in filters {
        let ask = Ask { seq: sequence, next_by_subj: Some(filter) };
        let found = one(link, stream, ask).await?;
        let earlier =
            |found: &Delivered| first.as_ref().is_none_or(|first| found.sequence < first.sequence);
        if found.as_ref().is_some_and(earlier) {
            first = found;
        }
    }
    Ok(first)
}

async fn one(link: &Link, stream: &str, ask: Ask<'_>) -> Result<Option<Delivered>, Error> {
    let subject = format!("STREAM.MSG.GET.{stream}");
    match link.api::<Answer>(&subject, &ask).await? {
        Ok(answer) => Ok(Some(delivered(&answer.message))),
        Err(error) if error.err_code == codes::NO_MESSAGE_FOUND => Ok(None),
        Err(error) => Err(error.into_error(stream)),
    }
}

fn delivered(raw: &RawMessage) -> Delivered {
    let block = decode_base64(raw.headers.as_deref().unwrap_or_default());
    let payload = Bytes::from(decode_base64(&raw.payload));
    let millis = raw.time.unix_timestamp_nanos() / 1_000_000;
    Delivered {
        sequence: raw.sequence,
        message: wire::stored(&raw.subject, &block, payload),
        time_ms: i64::try_from(millis).unwrap_or(i64::MAX),
    }
}

/// The bytes of padded standard base64; what is no digit is skipped.
fn decode_base64(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0_u32, 0);
    for byte in text.bytes() {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        held = held << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            let [.., byte] = (held >> bits).to_be_bytes();
            bytes.push(byte);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::decode_base64;

    #[test]
    fn base64_is_decoded() {
        for (text, bytes) in [
            ("", &b""[..]),
            ("TQ==", b"M"),
            ("TWE=", b"Ma"),
            ("TWFu", b"Man"),
            ("//79AA==", b"\xff\xfe\xfd\0"),
            ("TkFUUy8xLjANCg0K", b"NATS/1.0\r\n\r\n"),
        ] {
            assert_eq!(decode_base64(text), bytes, "{text}");
        }
    }
}
