//! Rule 45 a: an inbox record is taken once per instance, whatever is delivered again.

use super::world::{World, deliver, event, from_inbox, key};
use crate::machine::Outcome;
use crate::partition::PartitionInput;
use crate::value::Value;

fn noted(world: &World, name: &str) -> Value {
    world.partition.instance(&key(name)).unwrap().vars[0].clone()
}

#[test]
fn a_record_delivered_again_is_a_duplicate_and_records_nothing() {
    let mut world = World::new();
    world.tell(from_inbox("a", event("opened", "{\"id\": \"a\"}"), 1));
    world.tell(from_inbox("a", event("noted", "{}"), 2));
    for sequence in [1, 2] {
        let batch = world.batch(vec![from_inbox("a", event("noted", "{}"), sequence)]);
        assert_eq!(batch.results[0].outcome, Outcome::Duplicate { at: 0 });
        assert_eq!(batch.frame, None);
    }
    assert_eq!(noted(&world, "a"), Value::Int(1));
}

#[test]
fn several_instances_take_the_same_record_once_each() {
    let mut world = World::new();
    for name in ["a", "b"] {
        world.tell(deliver(name, event("opened", "{}")));
    }
    for round in 0..2 {
        for name in ["a", "b"] {
            let done = world.tell(from_inbox(name, event("noted", "{}"), 7));
            assert_eq!(done.outcome == Outcome::Duplicate { at: 0 }, round == 1, "{name}");
        }
    }
    assert_eq!((noted(&world, "a"), noted(&world, "b")), (Value::Int(1), Value::Int(1)));
    let (_, cursor) = world.partition.cursors().next().unwrap();
    assert_eq!((cursor.sequence, cursor.next()), (7, 7), "there may be more in record 7");
}

#[test]
fn a_position_that_was_passed_is_a_duplicate_for_everybody() {
    let mut world = World::new();
    world.tell(PartitionInput::Advance { source: 0, sequence: 7 });
    let (_, cursor) = world.partition.cursors().next().unwrap();
    assert_eq!(cursor.next(), 8);
    let done = world.tell(from_inbox("b", event("opened", "{}"), 7));
    assert_eq!(done.outcome, Outcome::Duplicate { at: 0 });
    let again = world.batch(vec![PartitionInput::Advance { source: 0, sequence: 7 }]);
    assert_eq!(again.frame, None);
    let older = world.batch(vec![PartitionInput::Advance { source: 0, sequence: 3 }]);
    assert_eq!(older.frame, None);
}

#[test]
fn sources_are_counted_apart() {
    let mut world = World::new();
    world.tell(PartitionInput::Advance { source: 4, sequence: 100 });
    let done = world.tell(from_inbox("a", event("opened", "{}"), 1));
    assert_ne!(done.outcome, Outcome::Duplicate { at: 0 });
}

#[test]
fn cursors_survive_a_restart() {
    let mut world = World::new();
    world.tell(from_inbox("a", event("opened", "{}"), 1));
    world.partition = world.restored();
    let done = world.tell(from_inbox("a", event("opened", "{}"), 1));
    assert_eq!(done.outcome, Outcome::Duplicate { at: 0 });
}
