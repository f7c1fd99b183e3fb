//! Asking the machine, and what becomes of an input it cannot decide about.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::definition::model::Definition;
use crate::machine::{
    Event, Generation, Input, Instance, InstanceKey, LetterBody, Outcome, Pin, Status, StuckKind,
    Timestamp, assert_legal,
};
use crate::value::Value;

use super::draft::Draft;
use super::input::PartitionInput;
use super::memory::Partition;
use super::plan::Run;
use super::replies::failed_reply;
use super::stick::stick;
use super::subject::{char_boundary, event_of, position, target};

/// Why a decision was not taken.
const TOO_LARGE: &str = "the decision exceeds the size or nesting that a frame may have";

/// Lets the machine work: a panic becomes a reason.
pub(super) fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work))
        .map_err(|panic| format!("the machine panicked: {}", words(&*panic)))
}

impl Run<'_> {
    /// Asks the machine; a panic costs this instance only (01 §1, guarantee 6).
    pub(super) fn consult(
        &mut self,
        key: &InstanceKey,
        definition: &Arc<Definition>,
        input: &Input,
        at: Timestamp,
    ) -> Draft {
        let old = self.live.get(key).map(|live| &live.known.instance);
        let now = old.map_or(at, |old| at.max(old.updated_at));
        let machine = self.partition.machine;
        let queues = &self.partition.queues;
        let forgotten = (old.is_none() && queues.forgotten > Generation(0))
            .then(|| predecessor(key, definition.pin(), queues.forgotten, now));
        let before = old.or(forgotten.as_ref());
        let decided = guarded(|| {
            let decision = machine.decide(before, key, definition, input, now);
            // Nothing illegal gets as far as a frame (rule 2).
            if let Some(instance) = &decision.instance {
                assert_legal(definition, instance);
            }
            decision
        });
        let decision = match decided {
            Ok(decision) => decision,
            Err(reason) => match old.filter(|old| !old.status.is_ended()) {
                Some(old) => stick(old, StuckKind::Panic, &reason, input, now),
                None => return self.failed_start(key, input, &reason, now),
            },
        };
        let draft = Draft::decision(decision, key, old, Some(definition), queues);
        let waiting = queues.index.self_by_key.get(key).copied().unwrap_or(0) as u64;
        let limit = self.partition.limits.self_events as u64;
        match old {
            Some(old) if draft.self_events > 0 && waiting + draft.self_events > limit => {
                let waiting = waiting + draft.self_events;
                let reason = format!("{waiting} self-sent events exceed the limit of {limit}");
                let decision = stick(old, StuckKind::Livelock, &reason, input, now);
                Draft::decision(decision, key, Some(old), Some(definition), queues)
            }
            Some(_) | None => draft,
        }
    }

    /// A start that cannot be decided leaves no instance: its event becomes a dead letter.
    fn failed_start(&self, key: &InstanceKey, input: &Input, reason: &str, at: Timestamp) -> Draft {
        match input {
            Input::Start { event: Some(event), .. }
            | Input::Event(event)
            | Input::ChildEvent { event, .. } => {
                self.give_up(event.clone(), Some(key), &reason.into(), at, None)
            }
            Input::Held { start, .. } | Input::Within { start, .. } => {
                self.failed_start(key, start, reason, at)
            }
            Input::Start { .. }
            | Input::StartChild { .. }
            | Input::CallReply { .. }
            | Input::ChildReply { .. }
            | Input::CallStarted { .. }
            | Input::CallPending { .. }
            | Input::TimerDue { .. }
            | Input::Orphaned { .. }
            | Input::Transaction { .. }
            | Input::Command { .. } => Draft::answer(
                Some(key),
                Outcome::Rejected { reason: reason.into(), accepted: Vec::new() },
            ),
        }
    }

    /// The decision does not fit a frame: the instance is stuck with the input.
    pub(super) fn too_large(&mut self, input: &PartitionInput, at: Timestamp) -> Draft {
        if let PartitionInput::Letter { letter, .. } = input
            && let LetterBody::Start { .. } | LetterBody::Within { .. } = &letter.body
        {
            return self.letter_too_large(letter, TOO_LARGE, at);
        }
        if let PartitionInput::Schedule { key, order } = input {
            return self.schedule(key, order, at, false);
        }
        let Some((key, input)) = self.machine_input(input) else {
            return self.trimmed(input, at);
        };
        if self.fetch(&key).is_none_or(|old| old.status.is_ended()) {
            return self.failed_start(&key, &input, TOO_LARGE, at);
        }
        let Some(old) = self.live.get(&key).map(|live| &live.known.instance) else {
            return self.failed_start(&key, &input, TOO_LARGE, at);
        };
        let definition = self.definitions.pinned(key.workflow(), old.pin);
        let now = at.max(old.updated_at);
        let decision = stick(old, StuckKind::StateTooLarge, TOO_LARGE, &input, now);
        Draft::decision(decision, &key, Some(old), definition, &self.partition.queues)
    }

    /// Not even the input fits: what is left of it is a dead letter.
    pub(super) fn trimmed(&mut self, input: &PartitionInput, at: Timestamp) -> Draft {
        if let Some((key, reply)) = self.machine_input(input).and_then(failed_reply) {
            return self.existing(&key, &reply, at);
        }
        let key = target(input);
        match event_of(input, self.partition) {
            Some(event) => {
                let name = event.name.get(..char_boundary(&event.name, 255)).unwrap_or_default();
                let event = Event { name: name.into(), kind: event.kind, ..Event::default() };
                self.give_up(event, key, &TOO_LARGE.into(), at, position(input).map(|(at, _)| at))
            }
            None => {
                if let PartitionInput::Letter { letter, .. } = input {
                    return self.letter_too_large(letter, TOO_LARGE, at);
                }
                let reason = TOO_LARGE.into();
                Draft::answer(key, Outcome::Rejected { reason, accepted: Vec::new() })
            }
        }
    }

    /// A timer is due, as the machine is told.
    pub(super) fn told_due(&self, timer: u32) -> Input {
        let Partition { owned_since, clock, .. } = &*self.partition;
        Input::TimerDue { timer, owned_since: owned_since.unwrap_or(*clock) }
    }

    /// The input as the machine would be told, and whom.
    pub(super) fn machine_input(&self, input: &PartitionInput) -> Option<(InstanceKey, Input)> {
        let key = if let PartitionInput::SelfEvent { id } = input {
            self.partition.queues.self_events.items.get(id).map(|(key, _)| key.clone())?
        } else {
            target(input)?.clone()
        };
        let input = match input {
            PartitionInput::CallStarted { call, attempt, .. } => {
                Input::CallStarted { call: *call, attempt: *attempt }
            }
            PartitionInput::CallPending { call, attempt, heartbeat_ms, .. } => {
                Input::CallPending { call: *call, attempt: *attempt, heartbeat_ms: *heartbeat_ms }
            }
            PartitionInput::CallReply { call, attempt, outcome, .. }
            | PartitionInput::CallResult { call, attempt, outcome, .. } => {
                Input::CallReply { call: *call, attempt: *attempt, outcome: outcome.clone() }
            }
            PartitionInput::TimerDue { timer, .. } => self.told_due(*timer),
            PartitionInput::Command { command, by, reason, .. } => Input::Command {
                command: command.clone(),
                by: by.clone(),
                reason: Arc::clone(reason),
            },
            PartitionInput::Start { input, by, id, trace_context, .. } => Input::Start {
                input: input.clone(),
                event: None,
                by: by.clone(),
                id: id.clone(),
                trace_context: trace_context.clone(),
            },
            PartitionInput::Letter { sender, letter, .. } => match &letter.body {
                LetterBody::Transaction(word) => {
                    Input::Transaction { from: sender.clone(), word: word.clone() }
                }
                LetterBody::Event { .. }
                | LetterBody::FromChild { .. }
                | LetterBody::Start { .. }
                | LetterBody::Cancel { .. }
                | LetterBody::Within { .. }
                | LetterBody::Reply { .. } => self.letter_input(letter)?,
            },
            PartitionInput::Deliver { .. }
            | PartitionInput::Replay { .. }
            | PartitionInput::SelfEvent { .. } => Input::Event(event_of(input, self.partition)?),
            PartitionInput::Confirmed { .. }
            | PartitionInput::Reject { .. }
            | PartitionInput::Schedule { .. }
            | PartitionInput::Drop { .. }
            | PartitionInput::Advance { .. }
            | PartitionInput::BufferExpired { .. } => return None,
        };
        Some((key, input))
    }
}

/// A life that may have been forgotten, as the machine needs it to count on from there.
fn predecessor(key: &InstanceKey, pin: Pin, generation: Generation, at: Timestamp) -> Instance {
    Instance {
        key: key.clone(),
        generation,
        pin,
        status: Status::Done,
        stuck: None,
        step: 0,
        active: Vec::new(),
        vars: Vec::new(),
        input: Value::Null,
        initiator: None,
        history: Vec::new(),
        next_id: 0,
        timers: Vec::new(),
        sequences: Vec::new(),
        deferred: Vec::new(),
        parked: Vec::new(),
        marks: Vec::new(),
        votes: Vec::new(),
        output: Value::Null,
        started_at: at,
        updated_at: at,
        parent: None,
        progress: None,
        transaction: None,
        trace_context: None,
    }
}

/// The message of a panic.
fn words(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
