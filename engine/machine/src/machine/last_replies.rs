//! Calls that are under way when something begins to be taken back: nobody knows yet whether they
//! are done, so those that could be taken back are waited for (decision 0028).

use std::sync::Arc;

use super::calls::{ENGINE_AWAY, NOT_SENT, PLUGIN_GONE};
use super::doubt::{UNANSWERED, stays_in_doubt};
use super::effect::{CallRequest, Effect};
use super::held::is_until_let_go;
use super::input::{CallOutcome, ErrorKind};
use super::instance::{Instance, Reply, RunningCall, RunningSequence, TimerKind};
use super::invoked::call_at;
use super::macrostep::{Cause, Taken};
use super::progress::{Phase, Role, StepStatus, Then};
use super::transaction::verb_of;
use super::work::{Overrun, Work};
use crate::definition::model::{CallSpec, Definition};

/// The wait before an attempt whose plugin is not there is sent again, in milliseconds: an eighth
/// of the time it has left, within these bounds.
pub(super) const ASK_AGAIN_MS: std::ops::RangeInclusive<u64> = 500..=60_000;

/// Could the call that the sequence waits for be taken back, once it succeeds? Of what is held back
/// the one that may have been sent before.
pub(super) fn may_be_undone(definition: &Definition, sequence: &RunningSequence) -> bool {
    let may_be_sent = |it: &RunningCall| (it.sent || it.unsure) && it.child.is_none();
    let sent = sequence.call.as_ref().is_some_and(may_be_sent);
    let own = matches!(sequence.role, Role::State | Role::Step { .. });
    let undoable =
        |(spec, _): (&Arc<CallSpec>, _)| spec.undo.is_some() && verb_of(&spec.operation).is_none();
    sent && own && call_at(definition, sequence).is_some_and(undoable)
}

impl Instance {
    /// Is the sequence only there to hear whether its call is done and has to be taken back?
    #[must_use]
    pub fn is_last_reply(&self, sequence: &RunningSequence) -> bool {
        let progress = self.progress.as_deref();
        let Some(rollback) = progress.and_then(|it| it.rollback.as_deref()) else { return false };
        match (&rollback.then, sequence.role) {
            (_, Role::Undo { .. } | Role::Finally { .. })
            | (Then::Raise { .. } | Then::Hold { .. }, Role::State) => false,
            (Then::Raise { graph, .. }, Role::Step { graph: of, .. }) => *graph == of,
            // Calls of states go on meanwhile, and may start other steps. Steps of a state that was
            // left since are cut off, but for what is waited for.
            (Then::Hold { .. }, Role::Step { graph, step, .. }) => {
                let run = progress.and_then(|progress| progress.run(graph));
                let state = run.and_then(|run| run.steps.get(usize::from(step)));
                state.is_none_or(|state| {
                    !matches!(state.status, StepStatus::Running | StepStatus::Retrying)
                })
            }
            (
                Then::Fail | Then::Cancel { .. } | Then::Orphaned | Then::Transaction,
                Role::State | Role::Step { .. },
            ) => true,
        }
    }
}

impl Work<'_> {
    /// Is a call under way that could be taken back once it succeeds?
    pub(super) fn has_undo_under_way(&self, of: impl Fn(Role) -> bool) -> bool {
        let all = self.instance.sequences.iter().chain(self.instance.adrift());
        all.into_iter().any(|it| of(it.role) && may_be_undone(self.definition, it))
    }

    /// Cuts off what is under way, by its role, but for calls that could be taken back once they
    /// succeed.
    pub(super) fn stop_but_undoable(&mut self, of: impl Fn(Role) -> bool) -> Result<(), Overrun> {
        let definition = self.definition;
        self.drop_running(|it| of(it.role) && !may_be_undone(definition, it))?;
        self.withdraw_unsent(of);
        Ok(())
    }

    /// Of calls that are waited for from now on, because they could be taken back, what is not sent
    /// yet never is: whoever holds it back is told.
    pub(super) fn withdraw_unsent(&mut self, of: impl Fn(Role) -> bool) {
        let (definition, instance) = (self.definition, &self.instance);
        // What was asked for again is none of these: an engine that is gone may have sent it.
        let kept =
            instance.sequences.iter().filter(|it| of(it.role) && !instance.is_last_reply(it));
        let calls =
            kept.filter_map(|it| it.call.as_ref().filter(|_| may_be_undone(definition, it)));
        let unsent = calls
            .filter(|call| call.sent && !call.unsure && !call.once && call.heartbeat_ms.is_none());
        self.effects.extend(
            unsent.map(|call| Effect::WithdrawCall { call: call.id, attempt: call.attempt }),
        );
    }

    /// All steps that run are cut off now, and not when that ends for which they are; but for those
    /// whose call is waited for.
    pub(super) fn cut_off_steps(&mut self) {
        let runs = self.instance.progress.iter().flat_map(|progress| &progress.graphs);
        let open = runs.filter(|run| run.phase == Phase::Running).map(|run| run.id);
        for graph in open.collect::<Vec<_>>() {
            self.cut_off(graph, Phase::Running);
            self.keep_awaited_running(graph);
        }
    }

    /// Steps whose call is waited for run until it is answered.
    pub(super) fn keep_awaited_running(&mut self, of: u32) {
        let awaited = self.instance.sequences.iter().filter_map(|it| match it.role {
            Role::Step { graph, step, .. } if graph == of => Some(step),
            Role::State | Role::Step { .. } | Role::Undo { .. } | Role::Finally { .. } => None,
        });
        for step in awaited.collect::<Vec<_>>() {
            if let Some(state) = self.step_state_mut(of, step)
                && state.status == StepStatus::Cancelled
            {
                state.status = StepStatus::Running;
                state.ended_at = None;
            }
        }
    }

    /// The answer to a call that was under way when something began to be taken back.
    pub(super) fn last_reply(
        &mut self,
        sequence: &RunningSequence,
        reply: &Reply,
    ) -> Result<Taken, Overrun> {
        if self.is_asked_again(sequence, &reply.outcome) {
            return Ok(Taken::Yes);
        }
        let mut succeeded = false;
        match &reply.outcome {
            CallOutcome::Success(output) | CallOutcome::Cached(output) => {
                self.remember_call(sequence, output);
                self.take_last(sequence, output);
                succeeded = true;
            }
            // Nobody makes another attempt of it.
            CallOutcome::Failure { kind, code, message, retry_after_ms } => {
                self.note(format!("{}: {message}", kind.as_str()));
                self.remember_unusable(sequence, *kind, code);
                if stays_in_doubt(sequence, *kind, code) && !self.is_known_done(sequence) {
                    self.leave_out(&self.cut_off_words(sequence, UNANSWERED));
                }
                // One that is held back, and never was sent, is let go of by who holds it.
                if *kind == ErrorKind::Timeout || is_until_let_go(*retry_after_ms) {
                    self.cancel_call(sequence);
                }
            }
        }
        self.disarm_call(sequence.id);
        self.instance.sequences.retain(|known| known.id != sequence.id);
        self.end_awaited(sequence.role, succeeded);
        if self.is_given_up() {
            self.hold_if_still();
            return Ok(Taken::Yes);
        }
        self.go_on_undoing()?;
        self.macrostep(Cause::Resume(None))
    }

    /// The attempt could not be sent, but may have been before, by an engine that is gone; or who
    /// took it is gone: as long as its time is not over it is sent again.
    fn is_asked_again(&mut self, sequence: &RunningSequence, outcome: &CallOutcome) -> bool {
        let CallOutcome::Failure { kind, code, retry_after_ms, .. } = outcome else { return false };
        if **code == *ENGINE_AWAY
            && let Some(call) = &sequence.call
        {
            self.note("the engine that asked went away: it is asked again");
            self.disarm_call(sequence.id);
            let waits = RunningCall { sent: false, unsure: true, ..call.clone() };
            self.set_call(sequence.id, Some(waits));
            self.arm(*ASK_AGAIN_MS.start(), TimerKind::CallRetry { sequence: sequence.id });
            return true;
        }
        // Whoever holds it back gave it up or does so now, and nobody else had it.
        if **code == *NOT_SENT || is_until_let_go(*retry_after_ms) {
            return false;
        }
        let gone = *kind == ErrorKind::PluginNotFound || **code == *PLUGIN_GONE;
        let deadline = sequence.call.as_ref().map_or(self.now, |call| call.deadline);
        if !gone || deadline <= self.now {
            return self.is_tried_again(sequence, *kind, code);
        }
        self.note("its plugin is not there: it is asked again until the deadline");
        let left = deadline.since_ms(self.now);
        let own = (left / 8).clamp(*ASK_AGAIN_MS.start(), *ASK_AGAIN_MS.end());
        let delay = retry_after_ms.unwrap_or(own).min(left);
        self.arm(delay, TimerKind::CallRetry { sequence: sequence.id });
        true
    }

    /// The same attempt once more, with the time it has left; of what was held back the next one,
    /// with its time in full.
    pub(super) fn ask_last_again(&mut self, sequence: &RunningSequence) -> Result<Taken, Overrun> {
        let (Some((spec, _)), Some(call)) = (self.call_of(sequence), &sequence.call) else {
            return Ok(Taken::Yes);
        };
        let spec = Arc::clone(spec);
        // Should it be held back now, it may have been sent all the same.
        let mut call = RunningCall { sent: true, unsure: true, ..call.clone() };
        if sequence.call.as_ref().is_some_and(|before| !before.sent) {
            call.attempt = call.attempt.saturating_add(1);
            call.deadline = self.now.plus_ms(spec.timeout_ms);
            self.arm(spec.timeout_ms, TimerKind::CallDeadline { sequence: sequence.id });
        }
        self.set_call(sequence.id, Some(call.clone()));
        let step = self.asking(sequence.state, sequence.role);
        let operation = Arc::clone(&spec.operation);
        let words = format!("call {operation}");
        let request = CallRequest {
            call: call.id,
            attempt: call.attempt,
            operation,
            input: call.input,
            deadline: call.deadline,
            step,
            purpose: sequence.role.into(),
            per: call.per,
            // What is to be taken back is never answered from the cache.
            cache: None,
            trace_context: self.instance.trace_of(call.id),
        };
        self.emit(Effect::Call(request), words)?;
        Ok(Taken::Yes)
    }

    /// Is an undo, or what is to run behind it in any case, under way?
    fn is_undoing(&self) -> bool {
        let progress = self.instance.progress.as_deref();
        let only = match progress.and_then(|it| it.rollback.as_deref()).map(|it| &it.then) {
            Some(Then::Raise { graph, .. }) => Some(*graph),
            Some(
                Then::Fail
                | Then::Cancel { .. }
                | Then::Hold { .. }
                | Then::Orphaned
                | Then::Transaction,
            )
            | None => None,
        };
        self.instance.sequences.iter().any(|it| match it.role {
            Role::Undo { .. } => true,
            // That of a graph that was left before is nothing of this.
            Role::Finally { graph } => {
                only.is_none_or(|only| only == graph)
                    && self.run(graph).is_some_and(|run| run.phase == Phase::Finally)
            }
            Role::State | Role::Step { .. } => false,
        })
    }

    /// Takes back what comes next, once nothing is under way that may still be done.
    pub(super) fn go_on_undoing(&mut self) -> Result<(), Overrun> {
        if self.is_undoing() {
            return Ok(());
        }
        if self.instance.sequences.iter().any(|it| self.instance.is_last_reply(it)) {
            self.note("waits for calls under way");
            return Ok(());
        }
        self.next_undo()
    }
}
