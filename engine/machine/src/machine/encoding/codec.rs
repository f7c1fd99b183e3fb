//! The byte format's alphabet: varints, text, lists; bounded on reading.

use std::sync::Arc;

use crate::machine::{
    ContentHash, EffectId, Generation, InstanceKey, Pin, StateId, Timestamp, TransitionId,
};

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end too early.
    #[error("bytes end in the middle of {0}")]
    Short(&'static str),
    /// A tag, number or text has no meaning here.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// Bytes are left over after the last field.
    #[error("{0} bytes follow the last field")]
    Trailing(usize),
    /// Written by a newer program.
    #[error("format version {found} is newer than {known}, the newest this program knows")]
    NewerVersion {
        /// The version of the bytes.
        found: u8,
        /// The newest version this program reads.
        known: u8,
    },
}

/// Where encoders write.
#[derive(Debug, Default)]
pub(crate) struct Out {
    /// What was written.
    pub(crate) bytes: Vec<u8>,
    /// The deepest nesting of a value written: decoders refuse more than
    /// [`crate::value::Value::DEPTH_MAX`], so writers must notice it first.
    pub(crate) deepest: usize,
    /// Was something written that programs of the first format do not know? What holds it says so
    /// by its version, so that they refuse it as newer and not as damaged.
    pub(crate) newer: bool,
}

impl Out {
    /// Writes into a buffer of `capacity` bytes.
    pub(crate) fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity), ..Self::default() }
    }

    /// Forgets what was written.
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        (self.deepest, self.newer) = (0, false);
    }

    /// Where this `is` so, programs of the first format do not know what is written.
    pub(crate) fn newer_if(&mut self, is: bool) {
        self.newer |= is;
    }

    /// Bytes that [`Out::length`] takes.
    pub(crate) fn size_of(length: usize) -> usize {
        let bits = usize::BITS - (length | 1).leading_zeros();
        usize::try_from(bits.div_ceil(7)).unwrap_or(1)
    }

    /// Writes one byte.
    pub(crate) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Writes an integer, 7 bits a byte, lowest first.
    pub(crate) fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(low_byte(number) | 0x80);
            number >>= 7;
        }
        self.bytes.push(low_byte(number));
    }

    /// Writes a signed integer so that small magnitudes are short.
    pub(crate) fn zigzag(&mut self, number: i64) {
        self.varint((number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned());
    }

    /// Writes a length.
    pub(crate) fn length(&mut self, length: usize) {
        self.varint(length as u64);
    }

    /// Writes bytes behind their length.
    pub(crate) fn blob(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }
}

/// The lowest 7 bits.
fn low_byte(number: u64) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or(0)
}

/// Where decoders read.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads `bytes` from their beginning.
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What is left.
    pub(crate) const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Reads one byte.
    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.rest.split_first().ok_or(DecodeError::Short("a byte"))?;
        self.rest = rest;
        Ok(*first)
    }

    /// Reads `length` bytes.
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) =
            self.rest.split_at_checked(length).ok_or(DecodeError::Short("a blob"))?;
        self.rest = rest;
        Ok(taken)
    }

    /// Reads `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) =
            self.rest.split_first_chunk().ok_or(DecodeError::Short("a fixed field"))?;
        self.rest = rest;
        Ok(*taken)
    }

    /// Reads what [`Out::varint`] wrote.
    pub(crate) fn varint(&mut self) -> Result<u64, DecodeError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(DecodeError::Invalid("integer of more than 64 bits"));
            }
            number |= bits << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(DecodeError::Invalid("integer of more than 64 bits"))
    }

    /// Reads what [`Out::zigzag`] wrote.
    pub(crate) fn zigzag(&mut self) -> Result<i64, DecodeError> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// Reads a length: no list is longer than the bytes that are left, as no item is empty.
    pub(crate) fn length(&mut self) -> Result<usize, DecodeError> {
        let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
        if length > self.rest.len() { Err(DecodeError::Short("a list")) } else { Ok(length) }
    }

    /// Reads what [`Out::blob`] wrote.
    pub(crate) fn blob(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.length()?;
        self.take(length)
    }

    /// Reads text.
    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.blob()?).map_err(|_| DecodeError::Invalid("UTF-8"))
    }

    /// Refuses left-over bytes.
    pub(crate) const fn end(&self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.rest.len())) }
    }
}

/// What has bytes: `read` gives back what `write` wrote.
pub(crate) trait Codec: Sized {
    /// Appends the bytes; at least one.
    fn write(&self, out: &mut Out);
    /// Takes the bytes off again.
    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Codec for $type {
            fn write(&self, out: &mut Out) {
                out.varint(u64::from(*self));
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Self::try_from(from.varint()?).map_err(|_| DecodeError::Invalid("integer range"))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64);

impl Codec for bool {
    fn write(&self, out: &mut Out) {
        out.byte(u8::from(*self));
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::Invalid("truth value")),
        }
    }
}

impl Codec for Arc<str> {
    fn write(&self, out: &mut Out) {
        out.blob(self.as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(from.text()?.into())
    }
}

impl<T: Codec> Codec for Option<T> {
    fn write(&self, out: &mut Out) {
        match self {
            None => out.byte(0),
            Some(value) => {
                out.byte(1);
                value.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if bool::read(from)? { T::read(from).map(Some) } else { Ok(None) }
    }
}

impl<T: Codec> Codec for Box<T> {
    fn write(&self, out: &mut Out) {
        (**self).write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::read(from).map(Self::new)
    }
}

impl<T: Codec> Codec for Vec<T> {
    fn write(&self, out: &mut Out) {
        write_list(self, out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = from.length()?;
        let mut list = Self::with_capacity(length.min(64));
        for _ in 0..length {
            list.push(T::read(from)?);
        }
        Ok(list)
    }
}

/// Writes what [`Vec::read`] reads.
pub(crate) fn write_list<T: Codec>(list: &[T], out: &mut Out) {
    out.length(list.len());
    for item in list {
        item.write(out);
    }
}

impl<A: Codec, B: Codec> Codec for (A, B) {
    fn write(&self, out: &mut Out) {
        self.0.write(out);
        self.1.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((A::read(from)?, B::read(from)?))
    }
}

impl Codec for Timestamp {
    fn write(&self, out: &mut Out) {
        out.zigzag(self.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.zigzag().map(Self)
    }
}

impl Codec for EffectId {
    fn write(&self, out: &mut Out) {
        out.bytes.extend_from_slice(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.array().map(Self)
    }
}

impl Codec for ContentHash {
    fn write(&self, out: &mut Out) {
        out.bytes.extend_from_slice(&self.0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.array().map(Self)
    }
}

impl Codec for InstanceKey {
    fn write(&self, out: &mut Out) {
        out.blob(self.raw().as_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::from_raw(from.text()?).ok_or(DecodeError::Invalid("instance key"))
    }
}

impl Codec for Pin {
    fn write(&self, out: &mut Out) {
        self.version.write(out);
        out.bytes.extend_from_slice(&self.hash.to_le_bytes());
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { version: u32::read(from)?, hash: u64::from_le_bytes(from.array()?) })
    }
}

macro_rules! newtypes {
    ($($type:ident),*) => {$(
        impl Codec for $type {
            fn write(&self, out: &mut Out) {
                self.0.write(out);
            }

            fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Codec::read(from).map(Self)
            }
        }
    )*};
}
newtypes!(Generation, StateId, TransitionId);
