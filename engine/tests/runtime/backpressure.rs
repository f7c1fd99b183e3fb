//! Limits: askers hear `busy`, the inbox waits, nothing is dropped.

use futures_util::future::join_all;
use gearshift_bus::Headers;
use gearshift_engine::Error;
use gearshift_engine::runtime::{AskError, decode};
use gearshift_machine::machine::{InstanceKey, Outcome, Principal};
use gearshift_machine::partition::{Partition, PartitionInput};
use serde_json::json;

use crate::support::{
    Answer, COUNTER, Recorded, World, eventually_async, incoming, key, outcome_of,
};

#[test]
fn askers_of_a_full_queue_are_told_and_the_inbox_waits() {
    let world = World::memory().with(|config| {
        config.partitions = 1;
        config.queue_limit = 2;
    });
    let world = world.started();
    world.send("counter.opened", "asked", 0);
    world.publish("counter.opened", "told", 0);
    for n in 1..=200 {
        world.publish("counter.added", "told", n);
    }
    let handle = world.handle();
    let mut applied = Vec::new();
    let mut refused = 0;
    // Each is polled once before any is answered: two find room.
    let asked = (1..=50).map(|n| handle.event(incoming("counter.added", "asked", n)));
    for (n, outcome) in (1_u64..).zip(world.run(join_all(asked))) {
        match outcome_of(outcome) {
            Ok(Outcome::Transitioned { .. }) => applied.push(n),
            Err(AskError::Engine(Error::Saturated { partition: 0, limit: 2 })) => refused += 1,
            other => panic!("{n}: {other:?}"),
        }
    }
    assert!(refused > 0, "50 at once never fill a queue of 2");
    let told = world.until("told", "the inbox is read", |counter| counter.seen.len() >= 200);
    assert_eq!(told.seen, (1..=200).collect::<Vec<_>>());
    let asked = world.run(world.counter("asked")).unwrap();
    assert_eq!(asked.seen, applied, "what was refused as busy is not applied");
}

#[test]
fn of_several_targets_a_full_one_is_busy_and_the_others_stand() {
    let world = World::memory().with(|config| {
        config.partitions = 2;
        config.queue_limit = 1;
    });
    let world = world.on_one_thread().started();
    world.deploy(&COUNTER.replace("workflow: counter", "workflow: twin"));
    let other = |name: &str| InstanceKey::new("twin", name).unwrap();
    let apart = |name: &String| {
        world.handle().partition_of(&key(name)) != world.handle().partition_of(&other(name))
    };
    let name = (0..1_000).map(|number| format!("k{number}")).find(apart).unwrap();
    world.ask(incoming("counter.opened", &name, 0)).unwrap();
    let handle = world.handle();
    let mut busy = 0;
    // Many at once, each for an instance in either partition.
    let asked = (1..=20).map(|n| handle.event(incoming("counter.added", &name, n)));
    let mut applied = Vec::new();
    for (n, answer) in (1_u64..).zip(world.run(join_all(asked))) {
        let Ok(verdicts) = answer else { continue };
        assert_eq!(verdicts.len(), 2);
        for (of, done) in verdicts {
            if matches!(done.outcome, Outcome::Busy { .. }) {
                busy += 1;
            } else if of == key(&name) {
                applied.push(n);
            }
        }
    }
    assert!(busy > 0, "a queue of 1 is never full");
    let mut seen = world.run(world.counter(&name)).unwrap().seen;
    seen.sort_unstable();
    assert_eq!(seen, applied, "a verdict is not what happened");
}

/// Fills the dead letters of a partition by their bytes; how many there are then.
pub(crate) fn fill_dead_letters(world: &World, partition: u16) -> usize {
    let pad = "x".repeat(60_000);
    world.run(async {
        for number in 0.. {
            let body = json!({ "key": format!("nobody-{number}"), "pad": pad }).to_string();
            let event = decode("counter.added", &Headers::new(), body.as_bytes(), None).unwrap();
            let input = PartitionInput::Reject {
                event: event.event,
                reason: "as the test says".into(),
                key: None,
                source: None,
            };
            let outcome = world.handle().input(partition, input).await.unwrap().outcome;
            if let Outcome::Busy { what } = &outcome {
                assert_eq!(&**what, "dead letters");
                return number;
            }
            assert!(matches!(outcome, Outcome::DeadLettered { .. }), "{outcome:?}");
        }
        unreachable!("there is a limit")
    })
}

/// Makes room for a dead letter in a partition.
pub(crate) fn drop_dead_letter(world: &World, partition: u16) {
    let first = |partition: &Partition| partition.dead_letters().next().map(|(id, _)| id);
    world.run(async {
        let dead_letter = world.handle().read(partition, first).await.unwrap().unwrap();
        let input = PartitionInput::Drop { dead_letter, by: Principal::default() };
        let dropped = world.handle().input(partition, input).await.unwrap();
        assert_eq!(dropped.outcome, Outcome::Done);
    });
}

#[test]
fn full_dead_letters_hold_the_inbox_until_somebody_makes_room() {
    let mut world = World::memory().with(|config| config.partitions = 1).started();
    world.send("counter.opened", "a", 0);
    let kept = fill_dead_letters(&world, 0);
    assert!(kept > 200, "{kept}");
    // The first has no instance and no room; what stands behind it must not overtake it.
    world.publish("counter.added", "nobody", 1);
    for n in 1..=20 {
        world.publish("counter.added", "a", n);
    }
    let cursor = |partition: &Partition| partition.cursors().next().map(|(_, at)| at.sequence);
    for _ in 0..2 {
        for n in 100..103 {
            // The door still works, and so the partition had turns to get it wrong.
            world.send("counter.added", "b-opened-late", n);
        }
        assert_eq!(world.run(world.handle().read(0, cursor)).unwrap(), None);
        assert_eq!(world.run(world.counter("a")).unwrap().seen, [0_u64; 0]);
        world.restart();
    }
    drop_dead_letter(&world, 0);
    let counter = world.until("a", "the inbox goes on", |counter| counter.seen.len() >= 20);
    assert_eq!(counter.seen, (1..=20).collect::<Vec<_>>());
    let gone = |partition: &Partition| partition.dead_letters().last().map(|(_, one)| one.clone());
    let last = world.run(world.handle().read(0, gone)).unwrap().unwrap();
    assert_eq!((last.key, &*last.reason), (Some(key("nobody")), "no_instance"));
}

#[test]
fn more_calls_than_may_be_under_way_wait_their_turn() {
    let world = World::memory().with(|config| {
        config.partitions = 1;
        config.calls_in_flight_limit = 3;
    });
    let plugin = Recorded::new(|_| Answer::Hold);
    let world = world.serving(&plugin).started();
    for number in 0..12 {
        let name = format!("n{number}");
        world.send("counter.opened", &name, 0);
        world.send("counter.worked", &name, 1);
    }
    let mut answered = 0;
    while answered < 12 {
        let waiting = || (plugin.seen().len() >= answered + 3.min(12 - answered)).then_some(());
        world.run(eventually_async("the next are called", async || waiting()));
        let called = plugin.seen().len();
        assert!(called <= answered + 3, "{called} were called, {answered} have answered");
        world.run(plugin.release());
        answered = called;
    }
    for number in 0..12 {
        world.until(&format!("n{number}"), "its call ends", |counter| counter.worked == 1);
    }
    assert_eq!(plugin.seen().len(), 12);
}
