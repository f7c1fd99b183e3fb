//! What waits in a partition besides instances: self-sent and early events, dead letters, pending
//! effects, cursors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::machine::{
    Codec, DecodeError, EffectId, Event, Generation, InstanceKey, Out, Reader, Timestamp,
};
use crate::value::Value;

use super::pending::Pending;
use super::schedule::ScheduleState;

/// An event no instance could use, kept with the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The event.
    pub event: Event,
    /// The instance it meant, where known.
    pub key: Option<InstanceKey>,
    /// Why nobody took it: a word such as `no_instance`, then details.
    pub reason: Arc<str>,
    /// When it was given up.
    pub at: Timestamp,
    /// Where it came from: inbox and sequence.
    pub source: Option<(u16, u64)>,
}

impl DeadLetter {
    /// Bytes it occupies, roughly.
    pub(super) fn weight(&self) -> usize {
        let event = &self.event;
        let values = [&event.data, &event.headers].into_iter().flatten().map(Value::weight);
        128 + event.name.len() + self.reason.len() + values.sum::<usize>()
    }
}

impl Codec for DeadLetter {
    fn write(&self, out: &mut Out) {
        self.event.write(out);
        self.key.write(out);
        self.reason.write(out);
        self.at.write(out);
        self.source.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            event: Codec::read(from)?,
            key: Codec::read(from)?,
            reason: Codec::read(from)?,
            at: Codec::read(from)?,
            source: Codec::read(from)?,
        })
    }
}

/// An early event that waits for its instance (rule 46).
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Buffered {
    pub(super) key: InstanceKey,
    pub(super) event: Event,
    /// When it becomes a dead letter.
    pub(super) due: Timestamp,
}

impl Codec for Buffered {
    fn write(&self, out: &mut Out) {
        self.key.write(out);
        self.event.write(out);
        self.due.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { key: Codec::read(from)?, event: Codec::read(from)?, due: Codec::read(from)? })
    }
}

/// How far a source was consumed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// The highest sequence seen.
    pub sequence: u64,
    /// Was everything at `sequence` seen? Else only what the instances in `keys` took of it.
    pub complete: bool,
    /// Hashes of the instances that took the event at `sequence`.
    pub(super) keys: Vec<u64>,
}

impl Cursor {
    /// The sequence to go on reading at: again the last one, unless it is complete.
    #[must_use]
    pub const fn next(&self) -> u64 {
        if self.complete { self.sequence + 1 } else { self.sequence }
    }

    pub(super) fn seen(&self, sequence: u64, key: u64) -> bool {
        sequence < self.sequence
            || sequence == self.sequence && (self.complete || self.keys.contains(&key))
    }

    pub(super) fn take(&mut self, sequence: u64, key: u64) {
        if sequence > self.sequence {
            *self = Self { sequence, complete: false, keys: Vec::new() };
        }
        if sequence == self.sequence && !self.complete {
            self.keys.push(key);
        }
    }

    pub(super) fn advance(&mut self, sequence: u64) {
        if sequence >= self.sequence {
            *self = Self { sequence, complete: true, keys: Vec::new() };
        }
    }
}

impl Codec for Cursor {
    fn write(&self, out: &mut Out) {
        self.sequence.write(out);
        self.complete.write(out);
        self.keys.write(out);
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            sequence: Codec::read(from)?,
            complete: Codec::read(from)?,
            keys: Codec::read(from)?,
        })
    }
}

/// Things by number, in the order they came; numbers are never used again.
#[derive(Clone, Debug)]
pub(super) struct Numbered<T> {
    pub(super) next: u64,
    pub(super) items: BTreeMap<u64, T>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { next: 1, items: BTreeMap::new() }
    }
}

impl<T> Numbered<T> {
    pub(super) fn put(&mut self, id: u64, item: T) {
        self.next = self.next.max(id.saturating_add(1));
        self.items.insert(id, item);
    }
}

impl<T: Codec> Codec for Numbered<T> {
    fn write(&self, out: &mut Out) {
        self.next.write(out);
        out.length(self.items.len());
        for (id, item) in &self.items {
            id.write(out);
            item.write(out);
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let next = u64::read(from)?;
        let length = from.length()?;
        let mut items = BTreeMap::new();
        for _ in 0..length {
            items.insert(u64::read(from)?, T::read(from)?);
        }
        Ok(Self { next, items })
    }
}

/// All that waits in a partition besides its instances: the head of a snapshot.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    pub(super) self_events: Numbered<(InstanceKey, Event)>,
    pub(super) buffered: Numbered<Buffered>,
    pub(super) dead: Numbered<DeadLetter>,
    pub(super) pending: Numbered<(InstanceKey, Pending)>,
    pub(super) cursors: BTreeMap<u16, Cursor>,
    /// The highest generation of the instances that were forgotten: a key that comes back gets a
    /// higher one, or its effects would have the ids of its forgotten life.
    pub(super) forgotten: Generation,
    /// The number of the last letter taken of each partition: exact, because letters of one
    /// partition are taken in the order of their numbers.
    pub(super) delivered: BTreeMap<u16, u64>,
    /// The schedules that are kept here, by their own keys.
    pub(super) schedules: BTreeMap<InstanceKey, ScheduleState>,
    /// Made of the above, not stored.
    pub(super) index: Index,
}

/// What is found again by something else than its number.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    pub(super) dead_bytes: usize,
    pub(super) pending: BTreeMap<EffectId, u64>,
    pub(super) buffered_due: BTreeSet<(Timestamp, u64)>,
    pub(super) buffered_by_key: BTreeMap<InstanceKey, BTreeSet<u64>>,
    pub(super) self_by_key: BTreeMap<InstanceKey, usize>,
    pub(super) schedules_due: BTreeSet<(Timestamp, InstanceKey)>,
}

impl Default for Queues {
    fn default() -> Self {
        Self {
            self_events: Numbered::default(),
            buffered: Numbered::default(),
            dead: Numbered::default(),
            pending: Numbered::default(),
            cursors: BTreeMap::new(),
            forgotten: Generation(0),
            delivered: BTreeMap::new(),
            schedules: BTreeMap::new(),
            index: Index::default(),
        }
    }
}

impl Queues {
    pub(super) fn add_self_event(&mut self, id: u64, key: InstanceKey, event: Event) {
        *self.index.self_by_key.entry(key.clone()).or_default() += 1;
        self.self_events.put(id, (key, event));
    }

    pub(super) fn take_self_event(&mut self, id: u64) {
        let Some((key, _)) = self.self_events.items.remove(&id) else { return };
        if let Some(count) = self.index.self_by_key.get_mut(&key) {
            *count -= 1;
            if *count == 0 {
                self.index.self_by_key.remove(&key);
            }
        }
    }

    pub(super) fn add_buffered(&mut self, id: u64, item: Buffered) {
        self.index.buffered_due.insert((item.due, id));
        self.index.buffered_by_key.entry(item.key.clone()).or_default().insert(id);
        self.buffered.put(id, item);
    }

    pub(super) fn take_buffered(&mut self, id: u64) {
        let Some(item) = self.buffered.items.remove(&id) else { return };
        self.index.buffered_due.remove(&(item.due, id));
        if let Some(ids) = self.index.buffered_by_key.get_mut(&item.key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.index.buffered_by_key.remove(&item.key);
            }
        }
    }

    pub(super) fn add_dead_letter(&mut self, id: u64, letter: DeadLetter) {
        self.index.dead_bytes += letter.weight();
        self.dead.put(id, letter);
    }

    pub(super) fn drop_dead_letter(&mut self, id: u64) {
        if let Some(letter) = self.dead.items.remove(&id) {
            self.index.dead_bytes -= letter.weight();
        }
    }

    pub(super) fn add_pending(&mut self, id: u64, key: InstanceKey, pending: Pending) {
        self.index.pending.insert(pending.id(), id);
        self.pending.put(id, (key, pending));
    }

    /// Letters of `from` are taken up to this number.
    pub(super) fn deliver(&mut self, from: u16, number: u64) {
        let last = self.delivered.entry(from).or_default();
        *last = number.max(*last);
    }

    /// Keeps what became of a schedule, or forgets it.
    pub(super) fn keep_schedule(&mut self, key: InstanceKey, state: Option<ScheduleState>) {
        let old = match &state {
            Some(state) => self.schedules.insert(key.clone(), state.clone()),
            None => self.schedules.remove(&key),
        };
        if let Some(due) = old.and_then(|old| old.next) {
            self.index.schedules_due.remove(&(due, key.clone()));
        }
        if let Some(due) = state.and_then(|state| state.next) {
            self.index.schedules_due.insert((due, key));
        }
    }

    pub(super) fn settle(&mut self, effect: EffectId) {
        if let Some(id) = self.index.pending.remove(&effect) {
            self.pending.items.remove(&id);
        }
    }
}

impl Codec for Queues {
    fn write(&self, out: &mut Out) {
        self.self_events.write(out);
        self.buffered.write(out);
        self.dead.write(out);
        self.pending.write(out);
        self.forgotten.write(out);
        out.length(self.cursors.len());
        for (source, cursor) in &self.cursors {
            source.write(out);
            cursor.write(out);
        }
        // The last part of a head, and there only where something was delivered: heads written
        // before there were letters end here.
        if !self.delivered.is_empty() || !self.schedules.is_empty() {
            out.length(self.delivered.len());
            for (from, number) in &self.delivered {
                from.write(out);
                number.write(out);
            }
        }
        // Likewise, of heads written before there were schedules.
        if !self.schedules.is_empty() {
            out.length(self.schedules.len());
            for (key, state) in &self.schedules {
                key.write(out);
                state.write(out);
            }
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut queues = Self::default();
        let self_events = Numbered::<(InstanceKey, Event)>::read(from)?;
        let buffered = Numbered::<Buffered>::read(from)?;
        let dead = Numbered::<DeadLetter>::read(from)?;
        let pending = Numbered::<(InstanceKey, Pending)>::read(from)?;
        for (id, (key, event)) in self_events.items {
            queues.add_self_event(id, key, event);
        }
        for (id, item) in buffered.items {
            queues.add_buffered(id, item);
        }
        for (id, letter) in dead.items {
            queues.add_dead_letter(id, letter);
        }
        for (id, (key, item)) in pending.items {
            queues.add_pending(id, key, item);
        }
        queues.self_events.next = self_events.next;
        queues.buffered.next = buffered.next;
        queues.dead.next = dead.next;
        queues.pending.next = pending.next;
        queues.forgotten = Generation::read(from)?;
        for _ in 0..from.length()? {
            queues.cursors.insert(u16::read(from)?, Cursor::read(from)?);
        }
        if !from.rest().is_empty() {
            for _ in 0..from.length()? {
                queues.delivered.insert(u16::read(from)?, u64::read(from)?);
            }
        }
        if !from.rest().is_empty() {
            for _ in 0..from.length()? {
                queues.keep_schedule(Codec::read(from)?, Some(Codec::read(from)?));
            }
        }
        Ok(queues)
    }
}
