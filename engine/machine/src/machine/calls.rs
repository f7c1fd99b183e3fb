//! One call's life: what its answers do, retries, its end (rules 35-37).

use std::sync::Arc;

use super::doubt::{in_doubt, is_put_off};
use super::effect::NoticeKind;
use super::end::End;
use super::held::is_until_let_go;
use super::ids::EffectId;
use super::input::{CallOutcome, ErrorKind, Event, EventKind};
use super::instance::{
    FailedBlock, Place, Reply, RunningCall, RunningSequence, StuckKind, TimerKind,
};
use super::invoked::{CallFailure, Invoked, call_at, invoked_at, repeats, retry_delay_ms};
use super::macrostep::{Cause, Taken};
use super::once::is_unknown;
use super::outcome::Outcome;
use super::progress::Role;
use super::work::{Failure, Origin, Overrun, Work};
use crate::definition::expr::Expr;
use crate::definition::model::{CallSpec, SetPath};
use crate::value::{Map, Value};

/// The code of an attempt that was not sent because an operator paused the plugin.
pub const PLUGIN_PAUSED: &str = "plugin_paused";
/// The code of an attempt that was not sent because the last calls of the operation failed.
pub const BREAKER_OPEN: &str = "breaker_open";
/// The code of an attempt that was not sent because a limit of the definition was reached.
pub const PLUGIN_LIMITED: &str = "plugin_limited";
/// The code of an attempt whose plugin's instance, which had taken it, is gone without an answer.
pub const PLUGIN_GONE: &str = "plugin_gone";
/// The code of an attempt that waited to be sent when something began to be taken back, and never
/// was.
pub const NOT_SENT: &str = "not_sent";
/// The code of an undo whose deadline passed while no engine could have heard the answer.
pub const ENGINE_AWAY: &str = "engine_away";

impl Work<'_> {
    /// The call a sequence stands at, and its invoke id.
    pub(super) fn call_of(
        &self,
        sequence: &RunningSequence,
    ) -> Option<(&Arc<CallSpec>, &Arc<str>)> {
        call_at(self.definition, sequence)
    }

    /// The sequence that waits for the answer to this attempt of this call.
    pub(super) fn waiting_for(&self, call: EffectId, attempt: u32) -> Option<&RunningSequence> {
        self.instance.sequences.iter().find(|sequence| {
            sequence
                .call
                .as_ref()
                .is_some_and(|known| known.id == call && known.sent && known.attempt == attempt)
        })
    }

    /// An answer that nobody waits for: which attempt it is of and, where nothing here tells the
    /// call any more, the id of that; and what it says.
    pub(super) fn unawaited(
        &mut self,
        reason: &str,
        reply: &Reply,
        owner: Option<&RunningSequence>,
    ) -> Outcome {
        let Reply { call, attempt, outcome } = reply;
        let of = if owner.is_some() { String::new() } else { format!(" of call {call}") };
        let came = match outcome {
            CallOutcome::Success(_) | CallOutcome::Cached(_) => "it succeeded".to_owned(),
            CallOutcome::Failure { kind, code, message, .. } => {
                let failed = CallFailure { kind: *kind, code, message };
                match failed.is_held() || **code == *NOT_SENT {
                    true => "it was not sent".to_owned(),
                    false => format!("it failed, {}", failed.words()),
                }
            }
        };
        self.note(format!("{reason}: attempt {attempt}{of}; {came}"));
        Outcome::Ignored { reason: reason.into() }
    }

    /// Takes a reply that is waited for; the body of a macrostep, or no macrostep where the call
    /// is only to be repeated.
    pub(super) fn take_reply(&mut self, reply: &Reply) -> Result<Taken, Overrun> {
        let Some(sequence) = self.waiting_for(reply.call, reply.attempt).cloned() else {
            return Ok(Taken::Yes);
        };
        if self.instance.is_last_reply(&sequence) {
            return self.last_reply(&sequence, reply);
        }
        match &reply.outcome {
            CallOutcome::Success(output) => {
                self.keep_result(&sequence, output);
                self.succeeded(sequence, output)
            }
            CallOutcome::Cached(output) => {
                self.was_cached(&sequence);
                self.succeeded(sequence, output)
            }
            CallOutcome::Failure { kind, code, message, .. }
                if is_unknown(&sequence, *kind, code) =>
            {
                self.outcome_unknown(sequence, (*kind, code, message))
            }
            CallOutcome::Failure { kind, code, message, retry_after_ms } => {
                let failed = CallFailure { kind: *kind, code, message };
                self.call_failed(sequence, &failed, *retry_after_ms)
            }
        }
    }

    /// Rules 5(b), 37: what to keep of the output, then the event, then the sequence goes on.
    pub(super) fn call_succeeded(
        &mut self,
        sequence: RunningSequence,
        output: &Value,
    ) -> Result<Taken, Overrun> {
        let definition = self.definition;
        let Some(Invoked { set, invoke_id, .. }) = invoked_at(definition, &sequence) else {
            return Ok(Taken::Yes);
        };
        self.disarm_call(sequence.id);
        let name = format!("done.invoke.{invoke_id}");
        // A child whose final state has no output says nothing, and not null (rule 39).
        let is_child = sequence.call.as_ref().is_some_and(|call| call.child.is_some());
        let data = (!is_child || !output.is_null()).then(|| output.clone());
        let mut event = self.made(name.into(), EventKind::External, data);
        event.invoke_id = Some(Arc::clone(invoke_id));
        self.cause.get_or_insert_with(|| Arc::clone(&event.name));

        self.remember_call(&sequence, output);
        let kept = self.keep_output(set, &sequence, output);
        if let Some(at) = self.sequence_index(sequence.id)
            && let Some(running) = self.instance.sequences.get_mut(at)
        {
            running.call = None;
            if kept.is_ok() {
                running.position = running.position.saturating_add(1);
            }
        }
        match kept {
            Ok(()) => self.ready.push(sequence.id),
            Err(Failure::Overrun(overrun)) => return Err(overrun),
            Err(Failure::Error(error)) => {
                let block = Some(FailedBlock { place: Place::Result, action: 0 });
                let state = Some(sequence.state);
                let mut halted = sequence;
                halted.call = None;
                let event = Some(event.clone());
                let sequence = Some(halted);
                let origin = Origin { state, block, sequence, event, ..Origin::default() };
                self.queue_error(error, origin)?;
            }
        }
        self.forward(&event);
        // Nobody has to take it: going on with the sequence is what a call is for.
        match self.macrostep(Cause::Event(&event))? {
            Taken::Unhandled(_) | Taken::Deferred | Taken::Yes => Ok(Taken::Yes),
            Taken::RolledBack => Ok(Taken::RolledBack),
        }
    }

    /// The same for what is no state's own: no transition sees the event of a step's call.
    pub(super) fn step_call_succeeded(
        &mut self,
        sequence: RunningSequence,
        output: &Value,
    ) -> Result<Taken, Overrun> {
        let definition = self.definition;
        let Some(Invoked { set, .. }) = invoked_at(definition, &sequence) else {
            return Ok(Taken::Yes);
        };
        self.disarm_call(sequence.id);
        if let Role::Undo { undo } = sequence.role {
            self.undo_through(undo, true)?;
            return self.macrostep(Cause::Resume(None));
        }
        self.remember_call(&sequence, output);
        let kept = self.keep_output(set, &sequence, output);
        self.set_call(sequence.id, None);
        match (kept, sequence.role) {
            (Ok(()), _) => self.gave(&sequence, output)?,
            (Err(Failure::Overrun(overrun)), _) => return Err(overrun),
            (Err(Failure::Error(error)), Role::Step { graph, step, item }) => {
                let halted = self.halt_with(sequence, output);
                self.step_error((graph, step, item), Some(halted), &error)?;
            }
            (
                Err(Failure::Error(error)),
                Role::State | Role::Undo { .. } | Role::Finally { .. },
            ) => {
                let halted = self.halt_with(sequence, output);
                let (state, sequence) = (Some(halted.state), Some(halted));
                self.queue_error(error, Origin { state, sequence, ..Origin::default() })?;
            }
        }
        self.macrostep(Cause::Resume(None))
    }

    pub(super) fn remember_call(&mut self, sequence: &RunningSequence, output: &Value) {
        if let (Some((spec, _)), Some(call)) = (call_at(self.definition, sequence), &sequence.call)
        {
            self.remember_undo(sequence, spec, call, output);
        }
    }

    /// `set:` of a call, with `output` bound and the causing event in hand (rule 37).
    pub(super) fn keep_output(
        &mut self,
        set: &[(SetPath, Expr)],
        sequence: &RunningSequence,
        output: &Value,
    ) -> Result<(), Failure> {
        if set.is_empty() {
            return Ok(());
        }
        self.output = Some(output.clone());
        self.bind_item(sequence.role);
        let event = self.sequence_event(sequence);
        let kept = self.run_set(set, event.as_deref());
        self.locals.clear();
        self.output = None;
        kept
    }

    /// An attempt failed: another one by the policy, or the call failed for good (rule 35).
    fn call_failed(
        &mut self,
        sequence: RunningSequence,
        failed: &CallFailure<'_>,
        retry_after_ms: Option<u64>,
    ) -> Result<Taken, Overrun> {
        let definition = self.definition;
        let Some(Invoked { name: operation, retry, invoke_id, .. }) =
            invoked_at(definition, &sequence)
        else {
            return Ok(Taken::Yes);
        };
        let Some(call) = sequence.call.clone() else { return Ok(Taken::Yes) };
        self.disarm_call(sequence.id);
        self.note_attempt(&sequence, &call, failed);
        self.remember_unusable(&sequence, failed.kind, failed.code);
        // One that was kept while the instance stood still is held by nobody any more.
        let retry_after_ms =
            retry_after_ms.map(|ms| if is_until_let_go(Some(ms)) { 0 } else { ms });
        // What is to be taken back is not given up because nobody heard (decision 0033).
        let unheard = failed.kind == ErrorKind::Timeout && **failed.code == *ENGINE_AWAY;
        let policy = match failed.is_held() || unheard {
            true => Some(retry),
            false => repeats(retry, failed.kind, call.attempt.saturating_sub(call.before)),
        };
        if let Some(policy) = policy {
            let delay = retry_delay_ms(
                policy,
                call.id,
                call.attempt.saturating_sub(call.before),
                retry_after_ms,
            );
            self.wait_for_next(&sequence, (&call, delay), failed, &operation)?;
            return Ok(Taken::Yes);
        }
        self.cancel_failed(&sequence, &call, failed, &operation)?;
        self.may_be_done_all_the_same(&sequence, failed.kind, failed.code);
        match sequence.role {
            Role::Step { graph, step, item } => {
                self.step_failed((graph, step, item), Some(sequence), failed.to_error())?;
                return self.macrostep(Cause::Resume(None));
            }
            Role::Undo { .. } => {
                self.undo_failed(sequence, failed);
                return Ok(Taken::Yes);
            }
            Role::State | Role::Finally { .. } => {}
        }
        let family = if failed.kind.is_communication() { "communication" } else { "platform" };
        let name = format!("error.{family}.invoke.{invoke_id}");
        let data = failed.fields(&operation, call.attempt).into_iter().collect::<Map>();
        let mut event = self.made(name.into(), EventKind::External, Some(data.into()));
        event.invoke_id = Some(Arc::clone(invoke_id));
        self.cause.get_or_insert_with(|| Arc::clone(&event.name));
        self.forward(&event);
        self.offer_call_error(sequence, &event)
    }

    /// The call waits so long for its next attempt.
    fn wait_for_next(
        &mut self,
        sequence: &RunningSequence,
        (call, delay): (&RunningCall, u64),
        failed: &CallFailure<'_>,
        operation: &Arc<str>,
    ) -> Result<(), Overrun> {
        let waits = RunningCall {
            sent: false,
            held: false,
            once: false,
            // One that nobody answered may be done, and may still be where the next was not sent.
            unsure: in_doubt(failed.kind, failed.code) || (call.unsure && is_put_off(failed.kind)),
            // What was held back and not sent is no attempt.
            attempt: call.attempt.saturating_sub(u32::from(failed.is_held())),
            heartbeat_ms: None,
            ..call.clone()
        };
        self.set_call(sequence.id, Some(waits));
        self.arm(delay, TimerKind::CallRetry { sequence: sequence.id });
        if call.heartbeat_ms.is_some() {
            // Else two attempts of long work would run beside each other.
            self.cancel_silent(call, failed, operation)?;
        }
        let mut fields = failed.fields(operation, call.attempt);
        fields.push(("delay_ms", Value::from(delay)));
        let is_held = failed.is_held();
        self.notice(if is_held { NoticeKind::CallHeld } else { NoticeKind::CallRetrying }, fields);
        self.step_retrying(sequence.role, failed.to_error());
        Ok(())
    }

    /// What came of an attempt, for the history.
    pub(super) fn note_attempt(
        &mut self,
        sequence: &RunningSequence,
        call: &RunningCall,
        failed: &CallFailure<'_>,
    ) {
        let of = self.step_words(sequence.role);
        if failed.is_held() {
            let message = failed.message;
            self.note(format!("{of}attempt {} is held back: {message}", call.attempt));
        } else {
            self.note(format!("{of}attempt {} {}", call.attempt, failed.words()));
        }
    }

    /// The call failed for good: nobody works on it any more.
    fn cancel_failed(
        &mut self,
        sequence: &RunningSequence,
        call: &RunningCall,
        failed: &CallFailure<'_>,
        operation: &Arc<str>,
    ) -> Result<(), Overrun> {
        self.notice(NoticeKind::CallFailed, failed.fields(operation, call.attempt));
        self.set_call(sequence.id, None);
        self.cancel_silent(call, failed, operation)
    }

    /// Offers the error; nobody handling it is the instance's trouble (rule 38).
    fn offer_call_error(
        &mut self,
        sequence: RunningSequence,
        event: &Event,
    ) -> Result<Taken, Overrun> {
        let taken = self.macrostep(Cause::Event(event))?;
        if let Taken::Unhandled(_) = taken {
            let (state, sequence) = (Some(sequence.state), Some(sequence));
            let origin = Origin { state, sequence, ..Origin::default() };
            let end = End::by_error(event, self.definition);
            self.unhandled_error(StuckKind::CallFailed, end, origin);
            if !self.ready.is_empty() {
                return self.macrostep(Cause::Resume(None));
            }
        }
        Ok(Taken::Yes)
    }
}
