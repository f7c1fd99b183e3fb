//! A18, A19, E16: snapshots are a cache, and a journal that came back shorter is refused.

use gearshift_bus::Bus;
use gearshift_tests::world::{Backend, World, eventually_async};
use serde_json::{Value, json};

use crate::flows::{FLOW, note, seen, started};

/// Worlds with ten instances of a note each, and two snapshots of each partition.
fn filled(test: impl Fn(&mut World)) {
    for backend in Backend::ALL {
        println!("on {backend:?}");
        let mut world = World::snapshotting(backend);
        world.deploy(FLOW);
        for number in 0..10 {
            started(&world, &format!("k{number}"));
            note(&world, &format!("k{number}"), "n1");
        }
        snapshotted(&world);
        world.restart();
        test(&mut world);
    }
}

/// Keeps other instances busy until both partitions have two snapshots and a journal that begins
/// behind its beginning: snapshots are taken on the way, and trimmed to a moment later.
fn snapshotted(world: &World) {
    let (bus, client) = (world.bus(), world.client());
    world.run(eventually_async("two snapshots of each partition", async || {
        for number in 0..10 {
            let data = json!({ "key": format!("busy{number}"), "op": "x" });
            client.send("go.started", &data).await.ok()?;
        }
        for (partition, journal) in [("p0", "journal-0"), ("p1", "journal-1")] {
            let kept = catalog(&bus, partition).await?["snapshots"].as_array()?.len();
            let first = bus.log(journal).await.ok()?.tail().await.ok()?.first;
            (kept == 2 && first > 1).then_some(())?;
        }
        Some(())
    }));
}

fn intact(world: &World) {
    for number in 0..10 {
        assert_eq!(seen(world, &format!("k{number}")), ["n1"]);
    }
}

async fn catalog(bus: &Bus, partition: &str) -> Option<Value> {
    let bucket = bus.bucket("snapshots").await.unwrap();
    let kept = bucket.get(partition).await.unwrap()?;
    serde_json::from_slice(&kept.value).ok()
}

/// Changes what the catalog says of the newest `count` snapshots of each partition.
fn forge(world: &World, count: usize, change: impl Fn(&mut Value)) {
    let bus = world.bus();
    world.run(async {
        let bucket = bus.bucket("snapshots").await.unwrap();
        for partition in ["p0", "p1"] {
            let mut catalog = catalog(&bus, partition).await.unwrap();
            let list = catalog["snapshots"].as_array_mut().unwrap();
            assert_eq!(list.len(), 2);
            list.iter_mut().take(count).for_each(&change);
            let text = serde_json::to_vec(&catalog).unwrap();
            bucket.put(partition, text.into()).await.unwrap();
        }
    });
}

#[test]
fn a_journal_trimmed_behind_two_snapshots_restores() {
    filled(|world| {
        let bus = world.bus();
        let tail = world.run(async { bus.log("journal-0").await.unwrap().tail().await.unwrap() });
        assert!(tail.first > 1, "the journal was not trimmed: {tail:?}");
        drop(bus);
        intact(world);
    });
}

#[test]
fn a18_a_snapshot_ahead_of_the_journal_says_that_the_journal_is_too_short() {
    filled(|world| {
        forge(world, 1, |one| one["position"] = 1_000_000.into());
        world.restart();
        for health in world.handle().health() {
            assert!(!health.serving, "{health:?}");
            let reason = health.reason.unwrap_or_default();
            assert!(reason.contains("but 1000000 was confirmed before"), "{reason}");
        }
    });
}

#[test]
fn a18_a_damaged_snapshot_costs_only_time() {
    filled(|world| {
        forge(world, 1, |one| one["slices"] = json!(["0".repeat(64)]));
        world.restart();
        intact(world);
        forge(world, 1, |one| one["manifest"] = "x".into());
        world.restart();
        intact(world);
    });
}

#[test]
fn a18_without_any_snapshot_a_trimmed_journal_is_refused_and_not_guessed() {
    filled(|world| {
        forge(world, 2, |one| one["manifest"] = "x".into());
        world.restart();
        for health in world.handle().health() {
            assert!(!health.serving, "{health:?}");
            let reason = health.reason.unwrap_or_default();
            assert!(reason.contains("but replay needs 1"), "{reason}");
        }
    });
}

#[test]
fn a19_e16_a_journal_shorter_than_its_mark_is_refused() {
    filled(|world| {
        let marks = world.data_folder().join("marks.json");
        world.run(eventually_async("marks", async || {
            let text = std::fs::read(&marks).ok()?;
            let file = serde_json::from_slice::<Value>(&text).ok()?;
            (file["partitions"][0]["sequence"].as_u64()? > 1).then_some(())
        }));
        let bus = world.bus();
        world.run(async {
            bus.log("journal-0").await.unwrap().destroy().await.unwrap();
        });
        drop(bus);
        world.restart();
        let health = world.handle().health();
        let refused = health.iter().find(|one| one.partition == 0).unwrap();
        assert!(!refused.serving, "{refused:?}");
        let reason = refused.reason.as_deref().unwrap_or_default();
        assert!(reason.contains("was confirmed before"), "{reason}");
        // The other partition is not harmed.
        assert!(health.iter().find(|one| one.partition == 1).unwrap().serving, "{health:?}");
        let mut answers = (0, 0);
        for number in 0..10 {
            match world.run(world.client().instance(&format!("flow/k{number}"))) {
                Ok(_) => answers.0 += 1,
                Err(error) => {
                    assert_eq!(error.exit_code(), 6, "{error}");
                    answers.1 += 1;
                }
            }
        }
        assert!(answers.0 > 0 && answers.1 > 0, "{answers:?}");
    });
}
