//! Events nobody takes yet, and duplicates (rules 40-46).

use std::sync::Arc;

use super::commands::rejected;
use super::effect::Effect;
use super::input::{Event, EventKind, Input};
use super::instance::{Instance, Mark, TimerKind};
use super::macrostep::{Again, Cause, Taken, is_own};
use super::outcome::Outcome;
use super::work::{Overrun, Work};
use crate::definition::model::{Descriptor, Trigger, Unhandled};
use crate::value::{Map, Value};

/// Producers' ids remembered per instance (rule 45).
pub const MARKS_MAX: usize = 64;

/// Names of starts remembered per key, this life's and those of the lives before it (rule 46).
const STARTS_MAX: usize = 16;

/// The step of the mark of a start: no event is taken in at it.
const START: u32 = u32::MAX;

/// How much an event counts against the limits of deferred and parked events, in bytes.
#[must_use]
pub fn event_weight(event: &Event) -> usize {
    let value = |value: &Option<Value>| value.as_ref().map_or(0, Value::weight);
    event.name.len() + value(&event.data) + value(&event.headers) + 32
}

/// The mark of an event that carries its producer's id.
fn mark_of(event: &Event, step: u64) -> Option<Mark> {
    let id = event.id.as_ref()?;
    let mut bytes = Vec::with_capacity(128);
    bytes.extend_from_slice(event.source.as_deref().unwrap_or_default().as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(id.as_bytes());
    let id = xxhash_rust::xxh3::xxh3_64(&bytes);
    bytes.clear();
    bytes.extend_from_slice(event.name.as_bytes());
    bytes.push(0);
    if let Some(data) = &event.data {
        bytes.extend_from_slice(data.to_json().as_bytes());
    }
    let [a, b, c, d, ..] = xxhash_rust::xxh3::xxh3_64(&bytes).to_le_bytes();
    let step = u32::try_from(step).unwrap_or(u32::MAX);
    Some(Mark { id, body: u32::from_le_bytes([a, b, c, d]), step })
}

/// The verdict on an event whose producer's id was seen before (rule 45).
pub(super) fn repeated(instance: &Instance, event: &Event) -> Option<Outcome> {
    if instance.marks.is_empty() {
        return None;
    }
    let mark = mark_of(event, 0)?;
    let known = instance.marks.iter().find(|known| known.id == mark.id && !known.is_start())?;
    let at = u64::from(known.step);
    Some(if known.body == mark.body { Outcome::Duplicate { at } } else { Outcome::IdReuse { at } })
}

/// The mark of a start that has a name.
fn mark_of_start(id: &str, input: &Value) -> Mark {
    // No text has this byte, so no event's mark is meant.
    let mut bytes = vec![0xff];
    bytes.extend_from_slice(id.as_bytes());
    let id = xxhash_rust::xxh3::xxh3_64(&bytes);
    let [a, b, c, d, ..] = xxhash_rust::xxh3::xxh3_64(input.to_json().as_bytes()).to_le_bytes();
    Mark { id, body: u32::from_le_bytes([a, b, c, d]), step: START }
}

/// The verdict on a start whose name began this life or one before it, also an ended one.
pub(super) fn begun_already(instance: Option<&Instance>, input: &Input) -> Option<Outcome> {
    match input {
        Input::Start { input, id: Some(id), .. } => {
            let mark = mark_of_start(id, input);
            let known = instance?.marks.iter().find(|known| known.is_of(&mark))?;
            Some(if known.body == mark.body {
                Outcome::Duplicate { at: 1 }
            } else {
                rejected("exists with other input, of a start with the same id")
            })
        }
        Input::Held { start, .. } | Input::Within { start, .. } => begun_already(instance, start),
        Input::Start { id: None, .. }
        | Input::StartChild { .. }
        | Input::Transaction { .. }
        | Input::Orphaned { .. }
        | Input::Event(_)
        | Input::ChildReply { .. }
        | Input::ChildEvent { .. }
        | Input::CallReply { .. }
        | Input::CallStarted { .. }
        | Input::CallPending { .. }
        | Input::TimerDue { .. }
        | Input::Command { .. } => None,
    }
}

/// What a new life of `old` knows from the beginning: the names of the starts before it.
pub(super) fn starts_known(old: Option<&Instance>) -> Vec<Mark> {
    let starts = || old.into_iter().flat_map(|old| &old.marks).filter(|mark| mark.is_start());
    starts().skip(starts().count().saturating_sub(STARTS_MAX - 1)).cloned().collect()
}

impl Mark {
    fn is_start(&self) -> bool {
        self.step == START
    }

    /// Is it of the start that `other` is of, whatever that brings?
    fn is_of(&self, other: &Self) -> bool {
        self.is_start() && self.id == other.id
    }
}

impl Instance {
    /// Was this life begun by a start of this name, or one before it that is still known?
    #[must_use]
    pub fn knows_start(&self, id: &str) -> bool {
        let mark = mark_of_start(id, &Value::Null);
        self.marks.iter().any(|known| known.is_of(&mark))
    }
}

impl Work<'_> {
    /// Remembers the producer's id of an event that was taken in (rule 45).
    pub(super) fn remember(&mut self, event: &Event) {
        let Some(mark) = mark_of(event, self.instance.step) else { return };
        let marks = &mut self.instance.marks;
        let mut events = marks.iter().filter(|mark| !mark.is_start()).count();
        while events >= MARKS_MAX {
            let oldest = marks.remove(0);
            // Names of starts are kept as long as the key is. They go to the end, so that a frame
            // tells what was dropped and added instead of the whole list.
            if oldest.is_start() {
                marks.push(oldest);
            } else {
                events -= 1;
            }
        }
        marks.push(mark);
    }

    /// Remembers the name of the start that this life begins with (rule 46).
    pub(super) fn remember_start(&mut self, id: &str, input: &Value) {
        self.instance.marks.push(mark_of_start(id, input));
    }

    /// What becomes of an event that no transition takes (rules 41, 44).
    pub(super) fn unhandled(&self, event: &Event) -> Result<Taken, Overrun> {
        if is_own(event) {
            return Ok(Taken::Unhandled(Unhandled::Discard));
        }
        if self.deferring(event).is_some() {
            return Ok(Taken::Deferred);
        }
        // The starting event has done its work: that nobody takes it is normal (rule 14).
        if self.starting {
            return Ok(Taken::Unhandled(Unhandled::Discard));
        }
        let mut policy = self.definition.unhandled;
        let mut innermost = None;
        for &id in &self.instance.active {
            let deeper = innermost.is_none_or(|found| self.definition.is_descendant(id, found));
            if let (Some(declared), true) = (self.state(id).unhandled, deeper) {
                policy = declared;
                innermost = Some(id);
            }
        }
        Ok(if policy == Unhandled::Defer { Taken::Deferred } else { Taken::Unhandled(policy) })
    }

    /// The time to live that an active state which defers `event` gives it, 0 for none.
    fn deferring(&self, event: &Event) -> Option<u64> {
        let defers = |id: &&super::ids::StateId| {
            self.state(**id).defer.iter().any(|descriptor| descriptor.matches(&event.name))
        };
        let found = self.instance.active.iter().rev().find(defers)?;
        Some(self.state(*found).defer_ttl_ms)
    }

    /// Keeps an event until the active states change (rules 41, 43).
    pub(super) fn defer(&mut self, event: &Event) -> Outcome {
        if !self.has_room(event, &self.instance.deferred) {
            return self.defer_failed(event, "deferred_full");
        }
        if let Some(ttl @ 1..) = self.deferring(event) {
            let place = u16::try_from(self.instance.deferred.len()).unwrap_or(u16::MAX);
            self.arm(ttl, TimerKind::DeferredExpiry { place });
        }
        self.instance.deferred.push(event.clone());
        self.note("deferred");
        Outcome::Deferred
    }

    /// Is there room for one more event in a bounded list (rule 43)?
    pub(super) fn has_room(&self, event: &Event, list: &[Event]) -> bool {
        let limits = self.definition.limits;
        let bytes: usize = list.iter().map(event_weight).sum();
        list.len() < limits.deferred as usize
            && bytes + event_weight(event) <= limits.deferred_bytes as usize
    }

    /// Overflow or expiry: a dead letter, and an event for whoever handles it (rule 43).
    pub(super) fn defer_failed(&mut self, event: &Event, reason: &str) -> Outcome {
        self.dead_letter(event, reason);
        let data = Map::from_iter([
            ("event", Value::String(Arc::clone(&event.name))),
            ("message", Value::from(reason)),
        ]);
        let error =
            self.made("error.platform.defer".into(), EventKind::Platform, Some(data.into()));
        let again = || Again::Event(Some(error.clone()));
        self.attempt(&again, |work| work.macrostep(Cause::Event(&error)));
        Outcome::DeadLettered { reason: reason.into() }
    }

    /// Keeps an event with the reason why nobody took it.
    pub(super) fn dead_letter(&mut self, event: &Event, reason: &str) {
        self.effects.push(Effect::DeadLetter { event: event.clone(), reason: reason.into() });
        self.entry.effects.push(format!("dead_letter {}", event.name).into());
    }

    /// The time to live of the deferred event at `place` is over (rule 43).
    pub(super) fn expire_deferred(&mut self, place: u16) -> Outcome {
        match self.take_deferred(usize::from(place)) {
            Some(event) => self.defer_failed(&event, "deferred_expired"),
            None => Outcome::Ignored { reason: "stale_timer".into() },
        }
    }

    /// Takes a deferred event out, with its timer; the places of later ones move up.
    fn take_deferred(&mut self, at: usize) -> Option<Event> {
        if at >= self.instance.deferred.len() {
            return None;
        }
        let event = self.instance.deferred.remove(at);
        self.instance.timers.retain_mut(|timer| match &mut timer.kind {
            TimerKind::DeferredExpiry { place } => {
                let own = usize::from(*place) == at;
                if usize::from(*place) > at {
                    *place -= 1;
                }
                !own
            }
            TimerKind::After { .. }
            | TimerKind::Send { .. }
            | TimerKind::SendTo { .. }
            | TimerKind::CallDeadline { .. }
            | TimerKind::CallRetry { .. }
            | TimerKind::Steps { .. }
            | TimerKind::MoreSteps { .. }
            | TimerKind::Retention => true,
        });
        Some(event)
    }

    /// Offers deferred events again, oldest first, as long as the active states change
    /// (rule 42). Each one taken leaves the list, so this ends.
    pub(super) fn offer_deferred(&mut self) {
        while std::mem::take(&mut self.moved) {
            let mut at = 0;
            while !self.moved && self.goes_on() {
                let Some(event) = self.instance.deferred.get(at).cloned() else { return };
                let (taken, verdict) =
                    self.pass_gate(&event, |work| work.deferred_again(at, &event));
                match (taken, verdict) {
                    (Taken::Yes, _) => self.note(format!("took deferred {}", event.name)),
                    (Taken::RolledBack, _) => {
                        // The event is the incident's now: it must not be offered twice.
                        self.take_deferred(at);
                    }
                    (Taken::Deferred, None) => at += 1,
                    (taken, Some(verdict)) => {
                        if taken == Taken::Deferred {
                            self.take_deferred(at);
                        }
                        let verdict = self.refused_by_gate(verdict);
                        self.unheard(&event, verdict);
                    }
                    (Taken::Unhandled(policy), None) => {
                        let outcome = self.apply_unhandled(&event, policy);
                        self.unheard(&event, outcome);
                    }
                }
            }
            if !self.goes_on() {
                return;
            }
        }
    }

    /// One deferred event's macrostep: it leaves the list unless it is still deferred.
    fn deferred_again(&mut self, at: usize, event: &Event) -> Result<Taken, Overrun> {
        let timers = self.instance.timers.clone();
        let Some(taken_out) = self.take_deferred(at) else { return Ok(Taken::Yes) };
        let taken = self.macrostep(Cause::Event(event))?;
        if taken == Taken::Deferred {
            self.instance.timers = timers;
            self.instance.deferred.insert(at, taken_out);
        }
        Ok(taken)
    }

    /// What becomes of a refused event whose publisher has been answered before and hears nothing
    /// any more: it is kept as a dead letter (rule 44).
    pub(super) fn unheard(&mut self, event: &Event, outcome: Outcome) -> Outcome {
        let reason = if matches!(outcome, Outcome::Denied { .. }) {
            "denied"
        } else if matches!(outcome, Outcome::Rejected { .. }) {
            "unhandled"
        } else {
            return outcome;
        };
        self.note(format!("{reason} {}", event.name));
        self.dead_letter(event, reason);
        Outcome::DeadLettered { reason: reason.into() }
    }

    /// `unhandled:` of the state or definition (rule 44).
    pub(super) fn apply_unhandled(&mut self, event: &Event, policy: Unhandled) -> Outcome {
        match policy {
            Unhandled::Discard => {
                self.note("unhandled");
                Outcome::Ignored { reason: "unhandled".into() }
            }
            Unhandled::Defer => self.defer(event),
            Unhandled::DeadLetter => {
                self.dead_letter(event, "unhandled");
                Outcome::DeadLettered { reason: "unhandled".into() }
            }
            Unhandled::Reject => {
                self.note("not accepted");
                Outcome::Rejected {
                    reason: format!("`{}` is not accepted in this state", event.name).into(),
                    accepted: accepted(self.definition, &self.instance),
                }
            }
        }
    }
}

/// The event names that transitions of active states wait for, in document order.
pub(super) fn accepted(
    definition: &crate::definition::model::Definition,
    instance: &Instance,
) -> Vec<Arc<str>> {
    let mut names: Vec<Arc<str>> = Vec::new();
    for &id in &instance.active {
        for &transition in &definition.state(id).transitions {
            let Trigger::Events(descriptors) = &definition.transition(transition).trigger else {
                continue;
            };
            for descriptor in descriptors {
                let name = match descriptor {
                    Descriptor::Any => "*".into(),
                    Descriptor::Prefix(name) | Descriptor::Exact(name) => Arc::clone(name),
                };
                let own = ["done", "error", "after"].contains(&first_token(&name));
                if !own && !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    names
}

fn first_token(name: &str) -> &str {
    name.split('.').next().unwrap_or_default()
}
