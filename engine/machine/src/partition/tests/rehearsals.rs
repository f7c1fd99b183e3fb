//! A rehearsed order comes to what the order comes to, and leaves no trace.

use super::world::{World, deliver, event, key, principal};
use crate::machine::{Command, Timestamp};
use crate::partition::{Partition, PartitionInput};

#[test]
fn a_rehearsal_answers_as_the_order_and_leaves_the_partition_alone() {
    let orders = [Command::Retry, Command::Skip, Command::Resume, Command::Cancel, Command::Kill];
    for command in orders {
        let mut world = World::new();
        world.tell(deliver("a", event("opened", "{}")));
        let before = world.partition.state_bytes();
        let order = PartitionInput::Command {
            key: key("a"),
            command,
            by: principal("ann"),
            reason: "a look first".into(),
        };
        let instance = world.partition.instance(&key("a")).unwrap();
        let now = Timestamp(world.now);
        let (told, behind) = Partition::rehearse(
            (&key("a"), Some(instance)),
            &world.definitions,
            order.clone(),
            now,
        );
        assert_eq!(world.partition.state_bytes(), before);
        let done = world.tell(order);
        assert_eq!(behind, world.partition.instance(&key("a")));
        assert_eq!(
            (&told.outcome, told.status, told.step, &told.active),
            (&done.outcome, done.status, done.step, &done.active)
        );
    }
}

#[test]
fn a_rehearsal_without_the_definition_is_refused_as_the_order_is() {
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    world.definitions = crate::partition::Definitions::default();
    let order = PartitionInput::Command {
        key: key("a"),
        command: Command::Cancel,
        by: principal("ann"),
        reason: "".into(),
    };
    let instance = world.partition.instance(&key("a")).unwrap();
    let now = Timestamp(world.now);
    let (told, _) =
        Partition::rehearse((&key("a"), Some(instance)), &world.definitions, order.clone(), now);
    assert_eq!(told.outcome, world.tell(order).outcome);
}
