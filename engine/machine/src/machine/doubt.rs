//! Calls that were sent and not answered in time: they may be done. All attempts of a call are one
//! call, so a success of any of them is what it gave; and what takes back asks until it knows
//! (decisions 0065, 0066).

use super::cache::CacheKey;
use super::calls::{NOT_SENT, PLUGIN_GONE};
use super::ids::{EffectId, Timestamp};
use super::input::{CallOutcome, ErrorKind};
use super::instance::{Reply, RunningCall, RunningSequence, TimerKind};
use super::invoked::{invoked_at, retry_delay_ms};
use super::last_replies::may_be_undone;
use super::pending::HEARTBEAT_LOST;
use super::progress::{Clocks, Role, Then};
use super::work::{Overrun, Work};
use crate::definition::model::CallSpec;
use crate::value::Value;

/// How a call stood that nobody answered, before "if it is done, it stays".
pub(super) const UNANSWERED: &str = "was sent and not answered";

/// So many calls in doubt are kept; of more the oldest is told as what may stay.
const DOUBTFUL_MAX: usize = 256;

impl RunningSequence {
    /// Does its call wait for a further attempt, because nobody answered one before?
    pub(super) fn is_doubtful(&self) -> bool {
        self.call.as_ref().is_some_and(|call| !call.sent && call.unsure)
    }
}

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
        if !self.is_known_done(sequence) {
            self.leave_out(&self.cut_off_words(sequence, UNANSWERED));
        }
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

    /// The call failed for good, because nobody answered: it may be done, and what takes back asks
    /// once more, under its id (decision 0066). Nobody waits for it until then.
    pub(super) fn may_be_done_all_the_same(
        &mut self,
        sequence: &RunningSequence,
        kind: ErrorKind,
        code: &str,
    ) {
        let may_be = stays_in_doubt(sequence, kind, code) && !self.is_known_done(sequence);
        if !may_be || !may_be_undone(self.definition, sequence) {
            return;
        }
        // The sequence may go on behind the call.
        let id = self.fresh_id();
        self.stays_doubtful(RunningSequence { id, ..sequence.clone() });
    }

    /// Keeps a call that nobody answered beside what is under way.
    pub(super) fn stays_doubtful(&mut self, sequence: RunningSequence) {
        let call = sequence.call.map(|call| RunningCall {
            // What may be sent once only is never asked again.
            sent: call.once,
            held: false,
            unsure: true,
            heartbeat_ms: None,
            ..call
        });
        let doubtful = RunningSequence { call, ..sequence };
        let adrift = &mut self.instance.progress.get_or_insert_default().adrift;
        adrift.push(doubtful);
        let full = adrift.iter().filter(|it| it.is_doubtful()).count() > DOUBTFUL_MAX;
        if full && let Some(oldest) = self.take_adrift(RunningSequence::is_doubtful) {
            self.leave_out(&self.cut_off_words(&oldest, UNANSWERED));
        }
    }

    /// Was a call that may be sent once only cut off or given up, and its time is over?
    pub(super) fn is_unanswered_once(&self, sequence: &RunningSequence) -> bool {
        let once = sequence.call.as_ref().is_some_and(|call| call.once && call.sent);
        let mut timers = self.instance.timers.iter();
        once && !timers.any(|timer| timer.kind.of_call() == Some(sequence.id))
    }

    /// What is told of a call that nobody waits for, where nobody will ask it again.
    pub(super) fn adrift_words(&self, sequence: &RunningSequence) -> String {
        let unanswered = sequence.is_doubtful() || self.is_unanswered_once(sequence);
        self.cut_off_words(sequence, if unanswered { UNANSWERED } else { "was cut off" })
    }

    /// The call is in the hands of a sequence again: nothing else is to ask for it. `true`: it was
    /// in doubt.
    pub(super) fn is_asked_anew(&mut self, call: EffectId) -> bool {
        let is_it = |known: &RunningCall| known.id == call;
        let known = self.take_adrift(|it| it.call.as_ref().is_some_and(is_it));
        if let Some(known) = &known {
            self.disarm_call(known.id);
        }
        known.is_some()
    }

    /// A step makes a call again that failed because nobody answered: as its next attempt, with
    /// what it was given, since it may be done. `false`: it is another one.
    pub(super) fn goes_on_in_doubt(&mut self, id: u32, spec: &CallSpec) -> Result<bool, Overrun> {
        let Some(at) = self.sequence_index(id) else { return Ok(false) };
        let Some(running) = self.instance.sequences.get(at) else { return Ok(false) };
        let place = (running.role, running.sequence, running.position);
        let Role::Step { .. } = running.role else { return Ok(false) };
        let known = self
            .take_adrift(|it| it.call.is_some() && (it.role, it.sequence, it.position) == place);
        let Some((known, call)) = known.and_then(|it| Some((it.id, it.call?))) else {
            return Ok(false);
        };
        self.disarm_call(known);
        let (attempt, input, cache) = (call.attempt, call.input.clone(), call.cache);
        let cache = cache.map(|key| CacheKey { fresh: true, ..key });
        let (of, unsure) = (call.id, true);
        let again = RunningCall { before: attempt, sent: false, once: false, unsure, ..call };
        self.set_call(id, Some(again));
        self.send_call(id, spec, of, attempt.saturating_add(1), input, cache)?;
        Ok(true)
    }

    /// Where the step that halted at this call waits for a person, it has what the call gave now.
    pub(super) fn halted_gave(&mut self, sequence: &RunningSequence, output: &Value) -> bool {
        let place = |it: &RunningSequence| (it.role, it.sequence, it.position);
        let Role::Step { item: None, .. } = sequence.role else { return false };
        let mut all = self.instance.sequences.iter_mut();
        let halted = all.find(|it| place(it) == place(sequence) && it.call.is_none());
        let Some(halted) = halted.filter(|it| it.reply.is_none()) else { return false };
        halted.reply = Some(Box::new(output.clone()));
        true
    }
}
