//! Calls whose plugin answers later: the promise, and what ends an attempt without an answer.

use super::calls::ENGINE_AWAY;
use super::decide::unchanged;
use super::effect::Effect;
use super::ids::Timestamp;
use super::input::{CallOutcome, ErrorKind, Input};
use super::instance::{Instance, Reply, RunningCall};
use super::invoked::CallFailure;
use super::outcome::{Decision, Outcome};
use super::progress::Role;
use super::work::{Overrun, Work};
use crate::definition::duration;
use crate::definition::model::Definition;

/// The code of an attempt that was taken, and whose plugin then said no more that it lives.
pub const HEARTBEAT_LOST: &str = "heartbeat_lost";

/// A plugin took an attempt and promised its result: `Done` where that is waited for.
pub(super) fn on_pending(
    old: &Instance,
    definition: &Definition,
    input: &Input,
    now: Timestamp,
) -> Decision {
    let late = || unchanged(Outcome::Ignored { reason: "late_pending".into() });
    let Input::CallPending { call, attempt, heartbeat_ms } = *input else { return late() };
    let mut work = Work::new(definition, old.clone(), Some(old), now, "pending".into());
    let Some(sequence) = work.waiting_for(call, attempt).cloned() else { return late() };
    let Some(known) = &sequence.call else { return late() };
    // The result may have been quicker than the promise.
    let answered = old.kept_replies().any(|reply| reply.call == call);
    if known.heartbeat_ms.is_some() || answered {
        return late();
    }
    if let Some((spec, _)) = work.call_of(&sequence) {
        work.entry.input = format!("pending {}", spec.operation).into();
    }
    let heartbeat_ms = Some(heartbeat_ms);
    work.set_call(sequence.id, Some(RunningCall { heartbeat_ms, unsure: false, ..known.clone() }));
    work.finish(Outcome::Done)
}

impl Work<'_> {
    /// A plugin that said nothing until the attempt failed may still work on it: it is told that
    /// nobody waits any more.
    pub(super) fn cancel_silent(
        &mut self,
        call: &RunningCall,
        failed: &CallFailure<'_>,
        operation: &str,
    ) -> Result<(), Overrun> {
        let silent = failed.kind == ErrorKind::Timeout || **failed.code == *HEARTBEAT_LOST;
        if silent && call.child.is_none() {
            let words = format!("cancel {operation}");
            self.emit(Effect::CancelCall { call: call.id }, words)?;
        }
        Ok(())
    }

    /// No answer in time: the attempt failed (rule 35).
    pub(super) fn deadline(&mut self, sequence: u32) -> Outcome {
        if let Some(outcome) = self.adrift_late(sequence) {
            return outcome;
        }
        let running = self.instance.sequences.iter().find(|running| running.id == sequence);
        let call = running.and_then(|running| running.call.as_ref());
        let asked = running.and_then(|running| self.call_of(running));
        let operation = asked.map_or("", |(spec, _)| &*spec.operation);
        let timeout_ms = asked.map_or(0, |(spec, _)| spec.timeout_ms);
        let limit = duration::format(timeout_ms);
        let kept = |call: &&RunningCall| self.instance.kept_replies().any(|it| it.call == call.id);
        let Some(call) = call.filter(|call| call.sent && !kept(call)) else {
            return Outcome::Ignored { reason: "stale_timer".into() };
        };
        // Nor is what has to be taken back, if it is done, given up because nobody heard of it.
        let undoes = running.is_some_and(|it| {
            let again = !call.once && call.heartbeat_ms.is_none();
            matches!(it.role, Role::Undo { .. }) || (again && self.instance.is_last_reply(it))
        });
        let unheard = undoes && call.deadline < self.owned_since.plus_ms(timeout_ms);
        let (code, mut message) = if unheard {
            (ENGINE_AWAY, format!("the engine that asked went away, no answer within {limit}"))
        } else {
            ("", format!("no answer within {limit}"))
        };
        self.say_fired(&mut message);
        let reply = Reply {
            call: call.id,
            attempt: call.attempt,
            outcome: CallOutcome::Failure {
                kind: ErrorKind::Timeout,
                code: code.into(),
                message: message.into(),
                retry_after_ms: None,
            },
        };
        self.entry.input = format!("timer deadline {operation}").into();
        self.reply(&reply)
    }
}
