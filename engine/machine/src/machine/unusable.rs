//! Calls that were done, and whose answer cannot be used: they failed, and what they did can be
//! taken back all the same (decision 0069).

use super::ids::EffectId;
use super::input::ErrorKind;
use super::instance::{RunningCall, RunningSequence};
use super::invoked::call_at;
use super::last_replies::may_be_undone;
use super::work::Work;
use crate::definition::model::CallSpec;
use crate::value::Value;

/// What their failures are called: the plugin said that it did it, and then what is not what it
/// publishes, too much, or nothing that can be read.
const DONE: [&str; 4] = ["reply_schema", "reply_too_large", "reply_invalid", "object_missing"];

/// Was the call done whose attempt failed like this?
pub(super) fn is_done(kind: ErrorKind, code: &str) -> bool {
    kind == ErrorKind::InvalidReply && DONE.contains(&code)
}

impl Work<'_> {
    /// An attempt failed: where it was done for all that, that can be taken back.
    pub(super) fn remember_unusable(
        &mut self,
        sequence: &RunningSequence,
        kind: ErrorKind,
        code: &str,
    ) {
        if !is_done(kind, code) || !may_be_undone(self.definition, sequence) {
            return;
        }
        let definition = self.definition;
        let (Some((spec, _)), Some(call)) = (call_at(definition, sequence), &sequence.call) else {
            return;
        };
        if self.unusable_of(call.id).is_some() {
            return;
        }
        self.remember_undo(sequence, spec, call, &Value::Null);
        let progress = self.instance.progress.as_deref_mut();
        let last = progress.and_then(|it| it.undo.get_mut(it.undo.len().saturating_sub(1)));
        if let Some(entry) = last {
            entry.unusable = Some(call.id);
        }
        self.note("it is done all the same, and can be taken back");
    }

    /// The call was done by an attempt before, whose answer could not be used; this one's can.
    /// `false`: it was not.
    pub(super) fn usable_now(
        &mut self,
        spec: &CallSpec,
        call: &RunningCall,
        output: &Value,
    ) -> bool {
        // Else there is nothing to look for in what may be thousands.
        let again = call.attempt > 1 || call.before > 0;
        if !again && !spec.retry.repeats(ErrorKind::InvalidReply) {
            return false;
        }
        let Some(at) = self.unusable_of(call.id) else { return false };
        self.carry(output.weight());
        let progress = self.instance.progress.as_deref_mut();
        if let Some(entry) = progress.and_then(|it| it.undo.get_mut(at)) {
            entry.output = output.clone();
            entry.unusable = None;
        }
        true
    }

    /// Was the call done by an attempt whose answer could not be used? Then it is taken back.
    pub(super) fn is_known_done(&self, sequence: &RunningSequence) -> bool {
        let call = sequence.call.as_ref();
        call.is_some_and(|call| self.unusable_of(call.id).is_some())
    }

    /// Where that of this call is among what can be taken back.
    fn unusable_of(&self, call: EffectId) -> Option<usize> {
        let undo = &self.instance.progress.as_deref()?.undo;
        undo.iter().position(|entry| entry.unusable == Some(call))
    }
}
