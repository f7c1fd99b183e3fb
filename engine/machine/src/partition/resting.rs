//! Resting: one instance between batches, as bytes or, for a while, as it was decoded.

use crate::machine::{
    DecodeError, Instance, InstanceKey, Out, Reader, Status, StuckKind, Timestamp, TraceLog,
};

/// A decoded instance and its history.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) instance: Instance,
    pub(super) trace: TraceLog,
}

/// One instance at rest: 32 bytes beside its encoding.
#[derive(Clone, Debug)]
pub(super) struct Resting {
    pub(super) kept: Kept,
    /// When its earliest timer is due; [`NEVER`] where it has none that may fire.
    pub(super) due: Timestamp,
    /// That timer.
    pub(super) timer: u32,
    pub(super) parked: u16,
    pub(super) status: Status,
    /// Is an attempt of a call under way?
    pub(super) calling: bool,
}

pub(super) const NEVER: Timestamp = Timestamp(i64::MAX);

/// How an instance rests.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    /// Length of the instance's bytes, these bytes, then the bytes of its trace.
    Packed(Box<[u8]>),
    /// One that changed a moment ago; it shares what did not change with its copies.
    Decoded {
        one: Box<Known>,
        /// Bytes it had when it was packed last; 0 where it never was.
        size: usize,
    },
    /// The same while the batch under way has it.
    Lent {
        /// As above.
        size: usize,
    },
}

impl Kept {
    /// Bytes, as far as that is known without writing them.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Packed(bytes) => bytes.len(),
            Self::Decoded { size, .. } | Self::Lent { size } => *size,
        }
    }
}

impl Resting {
    /// Takes an instance in as it is kept; a muted one fires no timer.
    pub(super) fn new(kept: Kept, instance: &Instance, muted: bool) -> Self {
        let timer = (!muted && !is_halted(instance))
            .then(|| {
                let may_fire = instance.timers.iter().filter(|it| instance.lets_fire(&it.kind));
                may_fire.min_by_key(|timer| (timer.due, timer.id))
            })
            .flatten();
        Self {
            kept,
            due: timer.map_or(NEVER, |timer| timer.due),
            timer: timer.map_or(0, |timer| timer.id),
            parked: u16::try_from(instance.parked.len()).unwrap_or(u16::MAX),
            status: instance.status,
            calling: instance
                .sequences
                .iter()
                .chain(instance.adrift())
                .any(|it| it.call.as_ref().is_some_and(|call| call.sent || call.held)),
        }
    }

    /// Bytes of memory of one instance, roughly: two allocations, its place in the map (whose nodes
    /// are about three quarters full) and in the timer queue.
    pub(super) fn weight(&self, key: &InstanceKey) -> usize {
        let allocations = (key.raw().len() + 16 + 16) + (self.kept.size() + 16);
        let queued = if self.due == NEVER { 0 } else { 32 };
        allocations + 64 + queued
    }
}

/// May no timer of the instance fire, because nothing could decide about it?
fn is_halted(instance: &Instance) -> bool {
    instance.stuck.as_ref().is_some_and(|stuck| match stuck.kind {
        StuckKind::Panic | StuckKind::DefinitionMissing => true,
        StuckKind::Error
        | StuckKind::Livelock
        | StuckKind::StateTooLarge
        | StuckKind::CallFailed
        | StuckKind::OutcomeUnknown
        | StuckKind::UndoFailed
        | StuckKind::Deadlock
        | StuckKind::RolledBack => false,
    })
}

/// The bytes of one instance and its trace, as they rest and as snapshots hold them.
pub(super) fn pack(instance: &Instance, trace: &TraceLog) -> Box<[u8]> {
    let mut body = Out::with_capacity(384);
    instance.write(&mut body);
    let length = body.bytes.len();
    // Exactly, so that the box is not a copy.
    let mut out = Out::with_capacity(Out::size_of(length) + length + trace.as_bytes().len());
    out.blob(&body.bytes);
    out.bytes.extend_from_slice(trace.as_bytes());
    out.bytes.into_boxed_slice()
}

pub(super) fn unpack<'a>(
    key: &InstanceKey,
    bytes: &'a [u8],
) -> Result<(Instance, &'a [u8]), DecodeError> {
    let mut from = Reader::new(bytes);
    let instance = Instance::decode(key, from.blob()?)?;
    Ok((instance, from.rest()))
}

/// What bytes hold that [`pack`] made or [`super::instances::Instances::put_packed`] verified.
pub(super) fn unpacked(key: &InstanceKey, bytes: &[u8]) -> Known {
    let (instance, trace) = unpack(key, bytes)
        .unwrap_or_else(|error| panic!("bytes of instance {key} in memory: {error}"));
    Known { instance, trace: TraceLog::from_bytes(trace) }
}

/// Is there something in the bytes of an instance and its history that programs of the first format
/// do not know?
pub(super) fn is_newer(packed: &[u8]) -> bool {
    let mut from = Reader::new(packed);
    let Ok(instance) = from.blob() else { return false };
    Instance::is_newer(instance) || crate::machine::is_newer_log(from.rest()).unwrap_or(false)
}
