//! Values in bytes: one tag byte that also holds short lengths and small integers.

use std::sync::Arc;

use super::codec::{Codec, DecodeError, Out, Reader};
use crate::value::{Map, Value};

const NULL: u8 = 0x00;
const FALSE: u8 = 0x01;
const TRUE: u8 = 0x02;
const INT: u8 = 0x03;
const UINT: u8 = 0x04;
const DOUBLE: u8 = 0x05;
const STRING: u8 = 0x06;
const LIST: u8 = 0x07;
const MAP: u8 = 0x08;
/// `0x10 ..= 0x1f`: a map of up to 15 entries.
const MAP_SHORT: u8 = 0x10;
/// `0x20 ..= 0x2f`: a list of up to 15 items.
const LIST_SHORT: u8 = 0x20;
/// `0x40 ..= 0x7f`: the integers 0 ..= 63.
const INT_SHORT: u8 = 0x40;
/// `0x80 ..= 0xff`: text of up to 127 bytes.
const STRING_SHORT: u8 = 0x80;

impl Codec for Value {
    fn write(&self, out: &mut Out) {
        write(self, out, 0);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read(from, 0)
    }
}

fn write(value: &Value, out: &mut Out, depth: usize) {
    match value {
        Value::Null => out.byte(NULL),
        Value::Bool(value) => out.byte(if *value { TRUE } else { FALSE }),
        Value::Int(number) => match u8::try_from(*number) {
            Ok(small @ 0..=63) => out.byte(INT_SHORT + small),
            Ok(64..) | Err(_) => {
                out.byte(INT);
                out.zigzag(*number);
            }
        },
        Value::Uint(number) => {
            out.byte(UINT);
            out.varint(*number);
        }
        Value::Double(number) => {
            out.byte(DOUBLE);
            out.bytes.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Value::String(text) => {
            tag(out, text.len(), STRING_SHORT, 127, STRING);
            out.bytes.extend_from_slice(text.as_bytes());
        }
        Value::List(items) => {
            out.deepest = out.deepest.max(depth + 1);
            tag(out, items.len(), LIST_SHORT, 15, LIST);
            for item in items.iter() {
                write(item, out, depth + 1);
            }
        }
        Value::Map(map) => {
            out.deepest = out.deepest.max(depth + 1);
            tag(out, map.len(), MAP_SHORT, 15, MAP);
            for (name, value) in map.iter() {
                out.blob(name.as_bytes());
                write(value, out, depth + 1);
            }
        }
    }
}

/// Writes a tag with a length: in one byte up to `short_max`.
fn tag(out: &mut Out, length: usize, short: u8, short_max: u8, long: u8) {
    match u8::try_from(length) {
        Ok(small) if small <= short_max => out.byte(short + small),
        Ok(_) | Err(_) => {
            out.byte(long);
            out.length(length);
        }
    }
}

fn read(from: &mut Reader<'_>, depth: usize) -> Result<Value, DecodeError> {
    Ok(match from.byte()? {
        NULL => Value::Null,
        FALSE => Value::Bool(false),
        TRUE => Value::Bool(true),
        INT => Value::Int(from.zigzag()?),
        UINT => Value::Uint(from.varint()?),
        DOUBLE => Value::Double(f64::from_bits(u64::from_le_bytes(from.array()?))),
        STRING => string(from.blob()?)?,
        LIST => {
            let length = from.length()?;
            list(from, length, depth)?
        }
        MAP => {
            let length = from.length()?;
            map(from, length, depth)?
        }
        short @ MAP_SHORT..=0x1f => map(from, usize::from(short - MAP_SHORT), depth)?,
        short @ LIST_SHORT..=0x2f => list(from, usize::from(short - LIST_SHORT), depth)?,
        short @ INT_SHORT..=0x7f => Value::Int(i64::from(short - INT_SHORT)),
        short @ STRING_SHORT.. => string(from.take(usize::from(short - STRING_SHORT))?)?,
        0x09..=0x0f | 0x30..=0x3f => return Err(DecodeError::Invalid("value tag")),
    })
}

fn string(bytes: &[u8]) -> Result<Value, DecodeError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Invalid("UTF-8"))?;
    Ok(Value::String(text.into()))
}

fn list(from: &mut Reader<'_>, length: usize, depth: usize) -> Result<Value, DecodeError> {
    let depth = below(depth)?;
    let mut items = Vec::with_capacity(length.min(64));
    for _ in 0..length {
        items.push(read(from, depth)?);
    }
    Ok(Value::List(Arc::new(items)))
}

fn map(from: &mut Reader<'_>, length: usize, depth: usize) -> Result<Value, DecodeError> {
    let depth = below(depth)?;
    let mut entries = Vec::with_capacity(length.min(64));
    for _ in 0..length {
        entries.push((from.text()?.into(), read(from, depth)?));
    }
    let map = Map::from_entries(entries).map_err(|_| DecodeError::Invalid("repeated key"))?;
    Ok(Value::Map(Arc::new(map)))
}

fn below(depth: usize) -> Result<usize, DecodeError> {
    if depth < Value::DEPTH_MAX {
        Ok(depth + 1)
    } else {
        Err(DecodeError::Invalid("nesting of values"))
    }
}

/// Are both written as the same bytes? Shared parts are not looked into.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Double(left), Value::Double(right)) => left.to_bits() == right.to_bits(),
        (Value::String(left), Value::String(right)) => Arc::ptr_eq(left, right) || left == right,
        (Value::List(left), Value::List(right)) => {
            Arc::ptr_eq(left, right)
                || left.len() == right.len()
                    && left.iter().zip(right.iter()).all(|(left, right)| same(left, right))
        }
        (Value::Map(left), Value::Map(right)) => {
            Arc::ptr_eq(left, right)
                || left.len() == right.len()
                    && left
                        .iter()
                        .zip(right.iter())
                        .all(|((name, left), (other, right))| name == other && same(left, right))
        }
        (left, right) => left == right,
    }
}
