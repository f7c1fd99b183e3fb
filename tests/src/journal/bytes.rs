//! The alphabet of the bytes: varints, text, values.

use serde_json::{Map, Number, Value};

/// What is wrong with bytes.
pub(super) type Wrong = String;

/// Bytes being read from the front.
#[derive(Clone, Debug)]
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(super) fn byte(&mut self) -> Result<u8, Wrong> {
        let (first, rest) = self.0.split_first().ok_or("the bytes end early")?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Wrong> {
        let short = || format!("{length} bytes are wanted, {} are left", self.0.len());
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Wrong> {
        let (taken, rest) = self.0.split_first_chunk().ok_or("a fixed field ends early")?;
        self.0 = rest;
        Ok(*taken)
    }

    /// Seven bits a byte, the lowest first.
    pub(super) fn varint(&mut self) -> Result<u64, Wrong> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err("an integer of more than 64 bits".to_owned())
    }

    pub(super) fn zigzag(&mut self) -> Result<i64, Wrong> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn length(&mut self) -> Result<usize, Wrong> {
        usize::try_from(self.varint()?).map_err(|error| error.to_string())
    }

    pub(super) fn blob(&mut self) -> Result<&'a [u8], Wrong> {
        let length = self.length()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, Wrong> {
        std::str::from_utf8(self.blob()?).map_err(|error| error.to_string())
    }

    pub(super) fn flag(&mut self) -> Result<bool, Wrong> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(format!("{other} is no truth value")),
        }
    }

    /// A value: one tag byte that also holds short lengths and small integers.
    pub(super) fn value(&mut self) -> Result<Value, Wrong> {
        Ok(match self.byte()? {
            0 => Value::Null,
            1 => Value::Bool(false),
            2 => Value::Bool(true),
            3 => self.zigzag()?.into(),
            4 => self.varint()?.into(),
            5 => {
                let bits = u64::from_le_bytes(self.array()?);
                Number::from_f64(f64::from_bits(bits)).map_or(Value::Null, Value::Number)
            }
            6 => self.text()?.into(),
            7 => {
                let length = self.length()?;
                self.list(length)?
            }
            8 => {
                let length = self.length()?;
                self.map(length)?
            }
            short @ 0x10..=0x1f => self.map(usize::from(short & 0x0f))?,
            short @ 0x20..=0x2f => self.list(usize::from(short & 0x0f))?,
            short @ 0x40..=0x7f => (short - 0x40).into(),
            short @ 0x80.. => {
                let text = self.take(usize::from(short & 0x7f))?;
                std::str::from_utf8(text).map_err(|error| error.to_string())?.into()
            }
            other @ (0x09..=0x0f | 0x30..=0x3f) => return Err(format!("{other} is no value")),
        })
    }

    fn list(&mut self, length: usize) -> Result<Value, Wrong> {
        (0..length).map(|_| self.value()).collect::<Result<Vec<_>, _>>().map(Value::Array)
    }

    fn map(&mut self, length: usize) -> Result<Value, Wrong> {
        let mut map = Map::new();
        for _ in 0..length {
            let name = self.text()?.to_owned();
            map.insert(name, self.value()?);
        }
        Ok(Value::Object(map))
    }
}
