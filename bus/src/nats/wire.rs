//! Between our messages and the client's: headers both ways, and what arrives malformed.

use std::borrow::Cow;

use async_nats::{HeaderMap, HeaderName, PublishErrorKind};
use bytes::Bytes;

use crate::message::{HEADER_BYTES_MAX, check_size};
use crate::{Error, ErrorKind, Headers, Message, Subject};

/// What stays of a longer value, in bytes; that it was cut is said.
const VALUE_BYTES_MAX: usize = 4 * 1024;

/// Says what was wrong with a message that arrived and could not be read as it was sent.
pub(super) const MALFORMED: &str = "Gearshift-Malformed";

/// A stream that is not this one refuses the message; it is said to the stream, not by it.
pub(super) const EXPECTED_STREAM: &str = "Nats-Expected-Stream";

/// Takes the place of a subject that is none of ours.
const MALFORMED_SUBJECT: &str = "gearshift.malformed";

/// Headers as the client sends them, `None` if there are none.
pub(super) fn outbound(headers: &Headers) -> Result<Option<HeaderMap>, Error> {
    if headers.is_empty() {
        return Ok(None);
    }
    let mut map = HeaderMap::new();
    for (name, value) in headers.pairs() {
        let name = match name {
            Cow::Borrowed(name) => HeaderName::from_static(name),
            Cow::Owned(name) => {
                name.parse::<HeaderName>().map_err(|_error| ErrorKind::InvalidHeader {
                    name: name.clone(),
                    reason: "the client does not send this name",
                })?
            }
        };
        map.insert(name, value);
    }
    Ok(Some(map))
}

/// A message as it arrived.
pub(super) fn inbound(message: async_nats::Message) -> Message {
    let mut reading = Reading::new(message.subject.as_str());
    if let Some(status) = message.status {
        reading.complain(&format!("status {status} in the header block"));
    }
    if let Some(map) = message.headers {
        // The client keeps headers in a hash map: sorted by name they come out the same way
        // every time.
        let mut pairs: Vec<(&str, &str, usize)> = map
            .iter()
            .filter_map(|(name, values)| {
                let first = values.first()?;
                Some((name.as_ref(), first.as_str(), values.len()))
            })
            .collect();
        pairs.sort_unstable();
        for (name, value, count) in pairs {
            reading.header(name, value);
            if count > 1 {
                reading.complain(&format!("header `{name}` stands {count} times"));
            }
        }
    }
    reading.finish(message.payload)
}

/// A message out of its stored bytes: the header block is read line by line, and nothing in it
/// can fail.
pub(super) fn stored(subject: &str, block: &[u8], payload: Bytes) -> Message {
    let mut reading = Reading::new(subject);
    if !block.is_empty() {
        reading.block(block);
    }
    reading.finish(payload)
}

/// A message under way; the first complaint about it stays.
struct Reading {
    subject: Option<Subject>,
    headers: Headers,
    complaint: Option<String>,
}

impl Reading {
    fn new(text: &str) -> Self {
        let mut reading = Self { subject: None, headers: Headers::new(), complaint: None };
        match Subject::parse(text) {
            Ok(subject) if text.is_ascii() || !text.contains('\u{fffd}') => {
                reading.subject = Some(subject);
            }
            Ok(_) => reading.complain("the subject is not UTF-8"),
            Err(error) => reading.complain(&error.to_string()),
        }
        reading
    }

    fn complain(&mut self, complaint: &str) {
        if self.complaint.is_none() {
            let text: String = complaint.chars().filter(|c| !c.is_control()).take(512).collect();
            self.complaint = Some(text);
        }
    }

    fn header(&mut self, name: &str, value: &str) {
        if name == EXPECTED_STREAM {
            return;
        }
        if self.headers.get(name).is_some() {
            self.complain(&format!("header `{name}` stands more than once"));
            return;
        }
        // Searched from the end of what there is: most values are short.
        let most = value.len().min(VALUE_BYTES_MAX);
        let end = (0..=most).rev().find(|at| value.is_char_boundary(*at)).unwrap_or(0);
        let kept = value.get(..end).unwrap_or(value);
        let size = self.headers.bytes() + name.len() + value.len();
        if let Err(error) = check_size(size, HEADER_BYTES_MAX) {
            self.complain(&error.to_string());
        }
        if let Err(error) = self.headers.insert_arrived(name, kept) {
            self.complain(&error.to_string());
        }
    }

    fn block(&mut self, block: &[u8]) {
        let Ok(text) = std::str::from_utf8(block) else {
            return self.complain("the headers are not UTF-8");
        };
        let mut lines = text.split("\r\n");
        let version = lines.next().unwrap_or_default();
        if version.trim_end() != "NATS/1.0" {
            self.complain("the header block does not begin with `NATS/1.0`");
        }
        for line in lines.filter(|line| !line.is_empty()) {
            match line.split_once(':') {
                Some((name, value)) => self.header(name, value.trim()),
                None => self.complain("a header line holds no `:`"),
            }
        }
    }

    fn finish(mut self, payload: Bytes) -> Message {
        if let Some(complaint) = self.complaint
            && self.headers.insert_arrived(MALFORMED, &complaint).is_err()
        {
            // There is no room beside the others; the complaint counts more than they do.
            self.headers = Headers::new();
            self.headers.insert(MALFORMED, &complaint).unwrap_or_default();
        }
        let subject = self.subject.or_else(|| Subject::parse(MALFORMED_SUBJECT).ok());
        let Some(subject) = subject else { unreachable!("the constant is a subject") };
        Message { subject, headers: self.headers, payload }
    }
}

/// What it means that the client did not take a message.
pub(super) fn not_sent(client: &async_nats::Client, error: async_nats::PublishError) -> Error {
    match error.kind() {
        PublishErrorKind::MaxPayloadExceeded => {
            let limit = client.max_payload();
            Error::new(ErrorKind::TooLarge { size: limit + 1, limit }, error)
        }
        PublishErrorKind::InvalidSubject => {
            let reason = "the client does not send to it";
            Error::new(ErrorKind::InvalidSubject { text: String::new(), reason }, error)
        }
        PublishErrorKind::Send => Error::new(ErrorKind::Disconnected, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(subject: &str, block: &[u8]) -> Option<String> {
        let message = stored(subject, block, Bytes::new());
        message.headers.get(MALFORMED).map(str::to_owned)
    }

    #[test]
    fn stored_headers_are_read_as_sent() {
        let block = b"NATS/1.0\r\nTrace: a b\r\nX-Y: \r\n\r\n";
        let message = stored("order.paid", block, Bytes::from_static(b"7"));
        assert_eq!(message.headers.iter().collect::<Vec<_>>(), [("Trace", "a b"), ("X-Y", "")]);
        assert_eq!(message.subject.as_str(), "order.paid");
        assert_eq!(complaint("a", b""), None);
    }

    #[test]
    fn e18_malformed_headers_are_marked() {
        for (block, said) in [
            (&b"NATS/1.0\r\nA: 1\r\nA: 2\r\n\r\n"[..], "header `A` stands more than once"),
            (b"NATS/1.0\r\nA: 1\r\na: 2\r\n\r\n", "header `a` stands more than once"),
            (b"NATS/1.0\r\nno colon\r\n\r\n", "a header line holds no `:`"),
            (b"NATS/1.0 503\r\n\r\n", "the header block does not begin with `NATS/1.0`"),
            (b"garbage", "the header block does not begin with `NATS/1.0`"),
            (b"NATS/1.0\r\nA: \xff\r\n\r\n", "the headers are not UTF-8"),
        ] {
            assert_eq!(complaint("a", block).as_deref(), Some(said));
        }
        assert!(complaint("a", b"NATS/1.0\r\nA: x\ry\r\n\r\n").is_some());
        assert!(complaint("a", b"NATS/1.0\r\nA b: x\r\n\r\n").is_some());
        let long = format!("NATS/1.0\r\nA: {}\r\n\r\n", "x".repeat(5_000));
        assert!(complaint("a", long.as_bytes()).unwrap_or_default().contains("4,096"));
        let kept = stored("a", long.as_bytes(), Bytes::new());
        assert_eq!(kept.headers.get("A").map(str::len), Some(4_096));
        let first = stored("a", b"NATS/1.0\r\nA: 1\r\nA: 2\r\n\r\n", Bytes::new());
        assert_eq!(first.headers.get("A"), Some("1"));
    }

    #[test]
    fn p7_a_long_text_is_cut_and_hides_nothing_that_stands_beside_it() {
        let text = "é".repeat(25_000);
        let block = format!(
            "NATS/1.0\r\nGearshift-Error-Kind: permanent\r\nNats-Service-Error: {text}\r\n\
             Nats-Service-Error-Code: 422\r\n\r\n"
        );
        let headers = stored("a", block.as_bytes(), Bytes::new()).headers;
        assert_eq!(headers.get("Nats-Service-Error"), Some(&*"é".repeat(2_048)));
        assert_eq!(headers.get("Nats-Service-Error-Code"), Some("422"));
        assert_eq!(headers.get("Gearshift-Error-Kind"), Some("permanent"));
        assert!(headers.get(MALFORMED).unwrap_or_default().contains("4,096"));
    }

    #[test]
    fn e22_an_unusable_subject_is_marked_and_replaced() {
        for subject in ["a..b", "a.\u{fffd}", "a b", "a.*", &"a".repeat(300)] {
            assert!(complaint(subject, b"").is_some(), "{subject}");
        }
    }
}
