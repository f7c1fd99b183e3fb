//! Pending effects, self-sent events, fairness of due work.

use super::world::{World, definition, deliver, event, key, principal, publishes};
use crate::definition::model::Early;
use crate::machine::{
    BREAKER_OPEN, CallOutcome, Effect, ErrorKind, InstanceKey, NEXT_ATTEMPT, Outcome, Timestamp,
    UNTIL_LET_GO,
};
use crate::partition::PartitionInput;
use crate::value::Value;

#[test]
fn a_publish_is_pending_until_it_is_confirmed() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    let done = world.tell(deliver("a", event("poked", "{}")));
    assert_eq!(publishes(&done), ["bell.rung"]);
    let pending = world.restored().pending_effects(&world.definitions);
    assert_eq!(pending.len(), 1);
    let (of, Effect::Publish { id, subject, .. }) = &pending[0] else { panic!("{pending:?}") };
    assert_eq!((of, &**subject), (&key("a"), "bell.rung"));
    assert!(done.effects.contains(&pending[0].1), "the same effect under the same id");
    let confirmed = PartitionInput::Confirmed { effect: *id };
    assert_eq!(world.tell(confirmed.clone()).outcome, Outcome::Done);
    assert!(world.restored().pending_effects(&world.definitions).is_empty());
    let again = world.batch(vec![confirmed]);
    assert_eq!(again.frame, None);
}

#[test]
fn a_call_under_way_is_sent_again_after_a_restart_until_it_is_answered() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    let done = world.tell(deliver("a", event("asked", "{\"q\": 1}")));
    let sent: Vec<_> =
        done.effects.iter().filter(|effect| matches!(effect, Effect::Call(_))).collect();
    let pending = world.restored().pending_effects(&world.definitions);
    assert_eq!(pending.iter().map(|(_, effect)| effect).collect::<Vec<_>>(), sent);
    let Effect::Call(request) = sent[0] else { panic!("{sent:?}") };
    world.tell(PartitionInput::CallReply {
        key: key("a"),
        call: request.call,
        attempt: request.attempt,
        outcome: CallOutcome::Success(Value::Null),
    });
    assert!(world.restored().pending_effects(&world.definitions).is_empty());
}

#[test]
fn decision_47_a_call_that_was_held_back_is_held_on_after_a_restart() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    let done = world.tell(deliver("a", event("asked", "{\"q\": 1}")));
    let sent = done.effects.iter().find(|effect| matches!(effect, Effect::Call(_)));
    let Some(Effect::Call(request)) = sent else { panic!("{sent:?}") };
    let (call, attempt) = (request.call, request.attempt);
    let outcome = CallOutcome::Failure {
        kind: ErrorKind::PluginNotFound,
        code: BREAKER_OPEN.into(),
        message: "open".into(),
        retry_after_ms: Some(UNTIL_LET_GO),
    };
    world.tell(PartitionInput::CallReply { key: key("a"), call, attempt, outcome });
    let restored = world.restored();
    assert!(restored.pending_effects(&world.definitions).is_empty());
    let held = restored.calls_held(&world.definitions);
    let [(of, again, false)] = &held[..] else { panic!("{held:?}") };
    assert_eq!((of, again.call, again.attempt), (&key("a"), call, 0));
    assert_eq!((&again.operation, &again.input), (&request.operation, &request.input));
    assert_eq!(restored.call_under_way(&world.definitions, of, call), None);
    let sending = PartitionInput::CallStarted { key: key("a"), call, attempt: NEXT_ATTEMPT };
    assert_eq!(world.tell(sending).outcome, Outcome::Done);
    let restored = world.restored();
    assert!(restored.calls_held(&world.definitions).is_empty());
    let now = restored.call_under_way(&world.definitions, &key("a"), call).unwrap();
    assert_eq!(now.attempt, 1);
}

#[test]
fn decision_16_a_call_recorded_as_sent_is_reported_after_a_restart_and_not_sent_again() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    let done = world.tell(deliver("a", event("asked", "{\"q\": 1}")));
    let sent = done.effects.iter().find(|effect| matches!(effect, Effect::Call(_)));
    let Some(Effect::Call(request)) = sent else { panic!("{sent:?}") };
    let (call, attempt) = (request.call, request.attempt);
    assert!(world.restored().calls_sent_once().is_empty());
    let sending = PartitionInput::CallStarted { key: key("a"), call, attempt };
    assert_eq!(world.tell(sending.clone()).outcome, Outcome::Done);
    let again = world.batch(vec![sending]);
    assert_eq!((again.frame, again.results.len()), (None, 1));
    let restored = world.restored();
    assert!(restored.pending_effects(&world.definitions).is_empty());
    assert_eq!(restored.calls_sent_once(), [(key("a"), call, attempt)]);
}

#[test]
fn an_event_sent_to_oneself_is_offered_once_even_after_a_restart() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    world.tell(deliver("a", event("poked", "{}")));
    assert_eq!(world.partition.counts().self_events, 1);
    world.partition = world.restored();
    assert_eq!(world.partition.next_due(), Some(Timestamp(i64::MIN)));
    let due = world.partition.due(Timestamp(world.now), 10);
    assert_eq!(due, [PartitionInput::SelfEvent { id: 1 }]);
    assert_eq!(world.settle().len(), 1);
    assert_eq!(world.partition.instance(&key("a")).unwrap().vars[0], Value::Int(1));
    let late = world.batch(due);
    assert_eq!(late.frame, None);
}

#[test]
fn due_timers_come_in_the_order_they_are_due_and_leave_room_beside_own_events() {
    let mut world = World::new();
    for name in ["c", "a", "b"] {
        world.tell(deliver(name, event("opened", "{}")));
        world.now += 1;
    }
    world.tell(deliver("a", event("poked", "{}")));
    world.tell(deliver("b", event("poked", "{}")));
    world.tell(deliver("c", event("poked", "{}")));
    let due = world.partition.due(Timestamp(world.now + 10_000_000), 4);
    let keys: Vec<_> = due
        .iter()
        .map(|input| {
            if let PartitionInput::TimerDue { key, .. } = input {
                key.key().to_owned()
            } else {
                format!("{input:?}")
            }
        })
        .collect();
    assert_eq!(keys, ["SelfEvent { id: 1 }", "SelfEvent { id: 2 }", "c", "a"]);
}

#[test]
fn rule_46_an_early_event_that_is_refused_after_the_start_is_a_dead_letter() {
    let mut world = World::new();
    let strict = "
workflow: strict
version: 1
unhandled: reject
events: { noted: { buffer: 10m } }
initial: a
states: { a: { on: { go: a } } }
";
    world.definitions.insert(definition(strict)).unwrap();
    let key = InstanceKey::new("strict", "a").unwrap();
    let early = Early::Buffer { ttl_ms: 600_000 };
    let event = event("noted", "{}");
    let noted = PartitionInput::Deliver { key: key.clone(), event, early, source: None };
    assert_eq!(world.tell(noted).outcome, Outcome::Deferred);
    let (input, by) = (Value::Null, principal("ann"));
    world.tell(PartitionInput::Start {
        key: key.clone(),
        version: None,
        input,
        by,
        id: None,
        trace_context: None,
    });
    let done = world.settle();
    assert_eq!(done[0].outcome, Outcome::DeadLettered { reason: "unhandled".into() });
    let trace = done[0].trace.as_ref().unwrap();
    assert_eq!((&*trace.input, trace.effects.len()), ("noted", 1));
    let letters: Vec<_> = world.partition.dead_letters().map(|(_, letter)| letter).collect();
    assert_eq!(letters.len(), 1);
    assert_eq!((&*letters[0].event.name, &*letters[0].reason), ("noted", "unhandled"));
    assert_eq!(letters[0].key, Some(key));
}
