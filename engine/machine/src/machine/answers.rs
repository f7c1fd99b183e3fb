//! An answer to a call: who it is for.

use std::sync::Arc;

use super::doubt::{is_of_earlier, is_success};
use super::ids::{EffectId, Timestamp};
use super::input::CallOutcome;
use super::instance::{Instance, Reply, RunningCall, StuckKind};
use super::invoked::invoked_at;
use super::macrostep::{Again, Taken};
use super::once::is_unknown;
use super::outcome::{Decision, Outcome};
use super::work::Work;
use crate::definition::model::Definition;

pub(super) fn on_reply(
    old: &Instance,
    definition: &Definition,
    (call, attempt, outcome): (EffectId, u32, &CallOutcome),
    now: Timestamp,
) -> Decision {
    let owner = old
        .sequences
        .iter()
        .find(|sequence| sequence.call.as_ref().is_some_and(|known| known.id == call));
    let adrift = old.adrift_with(call);
    let mut work = Work::new(definition, old.clone(), Some(old), now, Arc::default());
    let mut words = String::with_capacity(64);
    words.push_str("reply");
    let told = owner.or(adrift).and_then(|it| Some((it, invoked_at(definition, it)?)));
    if let Some((owner, invoked)) = told {
        words.extend([" ", &invoked.name]);
        work.say_whose(owner.role, &mut words);
    }
    work.entry.input = words.into();
    let reply = Reply { call, attempt, outcome: outcome.clone() };
    let parked = old.kept_replies().any(|known| known.call == call);
    let state = old.status;
    if let Some(owner) = owner.filter(|_| !parked && !state.is_ended())
        && is_of_earlier(owner, &reply)
    {
        work.take_earlier(owner, attempt);
    }
    let outcome = if work.settles(&reply) {
        work.settle_unknown(&reply)
    } else if adrift.is_some() && !state.is_ended() {
        work.adrift_reply(&reply)
    } else if state.is_ended() || (owner.is_none() && !parked) {
        work.unawaited("late_reply", &reply, owner)
    } else if work.kept_failure_was_none(&reply) {
        Outcome::Deferred
    } else if parked || work.waiting_for(call, attempt).is_none() {
        // It is the second where the first is kept until the instance goes on. Else the attempt
        // failed, by its deadline perhaps, and this says so once more.
        let reason = if parked { "second_reply" } else { "late_reply" };
        work.unawaited(reason, &reply, owner)
    } else if work.hold_back(&reply) {
        Outcome::Done
    } else if let Some(stuck) = &mut work.instance.stuck {
        stuck.replies.push(reply);
        work.note("kept until it goes on");
        work.answer_kept(owner);
        Outcome::Deferred
    } else if let Some(paused) = work.pause_mut() {
        paused.replies.push(reply);
        work.note("kept until it is resumed");
        work.answer_kept(owner);
        Outcome::Deferred
    } else {
        work.reply(&reply)
    };
    work.finish(outcome)
}

impl Work<'_> {
    /// Is it the answer to a call whose outcome was unknown, which is what the instance is stuck
    /// with? Or was an undo, or a call in doubt, which is it, done after all?
    fn settles(&self, reply: &Reply) -> bool {
        let Some(stuck) = self.instance.stuck.as_deref() else { return false };
        let Some(sequence) = stuck.sequence.as_ref() else { return false };
        let same = sequence.call.as_ref().is_some_and(|call| call.id == reply.call);
        match stuck.kind {
            StuckKind::OutcomeUnknown => {}
            StuckKind::UndoFailed => return same && is_success(&reply.outcome),
            StuckKind::CallFailed => {
                let doubtful = self.instance.adrift_with(reply.call).is_some();
                // An item is none of its step's sequences any more: `retry` goes on with it.
                let stands = self.sequence_index(sequence.id).is_some();
                return same && doubtful && stands && is_success(&reply.outcome);
            }
            StuckKind::Error
            | StuckKind::Livelock
            | StuckKind::Panic
            | StuckKind::StateTooLarge
            | StuckKind::DefinitionMissing
            | StuckKind::RolledBack
            | StuckKind::Deadlock => return false,
        }
        let is_it = |call: &RunningCall| (call.id, call.attempt) == (reply.call, reply.attempt);
        let known = match &reply.outcome {
            CallOutcome::Success(_) | CallOutcome::Cached(_) => true,
            CallOutcome::Failure { kind, code, .. } => !is_unknown(sequence, *kind, code),
        };
        known && sequence.call.as_ref().is_some_and(is_it)
    }

    /// The outcome is known now, late as it is: nobody has to look, and it goes on with it.
    fn settle_unknown(&mut self, reply: &Reply) -> Outcome {
        let Some(mut stuck) = self.unstick() else { return self.ignored("late_reply") };
        let replies = std::mem::take(&mut stuck.replies);
        self.note("the answer came after all: the outcome is known");
        let again = || Again::Reply(reply.clone());
        let taken = self.attempt(&again, |work| {
            work.is_asked_anew(reply.call);
            if let Some(sequence) = &stuck.sequence {
                work.step_goes_on(sequence.role);
                let attempt = reply.attempt;
                let call = sequence.call.clone();
                work.set_call(sequence.id, call.map(|it| RunningCall { attempt, ..it }));
            }
            work.take_reply(reply)
        });
        if taken == Taken::RolledBack {
            if let Some(latest) = self.instance.stuck.take() {
                stuck.reason = latest.reason;
            }
            stuck.replies = replies;
            self.instance.stuck = Some(stuck);
            return self.standing();
        }
        self.take_what_waited(replies)
    }
}
