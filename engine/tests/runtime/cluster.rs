//! Several engines on one bus: who has which partition, and what everybody hears of it.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_engine::runtime::ClusterConfig;
use gearshift_machine::machine::Outcome;
use tokio::time::Instant;

use crate::support::{COUNTER, World, eventually, incoming, key, outcome_of};

/// Short, so that the tests are; everything else is measured in it.
pub(crate) const LEASE: Duration = Duration::from_millis(600);
/// Partitions of these clusters.
pub(crate) const PARTITIONS: u16 = 4;

/// An engine of a cluster, not yet started.
pub(crate) fn member(bus: &Bus, node: &str) -> World {
    World::on(bus.clone()).with(|config| {
        config.name = node.to_owned();
        config.partitions = PARTITIONS;
        config.cluster = Some(ClusterConfig { node: node.to_owned(), lease: LEASE });
    })
}

pub(crate) fn joined(bus: &Bus, node: &str) -> World {
    let mut world = member(bus, node);
    world.start();
    world
}

/// The partitions that an engine serves.
pub(crate) fn served(world: &World) -> BTreeSet<u16> {
    let health = world.handle().health();
    health.into_iter().filter(|one| one.serving).map(|one| one.partition).collect()
}

/// Waits until the engines serve as many partitions as `counts` says, each one of them once.
pub(crate) fn spread(worlds: &[&World], counts: &[usize]) {
    let even = || {
        let served = worlds.iter().map(|world| served(world)).collect::<Vec<_>>();
        let all = served.iter().flatten().copied().collect::<BTreeSet<_>>();
        let fits = served.iter().map(BTreeSet::len).eq(counts.iter().copied());
        (fits && all.len() == usize::from(PARTITIONS)).then_some(())
    };
    worlds[0].run(eventually(&format!("spread as {counts:?}"), even));
}

/// Asks the engine that serves the counter's partition, whichever that is just now.
pub(crate) fn ask_owner(worlds: &[&World], event: &str, name: &str, n: u64) -> Outcome {
    let end = Instant::now() + crate::support::PATIENCE;
    loop {
        for world in worlds {
            let partition = world.handle().partition_of(&key(name));
            if !served(world).contains(&partition) {
                continue;
            }
            if let Ok(outcome) = outcome_of(world.ask(incoming(event, name, n)))
                && !matches!(outcome, Outcome::Busy { .. })
            {
                return outcome;
            }
        }
        assert!(Instant::now() < end, "nobody decides {event} {name} {n}");
    }
}

#[test]
fn partitions_spread_evenly_as_engines_come_and_go() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    assert_eq!(served(&first).len(), 4, "the only engine has everything at once");
    let mut second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    let mut third = joined(&bus, "c");
    spread(&[&first, &second, &third], &[1, 2, 1]);
    // Everybody sees the same.
    let owners = |world: &World| {
        world.handle().health().into_iter().map(|one| one.owner).collect::<Vec<_>>()
    };
    let agreed = || (owners(&first) == owners(&third)).then(|| owners(&first));
    let owners = first.run(eventually("they agree", agreed));
    assert!(owners.iter().all(Option::is_some), "{owners:?}");
    let engines = first.handle().cluster();
    let names = engines.iter().map(|engine| engine.node.as_str()).collect::<Vec<_>>();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(engines.iter().map(|engine| engine.partitions.len()).sum::<usize>(), 4);
    // One stops in order, one crashes.
    assert!(second.stop());
    spread(&[&first, &third], &[2, 2]);
    third.crash();
    spread(&[&first], &[4]);
    let last = || (first.handle().cluster().len() == 1).then_some(());
    first.run(eventually("the dead are forgotten", last));
}

/// The sign of life of one that is dead stays where a server that was killed forgot to expire it.
#[test]
fn an_engine_that_gives_no_sign_is_soon_not_listed_although_its_sign_stays() {
    let bus = Bus::in_memory();
    let world = joined(&bus, "a");
    let nodes = || {
        let engines = world.handle().cluster();
        engines.into_iter().map(|engine| engine.node).collect::<Vec<_>>()
    };
    world.run(async {
        let bucket = bus.bucket("cluster").await.unwrap();
        let sign = r#"{"name":"dead","node":"dead","session":"s","started_ms":0,"version":"0",
            "definitions_revision":0,"leaving":false}"#;
        bucket.put("engine.dead", sign.into()).await.unwrap();
        eventually("it is listed", || (nodes() == ["a", "dead"]).then_some(())).await;
        eventually("it is not any more", || (nodes() == ["a"]).then_some(())).await;
        let stays = bucket.get("engine.dead").await.unwrap();
        assert!(stays.is_some(), "long before it is taken away");
    });
}

#[test]
fn engines_that_start_at_once_share_from_the_beginning() {
    let bus = Bus::in_memory();
    let mut worlds = ["a", "b", "c", "d"].map(|node| member(&bus, node));
    thread::scope(|scope| {
        for world in &mut worlds {
            scope.spawn(|| world.start());
        }
    });
    spread(&worlds.iter().collect::<Vec<_>>(), &[1, 1, 1, 1]);
}

#[test]
fn what_was_decided_goes_with_the_partition() {
    let bus = Bus::in_memory();
    let mut first = joined(&bus, "a");
    first.deploy(COUNTER);
    let names = (0..PARTITIONS).map(|partition| first.name_in(partition)).collect::<Vec<_>>();
    for name in &names {
        ask_owner(&[&first], "counter.opened", name, 0);
        ask_owner(&[&first], "counter.added", name, 1);
    }
    let second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    for name in &names {
        let repeated = ask_owner(&[&first, &second], "counter.added", name, 1);
        assert_eq!(repeated, Outcome::Duplicate { at: 2 }, "{name}");
        ask_owner(&[&first, &second], "counter.added", name, 2);
    }
    first.crash();
    spread(&[&second], &[4]);
    for name in &names {
        ask_owner(&[&second], "counter.added", name, 3);
        assert_eq!(second.run(second.counter(name)).unwrap().seen, [1, 2, 3], "{name}");
    }
}

#[test]
fn engines_with_another_number_of_partitions_are_refused() {
    let bus = Bus::in_memory();
    let _first = joined(&bus, "a");
    let mut second = member(&bus, "b").with(|config| config.partitions = 8);
    let refused = second.try_start().unwrap_err().to_string();
    assert_eq!(refused, "the cluster on this bus has 4 partitions, the configuration says 8");
}

#[test]
fn a_sign_of_life_that_a_killed_server_forgot_to_expire_ends_all_the_same() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    let mut second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    let bucket = first.run(bus.bucket("cluster")).unwrap();
    let sign = first.run(bucket.get("engine.b")).unwrap().unwrap();
    second.crash();
    // As it was, but for ever; under the first engine's later name as well.
    first.run(bucket.put("engine.b", sign.value)).unwrap();
    assert_eq!(served(&first).len(), 2, "whose sign of life stands has its partitions");
    spread(&[&first], &[4]);
    let sign = first.run(bucket.get("engine.a")).unwrap().unwrap();
    let mut first = first;
    first.crash();
    let again = joined(&bus, "c");
    again.run(bucket.put("engine.a", sign.value)).unwrap();
    let named = joined(&bus, "a");
    spread(&[&again, &named], &[2, 2]);
}

#[test]
fn two_engines_do_not_share_a_name() {
    let bus = Bus::in_memory();
    let mut first = joined(&bus, "a");
    let mut second = member(&bus, "a");
    let refused = second.try_start().unwrap_err().to_string();
    assert_eq!(refused, "another engine on this bus is called `a`");
    assert_eq!(served(&first).len(), 4, "the first one is not disturbed");
    // After a crash the name is free again as soon as its sign of life has expired.
    first.crash();
    second.start();
    spread(&[&second], &[4]);
}
