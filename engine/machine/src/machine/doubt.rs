//! Calls that were sent and not answered in time: they may be done. All attempts of a call are one
//! call, so a success of any of them is what it gave; and what takes back asks until it knows
//! (decision 0065).

use super::calls::{NOT_SENT, PLUGIN_GONE};
use super::ids::Timestamp;
use super::input::{CallOutcome, ErrorKind};
use super::instance::{Reply, RunningCall, RunningSequence, TimerKind};
use super::invoked::{invoked_at, retry_delay_ms};
use super::last_replies::may_be_undone;
use super::pending::HEARTBEAT_LOST;
use super::progress::{Clocks, Then};
use super::work::Work;

/// How a call stood that nobody answered, before "if it is done, it stays".
pub(super) const UNANSWERED: &str = "was sent and not answered";

/// May a call be done whose attempt failed like this?
pub(super) fn in_doubt(kind: ErrorKind, code: &str) -> bool {
    let silent = matches!(kind, ErrorKind::Timeout | ErrorKind::OutcomeUnknown);
    silent || code == PLUGIN_GONE || code == HEARTBEAT_LOST
}

/// The same, also where this attempt was not sent or put off, but one before was sent and nobody
/// answered: who is too busy to work says nothing of what it did before.
pub(super) fn stays_in_doubt(sequence: &RunningSequence, kind: ErrorKind, code: &str) -> bool {
    let unsure = sequence.call.as_ref().is_some_and(|call| call.unsure);
    in_doubt(kind, code) || (unsure && code != NOT_SENT && is_put_off(kind))
}

/// Does a failure of this kind say nothing of the attempts before?
pub(super) const fn is_put_off(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::PluginNotFound | ErrorKind::Retryable)
}

pub(super) const fn is_success(outcome: &CallOutcome) -> bool {
    matches!(outcome, CallOutcome::Success(_) | CallOutcome::Cached(_))
}

/// Is it a success of an attempt that counts as failed, by silence as a rule, while the sequence
/// waits for the next one or for its answer?
pub(super) fn is_of_earlier(sequence: &RunningSequence, reply: &Reply) -> bool {
    let Some(call) = &sequence.call else { return false };
    let earlier = !call.sent || reply.attempt < call.attempt;
    call.id == reply.call && earlier && call.child.is_none() && is_success(&reply.outcome)
}

impl Work<'_> {
    /// The call was done by an attempt before: its answer is waited for again, and comes now.
    pub(super) fn take_earlier(&mut self, owner: &RunningSequence, attempt: u32) {
        let Some(call) = owner.call.clone() else { return };
        self.base = None;
        self.note(format!("attempt {attempt} is done after all: that is what the call gave"));
        self.disarm_call(owner.id);
        self.cancel_call(owner);
        let again = RunningCall {
            attempt,
            sent: true,
            held: false,
            unsure: false,
            once: false,
            heartbeat_ms: None,
            ..call
        };
        self.set_call(owner.id, Some(again));
    }

    /// A rollback by hand keeps what calls of states gave. One that is kept as silent is done after
    /// all: that is kept instead.
    pub(super) fn kept_failure_was_none(&mut self, reply: &Reply) -> bool {
        let rollback = self.instance.progress.as_deref_mut().and_then(|it| it.rollback.as_mut());
        let Some(Then::Hold { replies }) = rollback.map(|it| &mut it.then) else { return false };
        let silent = |outcome: &CallOutcome| match outcome {
            CallOutcome::Failure { kind, code, .. } => in_doubt(*kind, code),
            CallOutcome::Success(_) | CallOutcome::Cached(_) => false,
        };
        let of = |it: &&mut Reply| (it.call, it.attempt) == (reply.call, reply.attempt);
        let kept = replies.iter_mut().find(of).filter(|it| silent(&it.outcome));
        let Some(kept) = kept.filter(|_| is_success(&reply.outcome)) else { return false };
        kept.outcome = reply.outcome.clone();
        self.note("it is done after all: kept until it goes on");
        true
    }

    /// Something is taken back, and what was kept of this call meanwhile does not say that it is
    /// not done: it is asked again, or told. `false`: nothing is waited for.
    pub(super) fn kept_in_doubt(&mut self, sequence: &RunningSequence) -> bool {
        let of = |it: &&Reply| sequence.call.as_ref().is_some_and(|call| call.id == it.call);
        let kept = self.instance.kept_replies().find(of).map(|it| it.outcome.clone());
        let Some(CallOutcome::Failure { kind, code, .. }) = kept else { return false };
        if !may_be_undone(self.definition, sequence) || !stays_in_doubt(sequence, kind, &code) {
            return false;
        }
        if self.is_tried_again(sequence, kind, &code) {
            // The clock of what is paused goes on from when that began.
            let frozen = self.instance.paused().filter(|it| it.clocks == Clocks::Freeze);
            let asleep = frozen.map_or(0, |paused| self.now.since_ms(paused.since));
            if let Some(timer) = self.instance.timers.last_mut() {
                let asleep = i64::try_from(asleep).unwrap_or_default();
                timer.due = Timestamp(timer.due.0.saturating_sub(asleep));
            }
            return true;
        }
        self.leave_out(&self.cut_off_words(sequence, UNANSWERED));
        false
    }

    /// Something is taken back, and nobody knows whether this call is done: the next attempt of it
    /// tells, as long as its policy allows one.
    pub(super) fn is_tried_again(
        &mut self,
        sequence: &RunningSequence,
        kind: ErrorKind,
        code: &str,
    ) -> bool {
        let Some(call) = sequence.call.clone() else { return false };
        // What may be sent once only tells nothing by being sent again.
        let may = !call.once && kind != ErrorKind::OutcomeUnknown;
        if !may || !stays_in_doubt(sequence, kind, code) {
            return false;
        }
        let Some(retry) = invoked_at(self.definition, sequence).map(|it| it.retry) else {
            return false;
        };
        let tried = call.attempt.saturating_sub(call.before);
        let known = if in_doubt(kind, code) { kind } else { ErrorKind::Timeout };
        if !retry.repeats(known) || tried >= retry.attempts {
            return false;
        }
        self.note("it may be done: it is asked again");
        self.disarm_call(sequence.id);
        if call.heartbeat_ms.is_some() {
            // Else two attempts of long work would run beside each other.
            self.cancel_call(sequence);
        }
        let delay = retry_delay_ms(retry, call.id, tried, None);
        let waits = RunningCall {
            sent: false,
            held: false,
            unsure: true,
            once: false,
            heartbeat_ms: None,
            ..call
        };
        self.set_call(sequence.id, Some(waits));
        self.arm(delay, TimerKind::CallRetry { sequence: sequence.id });
        true
    }
}
