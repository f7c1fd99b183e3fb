//! Encoding: an instance as compact bytes, the form it rests in (01 §5).
//!
//! Version 1: one version byte, then the fields in the order of the struct; integers are varints,
//! text and lists stand behind their length. The key is not part of the bytes. A change of what
//! bytes mean raises [`VERSION`] (and the frame's and snapshot's versions) first. A tag that was
//! never written before changes nothing that was: older programs refuse it as invalid.
//!
//! Version 2 has the parent behind the last field; an instance without one is written as version 1.
//! Version 3 has the parent, if any, and the progress of step graphs there. Version 4 has parent
//! and progress, if any, and the part in a transaction.

mod codec;
mod control;
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
#[cfg(test)]
mod tests;
mod trace;
mod transaction;
mod value;

pub use codec::DecodeError;
pub(crate) use codec::{Codec, Out, Reader, write_list};
pub(crate) use progress::{read_progress, write_progress};
pub use trace::TraceLog;
pub(crate) use trace::read_log;
pub(crate) use transaction::{read_transaction, write_transaction};
pub(crate) use value::same;

use super::{Instance, InstanceKey, Timestamp};

/// The newest version of the bytes that [`Instance::encode`] writes.
pub(crate) const VERSION: u8 = 4;
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
            (Some(_), _, _) => VERSION,
            (None, Some(_), _) => WITH_PROGRESS,
            (None, None, Some(_)) => WITH_PARENT,
            (None, None, None) => PLAIN,
        };
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
        let version = match from.byte()? {
            0 => return Err(DecodeError::Invalid("instance version")),
            version @ PLAIN..=VERSION => version,
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
        Ok(instance)
    }
}
