//! What a partition refused holds back all that stands behind it in its source, until the reader
//! has gone back: no longer, and never less.

use gearshift_bus::{Bus, Message, Subject};
use gearshift_machine::machine::InstanceKey;
use gearshift_machine::partition::{DeadLetter, Partition};
use serde_json::{Value, json};

use crate::backpressure::{drop_dead_letter, fill_dead_letters};
use crate::intake_engines::OTHER;
use crate::support::{COUNTER, World, eventually_async, key};

/// Where the message stands that the partition refuses.
const REFUSED: u64 = 2;
/// What stands behind it for another instance.
const BEHIND: std::ops::RangeInclusive<u64> = 1..=20;

async fn store(bus: &Bus, event: &str, body: Value) {
    let message = Message::new(Subject::parse(event).unwrap(), body.to_string());
    bus.publish(message).await.unwrap();
}

/// An engine on one thread that decides one input per frame, and whose only partition has no room
/// for a dead letter. It has read an inbox with a message for nobody, refused it, and met what
/// stands behind it.
fn refusing() -> World {
    let mut world = World::memory().on_one_thread().with(|config| {
        config.partitions = 1;
        config.batch_limit = 1;
    });
    world.start();
    world.deploy(COUNTER);
    world.deploy(OTHER);
    world.send("counter.opened", "a", 0);
    fill_dead_letters(&world, 0);
    world.crash();
    world.between(async |bus| {
        store(bus, "counter.opened", json!({ "key": "first", "n": 0 })).await;
        store(bus, "counter.added", json!({ "key": "nobody", "other": "late", "n": 1 })).await;
        for n in BEHIND {
            store(bus, "counter.added", json!({ "key": "a", "n": n })).await;
        }
    });
    world.start();
    // All of it is told before this one's frame is written, since one thread does both.
    world.until("first", "the inbox is read", |_| true);
    for n in 0..3 {
        // Stands behind all that in the partition's queue.
        world.send("counter.opened", &format!("b{n}"), 0);
        assert_eq!(cursor(&world), Some(REFUSED - 1), "the cursor passed what was refused");
        assert_eq!(world.run(world.counter("a")).unwrap().seen, [0_u64; 0]);
    }
    world
}

fn cursor(world: &World) -> Option<u64> {
    let cursor = |partition: &Partition| partition.cursors().next().map(|(_, at)| at.sequence);
    world.run(world.handle().read(0, cursor)).unwrap()
}

fn last_letter(world: &World) -> DeadLetter {
    let last = |partition: &Partition| partition.dead_letters().last().map(|(_, one)| one.clone());
    world.run(world.handle().read(0, last)).unwrap().unwrap()
}

/// Waits until everything that was held back is taken, in order.
fn goes_on(world: &World) {
    let wanted = BEHIND.collect::<Vec<_>>();
    let all = world.until("a", "the inbox goes on", |counter| counter.seen.len() >= wanted.len());
    assert_eq!(all.seen, wanted);
}

#[test]
fn what_stands_behind_a_refused_message_is_not_taken_before_it() {
    let world = refusing();
    drop_dead_letter(&world, 0);
    goes_on(&world);
    let letter = last_letter(&world);
    assert_eq!((letter.key, &*letter.reason), (Some(key("nobody")), "no_instance"));
}

#[test]
fn a_refused_message_that_is_for_another_instance_by_now_holds_nothing_back() {
    let world = refusing();
    // It takes the event, so that no dead letter is wanted any more.
    world.ask(crate::support::event("other.opened", &json!({ "other": "late" }))).unwrap();
    goes_on(&world);
    let late = InstanceKey::new("other", "late").unwrap();
    let instance = world.run(world.handle().instance(&late)).unwrap().unwrap();
    assert_eq!(instance.vars[0].to_json(), "[1]");
    assert_ne!(last_letter(&world).key, Some(key("nobody")));
}

#[test]
fn a_refused_message_that_was_trimmed_meanwhile_holds_nothing_back() {
    let world = refusing();
    world.run(async {
        let inbox = world.bus().inbox("events").await.unwrap();
        inbox.trim(REFUSED + 1).await.unwrap();
        eventually_async("it is trimmed", async || {
            (inbox.tail().await.unwrap().first > REFUSED).then_some(())
        })
        .await;
    });
    drop_dead_letter(&world, 0);
    goes_on(&world);
    let letter = last_letter(&world);
    assert!(letter.reason.starts_with("GS3012 message_lost: message 2 of"), "{letter:?}");
}
