//! Snapshots are a cache: taken while events flow, verified, trimmed behind, and dispensable.

use std::thread;

use gearshift_bus::{Bus, Digest, Message, Subject};
use gearshift_machine::machine::Outcome;
use serde::Deserialize;
use serde_json::json;

use crate::support::{World, assert_same, eventually_async};

#[derive(Deserialize)]
struct Catalog {
    snapshots: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    position: u64,
    manifest: String,
    slices: Vec<String>,
}

/// What is known of the snapshots of partition 0, newest first.
async fn catalog(bus: &Bus) -> Vec<Entry> {
    let value = bus.bucket("snapshots").await.unwrap().get("p0").await.unwrap();
    value.map_or_else(Vec::new, |value| {
        serde_json::from_slice::<Catalog>(&value.value).unwrap().snapshots
    })
}

async fn first_frame(bus: &Bus) -> u64 {
    bus.log("journal-0").await.unwrap().tail().await.unwrap().first
}

async fn delete(bus: &Bus, digest: &str) {
    let blobs = bus.blobs("snapshots").await.unwrap();
    blobs.delete(&Digest::parse(digest).unwrap()).await.unwrap();
}

/// A world of one partition that snapshots after every frame, told until the journal was trimmed.
fn trimmed() -> World {
    let world = World::memory().with(|config| {
        config.partitions = 1;
        config.snapshot_every_bytes = 1;
    });
    let world = world.started();
    world.send("counter.opened", "a", 0);
    for n in 1.. {
        world.send("counter.added", "a", n);
        if world.run(first_frame(&world.bus())) > 3 {
            break;
        }
        assert!(n < 1_000, "the journal is never trimmed");
    }
    world.run(eventually_async("nothing is being saved", async || {
        let (before, now) = (catalog(&world.bus()).await, catalog(&world.bus()).await);
        (before[0].position == now[0].position && now.len() == 2).then_some(())
    }));
    world
}

#[test]
fn a_restart_goes_on_from_a_snapshot_and_the_frames_behind_it() {
    let mut world = trimmed();
    let kept = world.run(catalog(&world.bus()));
    assert_eq!(kept.len(), 2, "two are kept");
    assert!(kept[0].position > kept[1].position, "newest first");
    let first = world.run(first_frame(&world.bus()));
    assert!(
        first <= kept[1].position + 1,
        "trimmed to {first}, the older is at {}",
        kept[1].position
    );
    let before = world.memory_text();
    world.restart();
    assert_same(&before, &world.memory_text(), "after the restart");
    let blobs = world
        .run(async { world.bus().blobs("snapshots").await.unwrap().list().await.unwrap().len() });
    assert!(blobs <= 3 * 3, "{blobs} blobs are left of two snapshots and one under way");
}

#[test]
fn a_damaged_snapshot_gives_way_to_the_older_one() {
    for damage in ["manifest", "slice", "everything"] {
        let mut world = trimmed();
        let before = world.memory_text();
        world.crash();
        world.between(async |bus| {
            let kept = catalog(bus).await;
            let shared = |name: &String| kept[1].slices.contains(name);
            match damage {
                "manifest" => delete(bus, &kept[0].manifest).await,
                "slice" => {
                    let own = kept[0].slices.iter().find(|name| !shared(name)).unwrap();
                    delete(bus, own).await;
                }
                _ => {
                    let own = kept[0].slices.iter().filter(|name| !shared(name));
                    for name in own.chain([&kept[0].manifest]) {
                        delete(bus, name).await;
                    }
                }
            }
        });
        world.start();
        assert_same(&before, &world.memory_text(), damage);
    }
}

#[test]
fn without_both_snapshots_a_trimmed_journal_is_refused() {
    let mut world = trimmed();
    world.crash();
    world.between(async |bus| {
        for entry in catalog(bus).await {
            delete(bus, &entry.manifest).await;
        }
    });
    world.start();
    let reason = world.handle().health()[0].reason.clone().unwrap();
    assert!(reason.contains("but replay needs 1"), "{reason}");
}

#[test]
fn deleting_all_snapshots_costs_only_time() {
    let mut world = World::embedded().with(|config| config.partitions = 1).started();
    world.send("counter.opened", "a", 0);
    for n in 1..=50 {
        world.send("counter.added", "a", n);
    }
    let before = world.memory_text();
    assert!(world.shutdown());
    let kept = world.between(async |bus| {
        let kept = catalog(bus).await;
        for name in bus.blobs("snapshots").await.unwrap().list().await.unwrap() {
            bus.blobs("snapshots").await.unwrap().delete(&name).await.unwrap();
        }
        kept.len()
    });
    assert_eq!(kept, 1, "a clean stop takes one");
    world.start();
    assert_same(&before, &world.memory_text(), "a catalog that names what is gone");
    world.crash();
    world.between(async |bus| {
        bus.bucket("snapshots").await.unwrap().delete("p0").await.unwrap();
    });
    world.start();
    assert_same(&before, &world.memory_text(), "no catalog at all");
    assert_eq!(world.send("counter.added", "a", 50), Outcome::Duplicate { at: 51 });
}

#[test]
fn slices_are_taken_between_batches_while_events_flow() {
    let world = World::memory().with(|config| {
        config.partitions = 1;
        config.snapshot_every_bytes = 256 * 1_024;
    });
    let mut world = world.started();
    let names = (0..40).map(|number| format!("pad-{number:02}")).collect::<Vec<_>>();
    let pad = "x".repeat(50_000);
    thread::scope(|scope| {
        let world = &world;
        for name in &names {
            world.send("counter.opened", name, 0);
        }
        for half in names.chunks(20) {
            let pad = &pad;
            scope.spawn(move || {
                for n in 1..=4 {
                    for name in half {
                        pad_out(world, name, n, pad);
                        world.send("counter.added", name, n);
                    }
                }
            });
        }
    });
    let many = async || {
        let kept = catalog(&world.bus()).await;
        kept.first().is_some_and(|newest| newest.slices.len() > 3).then_some(kept.len())
    };
    world.run(eventually_async("a snapshot of several slices", many));
    world.inbox_is_read();
    let before = world.memory_text();
    world.restart();
    assert_same(&before, &world.memory_text(), "a snapshot taken under load");
    for name in &names {
        assert_eq!(world.run(world.counter(name)).unwrap().seen, [1, 2, 3, 4]);
    }
}

/// Makes an instance large, by the inbox.
fn pad_out(world: &World, name: &str, n: u64, pad: &str) {
    let body = json!({ "key": name, "pad": pad, "n": n }).to_string();
    let message = Message::new(Subject::parse("counter.padded").unwrap(), body);
    world.run(world.bus().publish(message)).unwrap();
}
