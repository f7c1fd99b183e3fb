//! What calls are told to have come to, where no instance or no frame takes it.

use crate::machine::{
    CallOutcome, EffectId, ErrorKind, Event, Input, InstanceKey, Outcome, Timestamp,
};
use crate::value::Value;

use super::draft::Draft;
use super::frame::Item;
use super::input::PartitionInput;
use super::plan::Run;

/// Why an answer was not taken.
const REPLY_TOO_LARGE: &str = "the answer, with what is done with it at once, is larger or nested \
     deeper than what one decision may keep (512 KiB, 64 levels); let the plugin keep it and \
     answer with its place";

impl Run<'_> {
    /// What became of a call. Nobody waits for the answer to a pending one: it is settled by its
    /// answer, or by being sent once.
    pub(super) fn of_call(
        &mut self,
        key: &InstanceKey,
        call: EffectId,
        input: &PartitionInput,
        at: Timestamp,
    ) -> Draft {
        if self.partition.queues.index.pending.contains_key(&call) {
            let mut draft = Draft::answer(Some(key), Outcome::Done);
            draft.items.push(Item::Settled { effect: call });
            return draft;
        }
        if let PartitionInput::CallResult { attempt, outcome, source, .. } = input
            && self.fetch(key).is_none()
        {
            // Its plugin was told that it is kept, so somebody should hear that it is for nobody.
            let event = result_event(call, *attempt, outcome);
            return self.give_up(event, Some(key), &"no_instance".into(), at, Some(*source));
        }
        match self.machine_input(input) {
            Some((_, input)) => self.existing(key, &input, at),
            None => Draft::not_found(Some(key), "instance"),
        }
    }
}

/// The result of a call as the event that a dead letter shows.
fn result_event(call: EffectId, attempt: u32, outcome: &CallOutcome) -> Event {
    let data = match outcome {
        CallOutcome::Success(output) | CallOutcome::Cached(output) => output.clone(),
        CallOutcome::Failure { code, message, .. } => {
            Value::String(format!("{code}: {message}").into())
        }
    };
    Event {
        name: format!("gearshift.result.{call}").into(),
        id: Some(format!("{call}.{attempt}").into()),
        data: Some(data),
        ..Event::default()
    }
}

/// An answer that no frame takes, alone or with what the instance makes of it (the calls behind it,
/// an `undo` that is remembered, variables), is one that the call failed with (row P4): its plugin
/// gave it, so waiting for another one would end no better.
pub(super) fn failed_reply((key, input): (InstanceKey, Input)) -> Option<(InstanceKey, Input)> {
    let Input::CallReply {
        call,
        attempt,
        outcome: CallOutcome::Success(_) | CallOutcome::Cached(_),
    } = input
    else {
        return None;
    };
    let outcome = CallOutcome::Failure {
        kind: ErrorKind::InvalidReply,
        code: "reply_too_large".into(),
        message: REPLY_TOO_LARGE.into(),
        retry_after_ms: None,
    };
    Some((key, Input::CallReply { call, attempt, outcome }))
}
