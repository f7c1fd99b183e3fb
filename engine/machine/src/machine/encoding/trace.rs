//! The history of one instance in bytes: appended to, the oldest entry dropped.

use std::sync::Arc;

use super::codec::{Codec, DecodeError, Out, Reader};
use crate::machine::{Fired, GuardVerdict, Timestamp, TraceEntry};

/// Bits of an entry's mask: which of its rarely used fields follow.
const BY: u8 = 1;
const NOTE: u8 = 1 << 1;
const GUARDS: u8 = 1 << 2;
const FIRED: u8 = 1 << 3;
const EFFECTS: u8 = 1 << 4;
const ACTIVE: u8 = 1 << 5;
const STEP: u8 = 1 << 6;
const BEFORE: u8 = 1 << 7;

impl Codec for GuardVerdict {
    fn write(&self, out: &mut Out) {
        self.transition.write(out);
        self.error.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { transition: Codec::read(from)?, error: Codec::read(from)? })
    }
}

impl Codec for Fired {
    fn write(&self, out: &mut Out) {
        self.transition.write(out);
        self.event.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { transition: Codec::read(from)?, event: Codec::read(from)? })
    }
}

/// What an entry is told relative to: the entry before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Base {
    at: i64,
    step: u64,
}

fn write_entry(entry: &TraceEntry, base: Base, out: &mut Out) {
    let TraceEntry { step, at, input, by, note, guards, fired, effects, active, before } = entry;
    let bit = |present: bool, bit: u8| if present { bit } else { 0 };
    out.newer_if(before.is_some());
    let usual = *step == base.step.wrapping_add(1);
    out.byte(
        bit(by.is_some(), BY)
            | bit(note.is_some(), NOTE)
            | bit(!guards.is_empty(), GUARDS)
            | bit(!fired.is_empty(), FIRED)
            | bit(!effects.is_empty(), EFFECTS)
            | bit(!active.is_empty(), ACTIVE)
            | bit(!usual, STEP)
            | bit(before.is_some(), BEFORE),
    );
    out.zigzag(at.0.wrapping_sub(base.at));
    if !usual {
        step.write(out);
    }
    write_words(input, out);
    for text in [by, note].into_iter().flatten() {
        text.write(out);
    }
    if !guards.is_empty() {
        guards.write(out);
    }
    if !fired.is_empty() {
        fired.write(out);
    }
    if !effects.is_empty() {
        out.length(effects.len());
        effects.iter().for_each(|effect| write_words(effect, out));
    }
    if !active.is_empty() {
        active.write(out);
    }
    if let Some(version) = before {
        version.write(out);
    }
}

/// Beginnings that most lines have; each takes one byte. The order is part of the format.
const BEGINNINGS: [&str; 7] = ["", "reply ", "call ", "publish ", "timer ", "command ", "send "];

/// The longest of them, in bytes.
const BEGINNING_MAX: usize = 8;

fn write_words(text: &str, out: &mut Out) {
    // They end with their only space, so that is looked for first: most words have none.
    let end = text.bytes().take(BEGINNING_MAX).position(|byte| byte == b' ').map(|at| at + 1);
    let (beginning, rest) = end.and_then(|end| text.split_at_checked(end)).unwrap_or(("", text));
    let number = (0_u8..).zip(BEGINNINGS).find(|(_, known)| *known == beginning);
    let (number, rest) = number.map_or((0, text), |(number, _)| (number, rest));
    out.byte(number);
    out.blob(rest.as_bytes());
}

fn read_words(from: &mut Reader<'_>) -> Result<Arc<str>, DecodeError> {
    let number = usize::from(from.byte()?);
    let beginning = BEGINNINGS.get(number).ok_or(DecodeError::Invalid("beginning of a line"))?;
    let rest = from.text()?;
    Ok(if beginning.is_empty() { rest.into() } else { [beginning, rest].concat().into() })
}

fn read_effects(from: &mut Reader<'_>) -> Result<Vec<Arc<str>>, DecodeError> {
    let length = from.length()?;
    let mut effects = Vec::with_capacity(length.min(64));
    for _ in 0..length {
        effects.push(read_words(from)?);
    }
    Ok(effects)
}

fn read_base(base: Base, from: &mut Reader<'_>) -> Result<(u8, Base), DecodeError> {
    let mask = from.byte()?;
    let at = base.at.wrapping_add(from.zigzag()?);
    let step = if mask & STEP == 0 { base.step.wrapping_add(1) } else { u64::read(from)? };
    Ok((mask, Base { at, step }))
}

fn read_entry(base: Base, from: &mut Reader<'_>) -> Result<TraceEntry, DecodeError> {
    let (mask, Base { at, step }) = read_base(base, from)?;
    Ok(TraceEntry {
        step,
        at: Timestamp(at),
        input: read_words(from)?,
        by: if mask & BY == 0 { None } else { Some(Codec::read(from)?) },
        note: if mask & NOTE == 0 { None } else { Some(Codec::read(from)?) },
        guards: if mask & GUARDS == 0 { Vec::new() } else { Codec::read(from)? },
        fired: if mask & FIRED == 0 { Vec::new() } else { Codec::read(from)? },
        effects: if mask & EFFECTS == 0 { Vec::new() } else { read_effects(from)? },
        active: if mask & ACTIVE == 0 { Vec::new() } else { Codec::read(from)? },
        before: if mask & BEFORE == 0 { None } else { Some(Codec::read(from)?) },
    })
}

impl TraceEntry {
    /// The entry alone, as a frame holds it: told relative to `at`, the frame's time.
    pub(crate) fn write_alone(&self, at: Timestamp, out: &mut Out) {
        write_entry(self, Base { at: at.0, step: 0 }, out);
    }

    /// Reads what [`TraceEntry::write_alone`] wrote.
    pub(crate) fn read_alone(at: Timestamp, from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        read_entry(Base { at: at.0, step: 0 }, from)
    }
}

/// The largest length that takes one byte.
const IN_ONE_BYTE: usize = 127;

/// The last entries of one instance's history, as bytes that are appended to.
///
/// Layout: number of entries, time and step of the entry before the first, then each entry behind
/// its length, told relative to the one before. Empty bytes are an empty log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceLog {
    bytes: Vec<u8>,
}

impl TraceLog {
    /// A log without entries.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Takes back what [`TraceLog::as_bytes`] gave; damage shows when it is read.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec() }
    }

    /// The bytes to keep.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Appends `entry`; drops the oldest ones beyond `keep` entries.
    ///
    /// # Errors
    /// The bytes that the log was made of are damaged.
    pub fn push(&mut self, entry: &TraceEntry, keep: usize) -> Result<(), DecodeError> {
        let (mut count, mut first, mut entries) = head(&self.bytes)?;
        let stays = count > 0 && count < keep && count < IN_ONE_BYTE;
        if count == 0 {
            first = Base { at: entry.at.0, step: entry.step.wrapping_sub(1) };
        }
        while count > 0 && count >= keep.max(1) {
            let mut reader = Reader::new(entries);
            let (_, base) = read_base(first, &mut Reader::new(reader.blob()?))?;
            (first, entries) = (base, reader.rest());
            count -= 1;
        }
        let mut last = first;
        let mut reader = Reader::new(entries);
        for _ in 0..count {
            last = read_base(last, &mut Reader::new(reader.blob()?))?.1;
        }
        if stays {
            self.append(entry, last);
            return Ok(());
        }
        let mut out = Out::with_capacity(entries.len() + 64);
        out.length(count + 1);
        out.zigzag(first.at);
        out.varint(first.step);
        out.bytes.extend_from_slice(entries);
        let mut body = Out::with_capacity(64);
        write_entry(entry, last, &mut body);
        out.blob(&body.bytes);
        self.bytes = out.bytes;
        Ok(())
    }

    /// Appends behind what there is, which stays where it is.
    fn append(&mut self, entry: &TraceEntry, last: Base) {
        let mut out = Out { bytes: std::mem::take(&mut self.bytes), ..Out::default() };
        if let Some(count) = out.bytes.first_mut() {
            *count += 1;
        }
        let begin = out.bytes.len();
        out.byte(0);
        write_entry(entry, last, &mut out);
        let length = out.bytes.len() - begin - 1;
        match (u8::try_from(length), out.bytes.get_mut(begin)) {
            (Ok(length), Some(place)) if usize::from(length) <= IN_ONE_BYTE => *place = length,
            _ => {
                let body = out.bytes.split_off(begin + 1);
                out.bytes.truncate(begin);
                out.blob(&body);
            }
        }
        self.bytes = out.bytes;
    }

    /// The entries, oldest first.
    ///
    /// # Errors
    /// The bytes are damaged.
    pub fn entries(&self) -> Result<Vec<TraceEntry>, DecodeError> {
        read_log(&self.bytes)
    }
}

/// The entries of a log's bytes, oldest first.
pub(crate) fn read_log(bytes: &[u8]) -> Result<Vec<TraceEntry>, DecodeError> {
    let (count, mut base, entries) = head(bytes)?;
    let mut reader = Reader::new(entries);
    let mut list = Vec::with_capacity(count.min(128));
    for _ in 0..count {
        let mut body = Reader::new(reader.blob()?);
        let entry = read_entry(base, &mut body)?;
        body.end()?;
        base = Base { at: entry.at.0, step: entry.step };
        list.push(entry);
    }
    reader.end()?;
    Ok(list)
}

/// Is there an entry that programs of the first format do not know?
pub(crate) fn is_newer_log(bytes: &[u8]) -> Result<bool, DecodeError> {
    let (count, _, entries) = head(bytes)?;
    let mut reader = Reader::new(entries);
    for _ in 0..count {
        if reader.blob()?.first().is_some_and(|mask| mask & BEFORE != 0) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Number of entries, what the first is relative to, and the entries' bytes.
fn head(bytes: &[u8]) -> Result<(usize, Base, &[u8]), DecodeError> {
    if bytes.is_empty() {
        return Ok((0, Base::default(), bytes));
    }
    let mut from = Reader::new(bytes);
    let count = from.length()?;
    let base = Base { at: from.zigzag()?, step: from.varint()? };
    Ok((count, base, from.rest()))
}
