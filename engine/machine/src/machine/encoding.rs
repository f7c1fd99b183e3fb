//! Encoding: an instance as compact bytes, the form it rests in (01 §5).
//!
//! Version 1: one version byte, then the fields in the order of the struct; integers are varints,
//! text and lists stand behind their length. The key is not part of the bytes. A change of what
//! bytes mean raises [`VERSION`] (and the frame's and snapshot's versions) first. So does a tag
//! that was never written before, and only where it is written ([`Out::newer_if`]): what older
//! programs know they go on reading, and what they do not know they refuse as newer, not as
//! damaged.
//!
//! Version 2 has the parent behind the last field; an instance without one is written as version 1.
//! Version 3 has the parent, if any, and the progress of step graphs there. Version 4 has parent
//! and progress, if any, and the part in a transaction. Versions 5 to 8 are the same with tags that
//! programs of these do not know: long work, cached results, keys of limits, further steps, replies
//! that are kept, undo of a whole run. Versions 9 to 12 are those of 5 to 8 with the trace context
//! behind all else.

mod call;
mod codec;
mod control;
mod fan;
mod letters;
mod moved;
mod parts;
mod progress;
#[cfg(test)]
pub(crate) mod random;
#[cfg(test)]
mod random_progress;
#[cfg(test)]
mod random_transaction;
mod steps;
#[cfg(test)]
mod tests;
mod trace;
mod transaction;
mod value;

pub use codec::DecodeError;
pub(crate) use codec::{Codec, Out, Reader, write_list};
pub(crate) use progress::{read_progress, write_progress};
pub use trace::TraceLog;
pub(crate) use trace::{is_newer_log, read_log};
pub(crate) use transaction::{read_transaction, write_transaction};
pub(crate) use value::same;

use super::{Instance, InstanceKey, Timestamp};

/// The newest version of the bytes that [`Instance::encode`] writes.
pub(crate) const VERSION: u8 = WITH_TRANSACTION + 2 * NEWER;
/// What is added to the version where tags are used that came behind it.
const NEWER: u8 = 4;
/// The lowest version with such tags.
const PLAIN_NEWER: u8 = PLAIN + NEWER;
/// The version of an instance with a part in a transaction.
const WITH_TRANSACTION: u8 = 4;
/// The version of an instance with progress that has no part in a transaction.
const WITH_PROGRESS: u8 = 3;
/// The version of an instance that is somebody's child and has no progress.
const WITH_PARENT: u8 = 2;
/// The version of an instance that has neither.
const PLAIN: u8 = 1;

impl Instance {
    /// The compact bytes; without the key.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Out::with_capacity(256);
        self.write(&mut out);
        out.bytes
    }

    /// Appends what [`Instance::encode`] gives.
    pub(crate) fn write(&self, out: &mut Out) {
        let version = match (&self.transaction, &self.progress, &self.parent) {
            (Some(_), _, _) => WITH_TRANSACTION,
            (None, Some(_), _) => WITH_PROGRESS,
            (None, None, Some(_)) => WITH_PARENT,
            (None, None, None) => PLAIN,
        };
        let place = out.bytes.len();
        let around = std::mem::take(&mut out.newer);
        out.byte(version);
        self.generation.write(out);
        self.pin.write(out);
        self.status.write(out);
        self.stuck.write(out);
        self.step.write(out);
        self.active.write(out);
        self.vars.write(out);
        self.input.write(out);
        self.initiator.write(out);
        self.history.write(out);
        self.next_id.write(out);
        self.timers.write(out);
        self.sequences.write(out);
        self.deferred.write(out);
        self.parked.write(out);
        self.marks.write(out);
        self.votes.write(out);
        self.output.write(out);
        self.started_at.write(out);
        out.zigzag(self.updated_at.0.wrapping_sub(self.started_at.0));
        match (&self.transaction, &self.progress, &self.parent) {
            (Some(transaction), progress, parent) => {
                parent.write(out);
                progress.write(out);
                transaction.write(out);
            }
            (None, Some(progress), parent) => {
                parent.write(out);
                progress.write(out);
            }
            (None, None, Some(parent)) => parent.write(out),
            (None, None, None) => {}
        }
        if let Some(trace_context) = &self.trace_context {
            out.newer_if(true);
            trace_context.write(out);
        }
        if out.newer
            && let Some(written) = out.bytes.get_mut(place)
        {
            let traced = if self.trace_context.is_some() { NEWER } else { 0 };
            *written = version + NEWER + traced;
        }
        out.newer_if(around);
    }

    /// Are there tags in the bytes that [`Instance::encode`] gave which came behind its version?
    pub(crate) fn is_newer(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|version| *version > WITH_TRANSACTION)
    }

    /// Reads what [`Instance::encode`] gave.
    ///
    /// # Errors
    /// [`DecodeError::NewerVersion`] for bytes of a newer program, else what is wrong with them.
    pub fn decode(key: &InstanceKey, bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = Reader::new(bytes);
        let instance = Self::read(key, &mut from)?;
        from.end()?;
        Ok(instance)
    }

    /// Takes off what [`Instance::write`] appended.
    pub(crate) fn read(key: &InstanceKey, from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let written = from.byte()?;
        let version = match written {
            0 => return Err(DecodeError::Invalid("instance version")),
            PLAIN..=WITH_TRANSACTION => written,
            PLAIN_NEWER..=VERSION => (written - PLAIN) % NEWER + PLAIN,
            found => return Err(DecodeError::NewerVersion { found, known: VERSION }),
        };
        let mut instance = Self {
            key: key.clone(),
            generation: Codec::read(from)?,
            pin: Codec::read(from)?,
            status: Codec::read(from)?,
            stuck: Codec::read(from)?,
            step: Codec::read(from)?,
            active: Codec::read(from)?,
            vars: Codec::read(from)?,
            input: Codec::read(from)?,
            initiator: Codec::read(from)?,
            history: Codec::read(from)?,
            next_id: Codec::read(from)?,
            timers: Codec::read(from)?,
            sequences: Codec::read(from)?,
            deferred: Codec::read(from)?,
            parked: Codec::read(from)?,
            marks: Codec::read(from)?,
            votes: Codec::read(from)?,
            output: Codec::read(from)?,
            started_at: Codec::read(from)?,
            updated_at: Timestamp(0),
            parent: None,
            progress: None,
            transaction: None,
            trace_context: None,
        };
        let age = from.zigzag()?;
        instance.updated_at = Timestamp(instance.started_at.0.wrapping_add(age));
        match version {
            PLAIN => {}
            WITH_PARENT => instance.parent = Some(Codec::read(from)?),
            WITH_PROGRESS => {
                instance.parent = Codec::read(from)?;
                instance.progress = Some(Codec::read(from)?);
            }
            _ => {
                instance.parent = Codec::read(from)?;
                instance.progress = Codec::read(from)?;
                instance.transaction = Some(Codec::read(from)?);
            }
        }
        if written > WITH_TRANSACTION + NEWER {
            instance.trace_context = Some(Codec::read(from)?);
        }
        Ok(instance)
    }
}
