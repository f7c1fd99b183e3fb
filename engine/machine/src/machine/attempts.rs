//! Attempts of a call: how one is sent, made again, and forgotten.

use std::sync::Arc;

use super::cache::CacheKey;
use super::effect::{CallRequest, Effect};
use super::ids::EffectId;
use super::instance::{RunningCall, RunningSequence, TimerKind};
use super::invoked::call_at;
use super::macrostep::Taken;
use super::transaction::{TRANSACTION, verb_of};
use super::work::{Overrun, Work};
use crate::definition::model::CallSpec;
use crate::value::Value;

impl Work<'_> {
    /// Makes one attempt of a call.
    pub(super) fn send_call(
        &mut self,
        sequence: u32,
        spec: &CallSpec,
        call: EffectId,
        attempt: u32,
        input: Value,
        cache: Option<CacheKey>,
    ) -> Result<(), Overrun> {
        let deadline = self.now.plus_ms(spec.timeout_ms);
        let doubtful = self.is_asked_anew(call);
        let Some(at) = self.sequence_index(sequence) else { return Ok(()) };
        let per = self.limit_key(&spec.operation, at, call);
        let Some(running) = self.instance.sequences.get_mut(at) else { return Ok(()) };
        let known = running.call.as_ref().filter(|it| it.id == call);
        let unsure = doubtful || known.is_some_and(|it| it.unsure);
        let before = known.map_or(0, |it| it.before);
        running.call = Some(RunningCall {
            id: call,
            attempt,
            before,
            sent: true,
            held: false,
            unsure,
            once: false,
            input: input.clone(),
            deadline,
            child: None,
            heartbeat_ms: None,
            per: per.clone(),
            cache,
        });
        let (state, role) = (running.state, running.role);
        let step = self.asking(state, role);
        self.step_attempt(role, attempt.saturating_sub(before));
        self.arm(spec.timeout_ms, TimerKind::CallDeadline { sequence });
        if let Some(verb) = verb_of(&spec.operation) {
            let asked = self.ask_transaction(verb, (call, attempt), &input)?;
            if let Some(at) = self.sequence_index(sequence)
                && let Some(running) = self.instance.sequences.get_mut(at)
                && let Some(call) = &mut running.call
            {
                // It is no plugin's: nobody is asked again after a restart but by letter.
                call.child = asked;
            }
            return Ok(());
        }
        let operation = Arc::clone(&spec.operation);
        let words = format!("call {operation}");
        let cache = cache.filter(|key| !key.fresh).map(|key| key.hash);
        let trace_context = self.instance.trace_of(call);
        let request = CallRequest {
            call,
            attempt,
            operation,
            input,
            deadline,
            step,
            purpose: role.into(),
            per,
            cache,
            trace_context,
        };
        self.emit(Effect::Call(request), words)
    }

    /// Removes the deadline and retry timers of a sequence.
    pub(super) fn disarm_call(&mut self, id: u32) {
        self.instance.timers.retain(|timer| timer.kind.of_call() != Some(id));
    }

    pub(super) fn set_call(&mut self, sequence: u32, call: Option<RunningCall>) {
        if let Some(at) = self.sequence_index(sequence)
            && let Some(running) = self.instance.sequences.get_mut(at)
        {
            running.call = call;
        }
    }

    /// The next attempt of a call is due.
    pub(super) fn retry_call(&mut self, sequence: u32) -> Result<Taken, Overrun> {
        let definition = self.definition;
        let Some(at) = self.sequence_index(sequence) else { return Ok(Taken::Yes) };
        let Some(running) = self.instance.sequences.get(at) else { return Ok(Taken::Yes) };
        if self.instance.is_last_reply(running) {
            return self.ask_last_again(&running.clone());
        }
        if let (Some((spec, _)), Some(call)) = (call_at(definition, running), running.call.clone())
        {
            let attempt = call.attempt.saturating_add(1);
            self.send_call(sequence, spec, call.id, attempt, call.input, call.cache)?;
        }
        Ok(Taken::Yes)
    }

    /// Makes a call that failed for good again, under the same id, as this attempt (`retry`).
    pub(super) fn begin_call_again(
        &mut self,
        sequence: &RunningSequence,
        attempt: u32,
    ) -> Result<(), Overrun> {
        let definition = self.definition;
        if let Some(RunningCall { child: Some(child), input, .. }) = &sequence.call
            && child.workflow() != TRANSACTION
        {
            return self.start_child_again(sequence, input);
        }
        if let (Some((spec, _)), Some(call)) = (call_at(definition, sequence), &sequence.call) {
            let cache = call.cache.map(|key| CacheKey { fresh: true, ..key });
            let before = attempt.saturating_sub(1);
            self.set_call(sequence.id, Some(RunningCall { before, sent: false, ..call.clone() }));
            self.send_call(sequence.id, spec, call.id, attempt, call.input.clone(), cache)?;
        }
        Ok(())
    }
}
