//! Calls that can be taken back and were cut off while under way: by a deadline, by an error, or
//! because their state was left. Nobody knows yet whether they are done (decision 0056).
//!
//! They are told to stop, and listened to until their own deadline. What was done all the same can
//! be taken back; a rollback waits for them; `retry` goes on with them under their id.

use super::calls::{ENGINE_AWAY, NOT_SENT, PLUGIN_GONE};
use super::doubt::{UNANSWERED, stays_in_doubt};
use super::effect::Effect;
use super::held::is_until_let_go;
use super::ids::EffectId;
use super::input::{CallOutcome, ErrorKind};
use super::instance::{Instance, Reply, RunningCall, RunningSequence, TimerKind};
use super::last_replies::{ASK_AGAIN_MS, may_be_undone};
use super::outcome::Outcome;
use super::progress::{Progress, Role, StepState, Then, Unkept};
use super::work::{Overrun, Work};
use crate::definition::duration;
use crate::value::Value;

impl Instance {
    /// Calls that were cut off while under way, and could be taken back once they succeed, in the
    /// order in which that happened; and what of them was done since, for a step that a person may
    /// begin again.
    #[must_use]
    pub fn adrift(&self) -> &[RunningSequence] {
        self.progress.as_deref().map_or(&[], |progress| &progress.adrift)
    }

    /// The one whose call this is, unless it is answered.
    pub(super) fn adrift_with(&self, call: EffectId) -> Option<&RunningSequence> {
        let is_it = |known: &RunningCall| known.id == call;
        self.adrift().iter().find(|it| it.call.as_ref().is_some_and(is_it))
    }
}

impl Work<'_> {
    pub(super) fn adrift_mut(&mut self) -> Option<&mut Vec<RunningSequence>> {
        self.instance.progress.as_deref_mut().map(|progress: &mut Progress| &mut progress.adrift)
    }

    pub(super) fn take_adrift(
        &mut self,
        of: impl Fn(&RunningSequence) -> bool,
    ) -> Option<RunningSequence> {
        let adrift = self.adrift_mut()?;
        let at = adrift.iter().position(of)?;
        Some(adrift.remove(at))
    }

    /// Nobody goes on with this: its call is told to stop. Whether one that can be taken back is
    /// done is heard all the same.
    pub(super) fn part_with(&mut self, sequence: RunningSequence) {
        let call = sequence.call.as_ref().filter(|_| may_be_undone(self.definition, &sequence));
        let Some(call) = call else {
            self.disarm_call(sequence.id);
            return self.cancel_call(&sequence);
        };
        if !call.sent {
            self.disarm_call(sequence.id);
        } else if !call.unsure && !call.once && call.heartbeat_ms.is_none() {
            // What is not sent yet never is, and whoever holds it back says so.
            let (call, attempt) = (call.id, call.attempt);
            self.effects.push(Effect::WithdrawCall { call, attempt });
        }
        self.cancel_call(&sequence);
        self.instance.progress.get_or_insert_default().adrift.push(sequence);
    }

    /// An answer to such a call; also to an attempt before, where that was done.
    pub(super) fn adrift_reply(&mut self, reply: &Reply) -> Outcome {
        let is_it = |it: &RunningSequence| it.call.as_ref().is_some_and(|it| it.id == reply.call);
        let Some(mut sequence) = self.take_adrift(is_it) else {
            return self.unawaited("late_reply", reply, None);
        };
        let of = self.step_words(sequence.role);
        match &reply.outcome {
            CallOutcome::Success(output) | CallOutcome::Cached(output) => {
                let was = if sequence.is_doubtful() { "all" } else { "it was cut off" };
                self.note(format!("{of}done after {was}: it can be taken back"));
                self.disarm_call(sequence.id);
                self.remember_call(&sequence, output);
                if !self.halted_gave(&sequence, output) && self.may_begin_again(sequence.role) {
                    sequence.call = None;
                    sequence.reply = Some(Box::new(output.clone()));
                    self.adrift_mut().into_iter().for_each(|all| all.push(sequence.clone()));
                }
                Outcome::Done
            }
            CallOutcome::Failure { kind, code, message, .. } => {
                if sequence.call.as_ref().is_some_and(|call| call.attempt != reply.attempt) {
                    let outcome = self.unawaited("late_reply", reply, Some(&sequence));
                    self.adrift_mut().into_iter().for_each(|all| all.push(sequence.clone()));
                    return outcome;
                }
                let was = if sequence.is_doubtful() { "answered after all" } else { "was cut off" };
                self.note(format!("{of}{was}; {}: {message}", kind.as_str()));
                self.remember_unusable(&sequence, *kind, code);
                self.adrift_failed(sequence, &reply.outcome);
                Outcome::Done
            }
        }
    }

    /// It is not done, as far as anybody can tell; but for one that nobody answered, or whose
    /// plugin or engine went away: it stays in doubt.
    fn adrift_failed(&mut self, sequence: RunningSequence, outcome: &CallOutcome) {
        let CallOutcome::Failure { kind, code, retry_after_ms, .. } = outcome else { return };
        let (now, call) = (self.now, sequence.call.as_ref());
        let in_time = call.is_some_and(|call| now < call.deadline);
        let sent_before = call.is_some_and(|call| call.unsure);
        let unsent = **code == *NOT_SENT || is_until_let_go(*retry_after_ms);
        let gone = *kind == ErrorKind::PluginNotFound || **code == *PLUGIN_GONE;
        let silent = stays_in_doubt(&sequence, *kind, code) || gone && in_time;
        self.disarm_call(sequence.id);
        if (unsent && sent_before) || (!unsent && silent) {
            self.stays_doubtful(sequence);
        }
    }

    /// The deadline of such a call; `None` where it is none.
    pub(super) fn adrift_late(&mut self, sequence: u32) -> Option<Outcome> {
        let running = self.instance.adrift().iter().find(|it| it.id == sequence)?;
        let call = running.call.clone()?;
        let asked = self.call_of(running).map(|(spec, _)| (spec.timeout_ms, &spec.operation));
        let (timeout_ms, operation) = asked?;
        self.entry.input = format!("timer deadline {operation}").into();
        // Nobody could have heard the answer: that is asked for once something is taken back.
        let again = !call.once && call.heartbeat_ms.is_none();
        let unheard = again && call.sent && call.deadline < self.owned_since.plus_ms(timeout_ms);
        let limit = duration::format(timeout_ms);
        Some(self.adrift_reply(&Reply {
            call: call.id,
            attempt: call.attempt,
            outcome: CallOutcome::Failure {
                kind: ErrorKind::Timeout,
                code: if unheard { ENGINE_AWAY } else { "" }.into(),
                message: format!("no answer within {limit}").into(),
                retry_after_ms: None,
            },
        }))
    }

    /// May a person, or an error that is handled, have the step begin again?
    fn may_begin_again(&self, role: Role) -> bool {
        let Role::Step { graph, step, .. } = role else { return false };
        let settled = self.step_state(graph, step).is_none_or(StepState::is_settled);
        !settled && !self.is_rolling_back()
    }

    /// Something begins to be taken back: what may still be done for it is waited for like all
    /// that is under way (decision 0028). What was done is known already.
    pub(super) fn wait_for_adrift(&mut self) {
        let Some(progress) = self.instance.progress.as_deref_mut() else { return };
        let Some(rollback) = progress.rollback.as_deref() else { return };
        let is_for = |it: &RunningSequence| match (&rollback.then, it.role) {
            (Then::Raise { graph, .. }, Role::Step { graph: of, .. }) => *graph == of,
            (Then::Raise { .. }, _) | (Then::Hold { .. }, Role::State) => false,
            _ => true,
        };
        let all = std::mem::take(&mut progress.adrift).into_iter();
        let all = all.filter(|it| it.call.is_some());
        let (awaited, rest) = all.partition::<Vec<_>, _>(is_for);
        progress.adrift = rest;
        self.take_in(awaited);
    }

    /// All of them are under way again, for who has to hear their end.
    pub(super) fn take_in_adrift(&mut self) {
        let all = self.adrift_mut().map(std::mem::take).unwrap_or_default();
        self.take_in(all.into_iter().filter(|it| it.call.is_some()).collect());
    }

    /// Only a further attempt tells whether one in doubt is done. What may be sent once only has
    /// none: that is told.
    fn take_in(&mut self, all: Vec<RunningSequence>) {
        for sequence in all {
            if self.is_unanswered_once(&sequence) {
                self.leave_out(&self.cut_off_words(&sequence, UNANSWERED));
                continue;
            }
            if sequence.is_doubtful() {
                self.disarm_call(sequence.id);
                self.arm(*ASK_AGAIN_MS.start(), TimerKind::CallRetry { sequence: sequence.id });
            }
            self.instance.sequences.push(sequence);
        }
    }

    /// A step or item begins again whose call was cut off: what it gave, where it was done
    /// meanwhile. `true`: it is asked for again, under its id.
    pub(super) fn go_on_adrift(&mut self, role: Role) -> Result<(Option<Unkept>, bool), Overrun> {
        let Some(sequence) = self.take_adrift(|it| it.role == role) else {
            return Ok((None, false));
        };
        self.disarm_call(sequence.id);
        if let Some(output) = sequence.reply {
            return Ok((Some(Unkept::done(sequence.position, *output)), false));
        }
        let Some(call) = &sequence.call else { return Ok((None, false)) };
        let attempt = call.attempt.saturating_add(1);
        let again = RunningSequence { id: self.fresh_id(), ..sequence.clone() };
        self.instance.sequences.push(again.clone());
        self.begin_call_again(&again, attempt)?;
        Ok((None, true))
    }

    /// The list of a fan-out is made anew: calls of items that stand elsewhere now are nobody's
    /// that begins again.
    pub(super) fn part_with_moved(&mut self, graph: u32, step: u16, list: &[Value]) {
        let fan = self.step_state(graph, step).and_then(|state| state.fan.as_deref());
        let Some(old) = fan.map(|fan| fan.list.clone()) else { return };
        let old = old.as_list().unwrap_or_default();
        for sequence in self.adrift_mut().into_iter().flatten() {
            if let Role::Step { graph: of, step: at, item: Some(item) } = sequence.role
                && (of, at) == (graph, step)
                && old.get(item as usize) != list.get(item as usize)
            {
                sequence.role = Role::Step { graph, step, item: None };
            }
        }
    }

    /// Nobody takes anything back any more.
    pub(super) fn forget_adrift(&mut self) {
        for sequence in self.adrift_mut().map(std::mem::take).unwrap_or_default() {
            self.disarm_call(sequence.id);
            if sequence.call.is_some() {
                self.note(self.adrift_words(&sequence));
            }
        }
    }
}
