//! [`Message`] and [`Headers`]: what travels.

use std::borrow::Cow;

use bytes::Bytes;

use crate::{Error, ErrorKind, MESSAGE_BYTES_MAX, Subject};

/// Names and values of one message's headers together, in bytes.
pub(crate) const HEADER_BYTES_MAX: usize = 4 * 1024;
/// Likewise for one that arrives from a client of another kind, which knows no such limit: what it
/// says is not lost for being long.
const ARRIVED_BYTES_MAX: usize = 16 * 1024;

/// A subject, headers and a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes, or where it went.
    pub subject: Subject,
    /// What is said beside the payload.
    pub headers: Headers,
    /// What is said; the bus does not look inside.
    pub payload: Bytes,
}

impl Message {
    /// A message without headers.
    #[must_use]
    pub fn new(subject: Subject, payload: impl Into<Bytes>) -> Self {
        Self { subject, headers: Headers::new(), payload: payload.into() }
    }

    /// Adds one header.
    ///
    /// # Errors
    ///
    /// Those of [`Headers::insert`].
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, Error> {
        self.headers.insert(name, value)?;
        Ok(self)
    }

    /// [`Message::with_header`] where the name is a constant: it is not copied.
    ///
    /// # Errors
    ///
    /// Those of [`Headers::insert`].
    pub fn with_known(mut self, name: &'static str, value: String) -> Result<Self, Error> {
        self.headers.put(Cow::Borrowed(name), value, HEADER_BYTES_MAX)?;
        Ok(self)
    }

    /// Headers and payload, in bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.headers.bytes() + self.payload.len()
    }

    /// Names what it says as a reply, for as long as the process runs: its body, and whether and
    /// how it is a failure. What else its headers tell may differ in the same answer.
    #[must_use]
    pub fn said(&self) -> u64 {
        let failure = [crate::nats::ERROR_CODE, crate::nats::ERROR_TEXT];
        crate::second::digest(&self.payload, failure.map(|name| self.headers.get(name)))
    }

    pub(crate) fn check_size(&self) -> Result<(), Error> {
        check_size(self.size(), MESSAGE_BYTES_MAX)
    }
}

/// The headers of a message, in the order they were first inserted.
///
/// Names are compared without regard to ASCII case and kept as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers {
    pairs: Vec<(Cow<'static, str>, String)>,
    /// What they weigh together.
    bytes: usize,
}

impl Headers {
    /// No headers.
    #[must_use]
    pub const fn new() -> Self {
        Self { pairs: Vec::new(), bytes: 0 }
    }

    /// Makes room for so many more.
    pub fn reserve(&mut self, additional: usize) {
        self.pairs.reserve_exact(additional);
    }

    /// Sets a header; a value under the same name is replaced in its place.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidHeader`] if the name is empty, is not printable ASCII or holds a `:`,
    /// or if the value holds a line break or zero byte; [`ErrorKind::TooLarge`] if all headers
    /// together would exceed 4 KiB. The headers then stay as they were.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), Error> {
        self.put(Cow::Owned(name.to_owned()), value.to_owned(), HEADER_BYTES_MAX)
    }

    /// [`Headers::insert`] for one that arrived.
    pub(crate) fn insert_arrived(&mut self, name: &str, value: &str) -> Result<(), Error> {
        self.put(Cow::Owned(name.to_owned()), value.to_owned(), ARRIVED_BYTES_MAX)
    }

    /// [`Headers::insert`] where the name is a constant: nothing is copied.
    ///
    /// # Errors
    ///
    /// Those of [`Headers::insert`].
    pub fn insert_known(&mut self, name: &'static str, value: String) -> Result<(), Error> {
        self.put(Cow::Borrowed(name), value, HEADER_BYTES_MAX)
    }

    fn put(&mut self, name: Cow<'static, str>, value: String, limit: usize) -> Result<(), Error> {
        let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b':';
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(invalid(&name, "a name is printable ASCII without `:` and spaces"));
        }
        // All of it is looked at, so that many bytes are at once.
        let breaks = |found: bool, byte| found | matches!(byte, b'\r' | b'\n' | 0);
        if value.bytes().fold(false, breaks) {
            return Err(invalid(&name, "a value holds no line break and no zero byte"));
        }
        let position = self.position(&name);
        let replaced = position.and_then(|index| self.pairs.get(index)).map_or(0, weight);
        let pair = (name, value);
        let bytes = self.bytes - replaced + weight(&pair);
        check_size(bytes, limit)?;
        self.bytes = bytes;
        match position.and_then(|index| self.pairs.get_mut(index)) {
            Some(existing) => *existing = pair,
            None => self.pairs.push(pair),
        }
        Ok(())
    }

    /// The value under `name`, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.position(name).and_then(|index| self.pairs.get(index)).map(|(_, value)| value.as_str())
    }

    /// Removes the header and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        let pair = self.position(name).map(|index| self.pairs.remove(index))?;
        self.bytes -= weight(&pair);
        Some(pair.1)
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(name, value)| (&**name, value.as_str()))
    }

    /// Likewise, and whether the name is a constant.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Cow<'static, str>, &str)> {
        self.pairs.iter().map(|(name, value)| (name, value.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }

    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.pairs.iter().position(|(other, _)| other.eq_ignore_ascii_case(name))
    }
}

/// Name and value, in bytes.
fn weight((name, value): &(Cow<'static, str>, String)) -> usize {
    name.len() + value.len()
}

pub(crate) fn check_size(size: usize, limit: usize) -> Result<(), Error> {
    if size > limit { Err(ErrorKind::TooLarge { size, limit }.into()) } else { Ok(()) }
}

fn invalid(name: &str, reason: &'static str) -> Error {
    ErrorKind::InvalidHeader { name: name.to_owned(), reason }.into()
}
