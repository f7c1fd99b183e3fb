//! Rules 14 and 46: events for living, ended and missing instances.

use super::world::{World, deliver, event, is_started, key, principal, publishes};
use crate::definition::model::Early;
use crate::machine::{Command, Outcome, Status, Timestamp};
use crate::partition::{PartitionInput, Position};
use crate::value::Value;

fn with_early(name: &str, early: Early) -> PartitionInput {
    let event = event(name, "{\"id\": \"a\"}");
    let source = Some(Position { source: 0, sequence: 1 });
    PartitionInput::Deliver { key: key("a"), event, early, source }
}

#[test]
fn an_event_that_may_start_starts_the_latest_version_with_its_data_as_input() {
    let mut world = World::new();
    let done = world.tell(deliver("a", event("opened", "{\"id\": \"a\"}")));
    assert!(is_started(&done.outcome), "{:?}", done.outcome);
    assert_eq!(done.status, Some(Status::Running));
    assert_eq!(done.generation.0, 1);
    let instance = world.partition.instance(&key("a")).unwrap();
    assert_eq!(instance.input.to_json(), "{\"id\":\"a\"}");
    assert_eq!(instance.pin.version, 1);
    assert_eq!(world.partition.trace(&key("a")).len(), usize::from(done.trace.is_some()));
    assert_eq!(world.partition.counts().running, 1);
}

#[test]
fn an_event_without_an_instance_becomes_a_dead_letter_with_the_reason() {
    let mut world = World::new();
    let done = world.tell(with_early("closed", Early::DeadLetter));
    assert_eq!(done.outcome, Outcome::DeadLettered { reason: "no_instance".into() });
    let (id, letter) = world.partition.dead_letters().next().unwrap();
    assert_eq!((id, &*letter.reason, &*letter.event.name), (1, "no_instance", "closed"));
    assert_eq!(letter.key, Some(key("a")));
}

#[test]
fn a_workflow_nobody_deployed_is_a_dead_letter_too() {
    let mut world = World::new();
    let unknown = crate::machine::InstanceKey::new("other", "a").unwrap();
    let event = event("opened", "{}");
    let done = world.tell(PartitionInput::Deliver {
        key: unknown,
        event,
        early: Early::Start,
        source: None,
    });
    assert_eq!(done.outcome, Outcome::DeadLettered { reason: "unknown_workflow".into() });
}

#[test]
fn a_buffered_event_is_offered_after_the_start_in_the_order_it_came() {
    let mut world = World::new();
    let buffer = Early::Buffer { ttl_ms: 600_000 };
    for n in 1..=3 {
        let event = event("noted", &format!("{{\"n\": {n}}}"));
        let input = PartitionInput::Deliver { key: key("a"), event, early: buffer, source: None };
        assert_eq!(world.tell(input).outcome, Outcome::Deferred);
    }
    assert_eq!(world.partition.counts().buffered, 3);
    world.tell(deliver("a", event("opened", "{\"id\": \"a\"}")));
    assert_eq!(world.partition.counts().buffered, 0);
    assert_eq!(world.partition.next_due(), Some(Timestamp(i64::MIN)));
    assert_eq!(world.settle().len(), 3);
    let instance = world.partition.instance(&key("a")).unwrap();
    assert_eq!(instance.vars[0], Value::Int(3));
    assert_eq!(instance.vars[1].to_json(), "{\"n\":3}");
}

#[test]
fn a_buffered_event_that_waits_too_long_becomes_a_dead_letter() {
    let mut world = World::new();
    world.tell(with_early("noted", Early::Buffer { ttl_ms: 1_000 }));
    assert!(world.settle().is_empty(), "never early");
    assert_eq!(world.partition.next_due(), Some(Timestamp(world.now + 1_000)));
    world.now += 1_000;
    assert_eq!(
        world.settle()[0].outcome,
        Outcome::DeadLettered { reason: "buffer_expired".into() }
    );
    assert_eq!(world.partition.counts().buffered, 0);
    assert_eq!(world.partition.counts().dead_letters, 1);
    assert_eq!(world.partition.next_due(), None);
}

#[test]
fn an_ended_instance_ignores_events_until_an_explicit_start() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{\"id\": \"a\"}")));
    world.tell(deliver("a", event("closed", "{}")));
    assert_eq!(world.partition.instance(&key("a")).unwrap().status, Status::Done);
    let done = world.tell(deliver("a", event("opened", "{\"id\": \"a\"}")));
    assert_eq!(done.outcome, Outcome::Ignored { reason: "ended".into() });
    let done = world.tell(PartitionInput::Start {
        key: key("a"),
        version: None,
        input: Value::Null,
        by: principal("ann"),
        id: None,
        trace_context: None,
    });
    assert!(is_started(&done.outcome), "{:?}", done.outcome);
    assert_eq!(done.generation.0, 2);
    assert_eq!(world.partition.trace(&key("a")).len(), 1, "a new life, a new history");
}

#[test]
fn what_is_missing_is_named_and_nothing_is_recorded() {
    let mut world = World::new();
    let start = PartitionInput::Start {
        key: key("a"),
        version: Some(9),
        input: Value::Null,
        by: principal("ann"),
        id: None,
        trace_context: None,
    };
    let command = PartitionInput::Command {
        key: key("a"),
        command: Command::Cancel,
        by: principal("ann"),
        reason: "".into(),
    };
    let drop = PartitionInput::Drop { dead_letter: 4, by: principal("ann") };
    for (input, what) in [(start, "definition"), (command, "instance"), (drop, "dead letter")] {
        let batch = world.batch(vec![input]);
        assert_eq!(batch.frame, None);
        assert_eq!(batch.results[0].outcome, Outcome::NotFound { what: what.into() });
    }
}

#[test]
fn a_dead_letter_is_delivered_again_once() {
    let mut world = World::new();
    world.tell(with_early("noted", Early::DeadLetter));
    world.tell(deliver("a", event("opened", "{\"id\": \"a\"}")));
    let (early, by) = (Early::DeadLetter, principal("ann"));
    let replay = PartitionInput::Replay { dead_letter: 1, key: key("a"), early, by };
    let done = world.tell(replay.clone());
    assert!(matches!(done.outcome, Outcome::Transitioned { .. }), "{:?}", done.outcome);
    assert_eq!(world.partition.counts().dead_letters, 0);
    assert_eq!(world.tell(replay).outcome, Outcome::NotFound { what: "dead letter".into() });
    assert_eq!(world.partition.instance(&key("a")).unwrap().vars[0], Value::Int(1));
}

#[test]
fn timers_fire_when_due_and_never_early() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{\"id\": \"a\"}")));
    let due = world.partition.next_due().unwrap();
    assert_eq!(due, Timestamp(world.now + 3_600_000));
    let early = PartitionInput::TimerDue { key: key("a"), timer: 0 };
    let batch = world.batch(vec![early]);
    assert_eq!(batch.frame, None);
    world.now = due.0 - 1;
    assert!(world.settle().is_empty());
    world.now = due.0;
    assert_eq!(publishes(&world.settle()[0]), ["bell.late"]);
    assert_eq!(world.partition.instance(&key("a")).unwrap().status, Status::Done);
}

#[test]
fn an_ended_instance_is_forgotten_after_its_retention() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{\"id\": \"a\"}")));
    world.tell(deliver("a", event("closed", "{}")));
    world.now = world.partition.next_due().unwrap().0;
    world.settle();
    assert_eq!(world.partition.instance(&key("a")), None);
    assert_eq!(world.partition.counts().instances, 0);
    assert_eq!(world.partition.next_due(), None);
    // Effect ids are made of the generation, so a forgotten one must not come back.
    let done = world.tell(deliver("a", event("opened", "{\"id\": \"a\"}")));
    assert_eq!(done.generation.0, 2);
}

#[test]
fn who_asks_for_a_missing_instance_is_told_and_a_dead_letter_stays_one() {
    let mut world = World::new();
    let missing = Outcome::NotFound { what: "instance".into() };
    let event = event("closed", "{}");
    let early = Early::DeadLetter;
    let asked = PartitionInput::Deliver { key: key("a"), event, early, source: None };
    assert_eq!(world.tell(asked).outcome, missing);
    assert_eq!(world.partition.counts().dead_letters, 0);
    world.tell(with_early("noted", early));
    let by = principal("ann");
    let replay = PartitionInput::Replay { dead_letter: 1, key: key("a"), early, by };
    assert_eq!(world.tell(replay).outcome, missing);
    assert_eq!(world.partition.counts().dead_letters, 1);
}
