//! From a partition's input to a draft: who is meant, and what the machine says.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use crate::definition::model::Early;
use crate::machine::{Event, Input, Instance, InstanceKey, Outcome, TimerKind, Timestamp};
use crate::value::Value;

use super::definitions::Definitions;
use super::draft::Draft;
use super::frame::Item;
use super::input::{PartitionInput, Position};
use super::memory::Partition;
use super::queues::Buffered;
use super::replies::failed_reply;
use super::resting::Known;
use super::stick::without_definition;
use super::subject::{consumed, is_own, position, target};

/// A decoded instance of the batch under way.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) known: Box<Known>,
    /// Did it change since it was lent?
    pub(super) dirty: bool,
    pub(super) mute: bool,
}

/// One batch: each instance is decoded once and encoded once.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) partition: &'a mut Partition,
    pub(super) definitions: &'a Definitions,
    pub(super) live: BTreeMap<InstanceKey, Live>,
}

/// How hard an input is tried to be made to fit a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// As it is.
    Usual,
    /// Its decision is too large: where it is an answer, its call fails with that instead.
    Fail,
    /// No such answer, or what follows from the failure is too large: the instance is stuck.
    Stick,
    /// That is too large as well: the event without its payload becomes a dead letter.
    Trim,
}

impl Run<'_> {
    /// What `input` is about to change; nothing is changed yet.
    pub(super) fn plan(
        &mut self,
        input: &PartitionInput,
        at: Timestamp,
        attempt: Attempt,
    ) -> Draft {
        if let Some(answer) = self.refuse(input) {
            return answer;
        }
        let mut draft = match attempt {
            Attempt::Usual => self.usual(input, at),
            Attempt::Fail => match self.machine_input(input).and_then(failed_reply) {
                Some((key, reply)) => self.existing(&key, &reply, at),
                None => self.too_large(input, at),
            },
            Attempt::Stick => self.too_large(input, at),
            Attempt::Trim => self.trimmed(input, at),
        };
        if let Some(what) = self.limit_reached(&draft, input) {
            return Draft::busy(draft.done.key.as_ref(), what);
        }
        // What named something that is not there was not taken: a dead letter stays one.
        let taken = if matches!(input, PartitionInput::Replay { .. }) {
            uses_up(&draft.done.outcome)
        } else {
            let gone = matches!(draft.done.outcome, Outcome::NotFound { .. });
            let named =
                matches!(input, PartitionInput::Letter { .. } | PartitionInput::CallResult { .. });
            !gone || named
        };
        if taken {
            draft.items.extend(consumed(input));
            draft.items.extend(self.settled(input));
        }
        draft
    }

    /// The answer to an input that was taken before or names what is not there.
    fn refuse(&self, input: &PartitionInput) -> Option<Draft> {
        let queues = &self.partition.queues;
        if let Some((position, hash)) = position(input)
            && let Some(cursor) = queues.cursors.get(&position.source)
            && cursor.seen(position.sequence, hash)
        {
            return Some(Draft::answer(target(input), Outcome::Duplicate { at: 0 }));
        }
        match input {
            PartitionInput::Replay { dead_letter, .. }
            | PartitionInput::Drop { dead_letter, .. } => {
                let missing = !queues.dead.items.contains_key(dead_letter);
                missing.then(|| Draft::not_found(target(input), "dead letter"))
            }
            PartitionInput::SelfEvent { id } => {
                let missing = !queues.self_events.items.contains_key(id);
                missing.then(|| Draft::ignored(None, "stale_self_event"))
            }
            PartitionInput::BufferExpired { id } => {
                let missing = !queues.buffered.items.contains_key(id);
                missing.then(|| Draft::ignored(None, "stale_buffer"))
            }
            PartitionInput::Confirmed { effect } => {
                let missing = !queues.index.pending.contains_key(effect);
                missing.then(|| Draft::ignored(None, "unknown_effect"))
            }
            PartitionInput::Advance { source, sequence } => {
                let cursor = queues.cursors.get(source)?;
                let known = (cursor.sequence, cursor.complete) >= (*sequence, true);
                known.then(|| Draft::ignored(None, "known_position"))
            }
            PartitionInput::Letter { from, after, letter, .. } => {
                self.refuse_letter(*from, *after, letter)
            }
            PartitionInput::Deliver { .. }
            | PartitionInput::Start { .. }
            | PartitionInput::CallReply { .. }
            | PartitionInput::CallResult { .. }
            | PartitionInput::CallStarted { .. }
            | PartitionInput::CallPending { .. }
            | PartitionInput::TimerDue { .. }
            | PartitionInput::Command { .. }
            | PartitionInput::Schedule { .. }
            | PartitionInput::Reject { .. } => None,
        }
    }

    fn usual(&mut self, input: &PartitionInput, at: Timestamp) -> Draft {
        match input {
            PartitionInput::Deliver { key, event, early, source } => {
                self.deliver(key, event.clone(), *early, *source, at)
            }
            PartitionInput::Start { key, version, input, by, id, trace_context } => {
                let (input, by, id) = (input.clone(), by.clone(), id.clone());
                let trace_context = trace_context.clone();
                let start = Input::Start { input, event: None, by, id, trace_context };
                self.start(key, *version, start, at)
            }
            PartitionInput::CallReply { key, call, .. }
            | PartitionInput::CallResult { key, call, .. }
            | PartitionInput::CallStarted { key, call, .. }
            | PartitionInput::CallPending { key, call, .. } => self.of_call(key, *call, input, at),
            PartitionInput::Letter { sender, letter, .. } => self.letter(sender, letter, at),
            PartitionInput::TimerDue { key, timer } => self.timer(key, *timer, at),
            PartitionInput::Command { key, command, by, reason } => {
                self.ordered(key, command, (by, reason), at)
            }
            PartitionInput::Schedule { key, order } => self.schedule(key, order, at, true),
            PartitionInput::Confirmed { .. }
            | PartitionInput::Drop { .. }
            | PartitionInput::Advance { .. } => Draft::answer(None, Outcome::Done),
            PartitionInput::Reject { event, reason, key, source } => {
                self.give_up(event.clone(), key.as_ref(), reason, at, *source)
            }
            PartitionInput::Replay { dead_letter, key, early, by: _ } => {
                let letter = self.partition.queues.dead.items.get(dead_letter);
                let Some(letter) = letter else {
                    return Draft::not_found(Some(key), "dead letter");
                };
                // The instance that gave the event up remembers its id; here it is meant again.
                let event = Event { id: None, ..letter.event.clone() };
                self.deliver(key, event, *early, None, at)
            }
            PartitionInput::SelfEvent { id } => {
                let Some((key, event)) = self.partition.queues.self_events.items.get(id).cloned()
                else {
                    return Draft::ignored(None, "stale_self_event");
                };
                if self.fetch(&key).is_none() {
                    return Draft::ignored(Some(&key), "ended");
                }
                let mut draft = self.existing(&key, &Input::Event(event.clone()), at);
                draft.keep_refused(event, &key, at, &self.partition.queues);
                draft
            }
            PartitionInput::BufferExpired { id } => {
                let Some(item) = self.partition.queues.buffered.items.get(id).cloned() else {
                    return Draft::ignored(None, "stale_buffer");
                };
                self.give_up(item.event, Some(&item.key), &"buffer_expired".into(), at, None)
            }
        }
    }

    /// Rule 46: an event for a living, an ended or a missing instance.
    fn deliver(
        &mut self,
        key: &InstanceKey,
        mut event: Event,
        early: Early,
        source: Option<Position>,
        at: Timestamp,
    ) -> Draft {
        event.time = event.time.or(Some(at));
        if self.fetch(key).is_some() {
            return self.existing(key, &Input::Event(event), at);
        }
        match early {
            Early::Start if self.definitions.latest(key.workflow()).is_none() => {
                self.give_up(event, Some(key), &"unknown_workflow".into(), at, source)
            }
            Early::Start => {
                let by = event.by.clone().unwrap_or_default();
                let input = event.data.clone().unwrap_or(Value::Null);
                let (event, id) = (Some(event), None);
                let start = Input::Start { input, event, by, id, trace_context: None };
                self.start(key, None, start, at)
            }
            Early::Buffer { ttl_ms } => {
                let mut draft = Draft::answer(Some(key), Outcome::Deferred);
                let item = Buffered { key: key.clone(), event, due: at.plus_ms(ttl_ms) };
                draft.buffer(item, &self.partition.queues);
                draft
            }
            // Who asks is told, and keeps the event; only the bus's own copy needs a place.
            Early::DeadLetter if source.is_none() => {
                Draft::answer(Some(key), Outcome::NotFound { what: "instance".into() })
            }
            Early::DeadLetter => self.give_up(event, Some(key), &"no_instance".into(), at, source),
        }
    }

    pub(super) fn give_up(
        &self,
        event: Event,
        key: Option<&InstanceKey>,
        reason: &Arc<str>,
        at: Timestamp,
        source: Option<Position>,
    ) -> Draft {
        let reason = Arc::clone(reason);
        let mut draft = Draft::answer(key, Outcome::DeadLettered { reason: Arc::clone(&reason) });
        draft.dead_letter(event, key, reason, at, source, &self.partition.queues);
        draft
    }

    pub(super) fn start(
        &mut self,
        key: &InstanceKey,
        version: Option<u32>,
        input: Input,
        at: Timestamp,
    ) -> Draft {
        let workflow = key.workflow();
        let definition = match version {
            Some(version) => self.definitions.get(workflow, version),
            None => self.definitions.latest(workflow),
        };
        let Some(definition) = definition.cloned() else {
            return Draft::not_found(Some(key), "definition");
        };
        let alive = self.fetch(key).is_some_and(|old| !old.status.is_ended());
        if alive {
            return self.existing(key, &input, at);
        }
        let input = if let Input::Within { start, transaction } = input {
            let start = Box::new(self.definitions.held(&definition, *start));
            Input::Within { start, transaction }
        } else {
            self.definitions.held(&definition, input)
        };
        let mut draft = self.consult(key, &definition, &input, at);
        if draft.change.is_some() {
            let queues = &self.partition.queues;
            for (id, event) in queues.buffered_for(key) {
                draft.items.push(Item::BufferTaken { id });
                draft.send_self(key, event, queues);
            }
        }
        draft
    }

    fn timer(&mut self, key: &InstanceKey, timer: u32, at: Timestamp) -> Draft {
        let Some(old) = self.fetch(key) else {
            return Draft::ignored(Some(key), "stale_timer");
        };
        let Some(armed) = old.timers.iter().find(|armed| armed.id == timer) else {
            return Draft::ignored(Some(key), "stale_timer");
        };
        if armed.due > at {
            return Draft::ignored(Some(key), "early_timer");
        }
        if old.status.is_ended() && armed.kind == TimerKind::Retention {
            let generation = old.generation;
            let mut draft = Draft::answer(Some(key), Outcome::Done);
            draft.items.push(Item::Removed { key: key.clone(), generation });
            return draft;
        }
        let mut draft = self.existing(key, &self.told_due(timer), at);
        // A due timer that the decision left armed would fire again at once, for ever.
        match &mut draft.change {
            Some(change) => {
                change.mute =
                    change.new.timers.iter().any(|left| left.id == timer && left.due <= at);
            }
            None => {
                if let Some(live) = self.live.get_mut(key) {
                    live.mute = true;
                }
            }
        }
        draft
    }

    /// Tells an instance that is there, under the definition it is pinned to.
    pub(super) fn existing(&mut self, key: &InstanceKey, input: &Input, at: Timestamp) -> Draft {
        let Some(old) = self.fetch(key) else {
            return Draft::not_found(Some(key), "instance");
        };
        let pin = old.pin;
        match self.definitions.pinned(key.workflow(), pin).cloned() {
            Some(definition) => self.consult(key, &definition, input, at),
            None => {
                let Some(old) = self.fetch(key) else {
                    return Draft::not_found(Some(key), "instance");
                };
                let decision = without_definition(old, input, at.max(old.updated_at));
                let old = self.live.get(key).map(|live| &live.known.instance);
                Draft::decision(decision, key, old, None, &self.partition.queues)
            }
        }
    }

    /// The limit that forbids the draft. What the partition does by itself may use twice as much,
    /// so that a flood from outside does not stop it.
    fn limit_reached(&self, draft: &Draft, input: &PartitionInput) -> Option<&'static str> {
        let Partition { limits, queues, .. } = &*self.partition;
        let share = if is_own(input) { 2 } else { 1 };
        let dead_letters = queues.dead.items.len() >= limits.dead_letters * share
            || queues.index.dead_bytes >= limits.dead_letter_bytes * share;
        if draft.dead > 0 && dead_letters {
            Some("dead letters")
        } else if draft.buffered > 0 && queues.buffered.items.len() >= limits.buffered * share {
            Some("buffered events")
        } else if draft.pending > 0 && queues.pending.items.len() >= limits.pending * share {
            Some("pending effects")
        } else {
            None
        }
    }

    /// The instance, decoded at most once per batch.
    pub(super) fn fetch(&mut self, key: &InstanceKey) -> Option<&Instance> {
        match self.live.entry(key.clone()) {
            Entry::Occupied(place) => Some(&place.into_mut().known.instance),
            Entry::Vacant(place) => {
                let known = self.partition.instances.take(key)?;
                Some(&place.insert(Live { known, dirty: false, mute: false }).known.instance)
            }
        }
    }
}

/// Does the outcome use up the dead letter that was offered again? One that was given up anew is
/// another letter by now; a refused one stays, so that nothing acknowledged is lost.
const fn uses_up(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Started { .. }
        | Outcome::Transitioned { .. }
        | Outcome::Deferred
        | Outcome::Duplicate { .. }
        | Outcome::DeadLettered { .. }
        | Outcome::Stuck { .. }
        | Outcome::Done => true,
        Outcome::Ignored { .. }
        | Outcome::IdReuse { .. }
        | Outcome::Rejected { .. }
        | Outcome::Denied { .. }
        | Outcome::NotFound { .. }
        | Outcome::Busy { .. } => false,
    }
}
