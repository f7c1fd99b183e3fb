//! The bytes of entries, messages, keys and marks. All numbers are little-endian, except in
//! keys, which sort as their sequences do.

use bytes::{Buf, BufMut, Bytes};

use crate::local::KeyEntry;
use crate::{Error, ErrorKind, Headers, Message, Subject, SubjectPattern, Value};

/// First byte of a message, a value and a mark; another one is from a newer version.
const VERSION: u8 = 1;

/// Room for the checksum at the start of an entry.
const CHECKSUM_BYTES: usize = 4;

/// What is remembered of a log or an inbox beside its entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) incarnation: u128,
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) patterns: Vec<SubjectPattern>,
}

/// An entry that lacks only its checksum, which needs the sequence.
#[derive(Debug)]
pub(super) struct Record(Vec<u8>);

impl Record {
    pub(super) fn frame(frame: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(CHECKSUM_BYTES + frame.len());
        bytes.put_u32_le(0);
        bytes.extend_from_slice(frame);
        Self(bytes)
    }

    pub(super) fn message(message: &Message, time_ms: i64) -> Self {
        let subject = message.subject.as_str();
        let mut bytes = Vec::with_capacity(64 + subject.len() + message.size());
        bytes.put_u32_le(0);
        bytes.put_u8(VERSION);
        bytes.put_i64_le(time_ms);
        put_text(&mut bytes, subject);
        bytes.put_u16_le(u16::try_from(message.headers.len()).unwrap_or(u16::MAX));
        for (name, value) in message.headers.iter() {
            put_text(&mut bytes, name);
            put_text(&mut bytes, value);
        }
        bytes.extend_from_slice(&message.payload);
        Self(bytes)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The bytes to store under `sequence`.
    pub(super) fn seal(mut self, sequence: u64) -> Vec<u8> {
        let (checksum, body) = self.0.split_at_mut(CHECKSUM_BYTES);
        checksum.copy_from_slice(&entry_checksum(sequence, body).to_le_bytes());
        self.0
    }
}

/// The body of the entry stored under `sequence`, if it is what was written.
pub(super) fn open_entry(sequence: u64, stored: &[u8]) -> Result<Bytes, Error> {
    let corrupt = || Error::from(ErrorKind::Corrupt { sequence: Some(sequence) });
    let (checksum, body) = stored.split_at_checked(CHECKSUM_BYTES).ok_or_else(corrupt)?;
    if checksum != entry_checksum(sequence, body).to_le_bytes() {
        return Err(corrupt());
    }
    Ok(Bytes::copy_from_slice(body))
}

fn entry_checksum(sequence: u64, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&sequence.to_le_bytes()), body)
}

pub(super) fn read_message(sequence: u64, mut body: Bytes) -> Result<(Message, i64), Error> {
    let corrupt = || Error::from(ErrorKind::Corrupt { sequence: Some(sequence) });
    parse_message(&mut body)
        .map(|(subject, headers, time_ms)| (Message { subject, headers, payload: body }, time_ms))
        .ok_or_else(corrupt)
}

fn parse_message(body: &mut Bytes) -> Option<(Subject, Headers, i64)> {
    if body.try_get_u8().ok()? != VERSION {
        return None;
    }
    let time_ms = body.try_get_i64_le().ok()?;
    let subject = Subject::parse(&take_text(body)?).ok()?;
    let mut headers = Headers::new();
    for _ in 0..body.try_get_u16_le().ok()? {
        let (name, value) = (take_text(body)?, take_text(body)?);
        headers.insert(&name, &value).ok()?;
    }
    Some((subject, headers, time_ms))
}

impl Mark {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.put_u8(VERSION);
        bytes.put_u128_le(self.incarnation);
        bytes.put_u64_le(self.first);
        bytes.put_u64_le(self.last);
        bytes.put_u32_le(u32::try_from(self.patterns.len()).unwrap_or(u32::MAX));
        for pattern in &self.patterns {
            put_text(&mut bytes, pattern.as_str());
        }
        with_checksum(bytes)
    }

    pub(super) fn decode(stored: &[u8]) -> Option<Self> {
        let mut body = without_checksum(stored)?;
        if body.try_get_u8().ok()? != VERSION {
            return None;
        }
        let incarnation = body.try_get_u128_le().ok()?;
        let (first, last) = (body.try_get_u64_le().ok()?, body.try_get_u64_le().ok()?);
        let count = body.try_get_u32_le().ok()?;
        let patterns = (0..count)
            .map(|_| SubjectPattern::parse(&take_text(&mut body)?).ok())
            .collect::<Option<_>>()?;
        Some(Self { incarnation, first, last, patterns })
    }
}

pub(super) fn encode_value(entry: &KeyEntry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(32 + entry.value.value.len());
    bytes.put_u8(VERSION);
    bytes.put_u64_le(entry.value.revision);
    bytes.put_u8(u8::from(entry.expires_ms.is_some()));
    bytes.put_i64_le(entry.expires_ms.unwrap_or_default());
    bytes.extend_from_slice(&entry.value.value);
    with_checksum(bytes)
}

pub(super) fn decode_value(stored: &[u8]) -> Option<KeyEntry> {
    let mut body = without_checksum(stored)?;
    if body.try_get_u8().ok()? != VERSION {
        return None;
    }
    let revision = body.try_get_u64_le().ok()?;
    let expires = body.try_get_u8().ok()? != 0;
    let expires_ms = body.try_get_i64_le().ok()?;
    let value = Value { revision, value: Bytes::copy_from_slice(body) };
    Some(KeyEntry { value, expires_ms: expires.then_some(expires_ms) })
}

pub(super) fn encode_revision(revision: u64) -> Vec<u8> {
    with_checksum(revision.to_le_bytes().to_vec())
}

pub(super) fn decode_revision(stored: &[u8]) -> Option<u64> {
    without_checksum(stored)?.try_get_u64_le().ok()
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.put_u32_le(crc32c::crc32c(&bytes));
    bytes
}

fn without_checksum(stored: &[u8]) -> Option<&[u8]> {
    let (body, checksum) = stored.split_at_checked(stored.len().checked_sub(CHECKSUM_BYTES)?)?;
    (checksum == crc32c::crc32c(body).to_le_bytes()).then_some(body)
}

/// Every text here is bounded by its type: subjects at 255 bytes, headers at 4 KiB.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    bytes.put_u16_le(u16::try_from(text.len()).unwrap_or(u16::MAX));
    bytes.extend_from_slice(text.as_bytes());
}

fn take_text(bytes: &mut impl Buf) -> Option<String> {
    let length = usize::from(bytes.try_get_u16_le().ok()?);
    if bytes.remaining() < length {
        return None;
    }
    String::from_utf8(bytes.copy_to_bytes(length).into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_of_an_entry_is_found() {
        let sealed = Record::frame(b"frame").seal(7);
        assert_eq!(open_entry(7, &sealed).expect("intact"), "frame");
        assert!(open_entry(8, &sealed).is_err(), "an entry knows its sequence");
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(open_entry(7, &damaged).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn marks_and_values_round_trip_and_know_damage() {
        let patterns = vec![SubjectPattern::parse("a.*").expect("pattern")];
        let mark = Mark { incarnation: 5, first: 3, last: 9, patterns };
        assert_eq!(Mark::decode(&mark.encode()).as_ref(), Some(&mark));
        let mut damaged = mark.encode();
        damaged[20] ^= 1;
        assert_eq!(Mark::decode(&damaged), None);

        let value = Value { revision: 4, value: Bytes::from_static(b"v") };
        let stored = encode_value(&KeyEntry { value: value.clone(), expires_ms: Some(-1) });
        let read = decode_value(&stored).expect("intact");
        assert_eq!((read.value, read.expires_ms), (value, Some(-1)));
        assert_eq!(decode_revision(&encode_revision(11)), Some(11));
        assert_eq!(decode_revision(&[1, 2, 3]), None);
    }
}
