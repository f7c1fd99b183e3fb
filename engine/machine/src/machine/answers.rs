//! An answer to a call: who it is for.

use std::sync::Arc;

use super::ids::{EffectId, Timestamp};
use super::input::CallOutcome;
use super::instance::{Instance, Reply, RunningCall, Stuck, StuckKind};
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
    let outcome = if adrift.is_some() && !state.is_ended() {
        work.adrift_reply(&reply)
    } else if work.settles(&reply) {
        work.settle_unknown(&reply)
    } else if state.is_ended() || (owner.is_none() && !parked) {
        work.unawaited("late_reply", &reply, owner)
    } else if parked || work.waiting_for(call, attempt).is_none() {
        // An answered attempt is either retried, and this one is of the attempt before, or kept
        // until the instance goes on.
        let older = owner
            .and_then(|owner| owner.call.as_ref())
            .is_some_and(|known| attempt < known.attempt);
        let reason = if older { "late_reply" } else { "second_reply" };
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
    /// with?
    fn settles(&self, reply: &Reply) -> bool {
        let unknown = |it: &&Stuck| it.kind == StuckKind::OutcomeUnknown;
        let stuck = self.instance.stuck.as_deref().filter(unknown);
        let Some(sequence) = stuck.and_then(|stuck| stuck.sequence.as_ref()) else { return false };
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
            if let Some(sequence) = &stuck.sequence {
                work.set_call(sequence.id, sequence.call.clone());
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
