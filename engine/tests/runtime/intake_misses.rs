//! An event with several targets, of which one had no instance when it was its turn, and got one
//! before it was the other's turn: it is kept as a dead letter, not passed over.

use gearshift_bus::Bus;
use gearshift_engine::Clock;
use gearshift_engine::runtime::DeadLetterFilter;
use gearshift_machine::machine::InstanceKey;
use gearshift_machine::partition::Partition;
use serde_json::json;

use crate::backpressure::{drop_dead_letter, fill_dead_letters};
use crate::cluster::{joined, member, served, spread};
use crate::intake_engines::{OTHER, counter_of, publish_bare};
use crate::support::{COUNTER, World, event, eventually_async, key};

/// An instance of the other workflow in `partition`.
fn other_in(world: &World, partition: u16) -> InstanceKey {
    let keys = (0..1_000).map(|n| InstanceKey::new("other", &format!("o{n}")).unwrap());
    let mut fitting = keys.filter(|key| world.handle().partition_of(key) == partition);
    fitting.next().unwrap()
}

/// Publishes an event for a counter in partition `full` of `world`, which has no room for a dead
/// letter, and for another instance, which comes to life after its partition has passed the event.
fn missed(world: &World, full: u16, elsewhere: &World, passing: u16) -> String {
    let nobody = world.name_in(full);
    let late = other_in(elsewhere, passing);
    publish_bare(world, "counter.added", &json!({ "key": nobody, "other": late.key(), "n": 1 }));
    let passed = async || {
        let cursor = |partition: &Partition| partition.cursors().next().map(|(_, at)| at.sequence);
        (elsewhere.handle().read(passing, cursor).await.ok()? == Some(1)).then_some(())
    };
    elsewhere.run(eventually_async("the other partition has passed it", passed));
    let body = json!({ "other": late.key() });
    elsewhere.ask(event("other.opened", &body)).unwrap();
    nobody
}

/// The full partition has room again: the event is a dead letter there.
fn is_kept(world: &World, full: u16, nobody: &str) {
    // Something behind it, for an instance of the same partition.
    let names = (0..1_000).map(|n| format!("behind{n}"));
    let in_full = |name: &String| world.handle().partition_of(&key(name)) == full;
    let behind = names.into_iter().find(in_full).unwrap();
    publish_bare(world, "counter.opened", &json!({ "key": behind, "n": 0 }));
    drop_dead_letter(world, full);
    let opened = async || counter_of(world, &behind).await;
    world.run(eventually_async("what stands behind it is taken", opened));
    let wanted = DeadLetterFilter { key: Some(key(nobody)), ..DeadLetterFilter::default() };
    let letters = world.run(world.handle().dead_letters(full, &wanted, None, 10)).unwrap();
    assert_eq!(letters.len(), 1, "nobody took it, and nobody kept it: {letters:#?}");
}

#[test]
fn on_one_engine_an_event_that_nobody_took_is_kept() {
    let world = World::memory().started();
    world.deploy(OTHER);
    fill_dead_letters(&world, 0);
    let nobody = missed(&world, 0, &world, 1);
    is_kept(&world, 0, &nobody);
}

#[test]
fn on_two_engines_an_event_that_nobody_took_is_kept() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    first.deploy(OTHER);
    let second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    let full = served(&first).first().copied().unwrap();
    let passing = served(&second).first().copied().unwrap();
    fill_dead_letters(&first, full);
    let nobody = missed(&first, full, &second, passing);
    is_kept(&first, full, &nobody);
}

#[test]
fn an_engine_that_knows_no_more_who_missed_an_event_goes_by_when_instances_began() {
    let bus = Bus::in_memory();
    let mut world = member(&bus, "a").with(|config| config.clock = Clock::System);
    world.start();
    world.deploy(COUNTER);
    world.deploy(OTHER);
    fill_dead_letters(&world, 0);
    let nobody = missed(&world, 0, &world, 1);
    world.restart();
    spread(&[&world], &[4]);
    is_kept(&world, 0, &nobody);
}

#[test]
fn an_event_that_somebody_took_before_the_other_partition_meets_it_is_no_dead_letter() {
    let world = World::memory().started();
    world.deploy(OTHER);
    let (full, passing) = (0, 1);
    fill_dead_letters(&world, full);
    let taker = other_in(&world, passing);
    world.ask(event("other.opened", &json!({ "other": taker.key() }))).unwrap();
    // The first one is for nobody else, and is refused; so the partition meets the second later.
    let nobody = world.name_in(full);
    publish_bare(&world, "counter.added", &json!({ "key": nobody, "n": 1 }));
    publish_bare(&world, "counter.added", &json!({ "key": nobody, "other": taker.key(), "n": 2 }));
    let took = async || {
        let instance = world.handle().instance(&taker).await.ok()??;
        (instance.vars[0].to_json() == "[2]").then_some(())
    };
    world.run(eventually_async("the other one takes it", took));
    is_kept(&world, full, &nobody);
}
