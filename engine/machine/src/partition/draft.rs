//! Draft: what one input is about to change, before it is known to fit.

use std::sync::Arc;

use crate::definition::model::Definition;
use crate::machine::{
    Decision, Effect, Event, Generation, Instance, InstanceKey, Letter, Outcome, Timestamp,
    TraceEntry,
};

use super::effects::is_awaited;
use super::frame::Item;
use super::input::{Done, Position};
use super::pending::Pending;
use super::queues::{Buffered, DeadLetter, Queues};

/// A changed instance.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) new: Instance,
    pub(super) trace: Option<TraceEntry>,
    pub(super) keep: u32,
    /// Let no timer of it fire until it changes again.
    pub(super) mute: bool,
}

/// What one input is about to change, and its answer.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) change: Option<Change>,
    pub(super) items: Vec<Item<'static>>,
    pub(super) done: Done,
    /// Dead letters, early events, self-sent events and pending effects among the items.
    pub(super) dead: u64,
    pub(super) buffered: u64,
    pub(super) self_events: u64,
    pub(super) pending: u64,
    /// A limit refuses the input.
    pub(super) busy: Option<&'static str>,
}

impl Draft {
    /// Nothing but an answer.
    pub(super) fn answer(key: Option<&InstanceKey>, outcome: Outcome) -> Self {
        Self {
            change: None,
            items: Vec::new(),
            done: Done {
                key: key.cloned(),
                definition: None,
                outcome,
                effects: Vec::new(),
                trace: None,
                generation: Generation(0),
                step: 0,
                status: None,
                active: Vec::new(),
            },
            dead: 0,
            buffered: 0,
            self_events: 0,
            pending: 0,
            busy: None,
        }
    }

    /// Recorded without effect.
    pub(super) fn ignored(key: Option<&InstanceKey>, reason: &str) -> Self {
        Self::answer(key, Outcome::Ignored { reason: reason.into() })
    }

    /// What the input names is missing.
    pub(super) fn not_found(key: Option<&InstanceKey>, what: &str) -> Self {
        Self::answer(key, Outcome::NotFound { what: what.into() })
    }

    /// A limit refuses the input; nothing is recorded.
    pub(super) fn busy(key: Option<&InstanceKey>, what: &'static str) -> Self {
        let mut draft = Self::answer(key, Outcome::Busy { what: what.into() });
        draft.busy = Some(what);
        draft
    }

    /// A decision about `key`, with all its effects.
    pub(super) fn decision(
        decision: Decision,
        key: &InstanceKey,
        old: Option<&Instance>,
        definition: Option<&Arc<Definition>>,
        queues: &Queues,
    ) -> Self {
        let Decision { instance, mut effects, trace, outcome } = decision;
        let mut draft = Self::answer(Some(key), outcome);
        let at = instance.as_ref().or(old).map_or(Timestamp(0), |instance| instance.updated_at);
        draft.done.definition = definition.cloned();
        if let Some(now) = instance.as_ref().or(old) {
            draft.done.generation = now.generation;
            draft.done.step = now.step;
            draft.done.status = Some(now.status);
            draft.done.active.clone_from(&now.active);
        }
        for effect in &mut effects {
            draft.effect(effect, key, instance.as_ref(), at, queues);
        }
        draft.done.effects = effects;
        draft.change = instance.map(|new| Change {
            new,
            trace,
            keep: definition.map_or(100, |definition| definition.limits.trace),
            mute: false,
        });
        draft
    }

    /// Records what an effect leaves in the partition until it is settled.
    fn effect(
        &mut self,
        effect: &mut Effect,
        key: &InstanceKey,
        instance: Option<&Instance>,
        at: Timestamp,
        queues: &Queues,
    ) {
        match effect {
            Effect::SendSelf { event } => self.send_self(key, event.clone(), queues),
            Effect::Publish { id, subject, payload, trace_context } => {
                let (id, subject, payload) = (*id, Arc::clone(subject), payload.clone());
                let trace_context = trace_context.clone();
                let pending = Pending::Publish { id, subject, payload, trace_context };
                self.wait_for(key, pending, queues);
            }
            Effect::Call(request) => {
                if !instance.is_some_and(|instance| is_awaited(instance, request)) {
                    self.wait_for(key, Pending::Call(request.clone()), queues);
                }
            }
            Effect::DeadLetter { event, reason } => {
                let reason = Arc::clone(reason);
                self.dead_letter(event.clone(), Some(key), reason, at, None, queues);
            }
            Effect::Letter(letter) => {
                letter.number = queues.pending.next + self.pending;
                self.wait_for(key, Pending::Letter(letter.clone()), queues);
            }
            Effect::CancelCall { .. }
            | Effect::WithdrawCall { .. }
            | Effect::Keep { .. }
            | Effect::Log { .. }
            | Effect::Notice(_) => {}
        }
    }

    /// Keeps an event the instance sends to itself.
    pub(super) fn send_self(&mut self, key: &InstanceKey, event: Event, queues: &Queues) {
        let id = queues.self_events.next + self.self_events;
        self.self_events += 1;
        self.items.push(Item::SelfAdded { id, key: key.clone(), event });
    }

    /// Has the partition itself send a letter, in the name of `key`.
    pub(super) fn post(&mut self, key: &InstanceKey, letter: Letter, queues: &Queues) {
        let number = queues.pending.next + self.pending;
        let letter = Letter { number, ..letter };
        self.wait_for(key, Pending::Letter(letter.clone()), queues);
        self.done.effects.push(Effect::Letter(letter));
    }

    fn wait_for(&mut self, key: &InstanceKey, pending: Pending, queues: &Queues) {
        let id = queues.pending.next + self.pending;
        self.pending += 1;
        self.items.push(Item::Pending { id, key: key.clone(), pending });
    }

    /// Keeps a dead letter.
    pub(super) fn dead_letter(
        &mut self,
        event: Event,
        key: Option<&InstanceKey>,
        reason: Arc<str>,
        at: Timestamp,
        source: Option<Position>,
        queues: &Queues,
    ) {
        let id = queues.dead.next + self.dead;
        self.dead += 1;
        let source = source.map(|position| (position.source, position.sequence));
        let letter = DeadLetter { event, key: key.cloned(), reason, at, source };
        self.items.push(Item::DeadAdded { id, letter });
    }

    /// Keeps a refused event as a dead letter: its publisher, if it was not the instance itself,
    /// was answered when it came too early, and hears nothing any more (rules 44, 46).
    pub(super) fn keep_refused(
        &mut self,
        event: Event,
        key: &InstanceKey,
        at: Timestamp,
        queues: &Queues,
    ) {
        let reason: Arc<str> = if matches!(self.done.outcome, Outcome::Denied { .. }) {
            "denied".into()
        } else if matches!(self.done.outcome, Outcome::Rejected { .. }) {
            "unhandled".into()
        } else {
            return;
        };
        let recorded = self.change.as_mut().and_then(|change| change.trace.as_mut());
        if let Some(trace) = recorded {
            trace.effects.push(format!("dead_letter {}", event.name).into());
        }
        self.dead_letter(event, Some(key), Arc::clone(&reason), at, None, queues);
        self.done.outcome = Outcome::DeadLettered { reason };
    }

    /// Keeps an early event.
    pub(super) fn buffer(&mut self, item: Buffered, queues: &Queues) {
        let id = queues.buffered.next + self.buffered;
        self.buffered += 1;
        self.items.push(Item::Buffered { id, item });
    }
}
