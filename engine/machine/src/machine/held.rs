//! Attempts that are held back before they are sent, until whoever does so lets them go
//! (decision 0047).

use super::decide::unchanged;
use super::effect::{Effect, NoticeKind};
use super::ids::{EffectId, Timestamp};
use super::input::CallOutcome;
use super::instance::{Instance, Reply, RunningCall, RunningSequence, Status, TimerKind};
use super::invoked::{CallFailure, invoked_at};
use super::outcome::{Decision, Outcome};
use super::work::Work;
use crate::definition::model::Definition;

/// [`CallOutcome::Failure::retry_after_ms`] of what is held back until whoever does so lets it go
/// ([`super::Input::CallStarted`]); no timer is armed meanwhile.
pub const UNTIL_LET_GO: u64 = u64::MAX;
/// The same of what an engine that is gone may have sent: whoever takes back waits until it is
/// sent again, and hears then whether it was done.
pub const UNTIL_SENT_AGAIN: u64 = u64::MAX - 1;

/// Is it held back until it is let go, and not for a while?
pub(super) const fn is_until_let_go(retry_after_ms: Option<u64>) -> bool {
    matches!(retry_after_ms, Some(UNTIL_LET_GO | UNTIL_SENT_AGAIN))
}

/// What was held back is sent now, with its time in full: by whoever says so, and so by no effect.
/// Where the instance stands still it is asked for again when that goes on.
pub(super) fn let_go(
    old: &Instance,
    definition: &Definition,
    call: EffectId,
    now: Timestamp,
) -> Decision {
    let is_it = |it: &&RunningSequence| it.call.as_ref().is_some_and(|it| it.held && it.id == call);
    let Some(sequence) = old.sequences.iter().find(is_it).cloned() else {
        return unchanged(Outcome::Ignored { reason: "late_start".into() });
    };
    let mut work = Work::new(definition, old.clone(), Some(old), now, "sending".into());
    work.says_sending(&sequence);
    let waits = sequence.call.map(|call| RunningCall { held: false, ..call });
    work.set_call(sequence.id, waits);
    let again = TimerKind::CallRetry { sequence: sequence.id };
    if matches!(old.status, Status::Stuck | Status::Paused) {
        work.arm(0, again);
        // Its clock stands since then: it is due as soon as that goes on.
        let since = work.pause_mut().map(|paused| paused.since);
        if let Some((since, timer)) = since.zip(work.instance.timers.last_mut()) {
            timer.due = since;
        }
        return work.finish(Outcome::Deferred);
    }
    let outcome = work.attempt_timer(&again, |work| work.retry_call(sequence.id));
    work.effects.retain(|effect| !matches!(effect, Effect::Call(it) if it.call == call));
    work.finish(outcome)
}

impl Work<'_> {
    /// The history says which call is sent now, and whose it is.
    pub(super) fn says_sending(&mut self, sequence: &RunningSequence) {
        let Some((spec, _)) = self.call_of(sequence) else { return };
        let mut words = format!("sending {}", spec.operation);
        self.say_whose(sequence.role, &mut words);
        self.entry.input = words.into();
    }

    /// An attempt was not sent, and whoever holds it back says when it may be: it waits, also
    /// where the instance stands still, as it is held all the same. False where the reply says
    /// something else, or ends the call because something is taken back.
    pub(super) fn hold_back(&mut self, reply: &Reply) -> bool {
        let CallOutcome::Failure { kind, code, message, retry_after_ms } = &reply.outcome else {
            return false;
        };
        let failed = CallFailure { kind: *kind, code, message };
        let Some(sequence) = self.waiting_for(reply.call, reply.attempt).cloned() else {
            return false;
        };
        let Some(call) = sequence.call.clone() else { return false };
        let unsure = call.unsure || *retry_after_ms == Some(UNTIL_SENT_AGAIN);
        let is_last = self.instance.is_last_reply(&sequence);
        if !failed.is_held() || !is_until_let_go(*retry_after_ms) || (is_last && !unsure) {
            return false;
        }
        self.disarm_call(sequence.id);
        // Its plugin was not asked, and gave no reply.
        if let Some(what) = self.entry.input.strip_prefix("reply ") {
            self.entry.input = format!("held back {what}").into();
        }
        self.note_attempt(&sequence, &call, &failed);
        if unsure {
            self.note("an engine that is gone may have sent it");
        }
        let tried = call.attempt;
        let attempt = tried.saturating_sub(1);
        let waits = RunningCall { sent: false, held: true, once: false, unsure, attempt, ..call };
        self.set_call(sequence.id, Some(waits));
        // Of what a rollback waits for its step tells nothing new.
        if !is_last && let Some(invoked) = invoked_at(self.definition, &sequence) {
            self.notice(NoticeKind::CallHeld, failed.fields(&invoked.name, tried));
            self.step_retrying(sequence.role, failed.to_error());
        }
        true
    }
}
