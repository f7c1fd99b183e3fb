//! Journals that were damaged, recreated or restored: the partition refuses and says why.

use std::fs;
use std::path::Path;

use gearshift_bus::{Bus, NatsOptions, PrivateServer, ServerOptions};
use gearshift_engine::Error;
use gearshift_engine::runtime::AskError;
use gearshift_machine::machine::Outcome;
use serde_json::Value;

use crate::fencing::append_as_stranger;
use crate::support::{World, eventually, eventually_async, incoming, outcome_of};

/// A world in a directory with one counter per partition, each told twice.
fn two_counters() -> (World, String, String) {
    let world = World::embedded().started();
    let (low, high) = (world.name_in(0), world.name_in(1));
    for name in [&low, &high] {
        world.send("counter.opened", name, 0);
        world.send("counter.added", name, 1);
    }
    (world, low, high)
}

/// Partition 0 refuses with `words`; partition 1 serves through both doors.
fn refuses_alone(world: &World, low: &str, high: &str, words: &str) {
    let health = world.handle().health();
    let reason = health[0].reason.clone().unwrap();
    assert!(reason.contains(words), "{reason}");
    assert!(health[1].serving, "{health:?}");
    let refused = outcome_of(world.ask(incoming("counter.added", low, 2)));
    let Err(AskError::Engine(error @ Error::Refuses { .. })) = refused else {
        panic!("{refused:?}")
    };
    assert!(reason.starts_with(error.code().0) && error.code().0.starts_with("GS6"), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("partition 0 refuses") && told.contains(words), "{told}");
    assert!(matches!(world.send("counter.added", high, 2), Outcome::Transitioned { .. }));
    world.publish("counter.added", low, 3);
    world.publish("counter.added", high, 3);
    let seen = world.until(high, "the inbox is served", |counter| counter.seen.len() == 3).seen;
    assert_eq!(seen, [1, 2, 3]);
}

#[test]
fn a_journal_that_was_recreated_is_refused() {
    let (mut world, low, high) = two_counters();
    assert!(world.shutdown());
    world.between(async |bus| {
        bus.log("journal-0").await.unwrap().destroy().await.unwrap();
        bus.bucket("snapshots").await.unwrap().delete("p0").await.unwrap();
    });
    world.start();
    refuses_alone(&world, &low, &high, "was confirmed before");
    let told = world.handle().health()[0].reason.clone().unwrap();
    assert!(told.starts_with("GS6001 log_behind_mark: "), "{told}");
    // It says so again at every start.
    assert!(world.shutdown());
    world.start();
    assert!(!world.handle().health()[0].serving);
}

#[test]
fn a_journal_shorter_than_its_snapshot_is_refused_without_marks() {
    let (mut world, low, high) = two_counters();
    assert!(world.shutdown());
    world.config.data = None;
    world.between(async |bus| bus.log("journal-0").await.unwrap().destroy().await.unwrap());
    world.start();
    refuses_alone(&world, &low, &high, "was confirmed before");
}

#[test]
fn a_journal_that_goes_away_under_a_running_engine_is_refused() {
    let (world, low, high) = two_counters();
    world.run(async {
        world.bus().log("journal-0").await.unwrap().destroy().await.unwrap();
    });
    let lost = outcome_of(world.ask(incoming("counter.added", &low, 9)));
    assert!(matches!(lost, Err(AskError::Engine(Error::OutcomeUnknown { .. }))), "{lost:?}");
    let refused = || {
        let reason = world.handle().health()[0].reason.clone()?;
        reason.contains("was confirmed before").then_some(())
    };
    world.run(eventually("the partition refuses", refused));
    refuses_alone(&world, &low, &high, "was confirmed before");
}

#[test]
fn e16_a_journal_that_goes_away_under_an_idle_owner_is_noticed() {
    let ground = tokio::runtime::Runtime::new().unwrap();
    let server = ground.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
    let world = World::nats(server.url()).started();
    let (low, high) = (world.name_in(0), world.name_in(1));
    for name in [&low, &high] {
        world.send("counter.opened", name, 0);
        world.send("counter.added", name, 1);
    }
    // By a stranger: nothing of the engine's own knows of it.
    let stranger = ground.block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    ground.block_on(async {
        stranger.log("journal-0").await.unwrap().destroy().await.unwrap();
    });
    // Nobody asks: its owner looks by itself.
    let noticed = || (!world.handle().health()[0].serving).then_some(());
    world.run(eventually("the partition does not serve", noticed));
    let refused = || {
        let reason = world.handle().health()[0].reason.clone()?;
        // Until it has looked often enough, it only says that it recovers.
        reason.starts_with("GS6001 log_behind_mark: ").then_some(())
    };
    world.run(eventually("the partition refuses", refused));
    refuses_alone(&world, &low, &high, "was confirmed before");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

#[test]
fn an_old_copy_of_the_data_is_refused() {
    let (mut world, low, high) = two_counters();
    assert!(world.shutdown());
    let old = world.folder.path().join("old");
    copy(&world.bus_folder(), &old);
    world.start();
    world.send("counter.added", &low, 2);
    world.send("counter.added", &high, 2);
    assert!(world.shutdown());
    fs::remove_dir_all(world.bus_folder()).unwrap();
    fs::rename(&old, world.bus_folder()).unwrap();
    world.start();
    for health in world.handle().health() {
        assert!(health.reason.as_deref().unwrap().contains("was confirmed before"), "{health:?}");
    }
    let refused = outcome_of(world.ask(incoming("counter.added", &low, 3)));
    assert!(matches!(refused, Err(AskError::Engine(Error::Refuses { .. }))), "{refused:?}");
    assert!(world.shutdown(), "an engine that refuses everything still stops in time");
}

#[test]
fn a_damaged_frame_is_refused_at_the_next_start() {
    let (mut world, low, high) = two_counters();
    world.crash();
    world.between(async |bus| append_as_stranger(bus, 0, "GSFR\x01 and then nonsense").await);
    world.start();
    refuses_alone(&world, &low, &high, "is corrupt: frame at sequence");
    let told = world.handle().health()[0].reason.clone().unwrap();
    assert!(told.starts_with("GS6002 journal_corrupt: "), "{told}");
}

#[test]
fn a_damaged_frame_stops_a_running_partition_at_once() {
    let (world, low, high) = two_counters();
    world.run(append_as_stranger(&world.bus(), 0, "GSFR\x01 and then nonsense"));
    // Deciding on behind it would be lost at the next start, which cannot replay it.
    let asked =
        async || match outcome_of(world.handle().event(incoming("counter.added", &low, 9)).await) {
            Err(AskError::Engine(Error::Refuses { reason, .. })) => Some(reason),
            Err(AskError::Engine(Error::Unavailable(_))) => None,
            // The one that met the damage.
            Err(AskError::Engine(Error::OutcomeUnknown { .. })) => None,
            other => panic!("{other:?}"),
        };
    world.run(eventually_async("it refuses", asked));
    refuses_alone(&world, &low, &high, "is corrupt: frame at sequence");
}

#[test]
fn what_a_refused_partition_missed_is_there_once_it_is_repaired() {
    let (mut world, low, high) = two_counters();
    assert!(world.shutdown());
    let marks = world.folder.path().join("marks.json");
    let mut higher = serde_json::from_slice::<Value>(&fs::read(&marks).unwrap()).unwrap();
    higher["partitions"][0]["sequence"] = 1_000.into();
    fs::write(&marks, higher.to_string()).unwrap();
    world.start();
    refuses_alone(&world, &low, &high, "was confirmed before");
    assert!(world.shutdown());
    fs::remove_file(&marks).unwrap();
    world.start();
    let seen = world.until(&low, "the inbox is told again", |counter| counter.seen.len() > 1).seen;
    assert_eq!(seen, [1, 3], "what was published meanwhile; what was asked was refused");
    assert_eq!(world.run(world.counter(&high)).unwrap().seen, [1, 2, 3]);
}
