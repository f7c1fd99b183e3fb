//! Calls that may not be repeated: recorded before they are sent, sent once, then known or stuck.

use super::decide::unchanged;
use super::effect::{Effect, NoticeKind};
use super::held::let_go;
use super::ids::{EffectId, Timestamp};
use super::input::ErrorKind;
use super::instance::{Instance, RunningCall, RunningSequence, Stuck, StuckKind};
use super::invoked::{CallFailure, call_at};
use super::macrostep::Taken;
use super::outcome::{Decision, Outcome};
use super::pending::HEARTBEAT_LOST;
use super::unusable::is_done;
use super::work::{Overrun, Work};
use crate::definition::model::Definition;

/// The attempt that [`super::Input::CallStarted`] names where it lets go of what is held.
pub const NEXT_ATTEMPT: u32 = 0;

/// Why an attempt is not to be sent that was cut off and that nobody recorded as sent: whoever can
/// know that no engine before sent it says so, and nobody waits for it.
pub const CUT_OFF_BEFORE: &str = "cut_off_before";

/// Is the outcome of the sequence's call unknown, now that its attempt failed like this?
pub(super) fn is_unknown(sequence: &RunningSequence, kind: ErrorKind, code: &str) -> bool {
    let once = sequence.call.as_ref().is_some_and(|call| call.once);
    let silent = kind == ErrorKind::Timeout || code == HEARTBEAT_LOST;
    kind == ErrorKind::OutcomeUnknown || (once && (silent || is_done(kind, code)))
}

/// An attempt is about to be sent, once: `Done` where it may be.
pub(super) fn on_started(
    old: &Instance,
    definition: &Definition,
    (call, attempt): (EffectId, u32),
    now: Timestamp,
) -> Decision {
    let late = || unchanged(Outcome::Ignored { reason: "late_start".into() });
    if attempt == NEXT_ATTEMPT {
        return let_go(old, definition, call, now);
    }
    let mut work = Work::new(definition, old.clone(), Some(old), now, "sending".into());
    let Some(sequence) = work.waiting_for(call, attempt).cloned() else {
        let adrift = old.adrift_with(call).and_then(|it| it.call.as_ref());
        let unsent = |it: &RunningCall| it.attempt == attempt && it.sent && !it.once && !it.unsure;
        if adrift.is_some_and(unsent) {
            return unchanged(Outcome::Ignored { reason: CUT_OFF_BEFORE.into() });
        }
        return late();
    };
    let Some(known) = &sequence.call else { return late() };
    // What was sent before, is over or has its answer waiting is not sent now.
    let answered = old.kept_replies().any(|reply| reply.call == call);
    if known.once || known.deadline <= now || answered {
        return late();
    }
    work.says_sending(&sequence);
    work.set_call(sequence.id, Some(RunningCall { once: true, ..known.clone() }));
    work.finish(Outcome::Done)
}

impl Work<'_> {
    /// It may have happened or not: only a person who has looked can say how to go on, whatever
    /// `failed:` and `on_error:` say.
    pub(super) fn outcome_unknown(
        &mut self,
        sequence: RunningSequence,
        (kind, code, message): (ErrorKind, &str, &str),
    ) -> Result<Taken, Overrun> {
        let Some((spec, _)) = call_at(self.definition, &sequence) else { return Ok(Taken::Yes) };
        let Some(call) = &sequence.call else { return Ok(Taken::Yes) };
        let what = match is_done(kind, code) {
            true => format!("it was answered, but not so that it can be used ({message})"),
            false => "the call was sent, no reply came".to_owned(),
        };
        let reason = format!(
            "outcome of `{}` is unknown: {what}, and the operation is not idempotent",
            spec.operation
        );
        self.remember_unusable(&sequence, kind, code);
        let failed = CallFailure {
            kind: ErrorKind::OutcomeUnknown,
            code: &"outcome_unknown".into(),
            message: &reason.as_str().into(),
        };
        self.disarm_call(sequence.id);
        self.notice(NoticeKind::CallFailed, failed.fields(&spec.operation, call.attempt));
        self.set_call(sequence.id, None);
        if !is_done(kind, code) {
            self.may_be_done_all_the_same(&sequence, ErrorKind::OutcomeUnknown, "");
        }
        if kind == ErrorKind::Timeout || call.heartbeat_ms.is_some() {
            let words = format!("cancel {}", spec.operation);
            self.emit(Effect::CancelCall { call: call.id }, words)?;
        }
        let mut stuck = Stuck::new(StuckKind::OutcomeUnknown, reason, self.now);
        stuck.state = Some(sequence.state);
        stuck.sequence = Some(sequence);
        self.trouble.get_or_insert_with(|| Box::new(stuck));
        Ok(Taken::Yes)
    }
}
