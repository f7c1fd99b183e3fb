//! What must always hold.

use std::collections::BTreeMap;

use gearshift_machine::machine::{Effect, Outcome};
use gearshift_machine::partition::{Done, Partition, PartitionInput, PendingCall};
use gearshift_machine::value::Value;

use super::inputs::COUNTER;
use super::owner::{Flight, Origin, Owner};
use super::world::World;

/// A frame's limit, in bytes.
const FRAME_BYTES: usize = 512 * 1_024;
/// Most lines of history of one instance.
const TRACE_LINES: usize = 100;

impl World<'_> {
    /// After every batch: timers never early, frames and histories bounded, nothing half recorded.
    pub(super) fn check_batch(&self, flight: &Flight) {
        assert!(flight.frame.len() <= FRAME_BYTES, "frame too large: {}", self.place());
        for ((_, stamped), done) in flight.inputs.iter().zip(&flight.results) {
            if flight.frame.is_empty() {
                assert!(done.trace.is_none(), "unrecorded: {done:?}: {}", self.place());
                assert!(done.effects.is_empty(), "unrecorded: {done:?}: {}", self.place());
            }
            let PartitionInput::TimerDue { key, timer } = &stamped.input else { continue };
            let Some(before) = flight.before.instance(key) else { continue };
            let early =
                before.timers.iter().any(|armed| armed.id == *timer && armed.due > stamped.at);
            // The partition's time never goes back: it may be ahead of a clock that jumped back.
            let ahead = done.trace.as_ref().is_some_and(|trace| {
                before.timers.iter().all(|armed| armed.id != *timer || armed.due <= trace.at)
            });
            let changed = done.trace.is_some() || !done.effects.is_empty();
            assert!(!early || !changed || ahead, "early timer: {done:?}: {}", self.place());
        }
    }

    /// A released answer: a counter takes every event, once.
    pub(super) fn check_answer(&mut self, origin: Origin, done: &Done) {
        self.report.count(word(&done.outcome));
        let is_counter = done.key.as_ref().is_some_and(|key| key.workflow() == COUNTER);
        if !is_counter {
            return;
        }
        match (&done.outcome, origin) {
            (Outcome::Started { .. } | Outcome::Transitioned { .. }, _)
            | (Outcome::Duplicate { .. }, Origin::Door(_) | Origin::Inbox) => {}
            (other, _) => panic!("a counter answers {other:?}: {}", self.place()),
        }
    }

    /// A released effect: its id stands for nothing else.
    pub(super) fn check_released(&mut self, effect: &Effect) {
        let (id, is_new) = match effect {
            Effect::Publish { id, .. } => {
                self.unconfirmed.insert(*id, effect.clone());
                (*id, !self.released.contains_key(id))
            }
            Effect::Call(call) => {
                let known = self.released.get(&call.call);
                (call.call, known.is_none_or(|known| is_same_call(known, effect)))
            }
            Effect::Letter(letter) => (letter.id, !self.released.contains_key(&letter.id)),
            Effect::CancelCall { .. }
            | Effect::WithdrawCall { .. }
            | Effect::SendSelf { .. }
            | Effect::DeadLetter { .. }
            | Effect::Keep { .. }
            | Effect::Log { .. }
            | Effect::Notice(_) => return,
        };
        assert!(is_new, "effect id used twice: {effect:?}: {}", self.place());
        self.released.entry(id).or_insert_with(|| effect.clone());
    }

    /// A dead owner's state comes back: what it appended, and only that; from the beginning and
    /// from the snapshot alike.
    pub(super) fn check_restored(&self, owner: &Owner) {
        let expected = match &owner.flight {
            None => &owner.partition,
            Some(flight) => {
                let mut tail = self.journal.read_from(owner.tail + 1);
                let stored = tail.any(|(_, message)| message == flight.frame);
                if stored { &owner.partition } else { &flight.before }
            }
        };
        let (from_snapshot, _) = self.restore();
        let full = self.replay(None);
        let expected = expected.state_bytes();
        assert!(full.state_bytes() == expected, "replay differs: {}", self.place());
        assert!(from_snapshot.state_bytes() == expected, "snapshot differs: {}", self.place());
        assert_eq!(full.counts(), from_snapshot.counts(), "{}", self.place());
        assert_eq!(full.memory_bytes(), from_snapshot.memory_bytes(), "{}", self.place());
    }

    /// A new owner sends again what was never confirmed, as it was.
    pub(super) fn check_pending(&mut self, partition: &Partition) {
        let place = self.place();
        let pending = partition.pending_effects(&self.charts.definitions);
        let mut publishes = Vec::new();
        let mut letters = BTreeMap::new();
        for (key, effect) in pending {
            match &effect {
                Effect::Publish { id, .. } => {
                    publishes.push(*id);
                    let known = self.released.entry(*id).or_insert_with(|| effect.clone());
                    assert_eq!(*known, effect, "{place}");
                    self.confirming.remove(id);
                    self.unconfirmed.insert(*id, effect);
                }
                Effect::Call(call) => {
                    let known = self.released.entry(call.call).or_insert_with(|| effect.clone());
                    let same = is_same_call(known, &effect);
                    assert!(same, "{known:?} became {effect:?}: {place}");
                    self.calls.push((key, call.clone()));
                }
                Effect::Letter(letter) => {
                    let known = self.released.entry(letter.id).or_insert_with(|| effect.clone());
                    assert_eq!(*known, effect, "{place}");
                    letters.insert(letter.number, (key, letter.clone()));
                }
                Effect::CancelCall { .. }
                | Effect::WithdrawCall { .. }
                | Effect::SendSelf { .. }
                | Effect::DeadLetter { .. }
                | Effect::Keep { .. }
                | Effect::Log { .. }
                | Effect::Notice(_) => panic!("pending {effect:?}"),
            }
        }
        for PendingCall { key, request, .. } in partition.calls_pending(&self.charts.definitions) {
            // Nobody is asked again, and its answer may still come.
            let effect = Effect::Call(request.clone());
            let known = self.released.get(&request.call);
            let same = known.is_none_or(|known| is_same_call(known, &effect));
            assert!(same, "{known:?} became {effect:?}: {place}");
            self.calls.push((key, request));
            self.report.count("calls pending at a takeover");
        }
        for id in self.unconfirmed.keys() {
            assert!(publishes.contains(id), "publish {id} was forgotten: {place}");
        }
        self.confirming.clear();
        // What was taken is settled in the same frame; what is on its way was asked for.
        self.letters = letters;
        for instance in partition.instances_from(None, usize::MAX) {
            let lines = partition.trace(&instance.key).len();
            assert!(lines <= TRACE_LINES, "{lines} lines: {place}");
        }
    }

    /// Is nothing left to do without a new event or the passing of time?
    pub(super) fn is_quiet(&self) -> bool {
        let Some(owner) = &self.owner else { return false };
        let read = owner.partition.cursors().next().map_or(0, |(_, cursor)| cursor.sequence);
        let due = owner.partition.due(gearshift_machine::machine::Timestamp(self.now), 1);
        owner.flight.is_none()
            && self.door.is_empty()
            && self.mail.is_empty()
            && self.letters.is_empty()
            && due.is_empty()
            && read == self.inbox.len() as u64
    }

    /// Every accepted event was applied once: the counters say so.
    pub(super) fn check_totals(&self) {
        let Some(owner) = &self.owner else { return };
        for (key, total) in &self.totals {
            let found = owner.partition.instance(key).map(|instance| instance.vars);
            let found = found.as_ref().and_then(|vars| vars.first());
            assert_eq!(found, Some(&Value::Int(*total)), "{key}: {}", self.place());
        }
    }
}

/// Do both ask the same of the same operation?
fn is_same_call(known: &Effect, effect: &Effect) -> bool {
    let (Effect::Call(known), Effect::Call(call)) = (known, effect) else { return false };
    known.operation == call.operation
        && known.input.to_json() == call.input.to_json()
        && known.step == call.step
}

/// What an outcome is counted as.
const fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Started { .. } => "started",
        Outcome::Transitioned { .. } => "transitioned",
        Outcome::Deferred => "deferred",
        Outcome::Ignored { .. } => "ignored",
        Outcome::Duplicate { .. } => "duplicate",
        Outcome::IdReuse { .. } => "id_reuse",
        Outcome::Rejected { .. } => "rejected",
        Outcome::Denied { .. } => "denied",
        Outcome::DeadLettered { .. } => "dead_lettered",
        Outcome::Stuck { .. } => "stuck",
        Outcome::NotFound { .. } => "not_found",
        Outcome::Busy { .. } => "busy",
        Outcome::Done => "done",
    }
}
