//! Letters from other instances, taken exactly once and in order (rules 26, 35, 36).

use std::sync::Arc;

use crate::machine::{
    CallOutcome, EffectId, ErrorKind, Event, EventKind, Generation, Input, InstanceKey, Letter,
    LetterBody, Outcome, Parent, Principal, Timestamp,
};
use crate::value::{Map, Value};

use super::draft::Draft;
use super::frame::Item;
use super::input::PartitionInput;
use super::plan::Run;
use super::scheduled::cancellation;

/// Why a parent's order to end does not concern an instance.
pub(super) const LATE: &str = "late_cancel";

impl Run<'_> {
    /// The answer to a letter that was taken before, or that comes before its time.
    pub(super) fn refuse_letter(&self, from: u16, after: u64, letter: &Letter) -> Option<Draft> {
        let taken = self.partition.queues.delivered.get(&from).copied().unwrap_or(0);
        if letter.number <= taken {
            return Some(Draft::answer(Some(&letter.to), Outcome::Duplicate { at: 0 }));
        }
        // No limit is reached: the sender has to tell it again behind what it stands behind.
        let early = || Outcome::Busy { what: "an earlier letter".into() };
        if after > taken {
            return Some(Draft::answer(Some(&letter.to), early()));
        }
        self.refuse_word(letter)
    }

    /// A letter of one's own is settled in the frame that takes it.
    pub(super) fn settled(&self, input: &PartitionInput) -> Option<Item<'static>> {
        let PartitionInput::Letter { from, letter, .. } = input else { return None };
        (*from == self.partition.id).then_some(Item::Settled { effect: letter.id })
    }

    /// What a letter does.
    pub(super) fn letter(&mut self, sender: &InstanceKey, letter: &Letter, at: Timestamp) -> Draft {
        let key = &letter.to;
        if let Some(told) = self.told_schedule(letter, at) {
            return told;
        }
        match &letter.body {
            LetterBody::Start { version, parent, .. } => {
                let Some(input) = self.letter_input(letter) else {
                    return Draft::ignored(Some(key), LATE);
                };
                let draft = self.start(key, *version, input, at);
                self.refused_start(draft, letter, parent)
            }
            LetterBody::Transaction(word) => self.word(sender, (letter, word), at),
            LetterBody::Within { transaction, start } => {
                let LetterBody::Start { parent, .. } = &**start else {
                    return Draft::ignored(Some(key), LATE);
                };
                let start = Letter { body: LetterBody::clone(start), ..letter.clone() };
                self.child_within((letter, transaction), (&start, parent), at)
            }
            LetterBody::Event { event, forwarded } => {
                if self.fetch(key).is_some() {
                    return self.tell(letter, event, at);
                }
                let mut draft = Draft::not_found(Some(key), "instance");
                // Nobody hears of a lost copy, nor of an error that found nobody.
                if !forwarded && event.kind == EventKind::External {
                    let error = returned(letter, event, sender);
                    draft.post(key, error, &self.partition.queues);
                }
                draft
            }
            LetterBody::FromChild { event, .. } => match self.fetch(key).is_some() {
                true => self.tell(letter, event, at),
                false => Draft::ignored(Some(key), "no_instance"),
            },
            LetterBody::Cancel { .. } | LetterBody::Reply { .. } => {
                let here = self.fetch(key).is_some();
                match self.letter_input(letter).filter(|_| here) {
                    Some(input) => self.existing(key, &input, at),
                    None => Draft::ignored(Some(key), LATE),
                }
            }
        }
    }

    /// What the machine is told of a letter; nothing where its order came too late.
    pub(super) fn letter_input(&self, letter: &Letter) -> Option<Input> {
        Some(match &letter.body {
            LetterBody::Event { event, .. } => Input::Event(event.clone()),
            LetterBody::FromChild { call, event } => {
                Input::ChildEvent { call: *call, event: event.clone() }
            }
            LetterBody::Start { input, parent, initiator, reason, trace_context, version: _ } => {
                let user = initiator.clone().unwrap_or_default();
                Input::StartChild {
                    input: input.clone(),
                    parent: parent.clone(),
                    by: Principal { user, roles: Vec::new() },
                    reason: Arc::clone(reason),
                    trace_context: trace_context.clone(),
                }
            }
            LetterBody::Cancel { call, kill } => {
                let child = self.live.get(&letter.to).map(|live| &live.known.instance)?;
                let of_parent = child.parent.as_ref().is_some_and(|parent| parent.call == *call);
                if !of_parent || child.status.is_ended() {
                    return None;
                }
                let by_schedule = child.parent.as_deref().and_then(cancellation);
                by_schedule.unwrap_or(Input::Orphaned { kill: *kill })
            }
            // Who says it is not in the letter: its partition tells the machine itself.
            LetterBody::Transaction(_) | LetterBody::Within { .. } => return None,
            LetterBody::Reply { call, invoke_id, life, outcome } => Input::ChildReply {
                call: *call,
                invoke_id: Arc::clone(invoke_id),
                life: *life,
                outcome: outcome.clone(),
            },
        })
    }

    /// An event for an instance that is there; who refuses it has nobody to tell (rule 44).
    fn tell(&mut self, letter: &Letter, event: &Event, at: Timestamp) -> Draft {
        let Some(input) = self.letter_input(letter) else {
            return Draft::ignored(Some(&letter.to), LATE);
        };
        let mut draft = self.existing(&letter.to, &input, at);
        draft.keep_refused(event.clone(), &letter.to, at, &self.partition.queues);
        draft
    }

    /// The parent of a child that was not started hears why.
    pub(super) fn refused_start(
        &self,
        mut draft: Draft,
        letter: &Letter,
        parent: &Parent,
    ) -> Draft {
        let child = &letter.to;
        let message = match &draft.done.outcome {
            Outcome::NotFound { .. } => format!("workflow `{}` is not deployed", child.workflow()),
            Outcome::Rejected { reason, .. } => {
                format!("child `{child}` was not started: {reason}")
            }
            Outcome::Started { .. }
            | Outcome::Transitioned { .. }
            | Outcome::Deferred
            | Outcome::Ignored { .. }
            | Outcome::Duplicate { .. }
            | Outcome::IdReuse { .. }
            | Outcome::Denied { .. }
            | Outcome::DeadLettered { .. }
            | Outcome::Stuck { .. }
            | Outcome::Busy { .. }
            | Outcome::Done => return draft,
        };
        let outcome = CallOutcome::Failure {
            kind: ErrorKind::NotStarted,
            code: "".into(),
            message: message.into(),
            retry_after_ms: None,
        };
        let (to, body) = parent.reply(outcome);
        let answer = answer(letter, &to, body);
        draft.post(child, answer, &self.partition.queues);
        draft
    }

    /// What a letter does whose decision fits no frame: whoever waits for something hears so.
    pub(super) fn letter_too_large(&mut self, letter: &Letter, why: &str, at: Timestamp) -> Draft {
        match &letter.body {
            LetterBody::Within { start, .. } => {
                let start = Letter { body: LetterBody::clone(start), ..letter.clone() };
                self.letter_too_large(&start, why, at)
            }
            LetterBody::Start { parent, .. } => {
                let rejected = Outcome::Rejected { reason: why.into(), accepted: Vec::new() };
                let draft = Draft::answer(Some(&letter.to), rejected);
                self.refused_start(draft, letter, parent)
            }
            LetterBody::Reply { call, .. } if self.fetch(&letter.to).is_some() => {
                let outcome = CallOutcome::Failure {
                    kind: ErrorKind::InvalidReply,
                    code: "".into(),
                    message: why.into(),
                    retry_after_ms: None,
                };
                self.existing(
                    &letter.to,
                    &Input::CallReply { call: *call, attempt: 1, outcome },
                    at,
                )
            }
            LetterBody::Event { .. }
            | LetterBody::FromChild { .. }
            | LetterBody::Cancel { .. }
            | LetterBody::Transaction(_)
            | LetterBody::Reply { .. } => {
                let rejected = Outcome::Rejected { reason: why.into(), accepted: Vec::new() };
                Draft::answer(Some(&letter.to), rejected)
            }
        }
    }
}

/// A letter of the partition's own, about the one that it answers.
pub(super) fn answer(letter: &Letter, to: &InstanceKey, body: LetterBody) -> Letter {
    // No decision has generation 0, so no other effect has this id.
    let bytes = letter.id.seed();
    let id = EffectId::new(&letter.to, Generation(0), bytes, 0);
    Letter { id, number: 0, to: to.clone(), body }
}

/// The error that the sender of an event hears where nobody is there (rule 26).
fn returned(letter: &Letter, event: &Event, sender: &InstanceKey) -> Letter {
    let message = format!("no instance `{}`", letter.to);
    let data = Map::from_iter([
        ("kind", Value::from("communication")),
        ("message", Value::from(message)),
        ("event", Value::String(Arc::clone(&event.name))),
    ]);
    let event = Event {
        name: "error.communication.send".into(),
        kind: EventKind::Platform,
        data: Some(data.into()),
        send_id: event.send_id.clone(),
        ..Event::default()
    };
    answer(letter, sender, LetterBody::Event { event, forwarded: false })
}
