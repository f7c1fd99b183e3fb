//! Instances at rest: encoded bytes, and the little that must be known without decoding.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::machine::{
    Codec, DecodeError, Instance, InstanceKey, Out, Reader, Status, StuckKind, Timestamp, TraceLog,
};

/// One instance at rest: 32 bytes beside its encoding.
#[derive(Clone, Debug)]
pub(super) struct Resting {
    kept: Kept,
    /// When its earliest timer is due; [`NEVER`] where it has none that may fire.
    due: Timestamp,
    /// That timer.
    timer: u32,
    parked: u16,
    status: Status,
    /// Is an attempt of a call under way?
    calling: bool,
}

const NEVER: Timestamp = Timestamp(i64::MAX);

/// An instance with this many bytes stays decoded while it changes: to read and write all of it for
/// each of ten thousand items or undo calls would cost their square.
const LARGE: usize = 16 * 1_024;
/// How many large instances stay decoded: those that changed last.
const DECODED_MAX: usize = 4;
/// How many others stay decoded: what changed again since it was read changes once more soon, for
/// step after step is answered.
const RECENT_MAX: usize = 64;

/// How an instance rests.
#[derive(Clone, Debug)]
enum Kept {
    /// Length of the instance's bytes, these bytes, then the bytes of its trace.
    Packed(Box<[u8]>),
    /// One that changed a moment ago; it shares what did not change with its copies.
    Decoded {
        one: Box<(Instance, TraceLog)>,
        /// Bytes it had when it was packed last.
        size: usize,
    },
}

impl Kept {
    /// Bytes, as far as that is known without writing them.
    fn size(&self) -> usize {
        match self {
            Self::Packed(bytes) => bytes.len(),
            Self::Decoded { size, .. } => *size,
        }
    }
}

impl Resting {
    /// Takes an instance in as it is kept.
    fn new(kept: Kept, instance: &Instance, muted: bool) -> Self {
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
                .any(|sequence| sequence.call.as_ref().is_some_and(|call| call.sent)),
        }
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
fn pack(instance: &Instance, trace: &TraceLog) -> Box<[u8]> {
    let mut body = Out::with_capacity(384);
    instance.write(&mut body);
    let length = body.bytes.len();
    // Exactly, so that the box is not a copy.
    let mut out = Out::with_capacity(Out::size_of(length) + length + trace.as_bytes().len());
    out.blob(&body.bytes);
    out.bytes.extend_from_slice(trace.as_bytes());
    out.bytes.into_boxed_slice()
}

fn unpack<'a>(key: &InstanceKey, bytes: &'a [u8]) -> Result<(Instance, &'a [u8]), DecodeError> {
    let mut from = Reader::new(bytes);
    let instance = Instance::decode(key, from.blob()?)?;
    Ok((instance, from.rest()))
}

/// Is there something in the bytes of an instance and its history that programs of the first format
/// do not know?
pub(super) fn is_newer(packed: &[u8]) -> bool {
    let mut from = Reader::new(packed);
    let Ok(instance) = from.blob() else { return false };
    Instance::is_newer(instance) || crate::machine::is_newer_log(from.rest()).unwrap_or(false)
}

/// How many there are of everything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Instances, ended ones included.
    pub instances: usize,
    /// Instances that are running.
    pub running: usize,
    /// Instances that are paused.
    pub paused: usize,
    /// Instances that are compensating.
    pub compensating: usize,
    /// Instances that are stuck.
    pub stuck: usize,
    /// Instances that are done.
    pub done: usize,
    /// Instances that failed.
    pub failed: usize,
    /// Instances that were cancelled.
    pub cancelled: usize,
    /// Effects that wait for a confirmation.
    pub pending: usize,
    /// Dead letters.
    pub dead_letters: usize,
    /// Early events that wait for their instance.
    pub buffered: usize,
    /// Events parked by stuck and paused instances.
    pub parked: usize,
    /// Events that instances sent to themselves and that wait.
    pub self_events: usize,
}

impl Counts {
    /// The count of `status`.
    pub const fn of(&mut self, status: Status) -> &mut usize {
        match status {
            Status::Running => &mut self.running,
            Status::Paused => &mut self.paused,
            Status::Compensating => &mut self.compensating,
            Status::Stuck => &mut self.stuck,
            Status::Done => &mut self.done,
            Status::Failed => &mut self.failed,
            Status::Cancelled => &mut self.cancelled,
        }
    }
}

/// All instances of a partition and the queue of their timers.
#[derive(Clone, Debug, Default)]
pub(super) struct Instances {
    map: BTreeMap<InstanceKey, Resting>,
    /// The earliest timer of every instance that has one.
    queue: BTreeSet<(Timestamp, InstanceKey)>,
    /// Instances with a call under way.
    calling: BTreeSet<InstanceKey>,
    /// Large instances that rest decoded, the one that changed last at the end.
    decoded: VecDeque<InstanceKey>,
    /// Others that came to rest decoded, in that order; some of them may rest as bytes again.
    recent: VecDeque<InstanceKey>,
    counts: Counts,
    bytes: usize,
}

impl Instances {
    /// Puts an instance to rest; a muted one fires no timer until it changes again.
    pub(super) fn put(&mut self, instance: Instance, trace: TraceLog, muted: bool) {
        let key = instance.key.clone();
        let known = self.map.get(&key).map(|resting| &resting.kept);
        let before = known.map_or(0, Kept::size);
        let was_decoded = known.is_some_and(|kept| matches!(kept, Kept::Decoded { .. }));
        // Many instances are started and never hear anything before their end.
        if known.is_none() || instance.status.is_ended() {
            self.decoded.retain(|known| *known != key);
            let kept = Kept::Packed(pack(&instance, &trace));
            return self.insert(Resting::new(kept, &instance, muted), &key);
        }
        let oldest = match before < LARGE {
            true if was_decoded => None,
            true => {
                self.recent.push_back(key.clone());
                let is_full = self.recent.len() > RECENT_MAX;
                is_full.then(|| self.recent.pop_front()).flatten()
            }
            false => self.changed_last(&key),
        };
        let mut resting = Resting::new(Kept::Packed(Box::default()), &instance, muted);
        resting.kept = Kept::Decoded { one: Box::new((instance, trace)), size: before };
        self.insert(resting, &key);
        if let Some(oldest) = oldest {
            self.pack_again(&oldest);
        }
    }

    /// A large instance changed; the one that it displaces.
    fn changed_last(&mut self, key: &InstanceKey) -> Option<InstanceKey> {
        if self.decoded.back() != Some(key) {
            self.decoded.retain(|known| known != key);
            self.decoded.push_back(key.clone());
        }
        (self.decoded.len() > DECODED_MAX).then(|| self.decoded.pop_front()).flatten()
    }

    /// An instance that others displaced rests as bytes again.
    fn pack_again(&mut self, key: &InstanceKey) {
        let Some(resting) = self.map.get_mut(key) else { return };
        let Kept::Decoded { one, .. } = &resting.kept else { return };
        let bytes = pack(&one.0, &one.1);
        self.bytes -= weight(key, resting);
        resting.kept = Kept::Packed(bytes);
        self.bytes += weight(key, resting);
    }

    /// Puts the bytes of an instance to rest, as [`Instances::packed`] gave them.
    pub(super) fn put_packed(
        &mut self,
        key: &InstanceKey,
        bytes: &[u8],
    ) -> Result<(), DecodeError> {
        let (instance, trace) = unpack(key, bytes)?;
        crate::machine::read_log(trace)?;
        let kept = Kept::Packed(bytes.into());
        self.insert(Resting::new(kept, &instance, false), key);
        Ok(())
    }

    fn insert(&mut self, resting: Resting, key: &InstanceKey) {
        let (due, calling) = (resting.due, resting.calling);
        self.count(key, &resting);
        // One key object is shared by the map and the queues.
        let (key, old) = match self.map.entry(key.clone()) {
            Entry::Occupied(mut place) => (place.key().clone(), Some(place.insert(resting))),
            Entry::Vacant(place) => {
                let key = place.key().clone();
                place.insert(resting);
                (key, None)
            }
        };
        let (old_due, old_calling) = old.as_ref().map_or((NEVER, false), |o| (o.due, o.calling));
        if let Some(old) = &old {
            self.discount(&key, old);
        }
        if calling && !old_calling {
            self.calling.insert(key.clone());
        } else if old_calling && !calling {
            self.calling.remove(&key);
        }
        if due != old_due {
            self.queue.remove(&(old_due, key.clone()));
            if due != NEVER {
                self.queue.insert((due, key));
            }
        }
    }

    fn count(&mut self, key: &InstanceKey, resting: &Resting) {
        self.counts.instances += 1;
        *self.counts.of(resting.status) += 1;
        self.counts.parked += usize::from(resting.parked);
        self.bytes += weight(key, resting);
    }

    fn discount(&mut self, key: &InstanceKey, resting: &Resting) {
        self.counts.instances -= 1;
        *self.counts.of(resting.status) -= 1;
        self.counts.parked -= usize::from(resting.parked);
        self.bytes -= weight(key, resting);
    }

    pub(super) fn remove(&mut self, key: &InstanceKey) {
        let Some((key, resting)) = self.map.remove_entry(key) else { return };
        self.discount(&key, &resting);
        self.decoded.retain(|known| *known != key);
        if resting.calling {
            self.calling.remove(&key);
        }
        self.queue.remove(&(resting.due, key));
    }

    /// Lets no timer of the instance fire until it changes again.
    pub(super) fn mute(&mut self, key: &InstanceKey) {
        if let Some(resting) = self.map.get_mut(key) {
            self.bytes -= weight(key, resting);
            self.queue.remove(&(resting.due, key.clone()));
            resting.due = NEVER;
            self.bytes += weight(key, resting);
        }
    }

    /// The decoded instance and its trace.
    pub(super) fn load(&self, key: &InstanceKey) -> Option<(Instance, TraceLog)> {
        let bytes = match &self.map.get(key)?.kept {
            Kept::Packed(bytes) => bytes,
            Kept::Decoded { one, .. } => return Some((**one).clone()),
        };
        // These bytes were made by `pack` or verified by `put_packed`.
        let (instance, trace) = unpack(key, bytes)
            .unwrap_or_else(|error| panic!("bytes of instance {key} in memory: {error}"));
        Some((instance, TraceLog::from_bytes(trace)))
    }

    /// The instance's bytes and its trace's, in one piece.
    pub(super) fn packed(&self, key: &InstanceKey) -> Option<Cow<'_, [u8]>> {
        Some(match &self.map.get(key)?.kept {
            Kept::Packed(bytes) => Cow::Borrowed(&**bytes),
            Kept::Decoded { one, .. } => Cow::Owned(pack(&one.0, &one.1).into_vec()),
        })
    }

    /// Is there an instance with this key?
    pub(super) fn contains(&self, key: &InstanceKey) -> bool {
        self.map.contains_key(key)
    }

    /// Keys in order, after `after`.
    pub(super) fn keys_after(
        &self,
        after: Option<&InstanceKey>,
    ) -> impl Iterator<Item = &InstanceKey> {
        let from = after.map_or(std::ops::Bound::Unbounded, std::ops::Bound::Excluded);
        self.map.range::<InstanceKey, _>((from, std::ops::Bound::Unbounded)).map(|(key, _)| key)
    }

    /// Instances with a call under way.
    pub(super) fn calling(&self) -> impl Iterator<Item = &InstanceKey> {
        self.calling.iter()
    }

    /// Instances with a due timer, and it, earliest first.
    pub(super) fn due(&self, now: Timestamp) -> impl Iterator<Item = (&InstanceKey, u32)> {
        self.queue
            .iter()
            .take_while(move |(due, _)| *due <= now)
            .filter_map(|(_, key)| self.map.get(key).map(|resting| (key, resting.timer)))
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.queue.first().map(|(due, _)| *due)
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Bytes of memory, roughly; those that rest decoded count as if they were packed.
    pub(super) fn bytes(&self) -> usize {
        let decoded: BTreeSet<_> = self.decoded.iter().chain(&self.recent).collect();
        let kept = decoded.into_iter().filter_map(|key| Some(&self.map.get(key)?.kept));
        let grown = kept.map(|kept| match kept {
            Kept::Packed(_) => (0, 0),
            Kept::Decoded { one, size } => (pack(&one.0, &one.1).len(), *size),
        });
        let (now, before) = grown.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        self.bytes + now - before
    }
}

/// Bytes of memory of one instance, roughly: two allocations, its place in the map (whose nodes
/// are about three quarters full) and in the timer queue.
fn weight(key: &InstanceKey, resting: &Resting) -> usize {
    let allocations = (key.raw().len() + 16 + 16) + (resting.kept.size() + 16);
    let queued = if resting.due == NEVER { 0 } else { 32 };
    allocations + 64 + queued
}

/// A snapshot's list of instances: key, then packed bytes, each.
pub(super) fn write_packed(key: &InstanceKey, packed: &[u8], out: &mut Out) {
    key.write(out);
    out.blob(packed);
}
