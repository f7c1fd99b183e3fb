//! The machine's words → the wire's words.

use gearshift_machine::definition::model::{Definition, Schedule};
use gearshift_machine::machine::{InstanceKey, NoticeKind, Outcome, StateId, Status};
use gearshift_machine::partition::Done;
use gearshift_machine::value::Value;
use gearshift_protocol::{InstanceVerdict, Notice, Verdict};

use super::plain;
use super::plain::of_step;
use crate::runtime::NoticeMessage;

/// A decision as its asker reads it.
pub(crate) fn verdict(key: &InstanceKey, done: &Done) -> InstanceVerdict {
    let definition = done.definition.as_deref();
    let Some(definition) = definition else {
        // No life keeps it: the partition does.
        let buffered = matches!(done.outcome, Outcome::Deferred);
        let verdict =
            if buffered { Verdict::Buffered } else { of_outcome(&done.outcome, &no_names) };
        let mut bare = InstanceVerdict::without_instance(verdict);
        bare.generation = done.generation.0;
        bare.step = done.step;
        bare.status = done.status.map(status);
        bare.instance = key.to_string();
        key.workflow().clone_into(&mut bare.workflow);
        key.key().clone_into(&mut bare.key);
        return bare;
    };
    let names = |states: &[StateId]| state_names(definition, states);
    let mut verdict = of_outcome(&done.outcome, &names);
    if let (Verdict::Stuck { reason }, Outcome::Stuck { reason: raw }) =
        (&mut verdict, &done.outcome)
    {
        *reason = of_step(raw, definition);
    }
    InstanceVerdict {
        instance: key.to_string(),
        workflow: key.workflow().to_owned(),
        key: key.key().to_owned(),
        version: definition.version,
        generation: done.generation.0,
        step: done.step,
        status: done.status.map(status),
        active: names(&done.active),
        left_out: Vec::new(),
        takes_back: Vec::new(),
        does_again: Vec::new(),
        verdict,
    }
}

fn no_names(_: &[StateId]) -> Vec<String> {
    Vec::new()
}

/// Ids of the atomic states among `states`; a hidden state is shown as the one it leads to.
pub(super) fn state_names(definition: &Definition, states: &[StateId]) -> Vec<String> {
    definition.leaves(states).map(|id| definition.state(id).id.to_string()).collect()
}

fn of_outcome(outcome: &Outcome, names: &dyn Fn(&[StateId]) -> Vec<String>) -> Verdict {
    let words = |list: &[std::sync::Arc<str>]| list.iter().map(ToString::to_string).collect();
    match outcome {
        Outcome::Started { to } => Verdict::Started { to: names(to) },
        Outcome::Transitioned { from, to, waiting } => {
            Verdict::Transitioned { from: names(from), to: names(to), waiting: *waiting }
        }
        Outcome::Deferred => Verdict::Deferred,
        Outcome::Ignored { reason } => Verdict::Ignored { reason: reason.to_string() },
        Outcome::Duplicate { at } => Verdict::Duplicate { at: *at },
        Outcome::IdReuse { at } => Verdict::IdReuse { at: *at },
        Outcome::Rejected { reason, accepted } => {
            Verdict::Rejected { reason: reason.to_string(), accepted: words(accepted) }
        }
        Outcome::Denied { reason } => Verdict::Denied { reason: reason.to_string() },
        Outcome::DeadLettered { reason } => Verdict::DeadLettered { reason: reason.to_string() },
        Outcome::Stuck { reason } => Verdict::Stuck { reason: plain(reason) },
        Outcome::NotFound { what } if &**what == "instance" => Verdict::NoInstance,
        Outcome::NotFound { what } => {
            Verdict::Rejected { reason: format!("{what} not found"), accepted: Vec::new() }
        }
        Outcome::Busy { .. } => Verdict::Busy,
        Outcome::Done => Verdict::Done,
    }
}

pub(super) const fn status(status: Status) -> gearshift_protocol::Status {
    match status {
        Status::Running => gearshift_protocol::Status::Running,
        Status::Paused => gearshift_protocol::Status::Paused,
        Status::Compensating => gearshift_protocol::Status::Compensating,
        Status::Stuck => gearshift_protocol::Status::Stuck,
        Status::Done => gearshift_protocol::Status::Done,
        Status::Failed => gearshift_protocol::Status::Failed,
        Status::Cancelled => gearshift_protocol::Status::Cancelled,
    }
}

/// A notice as subscribers read it.
#[must_use]
pub fn notice_of(message: &NoticeMessage) -> Notice {
    use gearshift_protocol::NoticeKind as Wire;
    let kind = match message.kind {
        NoticeKind::Started => Wire::Started,
        NoticeKind::Transitioned => Wire::Transitioned,
        NoticeKind::Completed => Wire::Completed,
        NoticeKind::Failed => Wire::Failed,
        NoticeKind::Cancelled => Wire::Cancelled,
        NoticeKind::Stuck => Wire::Stuck,
        NoticeKind::Resumed => Wire::Resumed,
        NoticeKind::ApprovalRequested => Wire::ApprovalRequested,
        NoticeKind::CallRetrying => Wire::CallRetrying,
        NoticeKind::CallHeld => Wire::CallHeld,
        NoticeKind::CallFailed => Wire::CallFailed,
        NoticeKind::CallProgress => Wire::CallProgress,
        NoticeKind::StepStarted => Wire::StepStarted,
        NoticeKind::StepCompleted => Wire::StepCompleted,
        NoticeKind::StepFailed => Wire::StepFailed,
        NoticeKind::StepSkipped => Wire::StepSkipped,
        NoticeKind::StepUndone => Wire::StepUndone,
        NoticeKind::Compensating => Wire::Compensating,
        NoticeKind::RolledBack => Wire::RolledBack,
        NoticeKind::Committed => Wire::Committed,
        NoticeKind::Paused => Wire::Paused,
        NoticeKind::CheckpointSaved => Wire::CheckpointSaved,
        NoticeKind::VarsSet => Wire::VarsSet,
        NoticeKind::ScheduleSkipped => Wire::ScheduleSkipped,
        NoticeKind::Registered => Wire::Registered,
        NoticeKind::Unregistered => Wire::Unregistered,
        NoticeKind::Available => Wire::Available,
        NoticeKind::Overloaded => Wire::Overloaded,
        NoticeKind::BreakerOpened => Wire::BreakerOpened,
        NoticeKind::BreakerHalfOpen => Wire::BreakerHalfOpen,
        NoticeKind::BreakerClosed => Wire::BreakerClosed,
    };
    // A schedule is no instance: its notices are those of the workflow that it starts.
    let by_schedule = Schedule::of_key(&message.key).map(|(workflow, _)| workflow);
    Notice {
        workflow: by_schedule.unwrap_or_else(|| message.key.workflow()).to_owned(),
        key: message.key.key().to_owned(),
        generation: message.generation.0,
        step: message.step,
        at: message.at.to_string(),
        kind,
        data: json(&message.data),
    }
}

/// A value as serde_json has it; doubles here are always finite.
pub(crate) fn json(value: &Value) -> serde_json::Value {
    serde_json::to_value(value).unwrap_or(serde_json::Value::Null)
}
