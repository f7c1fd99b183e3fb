//! Delta: what a decision changed of an instance; what the journal holds of it.

use super::encoding::{
    Codec, DecodeError, Out, Reader, read_progress, read_transaction, same, write_list,
    write_progress, write_transaction,
};
use super::{Instance, InstanceKey, RunningSequence};
use crate::value::Value;

/// The whole instance follows.
const WHOLE: u8 = 0;
/// A mask of changed fields follows, then these fields.
const CHANGES: u8 = 1;

/// Bits of the mask, in the order the fields are written.
mod bit {
    pub(super) const GENERATION: u32 = 1;
    pub(super) const PIN: u32 = 1 << 1;
    pub(super) const STATUS: u32 = 1 << 2;
    pub(super) const STEP: u32 = 1 << 3;
    pub(super) const ACTIVE: u32 = 1 << 4;
    pub(super) const UPDATED_AT: u32 = 1 << 5;
    pub(super) const VARS: u32 = 1 << 6;
    pub(super) const NEXT_ID: u32 = 1 << 7;
    pub(super) const TIMERS: u32 = 1 << 8;
    pub(super) const MARKS: u32 = 1 << 9;
    pub(super) const SEQUENCES: u32 = 1 << 10;
    pub(super) const DEFERRED: u32 = 1 << 11;
    pub(super) const PARKED: u32 = 1 << 12;
    pub(super) const STUCK: u32 = 1 << 13;
    pub(super) const HISTORY: u32 = 1 << 14;
    pub(super) const VOTES: u32 = 1 << 15;
    pub(super) const OUTPUT: u32 = 1 << 16;
    pub(super) const INPUT: u32 = 1 << 17;
    pub(super) const INITIATOR: u32 = 1 << 18;
    pub(super) const STARTED_AT: u32 = 1 << 19;
    pub(super) const PARENT: u32 = 1 << 20;
    pub(super) const PROGRESS: u32 = 1 << 21;
    pub(super) const TRANSACTION: u32 = 1 << 22;
    pub(super) const TRACE_CONTEXT: u32 = 1 << 23;
    /// Instead of [`SEQUENCES`]: those that stay are told by their places.
    pub(super) const SEQUENCES_KEPT: u32 = 1 << 24;
    pub(super) const ALL: u32 = (1 << 25) - 1;
}

/// What changed, as bytes: fields that are the same are left out, variables go one by one, lists
/// as "so many dropped from the front, these appended".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delta(Vec<u8>);

impl Delta {
    /// What makes `new` out of `old`; both have the same key.
    #[must_use]
    pub fn between(old: Option<&Instance>, new: &Instance) -> Self {
        let mut out = Out::with_capacity(96);
        Self::write(old, new, &mut out);
        Self(out.bytes)
    }

    /// Appends what [`Delta::between`] gives.
    pub(crate) fn write(old: Option<&Instance>, new: &Instance, out: &mut Out) {
        let Some(old) = old else {
            out.byte(WHOLE);
            new.write(out);
            return;
        };
        out.byte(CHANGES);
        let mask = changed(old, new);
        mask.write(out);
        let has = |bit: u32| mask & bit != 0;
        let mut field = |bit: u32, write: &dyn Fn(&mut Out)| {
            if has(bit) {
                write(out);
            }
        };
        field(bit::GENERATION, &|out| new.generation.write(out));
        field(bit::PIN, &|out| new.pin.write(out));
        field(bit::STATUS, &|out| new.status.write(out));
        field(bit::STEP, &|out| new.step.write(out));
        field(bit::ACTIVE, &|out| new.active.write(out));
        field(bit::UPDATED_AT, &|out| new.updated_at.write(out));
        field(bit::VARS, &|out| write_vars(&old.vars, &new.vars, out));
        field(bit::NEXT_ID, &|out| new.next_id.write(out));
        field(bit::TIMERS, &|out| write_tail(&old.timers, &new.timers, out));
        field(bit::MARKS, &|out| write_tail(&old.marks, &new.marks, out));
        field(bit::SEQUENCES, &|out| write_tail(&old.sequences, &new.sequences, out));
        field(bit::SEQUENCES_KEPT, &|out| write_kept(&old.sequences, &new.sequences, out));
        field(bit::DEFERRED, &|out| write_tail(&old.deferred, &new.deferred, out));
        field(bit::PARKED, &|out| write_tail(&old.parked, &new.parked, out));
        field(bit::STUCK, &|out| new.stuck.write(out));
        field(bit::HISTORY, &|out| new.history.write(out));
        field(bit::VOTES, &|out| new.votes.write(out));
        field(bit::OUTPUT, &|out| new.output.write(out));
        field(bit::INPUT, &|out| new.input.write(out));
        field(bit::INITIATOR, &|out| new.initiator.write(out));
        field(bit::STARTED_AT, &|out| new.started_at.write(out));
        field(bit::PARENT, &|out| new.parent.write(out));
        field(bit::PROGRESS, &|out| {
            write_progress(old.progress.as_deref(), new.progress.as_deref(), out);
        });
        field(bit::TRANSACTION, &|out| {
            write_transaction(old.transaction.as_deref(), new.transaction.as_deref(), out);
        });
        field(bit::TRACE_CONTEXT, &|out| {
            out.newer_if(true);
            new.trace_context.write(out);
        });
    }

    /// Makes the new instance out of the old one; evaluates nothing.
    ///
    /// # Errors
    /// The bytes are damaged, or `old` is missing where only changes are told.
    pub fn apply(&self, key: &InstanceKey, old: Option<Instance>) -> Result<Instance, DecodeError> {
        let mut from = Reader::new(&self.0);
        let instance = Self::read_onto(key, old, &mut from)?;
        from.end()?;
        Ok(instance)
    }

    /// Takes off what [`Delta::write`] appended and applies it.
    pub(crate) fn read_onto(
        key: &InstanceKey,
        old: Option<Instance>,
        from: &mut Reader<'_>,
    ) -> Result<Instance, DecodeError> {
        match from.byte()? {
            WHOLE => Instance::read(key, from),
            CHANGES => {
                let mut instance =
                    old.ok_or(DecodeError::Invalid("change of an instance that is not there"))?;
                read_changes(&mut instance, from)?;
                Ok(instance)
            }
            _ => Err(DecodeError::Invalid("delta tag")),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> &[u8] {
        &self.0
    }

    /// Takes back what [`Delta::encode`] gave; damage shows in [`Delta::apply`].
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

/// The mask of what differs.
fn changed(old: &Instance, new: &Instance) -> u32 {
    let bit = |differs: bool, bit: u32| if differs { bit } else { 0 };
    bit(old.generation != new.generation, bit::GENERATION)
        | bit(old.pin != new.pin, bit::PIN)
        | bit(old.status != new.status, bit::STATUS)
        | bit(old.step != new.step, bit::STEP)
        | bit(old.active != new.active, bit::ACTIVE)
        | bit(old.updated_at != new.updated_at, bit::UPDATED_AT)
        | bit(!same_vars(&old.vars, &new.vars), bit::VARS)
        | bit(old.next_id != new.next_id, bit::NEXT_ID)
        | bit(old.timers != new.timers, bit::TIMERS)
        | bit(old.marks != new.marks, bit::MARKS)
        | sequences_bit(&old.sequences, &new.sequences)
        | bit(old.deferred != new.deferred, bit::DEFERRED)
        | bit(old.parked != new.parked, bit::PARKED)
        | bit(old.stuck != new.stuck, bit::STUCK)
        | bit(old.history != new.history, bit::HISTORY)
        | bit(old.votes != new.votes, bit::VOTES)
        | bit(!same(&old.output, &new.output), bit::OUTPUT)
        | bit(!same(&old.input, &new.input), bit::INPUT)
        | bit(old.initiator != new.initiator, bit::INITIATOR)
        | bit(old.started_at != new.started_at, bit::STARTED_AT)
        | bit(old.parent != new.parent, bit::PARENT)
        | bit(old.progress != new.progress, bit::PROGRESS)
        | bit(old.transaction != new.transaction, bit::TRANSACTION)
        | bit(old.trace_context != new.trace_context, bit::TRACE_CONTEXT)
}

fn same_vars(old: &[Value], new: &[Value]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| same(old, new))
}

/// Reads onto `$instance` the fields that `$mask` names.
macro_rules! read_fields {
    ($instance:ident, $mask:ident, $from:ident: $($bit:ident => $field:ident),*) => {$(
        if $mask & bit::$bit != 0 {
            $instance.$field = Codec::read($from)?;
        }
    )*};
}

/// Reads onto `$instance` the lists that `$mask` names.
macro_rules! read_tails {
    ($instance:ident, $mask:ident, $from:ident: $($bit:ident => $field:ident),*) => {$(
        if $mask & bit::$bit != 0 {
            read_tail(&mut $instance.$field, $from)?;
        }
    )*};
}

fn read_changes(instance: &mut Instance, from: &mut Reader<'_>) -> Result<(), DecodeError> {
    let mask = u32::read(from)?;
    if mask & !bit::ALL != 0 {
        return Err(DecodeError::Invalid("delta mask"));
    }
    read_fields!(instance, mask, from:
        GENERATION => generation, PIN => pin, STATUS => status, STEP => step, ACTIVE => active,
        UPDATED_AT => updated_at);
    if mask & bit::VARS != 0 {
        read_vars(&mut instance.vars, from)?;
    }
    read_fields!(instance, mask, from: NEXT_ID => next_id);
    read_tails!(instance, mask, from:
        TIMERS => timers, MARKS => marks, SEQUENCES => sequences);
    if mask & bit::SEQUENCES_KEPT != 0 {
        read_kept(&mut instance.sequences, from)?;
    }
    read_tails!(instance, mask, from: DEFERRED => deferred, PARKED => parked);
    read_fields!(instance, mask, from:
        STUCK => stuck, HISTORY => history, VOTES => votes, OUTPUT => output, INPUT => input,
        INITIATOR => initiator, STARTED_AT => started_at, PARENT => parent);
    if mask & bit::PROGRESS != 0 {
        read_progress(&mut instance.progress, from)?;
    }
    if mask & bit::TRANSACTION != 0 {
        read_transaction(&mut instance.transaction, from)?;
    }
    read_fields!(instance, mask, from: TRACE_CONTEXT => trace_context);
    Ok(())
}

/// Changed variables by place; the new number of variables comes first.
fn write_vars(old: &[Value], new: &[Value], out: &mut Out) {
    out.length(new.len());
    let changed = || {
        new.iter()
            .enumerate()
            .filter(|(at, value)| !old.get(*at).is_some_and(|old| same(old, value)))
    };
    out.length(changed().count());
    for (at, value) in changed() {
        out.length(at);
        value.write(out);
    }
}

fn read_vars(vars: &mut Vec<Value>, from: &mut Reader<'_>) -> Result<(), DecodeError> {
    let total = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
    let changed = from.length()?;
    if total > vars.len().saturating_add(changed) {
        return Err(DecodeError::Invalid("number of variables"));
    }
    vars.resize(total, Value::Null);
    for _ in 0..changed {
        let at = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
        let value = Value::read(from)?;
        *vars.get_mut(at).ok_or(DecodeError::Invalid("place of a variable"))? = value;
    }
    Ok(())
}

/// What calls under way were given may be written again for an answer to another one, in bytes:
/// several large ones would not fit one frame.
const WRITTEN_AGAIN: usize = 32 * 1_024;

fn sequences_bit(old: &[RunningSequence], new: &[RunningSequence]) -> u32 {
    if old == new {
        return 0;
    }
    let kept = old.len() - kept_from(old, new);
    let again = new.get(kept..).unwrap_or_default().iter();
    let mut bytes = 0_usize;
    for it in again.filter(|it| place_of(it, old).is_some()) {
        let event = it.event.as_ref().and_then(|event| event.data.as_ref());
        let values = it.call.as_ref().map(|call| &call.input).into_iter().chain(event);
        bytes += values.chain(it.reply.as_deref()).map(Value::weight).sum::<usize>();
        if bytes > WRITTEN_AGAIN {
            return bit::SEQUENCES_KEPT;
        }
    }
    bit::SEQUENCES
}

/// Where the same stood before. Ids grow along the list; one that is not found is written again.
fn place_of(sequence: &RunningSequence, old: &[RunningSequence]) -> Option<usize> {
    let at = old.binary_search_by_key(&sequence.id, |before| before.id).ok()?;
    (old.get(at) == Some(sequence)).then_some(at)
}

/// How many there are; of each its place in the old list from 1, or 0 and all of it.
fn write_kept(old: &[RunningSequence], new: &[RunningSequence], out: &mut Out) {
    out.newer_if(true);
    out.length(new.len());
    for sequence in new {
        match place_of(sequence, old) {
            Some(at) => out.length(at + 1),
            None => {
                out.length(0);
                sequence.write(out);
            }
        }
    }
}

fn read_kept(list: &mut Vec<RunningSequence>, from: &mut Reader<'_>) -> Result<(), DecodeError> {
    let mut new = Vec::new();
    for _ in 0..from.length()? {
        let place = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
        new.push(match place.checked_sub(1) {
            None => RunningSequence::read(from)?,
            Some(at) => list.get(at).ok_or(DecodeError::Invalid("place of a sequence"))?.clone(),
        });
    }
    *list = new;
    Ok(())
}

/// How many items are gone from the front, then those appended.
pub(super) fn write_tail<T: Codec + PartialEq>(old: &[T], new: &[T], out: &mut Out) {
    let kept_from = kept_from(old, new);
    let kept = old.len() - kept_from;
    out.length(kept_from);
    write_list(new.get(kept..).unwrap_or_default(), out);
}

fn kept_from<T: PartialEq>(old: &[T], new: &[T]) -> usize {
    (0..=old.len())
        .find(|at| old.get(*at..).is_some_and(|kept| new.starts_with(kept)))
        .unwrap_or(old.len())
}

pub(super) fn read_tail<T: Codec>(
    list: &mut Vec<T>,
    from: &mut Reader<'_>,
) -> Result<(), DecodeError> {
    let dropped = usize::try_from(from.varint()?).unwrap_or(usize::MAX);
    if dropped > list.len() {
        return Err(DecodeError::Invalid("number of dropped items"));
    }
    list.drain(..dropped);
    list.extend(Vec::<T>::read(from)?);
    Ok(())
}
