//! Partition: the state of one partition and what can be read of it.

use crate::machine::{DecodeError, Event, Instance, InstanceKey, Reader, Timestamp, TraceEntry};

use super::counts::Counts;
use super::decide::{Machine, is_other_book};
use super::frame::{self, Chain, Head, Item};
use super::input::PartitionInput;
use super::instances::{Instances, Waits};
use super::limits::PartitionLimits;
use super::queues::{Cursor, DeadLetter, Queues};
use super::resting::Known;

/// All that one partition remembers; its journal's frames and it say the same.
#[derive(Clone, Debug)]
pub struct Partition {
    pub(super) id: u16,
    pub(super) limits: PartitionLimits,
    pub(super) machine: Machine,
    pub(super) epoch: u64,
    /// The last frame's hash.
    pub(super) chain: Chain,
    /// The last frame's time.
    pub(super) recorded_at: Timestamp,
    /// The latest time seen; never goes back.
    pub(super) clock: Timestamp,
    /// The time of the first batch that this owner decided, or since when it hears all answers,
    /// where it did not for a while; not recorded.
    pub(super) owned_since: Option<Timestamp>,
    pub(super) instances: Instances,
    pub(super) queues: Queues,
    /// Until when due work rests because a limit refused some; not recorded.
    pub(super) hold: Option<Timestamp>,
}

impl Partition {
    /// An empty partition.
    #[must_use]
    pub fn new(id: u16) -> Self {
        Self {
            id,
            limits: PartitionLimits::default(),
            machine: Machine::default(),
            epoch: 0,
            chain: Chain::default(),
            recorded_at: Timestamp::default(),
            clock: Timestamp(i64::MIN),
            owned_since: None,
            instances: Instances::default(),
            queues: Queues::default(),
            hold: None,
        }
    }

    /// The same partition under other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: PartitionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same partition with another `decide`: for tests that need a machine that panics.
    #[must_use]
    pub fn with_machine(mut self, machine: Machine) -> Self {
        self.machine = machine;
        self
    }

    /// Opens an epoch: the first frame of a new owner (01 §1, guarantee 4).
    ///
    /// # Panics
    /// When `epoch` is not above the last one: an owner that did not read the tail.
    pub fn epoch_frame(&mut self, epoch: u64, owner: &str) -> Vec<u8> {
        assert!(epoch > self.epoch, "epoch {epoch} does not follow epoch {}", self.epoch);
        self.epoch = epoch;
        self.owned_since = None;
        let head = Head { opens: true, ..self.head(self.recorded_at) };
        let frame = frame::seal(head, owner.as_bytes(), false);
        self.chain = Chain::of(&frame);
        frame
    }

    pub(super) const fn head(&self, at: Timestamp) -> Head {
        let Self { id, epoch, chain, .. } = self;
        Head { opens: false, partition: *id, epoch: *epoch, previous: *chain, at }
    }

    /// Answers that came before may be lost, though the owner is the same: deadlines of undos count
    /// as if it had begun now.
    pub fn deaf_until(&mut self, at: Timestamp) {
        self.owned_since = self.owned_since.max(Some(at));
    }

    /// What is due at `now`, at most `limit` inputs: self-sent events in the order they were sent,
    /// then early events that waited too long, then timers in the order they are due, one per
    /// instance. Hand them to [`Partition::decide`] before asking again.
    #[must_use]
    pub fn due(&self, now: Timestamp, limit: usize) -> Vec<PartitionInput> {
        self.due_but(now, limit, &|_, _| false)
    }

    /// [`Partition::due`] without the timers that wait for an answer that came before them.
    #[must_use]
    pub fn due_but(&self, now: Timestamp, limit: usize, waits: &Waits<'_>) -> Vec<PartitionInput> {
        if self.hold.is_some_and(|hold| now < hold) {
            return Vec::new();
        }
        let queues = &self.queues;
        let own = queues.self_events.items.keys().map(|id| PartitionInput::SelfEvent { id: *id });
        let expired = queues.index.buffered_due.iter().take_while(|(due, _)| *due <= now);
        let expired = expired.map(|(_, id)| PartitionInput::BufferExpired { id: *id });
        let schedules = self.due_schedules(now);
        let timers = self
            .instances
            .due(now, waits)
            .map(|(key, timer)| PartitionInput::TimerDue { key: key.clone(), timer });
        // Half of a batch is left to timers, so that an endless chain of own events stops none.
        let share = limit.div_ceil(2);
        let mut inputs: Vec<_> = own.take(share).collect();
        inputs.extend(expired.take(limit.saturating_sub(inputs.len()).div_ceil(2)));
        inputs.extend(schedules.take(limit.saturating_sub(inputs.len()).div_ceil(2)));
        inputs.extend(timers.take(limit.saturating_sub(inputs.len())));
        inputs
    }

    /// When [`Partition::due`] next has something; the beginning of time where it has now.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.next_due_but(&|_, _| false)
    }

    /// [`Partition::next_due`] without the timers that wait for an answer that came before them.
    #[must_use]
    pub fn next_due_but(&self, waits: &Waits<'_>) -> Option<Timestamp> {
        let queues = &self.queues;
        let next = if queues.self_events.items.is_empty() {
            let buffered = queues.index.buffered_due.first().map(|(due, _)| *due);
            let scheduled = queues.index.schedules_due.first().map(|(due, _)| *due);
            [self.instances.next_due(waits), buffered, scheduled].into_iter().flatten().min()
        } else {
            Some(Timestamp(i64::MIN))
        };
        next.map(|next| self.hold.map_or(next, |hold| next.max(hold)))
    }

    /// The instance `key`.
    #[must_use]
    pub fn instance(&self, key: &InstanceKey) -> Option<Instance> {
        self.instances.load(key).map(|(instance, _)| instance)
    }

    /// The history of `key`, oldest line first; empty where there is no such instance.
    #[must_use]
    pub fn trace(&self, key: &InstanceKey) -> Vec<TraceEntry> {
        let log = self.instances.load(key).map(|(_, trace)| trace);
        log.and_then(|log| log.entries().ok()).unwrap_or_default()
    }

    /// At most `limit` instances in key order, after `after`.
    #[must_use]
    pub fn instances_from(&self, after: Option<&InstanceKey>, limit: usize) -> Vec<Instance> {
        let keys = self.instances.keys_after(after).take(limit);
        keys.filter_map(|key| self.instance(key)).collect()
    }

    /// Dead letters, oldest first, with their numbers.
    pub fn dead_letters(&self) -> impl Iterator<Item = (u64, &DeadLetter)> {
        self.queues.dead.items.iter().map(|(id, letter)| (*id, letter))
    }

    /// The dead letter number `id`.
    #[must_use]
    pub fn dead_letter(&self, id: u64) -> Option<&DeadLetter> {
        self.queues.dead.items.get(&id)
    }

    /// How many there are of everything.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            pending: self.queues.pending.items.len(),
            dead_letters: self.queues.dead.items.len(),
            buffered: self.queues.buffered.items.len(),
            self_events: self.queues.self_events.items.len(),
            ..self.instances.counts()
        }
    }

    /// How far each source was consumed.
    pub fn cursors(&self) -> impl Iterator<Item = (u16, &Cursor)> {
        self.queues.cursors.iter().map(|(source, cursor)| (*source, cursor))
    }

    /// The number of this partition.
    #[must_use]
    pub const fn id(&self) -> u16 {
        self.id
    }

    /// The last epoch opened; 0 before the first.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Bytes of memory, roughly.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.instances.bytes() + self.queues.index.dead_bytes
    }

    /// The whole state as bytes: two partitions that remember the same give the same.
    #[must_use]
    pub fn state_bytes(&self) -> Vec<u8> {
        super::snapshot::state_bytes(self)
    }

    /// Puts back what a frame recorded; `skip` says whose decisions are known already.
    pub(super) fn apply(
        &mut self,
        item: Item<'_>,
        at: Timestamp,
        skip: &dyn Fn(&InstanceKey) -> bool,
    ) -> Result<(), DecodeError> {
        if let Item::Changed { key, delta, trace, keep } = item {
            return if skip(&key) { Ok(()) } else { self.change(&key, delta, trace, keep, at) };
        }
        if let Item::Removed { key, .. } = &item
            && !skip(key)
        {
            self.instances.remove(key);
        }
        self.queues.apply(item);
        Ok(())
    }

    /// Puts back a decision about `key`.
    fn change(
        &mut self,
        key: &InstanceKey,
        delta: &[u8],
        trace: Option<&[u8]>,
        keep: u32,
        at: Timestamp,
    ) -> Result<(), DecodeError> {
        let known = self.instances.take(key).map(|known| *known);
        let (old, log) = known.map(|Known { instance, trace }| (instance, trace)).unzip();
        let book = old.as_ref().map(|old| (old.generation, old.pin));
        let mut from = Reader::new(delta);
        let new = crate::machine::Delta::read_onto(key, old, &mut from)?;
        from.end()?;
        let line = trace.map(|bytes| line_of(bytes, at)).transpose()?;
        let goes_on = book.is_some_and(|book| !is_other_book(book, &new, line.as_ref()));
        let mut log = log.filter(|_| goes_on).unwrap_or_default();
        if let Some(line) = &line {
            log.push(line, usize::try_from(keep).unwrap_or(usize::MAX))?;
        }
        self.instances.put(Box::new(Known { instance: new, trace: log }), false);
        self.instances.make_room();
        Ok(())
    }
}

/// The line of history that a frame of time `at` holds.
fn line_of(bytes: &[u8], at: Timestamp) -> Result<TraceEntry, DecodeError> {
    let mut from = Reader::new(bytes);
    let entry = TraceEntry::read_alone(at, &mut from)?;
    from.end()?;
    Ok(entry)
}

impl Queues {
    /// Puts back what a frame recorded, but for instances.
    pub(super) fn apply(&mut self, item: Item<'_>) {
        match item {
            Item::Changed { .. } => {}
            Item::Removed { generation, .. } => self.forgotten = self.forgotten.max(generation),
            Item::SelfAdded { id, key, event } => self.add_self_event(id, key, event),
            Item::SelfTaken { id } => self.take_self_event(id),
            Item::Pending { id, key, pending } => self.add_pending(id, key, pending),
            Item::Settled { effect } => self.settle(effect),
            Item::DeadAdded { id, letter } => self.add_dead_letter(id, letter),
            Item::DeadTaken { id, by: _ } => self.drop_dead_letter(id),
            Item::Buffered { id, item } => self.add_buffered(id, item),
            Item::BufferTaken { id } => self.take_buffered(id),
            Item::Took { source, sequence, key } => {
                self.cursors.entry(source).or_default().take(sequence, key);
            }
            Item::Advanced { source, sequence } => {
                self.cursors.entry(source).or_default().advance(sequence);
            }
            Item::Delivered { from, number } => self.deliver(from, number),
            Item::Scheduled { key, state } => self.keep_schedule(key, state.map(|state| *state)),
        }
    }

    /// The early events that wait for `key`, oldest first.
    pub(super) fn buffered_for(&self, key: &InstanceKey) -> Vec<(u64, Event)> {
        let ids = self.index.buffered_by_key.get(key).into_iter().flatten();
        ids.filter_map(|id| Some((*id, self.buffered.items.get(id)?.event.clone()))).collect()
    }
}
