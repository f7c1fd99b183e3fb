//! Frame: the decisions of one batch as one journal message, all or nothing.
//!
//! Layout of version 1: magic, version, kind, partition, epoch, hash of the frame before, time
//! (40 bytes, little-endian), then items, then the CRC-32C of all before it. Version 2 is the same
//! with tags among the items that programs of the first do not know.

use std::sync::Arc;

use crate::machine::{
    Codec, DecodeError, EffectId, Event, Generation, InstanceKey, Out, Reader, Timestamp,
};

use super::pending::Pending;
use super::queues::{Buffered, DeadLetter};
use super::schedule::ScheduleState;

const MAGIC: [u8; 4] = *b"GSFR";
/// The newest version of the frames this program writes.
pub(super) const VERSION: u8 = 2;
/// The version of a frame that programs of the first format can read.
const FIRST: u8 = 1;
/// Bytes around the items.
pub(super) const OVERHEAD: usize = HEAD + 4;
const HEAD: usize = 40;

/// The hash of a frame's bytes: what the next frame names as the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain(pub(super) [u8; 16]);

impl Chain {
    /// The hash of `frame`.
    pub(super) fn of(frame: &[u8]) -> Self {
        Self(xxhash_rust::xxh3::xxh3_128(frame).to_le_bytes())
    }
}

/// What stands before a frame's items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Does it open an epoch? Then epoch and owner are all it tells.
    pub(super) opens: bool,
    pub(super) partition: u16,
    pub(super) epoch: u64,
    pub(super) previous: Chain,
    pub(super) at: Timestamp,
}

/// Puts a frame together; is there something `newer` in it than programs of the first format know?
pub(super) fn seal(head: Head, items: &[u8], newer: bool) -> Vec<u8> {
    let mut frame = Vec::with_capacity(items.len() + OVERHEAD);
    frame.extend_from_slice(&MAGIC);
    frame.push(if newer { VERSION } else { FIRST });
    frame.push(u8::from(head.opens));
    frame.extend_from_slice(&head.partition.to_le_bytes());
    frame.extend_from_slice(&head.epoch.to_le_bytes());
    frame.extend_from_slice(&head.previous.0);
    frame.extend_from_slice(&head.at.0.to_le_bytes());
    frame.extend_from_slice(items);
    let sum = crc32c::crc32c(&frame);
    frame.extend_from_slice(&sum.to_le_bytes());
    frame
}

/// What a journal message turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened<'a> {
    /// Not one of ours.
    Foreign,
    /// A frame: its head and the bytes of its items.
    Frame(Head, &'a [u8]),
}

/// Takes a frame apart.
pub(super) fn open(bytes: &[u8]) -> Result<Opened<'_>, DecodeError> {
    if !bytes.starts_with(&MAGIC) {
        return Ok(Opened::Foreign);
    }
    match bytes.get(MAGIC.len()) {
        Some(&found) if found > VERSION => {
            return Err(DecodeError::NewerVersion { found, known: VERSION });
        }
        Some(FIRST..=VERSION) => {}
        Some(_) => return Err(DecodeError::Invalid("frame version")),
        None => return Err(DecodeError::Short("a frame")),
    }
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or(DecodeError::Short("a frame"))?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return Err(DecodeError::Invalid("checksum of a frame"));
    }
    let mut from = Reader::new(body);
    from.take(MAGIC.len() + 1)?;
    let opens = bool::read(&mut from)?;
    let head = Head {
        opens,
        partition: u16::from_le_bytes(from.array()?),
        epoch: u64::from_le_bytes(from.array()?),
        previous: Chain(from.array()?),
        at: Timestamp(i64::from_le_bytes(from.array()?)),
    };
    Ok(Opened::Frame(head, from.rest()))
}

/// What a journal message is, without a partition to hold it against: what an owner asks about
/// messages it did not write (01 §1, guarantee 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// Not one of ours.
    Foreign,
    /// A frame that can be read.
    Frame {
        /// Of which partition.
        partition: u16,
        /// Of which epoch.
        epoch: u64,
        /// Does it open that epoch?
        opens: bool,
    },
    /// A frame that is damaged or newer than this program.
    Unreadable(DecodeError),
}

/// Looks at a journal message.
#[must_use]
pub fn inspect(bytes: &[u8]) -> Inspected {
    match open(bytes) {
        Ok(Opened::Foreign) => Inspected::Foreign,
        Ok(Opened::Frame(Head { partition, epoch, opens, .. }, _)) => {
            Inspected::Frame { partition, epoch, opens }
        }
        Err(error) => Inspected::Unreadable(error),
    }
}

/// One thing a frame records.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Item<'a> {
    /// A decision: what changed of an instance, and the line of its history.
    Changed {
        key: InstanceKey,
        delta: &'a [u8],
        trace: Option<&'a [u8]>,
        /// How many lines of history to keep.
        keep: u32,
    },
    /// An ended instance was forgotten.
    Removed { key: InstanceKey, generation: Generation },
    /// An instance sent an event to itself.
    SelfAdded { id: u64, key: InstanceKey, event: Event },
    /// That event was offered.
    SelfTaken { id: u64 },
    /// An effect waits for its confirmation.
    Pending { id: u64, key: InstanceKey, pending: Pending },
    /// It was confirmed.
    Settled { effect: EffectId },
    /// A dead letter.
    DeadAdded { id: u64, letter: DeadLetter },
    /// It was delivered again or dropped; by whom.
    DeadTaken { id: u64, by: Arc<str> },
    /// An early event waits.
    Buffered { id: u64, item: Buffered },
    /// It waits no longer.
    BufferTaken { id: u64 },
    /// The instance with this key hash took the event at this position.
    Took { source: u16, sequence: u64, key: u64 },
    /// All up to this position was looked at.
    Advanced { source: u16, sequence: u64 },
    /// The letter with this number of that partition was taken.
    Delivered { from: u16, number: u64 },
    /// What is kept of a schedule; nothing once it is forgotten.
    Scheduled { key: InstanceKey, state: Option<Box<ScheduleState>> },
}

impl Item<'_> {
    pub(super) fn write(&self, out: &mut Out) {
        match self {
            Self::Changed { key, delta, trace, keep } => {
                out.byte(0);
                key.write(out);
                out.blob(delta);
                match trace {
                    None => out.byte(0),
                    Some(trace) => {
                        out.byte(1);
                        out.blob(trace);
                        keep.write(out);
                    }
                }
            }
            Self::Removed { key, generation } => fields(out, 1, &[key, generation]),
            Self::SelfAdded { id, key, event } => fields(out, 2, &[id, key, event]),
            Self::SelfTaken { id } => fields(out, 3, &[id]),
            Self::Pending { id, key, pending } => fields(out, 4, &[id, key, pending]),
            Self::Settled { effect } => fields(out, 5, &[effect]),
            Self::DeadAdded { id, letter } => fields(out, 6, &[id, letter]),
            Self::DeadTaken { id, by } => fields(out, 7, &[id, by]),
            Self::Buffered { id, item } => fields(out, 8, &[id, item]),
            Self::BufferTaken { id } => fields(out, 9, &[id]),
            Self::Took { source, sequence, key } => {
                fields(out, 10, &[source, sequence]);
                out.bytes.extend_from_slice(&key.to_le_bytes());
            }
            Self::Advanced { source, sequence } => fields(out, 11, &[source, sequence]),
            Self::Delivered { from, number } => fields(out, 12, &[from, number]),
            Self::Scheduled { key, state } => {
                fields(out, 23, &[key]);
                out.byte(u8::from(state.is_some()));
                if let Some(state) = state {
                    state.write(out);
                }
            }
        }
    }
}

/// A field of an item: what can be written.
trait Field {
    fn put(&self, out: &mut Out);
}

impl<T: Codec> Field for T {
    fn put(&self, out: &mut Out) {
        self.write(out);
    }
}

fn fields(out: &mut Out, tag: u8, fields: &[&dyn Field]) {
    out.byte(tag);
    for field in fields {
        field.put(out);
    }
}

impl<'a> Item<'a> {
    /// Takes one item off.
    pub(super) fn read(from: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Ok(match from.byte()? {
            0 => {
                let key = Codec::read(from)?;
                let delta = from.blob()?;
                let trace = if bool::read(from)? { Some(from.blob()?) } else { None };
                let keep = if trace.is_some() { u32::read(from)? } else { 0 };
                Self::Changed { key, delta, trace, keep }
            }
            1 => Self::Removed { key: Codec::read(from)?, generation: Codec::read(from)? },
            2 => Self::SelfAdded {
                id: Codec::read(from)?,
                key: Codec::read(from)?,
                event: Codec::read(from)?,
            },
            3 => Self::SelfTaken { id: Codec::read(from)? },
            4 => Self::Pending {
                id: Codec::read(from)?,
                key: Codec::read(from)?,
                pending: Codec::read(from)?,
            },
            5 => Self::Settled { effect: Codec::read(from)? },
            6 => Self::DeadAdded { id: Codec::read(from)?, letter: Codec::read(from)? },
            7 => Self::DeadTaken { id: Codec::read(from)?, by: Codec::read(from)? },
            8 => Self::Buffered { id: Codec::read(from)?, item: Codec::read(from)? },
            9 => Self::BufferTaken { id: Codec::read(from)? },
            10 => Self::Took {
                source: Codec::read(from)?,
                sequence: Codec::read(from)?,
                key: u64::from_le_bytes(from.array()?),
            },
            11 => Self::Advanced { source: Codec::read(from)?, sequence: Codec::read(from)? },
            12 => Self::Delivered { from: Codec::read(from)?, number: Codec::read(from)? },
            23 => {
                let key = Codec::read(from)?;
                let state =
                    if bool::read(from)? { Some(Box::new(Codec::read(from)?)) } else { None };
                Self::Scheduled { key, state }
            }
            _ => return Err(DecodeError::Invalid("frame item")),
        })
    }
}
