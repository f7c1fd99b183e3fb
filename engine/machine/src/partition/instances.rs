//! Instances at rest: encoded bytes, and the little that must be known without decoding.

use std::borrow::Cow;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::machine::{Codec, DecodeError, Instance, InstanceKey, Out, Timestamp, TraceLog};

use super::counts::Counts;
use super::resting::{Kept, Known, NEVER, Resting, pack, unpack, unpacked};

/// An instance with this many bytes stays decoded while it changes: to read and write all of it for
/// each of ten thousand items or undo calls would cost their square.
const LARGE: usize = 16 * 1_024;
/// How many large instances stay decoded: those that changed last.
const DECODED_MAX: usize = 4;
/// How many others stay decoded: what changed again since it was read changes once more soon, for
/// step after step is answered, and so does what waits for the answer to a call.
const RECENT_MAX: usize = 64;

/// Says of an instance with a call under way, and of the moment its earliest timer is due, whether
/// an answer may have come before that is not told yet.
pub type Waits<'a> = dyn Fn(Timestamp, &InstanceKey) -> bool + 'a;

/// All instances of a partition and the queue of their timers.
#[derive(Clone, Debug, Default)]
pub(super) struct Instances {
    map: BTreeMap<InstanceKey, Resting>,
    index: Index,
    /// Large instances that rest decoded, the one that changed last at the end.
    decoded: VecDeque<InstanceKey>,
    /// Others that came to rest decoded, in that order; some of them may rest as bytes again.
    recent: VecDeque<InstanceKey>,
}

/// What follows from all instances together.
#[derive(Clone, Debug, Default)]
struct Index {
    /// The earliest timer of every instance that has one.
    queue: BTreeSet<(Timestamp, InstanceKey)>,
    /// Instances with a call under way.
    calling: BTreeSet<InstanceKey>,
    counts: Counts,
    bytes: usize,
}

impl Index {
    /// An instance becomes another one; there may be none before or after.
    fn change(&mut self, key: &InstanceKey, old: Option<&Resting>, new: Option<&Resting>) {
        if let Some(resting) = new {
            self.counts.instances += 1;
            *self.counts.of(resting.status) += 1;
            self.counts.parked += usize::from(resting.parked);
            self.bytes += resting.weight(key);
        }
        if let Some(resting) = old {
            self.counts.instances -= 1;
            *self.counts.of(resting.status) -= 1;
            self.counts.parked -= usize::from(resting.parked);
            self.bytes -= resting.weight(key);
        }
        let told = |it: Option<&Resting>| it.map_or((NEVER, false), |it| (it.due, it.calling));
        let ((old_due, was_calling), (due, calling)) = (told(old), told(new));
        if calling && !was_calling {
            self.calling.insert(key.clone());
        } else if was_calling && !calling {
            self.calling.remove(key);
        }
        if due != old_due {
            if old_due != NEVER {
                self.queue.remove(&(old_due, key.clone()));
            }
            if due != NEVER {
                self.queue.insert((due, key.clone()));
            }
        }
    }
}

impl Instances {
    /// Gives an instance to the batch under way, which brings it back by [`Instances::put`] where
    /// it changed it and by [`Instances::give_back`] where not.
    pub(super) fn take(&mut self, key: &InstanceKey) -> Option<Box<Known>> {
        let Entry::Occupied(mut place) = self.map.entry(key.clone()) else { return None };
        // One key object is shared by all that name the instance.
        let key = place.key().clone();
        let kept = &mut place.get_mut().kept;
        if let Kept::Packed(bytes) = kept {
            return Some(Box::new(unpacked(&key, bytes)));
        }
        let size = kept.size();
        match std::mem::replace(kept, Kept::Lent { size }) {
            Kept::Decoded { one, .. } => Some(one),
            Kept::Packed(_) | Kept::Lent { .. } => panic!("instance {key} is lent already"),
        }
    }

    /// Takes back an instance that did not change.
    pub(super) fn give_back(&mut self, known: Box<Known>) {
        if let Some(Resting { kept, .. }) = self.map.get_mut(&known.instance.key)
            && let Kept::Lent { size } = *kept
        {
            *kept = Kept::Decoded { one: known, size };
        }
    }

    /// Puts an instance to rest; a muted one fires no timer until it changes again. What rests
    /// decoded may be one more now, until [`Instances::make_room`].
    pub(super) fn put(&mut self, known: Box<Known>, muted: bool) {
        let Self { map, index, decoded, recent } = self;
        let ended = known.instance.status.is_ended();
        let mut resting = Resting::new(Kept::Lent { size: 0 }, &known.instance, muted);
        let packed = |known: &Known| Kept::Packed(pack(&known.instance, &known.trace));
        match map.entry(known.instance.key.clone()) {
            Entry::Vacant(place) => {
                // Many instances are started and never hear anything before their end.
                resting.kept = if ended || !resting.calling {
                    packed(&known)
                } else {
                    recent.push_back(place.key().clone());
                    Kept::Decoded { one: known, size: 0 }
                };
                index.change(place.key(), None, Some(&resting));
                place.insert(resting);
            }
            Entry::Occupied(mut place) => {
                let (key, kept) = (place.key(), &place.get().kept);
                let size = kept.size();
                resting.kept = if ended {
                    decoded.retain(|other| other != key);
                    packed(&known)
                } else {
                    match kept {
                        _ if size >= LARGE => changed_last(decoded, key),
                        Kept::Packed(_) => recent.push_back(key.clone()),
                        Kept::Decoded { .. } | Kept::Lent { .. } => {}
                    }
                    Kept::Decoded { one: known, size }
                };
                index.change(key, Some(place.get()), Some(&resting));
                place.insert(resting);
            }
        }
    }

    /// Has no more of them rest decoded than may.
    pub(super) fn make_room(&mut self) {
        let room = |list: &mut VecDeque<InstanceKey>, most| {
            (list.len() > most).then(|| list.pop_front()).flatten()
        };
        while let Some(key) = room(&mut self.recent, RECENT_MAX) {
            self.pack_again(&key);
        }
        while let Some(key) = room(&mut self.decoded, DECODED_MAX) {
            self.pack_again(&key);
        }
    }

    /// An instance that others displaced rests as bytes again.
    fn pack_again(&mut self, key: &InstanceKey) {
        let Some(resting) = self.map.get_mut(key) else { return };
        let Kept::Decoded { one, .. } = &resting.kept else { return };
        let bytes = pack(&one.instance, &one.trace);
        self.index.bytes -= resting.weight(key);
        resting.kept = Kept::Packed(bytes);
        self.index.bytes += resting.weight(key);
    }

    /// Puts the bytes of an instance to rest, as [`Instances::packed`] gave them.
    pub(super) fn put_packed(
        &mut self,
        key: &InstanceKey,
        bytes: &[u8],
    ) -> Result<(), DecodeError> {
        let (instance, trace) = unpack(key, bytes)?;
        crate::machine::read_log(trace)?;
        let resting = Resting::new(Kept::Packed(bytes.into()), &instance, false);
        match self.map.entry(key.clone()) {
            Entry::Vacant(place) => {
                self.index.change(place.key(), None, Some(&resting));
                place.insert(resting);
            }
            Entry::Occupied(mut place) => {
                self.index.change(place.key(), Some(place.get()), Some(&resting));
                place.insert(resting);
            }
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, key: &InstanceKey) {
        let Some((key, resting)) = self.map.remove_entry(key) else { return };
        self.index.change(&key, Some(&resting), None);
        self.decoded.retain(|known| *known != key);
    }

    /// Lets no timer of the instance fire until it changes again.
    pub(super) fn mute(&mut self, key: &InstanceKey) {
        if let Some(resting) = self.map.get_mut(key) {
            self.index.bytes -= resting.weight(key);
            self.index.queue.remove(&(resting.due, key.clone()));
            resting.due = NEVER;
            self.index.bytes += resting.weight(key);
        }
    }

    /// The decoded instance and its trace.
    pub(super) fn load(&self, key: &InstanceKey) -> Option<(Instance, TraceLog)> {
        let Known { instance, trace } = match &self.map.get(key)?.kept {
            Kept::Packed(bytes) => unpacked(key, bytes),
            Kept::Decoded { one, .. } => (**one).clone(),
            Kept::Lent { .. } => panic!("instance {key} is lent"),
        };
        Some((instance, trace))
    }

    /// The instance's bytes and its trace's, in one piece.
    pub(super) fn packed(&self, key: &InstanceKey) -> Option<Cow<'_, [u8]>> {
        Some(match &self.map.get(key)?.kept {
            Kept::Packed(bytes) => Cow::Borrowed(&**bytes),
            Kept::Decoded { one, .. } => Cow::Owned(pack(&one.instance, &one.trace).into_vec()),
            Kept::Lent { .. } => panic!("instance {key} is lent"),
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
        self.index.calling.iter()
    }

    /// Instances with a due timer, and it, earliest first; without those that wait.
    pub(super) fn due(
        &self,
        now: Timestamp,
        waits: &Waits<'_>,
    ) -> impl Iterator<Item = (&InstanceKey, u32)> {
        let due = self.index.queue.iter().take_while(move |(due, _)| *due <= now);
        due.filter(|(due, key)| !self.waits(*due, key, waits))
            .filter_map(|(_, key)| self.map.get(key).map(|resting| (key, resting.timer)))
    }

    /// When the next timer is due that does not wait.
    pub(super) fn next_due(&self, waits: &Waits<'_>) -> Option<Timestamp> {
        let next = self.index.queue.iter().find(|(due, key)| !self.waits(*due, key, waits));
        next.map(|(due, _)| *due)
    }

    fn waits(&self, due: Timestamp, key: &InstanceKey, waits: &Waits<'_>) -> bool {
        self.index.calling.contains(key) && waits(due, key)
    }

    pub(super) const fn counts(&self) -> Counts {
        self.index.counts
    }

    /// How many rest decoded.
    #[cfg(test)]
    pub(super) fn decoded(&self) -> usize {
        self.map.values().filter(|one| matches!(one.kept, Kept::Decoded { .. })).count()
    }

    /// Bytes of memory, roughly; those that rest decoded count as if they were packed.
    pub(super) fn bytes(&self) -> usize {
        let decoded: BTreeSet<_> = self.decoded.iter().chain(&self.recent).collect();
        let kept = decoded.into_iter().filter_map(|key| Some(&self.map.get(key)?.kept));
        let grown = kept.map(|kept| match kept {
            Kept::Packed(_) | Kept::Lent { .. } => (0, 0),
            Kept::Decoded { one, size } => (pack(&one.instance, &one.trace).len(), *size),
        });
        let (now, before) = grown.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        self.index.bytes + now - before
    }
}

/// A large instance changed: it goes to the end of those that rest decoded.
fn changed_last(decoded: &mut VecDeque<InstanceKey>, key: &InstanceKey) {
    if decoded.back() != Some(key) {
        decoded.retain(|known| known != key);
        decoded.push_back(key.clone());
    }
}

/// A snapshot's list of instances: key, then packed bytes, each.
pub(super) fn write_packed(key: &InstanceKey, packed: &[u8], out: &mut Out) {
    key.write(out);
    out.blob(packed);
}
