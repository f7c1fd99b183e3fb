//! The inbox: read exactly once over restarts and versions, trimmed where nobody needs it.

use gearshift_bus::{Message, Subject};
use gearshift_machine::machine::InstanceKey;
use gearshift_machine::partition::Partition;
use serde_json::json;

use crate::support::{COUNTER, World, eventually_async, key};

#[test]
fn a_restart_reads_on_where_the_cursors_stand() {
    let mut world = World::embedded().started();
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        world.publish("counter.opened", name, 0);
    }
    for round in 0..6 {
        for n in 1..=10 {
            for name in names {
                world.publish("counter.added", name, round * 10 + n);
            }
        }
        // Sometimes in the middle of reading, sometimes after it.
        if round % 2 == 0 {
            world.inbox_is_read();
        }
        world.restart();
    }
    for name in names {
        let counter = world.until(name, "all is read", |counter| counter.seen.len() >= 60);
        assert_eq!(counter.seen, (1..=60).collect::<Vec<_>>(), "{name}");
        assert_eq!(counter.instance.step, 61, "{name}: one step for each event, none for repeats");
    }
}

#[test]
fn a_message_without_an_id_is_applied_once_over_restarts() {
    // Only the cursor tells a redelivery here.
    let mut world = World::embedded().started();
    world.send("counter.opened", "a", 0);
    for n in 1..=5 {
        let body = json!({ "key": "a", "n": 7 }).to_string();
        let message = Message::new(Subject::parse("counter.added").unwrap(), body);
        world.run(world.bus().publish(message)).unwrap();
        world.until("a", "it is applied", |counter| counter.seen.len() == n);
        world.restart();
        world.inbox_is_read();
        assert_eq!(world.run(world.counter("a")).unwrap().seen.len(), n);
    }
}

/// Version 2 of the counter finds its instances by another field.
fn second_version() -> String {
    COUNTER.replace("version: 1", "version: 2").replace("data.key", "data.other")
}

fn publish_both(world: &World, event: &str, name: &str, other: &str, n: u64) {
    let body = json!({ "key": name, "other": other, "n": n }).to_string();
    let message = Message::new(Subject::parse(event).unwrap(), body);
    world.run(world.bus().publish(message)).unwrap();
}

#[test]
fn another_correlate_does_not_apply_an_event_again() {
    let mut world = World::embedded().started();
    let (old, new) = (world.name_in(0), world.name_in(1));
    publish_both(&world, "counter.opened", &old, &new, 0);
    for n in 1..=5 {
        publish_both(&world, "counter.added", &old, &new, n);
    }
    world.until(&old, "version 1 takes them", |counter| counter.seen.len() == 5);
    world.deploy(&second_version());
    // Partition 1 has seen nothing yet, so everything is read once more, under both versions.
    world.restart();
    publish_both(&world, "counter.added", &old, "nobody", 6);
    let counter = world.until(&old, "version 1 still listens", |counter| counter.seen.len() >= 6);
    assert_eq!(counter.seen, [1, 2, 3, 4, 5, 6]);
    world.inbox_is_read();
    let started = world.run(world.counter(&new));
    assert_eq!(started, None, "version 2 listens to what came before it was deployed");
    // From now on the newest version starts.
    publish_both(&world, "counter.opened", "ignored", &new, 0);
    publish_both(&world, "counter.added", "ignored", &new, 7);
    let counter = world.until(&new, "version 2 takes them", |counter| counter.seen.len() == 1);
    assert_eq!((counter.seen, counter.instance.pin.version), (vec![7], 2));
    assert_eq!(world.run(world.counter(&old)).unwrap().seen, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn idle_partitions_advance_and_the_inbox_is_trimmed() {
    let mut world = World::memory().with(|config| config.partitions = 4).started();
    let busy = world.name_in(2);
    world.publish("counter.opened", &busy, 0);
    let subject = Subject::parse("counter.padded").unwrap();
    let body = json!({ "key": busy, "pad": "" }).to_string();
    world.run(async {
        // Two reports of 4,096 messages each, whatever the reader took at once beyond them.
        for _ in 0..10_500 {
            world.bus().publish(Message::new(subject.clone(), body.clone())).await.unwrap();
        }
    });
    let first = async || {
        let tail = world.bus().inbox("events").await.unwrap().tail().await.unwrap();
        (tail.first > 8_000).then_some(tail)
    };
    let tail = world.run(eventually_async("the inbox is trimmed", first));
    assert_eq!(tail.last, 10_501);
    let cursor = |partition: &Partition| partition.cursors().next().map(|(_, at)| at.sequence);
    for seen in world.run(world.handle().look_everywhere(cursor)).unwrap() {
        assert!(seen.is_some_and(|seen| seen + 1 >= tail.first), "{seen:?} of {tail:?}");
    }
    world.inbox_is_read();
    world.restart();
    world.publish("counter.added", &busy, 1);
    world.until(&busy, "reading goes on behind what was trimmed", |counter| counter.seen == [1]);
    let step = world.run(world.counter(&busy)).unwrap().instance.step;
    assert_eq!(step, 10_502, "each message is one step");
    let partition = world.handle().partition_of(&InstanceKey::new("counter", &busy).unwrap());
    assert_eq!(partition, world.handle().partition_of(&key(&busy)));
}
