//! Results that plugins promised: a message of the inbox → the reply to an attempt.

use std::sync::Arc;

use gearshift_bus::{Headers, Message};
use gearshift_machine::machine::{CallOutcome, EffectId, InstanceKey, Timestamp};
use gearshift_machine::partition::Partition;
use gearshift_protocol::{Load, ObjectRef, ce_decode, headers, subjects};

use super::bodies::object_of;
use super::watched::Watched;
use crate::runtime::intake::{IntakeError, look_served};
use crate::runtime::providers::{Gives, read_reply, sure};
use crate::runtime::shared::Shared;

/// What a plugin says about an attempt that it promised a result of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Late {
    pub(crate) key: InstanceKey,
    pub(crate) call: EffectId,
    pub(crate) attempt: u32,
    pub(crate) said: Said,
    pub(crate) beside: Beside,
}

/// What a result tells beside itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    /// How busy the instance is now.
    load: Option<Load>,
    /// Names what it says.
    digest: u64,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Said {
    /// This.
    Outcome(CallOutcome),
    /// What this object holds.
    Stored(Box<(Message, ObjectRef)>),
}

/// What came of an attempt, compared with what it was to be (decision 0060).
pub(crate) async fn compared(
    shared: &Shared,
    key: &InstanceKey,
    (call, attempt): (EffectId, u32),
    outcome: CallOutcome,
) -> CallOutcome {
    if !matches!(outcome, CallOutcome::Success(_)) {
        return outcome;
    }
    let gives = match shared.longwork.gives(call, attempt) {
        Some(gives) => gives,
        None => asked_elsewhere(shared, key, (call, attempt)).await,
    };
    sure(&shared.providers, gives, outcome).await
}

/// What a result is to be that came before the reply which promises it, or whose promise was made
/// to another engine, or before a restart: what whoever serves the operation publishes now (0068).
async fn asked_elsewhere(
    shared: &Shared,
    key: &InstanceKey,
    (call, attempt): (EffectId, u32),
) -> Option<Gives> {
    let (index, wanted) = (shared.definitions.index(), key.clone());
    let look = move |partition: &Partition| {
        let asked = partition.call_under_way(&index.definitions, &wanted, call)?;
        (asked.attempt == attempt).then_some(asked.operation)
    };
    let operation = look_served(shared, shared.partition_of(key), look).await??;
    match shared.providers.known_to_give(&operation) {
        Some(gives) => Some(gives),
        None => shared.providers.found_to_give(&operation).await,
    }
}

/// Tells the operation what came of an attempt that its plugin promised a result of; once. Another
/// answer to the same attempt is compared with it (row P3).
pub(crate) fn redeem(
    shared: &Arc<Shared>,
    (call, attempt): (EffectId, u32),
    outcome: &CallOutcome,
    beside: Beside,
) {
    let owed = shared.longwork.redeem(call, attempt);
    let operation = owed.as_ref().map(|(operation, _)| Arc::clone(operation));
    if let Some((operation, promised)) = owed {
        if let Some(load) = beside.load {
            promised.tell_load(load);
        }
        promised.ended(shared, &operation, outcome);
    } else {
        shared.longwork.overtaking.came((call, attempt), outcome);
    }
    let said = &shared.longwork.said;
    if let Some(operation) = said.resulted((call, attempt), beside.digest, operation) {
        shared.providers.answered_otherwise_by(&operation);
    }
}

/// Drops the calls of an instance that it does not wait for any more, and tells their operations
/// where they had no result.
pub(crate) fn settle(
    shared: &Arc<Shared>,
    key: &InstanceKey,
    awaits: impl Fn(EffectId, u32) -> bool,
    now: Timestamp,
) {
    for Watched { promised, deadline, operation, .. } in shared.longwork.settle(key, awaits) {
        let Some(promised) = promised else { continue };
        if deadline <= now {
            promised.overdue(shared, &operation);
        } else {
            promised.given_up(shared);
        }
    }
}

/// Reads a message under the subject of results; `None` where it is under another one.
pub(crate) fn late_result(message: &Message) -> Option<Result<Late, IntakeError>> {
    let token = message.subject.as_str().strip_prefix(subjects::RESULT)?;
    Some(read(token, message).map_err(|reason| {
        IntakeError::new("GS5020", "result_unaddressed", format!("{reason}; it is of no call"))
    }))
}

fn read(token: &str, message: &Message) -> Result<Late, String> {
    let list = &message.headers;
    let call = EffectId::parse(token).ok_or_else(|| format!("`{token}` is no call id"))?;
    let told = header(list, headers::CALL_ID).unwrap_or(token);
    if told != token {
        // Row P6: it says two things about itself.
        return Err(format!("`{}` is `{told}`, the subject ends with `{token}`", headers::CALL_ID));
    }
    let instance = required(list, headers::INSTANCE)?;
    let key = InstanceKey::parse(&ce_decode(instance))?;
    let attempt = required(list, headers::ATTEMPT)?;
    let attempt = attempt.parse::<u32>().ok().filter(|attempt| *attempt > 0);
    let attempt = attempt.ok_or_else(|| format!("`{}` is no number from 1", headers::ATTEMPT))?;
    let said = match object_of(message) {
        Some(object) => Said::Stored(Box::new((message.clone(), object))),
        None => Said::Outcome(read_reply(message, token)),
    };
    let load = header(list, headers::LOAD).and_then(|load| load.parse().ok());
    let beside = Beside { load, digest: message.said() };
    Ok(Late { key, call, attempt, said, beside })
}

fn header<'a>(list: &'a Headers, name: &str) -> Option<&'a str> {
    list.get(name).map(str::trim)
}

fn required<'a>(list: &'a Headers, name: &str) -> Result<&'a str, String> {
    header(list, name).ok_or_else(|| format!("header `{name}` is missing"))
}

#[cfg(test)]
mod tests {
    use gearshift_bus::Subject;
    use gearshift_machine::machine::{ErrorKind, Generation};
    use gearshift_machine::value::Value;

    use super::*;

    fn message(call: &str, list: &[(&str, &str)], body: &str) -> Message {
        let subject = Subject::parse(&subjects::result(call)).unwrap();
        let message = Message::new(subject, body.to_owned());
        list.iter()
            .fold(message, |message, (name, value)| message.with_header(name, value).unwrap())
    }

    fn call() -> EffectId {
        EffectId::new(&InstanceKey::new("w", "a b").unwrap(), Generation(1), 1, 0)
    }

    const SENT: [(&str, &str); 2] = [(headers::INSTANCE, "w/a%20b"), (headers::ATTEMPT, "2")];

    #[test]
    fn a_result_names_its_call_in_the_subject_and_its_instance_and_attempt_in_headers() {
        let read = late_result(&message(&call().to_string(), &SENT, "{\"pages\":7}"));
        let late = read.unwrap().unwrap();
        assert_eq!((late.key.to_string().as_str(), late.attempt), ("w/a b", 2));
        assert_eq!(late.call, call());
        let Said::Outcome(CallOutcome::Success(Value::Map(output))) = late.said else {
            panic!("{late:?}")
        };
        assert_eq!(output.get("pages"), Some(&Value::from(7_u64)));
    }

    #[test]
    fn p6_a_result_that_does_not_say_whose_it_is_or_says_two_things_is_refused() {
        let id = call().to_string();
        for (list, word) in [
            (vec![SENT[0]], "Gearshift-Attempt"),
            (vec![SENT[1]], "Gearshift-Instance"),
            (vec![SENT[0], (headers::ATTEMPT, "0")], "number"),
            (vec![(headers::INSTANCE, "w"), SENT[1]], "workflow/key"),
            (vec![SENT[0], SENT[1], (headers::CALL_ID, "other")], "other"),
        ] {
            let error = late_result(&message(&id, &list, "{}")).unwrap().unwrap_err();
            assert_eq!(error.code, "GS5020");
            assert!(error.message.contains(word), "{}", error.message);
        }
        let error = late_result(&message("nobody", &SENT, "{}")).unwrap().unwrap_err();
        assert!(error.message.contains("`nobody` is no call id"), "{}", error.message);
        let other = Message::new(Subject::parse("gearshift.resultx").unwrap(), "");
        assert!(late_result(&other).is_none());
    }

    #[test]
    fn a_result_may_be_a_failure_but_no_second_promise() {
        let id = call().to_string();
        let kind = |extra: &[(&str, &str)]| {
            let list = [&SENT[..], extra].concat();
            match late_result(&message(&id, &list, "{}")).unwrap().unwrap().said {
                Said::Outcome(CallOutcome::Failure { kind, .. }) => Some(kind),
                Said::Outcome(CallOutcome::Success(_) | CallOutcome::Cached(_))
                | Said::Stored(_) => None,
            }
        };
        assert_eq!(kind(&[(headers::SERVICE_ERROR_CODE, "422")]), Some(ErrorKind::Permanent));
        assert_eq!(kind(&[(headers::PENDING, "true")]), Some(ErrorKind::InvalidReply));
        assert_eq!(kind(&[]), None);
    }
}
