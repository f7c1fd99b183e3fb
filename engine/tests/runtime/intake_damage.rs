//! Streams and buckets that come back damaged: whatever is missing is told, never passed over.

use std::fs;
use std::path::Path;

use async_nats::jetstream::{self, stream};
use gearshift_engine::runtime::IntakeHealth;
use serde_json::json;

use crate::intake_engines::{dead_letters, taken};
use crate::intake_nats::{Nats, health_of};
use crate::remote::request;
use crate::support::{COUNTER, World, eventually_async};

/// The files of the inbox below the server's folder.
const INBOX: &str = "jetstream/jetstream/$G/streams/gearshift-inbox-events";

fn copy_all(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Publishes numbers, each acknowledged by the server.
fn stored(nats: &Nats, event: &'static str, numbers: impl IntoIterator<Item = u64>) {
    let inside = nats.runtime.enter();
    let context = jetstream::new(nats.client.clone());
    drop(inside);
    for n in numbers {
        let body = json!({ "key": "a", "n": n, "pad": "" }).to_string();
        let store = async || {
            let sent = context.publish(event, body.clone().into()).await;
            sent.ok()?.await.ok()
        };
        nats.runtime.block_on(eventually_async("it is stored", store));
    }
}

/// A counter that has read 20 messages of an inbox, and an old copy of the inbox.
fn read_far() -> (Nats, World) {
    let mut nats = Nats::start();
    let mut world = nats.joined("a");
    world.deploy(COUNTER);
    stored(&nats, "counter.opened", [0]);
    stored(&nats, "counter.added", 1..=5);
    taken(&world, "a", 5);
    assert!(world.shutdown());
    nats.server.kill();
    let dir = nats.server.dir().to_owned();
    copy_all(&dir.join(INBOX), &dir.join("copy"));
    nats.runtime.block_on(nats.server.restart()).unwrap();
    world.start();
    stored(&nats, "counter.added", 6..=20);
    assert_eq!(taken(&world, "a", 20), (1..=20).collect::<Vec<_>>());
    (nats, world)
}

/// The inbox as it was at the copy, filled again beyond what was read of it.
fn put_back(nats: &mut Nats) {
    nats.server.kill();
    let dir = nats.server.dir().to_owned();
    fs::remove_dir_all(dir.join(INBOX)).unwrap();
    copy_all(&dir.join("copy"), &dir.join(INBOX));
    nats.runtime.block_on(nats.server.restart()).unwrap();
    stored(nats, "counter.added", 21..=60);
}

fn is_refused(health: &IntakeHealth) -> bool {
    let is_it = |reason: &String| {
        // While it is filled again it is too short for a moment, which is refused as well.
        reason.starts_with("GS6003 inbox_changed") && reason.contains("another message at 21")
    };
    health.reason.as_ref().is_some_and(is_it)
}

/// What was stored behind the damage is read once the person says so, and nothing before it.
fn accepted(mut world: World) {
    world.crash();
    world.config.accept_new_inbox = true;
    world.start();
    assert_eq!(taken(&world, "a", 60), (1..=60).collect::<Vec<_>>());
    assert_eq!(dead_letters(&world), []);
}

#[test]
fn e16_an_inbox_filled_again_beyond_the_cursor_before_the_engine_looks_is_refused() {
    let (mut nats, mut world) = read_far();
    assert!(world.shutdown());
    put_back(&mut nats);
    world.start();
    health_of(&world, 1, is_refused);
    assert_eq!(taken(&world, "a", 20).len(), 20, "nothing of it is read");
    accepted(world);
}

#[test]
fn e16_an_inbox_filled_again_under_a_running_engine_is_refused() {
    let (mut nats, world) = read_far();
    put_back(&mut nats);
    health_of(&world, 1, is_refused);
    accepted(world);
}

#[test]
fn e16_an_engine_that_is_behind_does_not_take_back_how_far_another_has_read() {
    let nats = Nats::start();
    let mut world = nats.joined("a");
    world.deploy(COUNTER);
    stored(&nats, "counter.opened", [0]);
    stored(&nats, "counter.added", 1..=5);
    taken(&world, "a", 5);
    // Another engine has read further.
    let further = r#"{"sequence":9,"time_ms":1,"hash":"00"}"#;
    world.run(async {
        let bucket = world.bus().bucket("cursors").await.unwrap();
        bucket.put("at1", further.into()).await.unwrap();
    });
    stored(&nats, "counter.added", [6]);
    taken(&world, "a", 6);
    // It writes what it has read last at the latest now.
    assert!(world.shutdown());
    let kept = world.between(async |bus| {
        bus.bucket("cursors").await.unwrap().get("at1").await.unwrap().unwrap().value
    });
    assert_eq!(kept, further);
}

#[test]
fn e16_definitions_that_are_lost_are_named_until_they_are_deployed_again() {
    let nats = Nats::start();
    let mut world = nats.joined("a");
    world.deploy(COUNTER);
    stored(&nats, "counter.opened", [0]);
    taken(&world, "a", 0);
    assert!(world.shutdown());
    let delete = async { nats.jetstream().delete_stream("KV_gearshift-definitions").await };
    nats.runtime.block_on(delete).unwrap();
    world.start();
    let missing = world.handle().missing_definitions();
    let [told] = missing.as_slice() else { panic!("{missing:?}") };
    assert!(told.contains("`counter@1`") && told.contains("deploy it again"), "{told}");
    // What is on it is listed all the same, with what is known of it.
    let listed = |world: &World| {
        let page = request(world, "gearshift.query.instances", &json!({})).unwrap();
        let one = &page["items"][0];
        (one["id"].clone(), one["definition_unknown"].clone(), one["active"] != json!([]))
    };
    assert_eq!(listed(&world), (json!("counter/a"), json!(true), false));
    world.deploy(COUNTER);
    assert_eq!(listed(&world), (json!("counter/a"), json!(null), true));
    assert_eq!(world.handle().missing_definitions(), [""; 0]);
    stored(&nats, "counter.added", [1]);
    assert_eq!(taken(&world, "a", 1), [1]);
}

#[test]
fn a_hole_in_the_inbox_is_one_dead_letter_and_reading_goes_on_behind_it() {
    let nats = Nats::start();
    let mut first = nats.joined("a");
    let mut second = nats.joined("b");
    first.deploy(COUNTER);
    stored(&nats, "counter.opened", [0]);
    taken(&first, "a", 0);
    first.crash();
    second.crash();
    stored(&nats, "counter.added", 1..=3);
    stored(&nats, "counter.padded", [0]);
    stored(&nats, "counter.added", 4..=6);
    let purge = async {
        let inbox = nats.jetstream().get_stream("gearshift-inbox-events").await.unwrap();
        inbox.purge().filter("counter.padded").await.unwrap()
    };
    assert_eq!(nats.runtime.block_on(purge).purged, 1);
    first.start();
    second.start();
    assert_eq!(taken(&first, "a", 6), [1, 2, 3, 4, 5, 6]);
    let both = [
        health_of(&first, 1, |one| one.position == 8),
        health_of(&second, 1, |one| one.position == 8),
    ];
    assert!(both.iter().all(|one| one.reason.is_none()), "{both:?}");
    let letters = dead_letters(&first);
    let [letter] = letters.as_slice() else { panic!("one letter for one hole: {letters:#?}") };
    assert!(letter.reason.starts_with("GS3012 message_lost: message 5 of `events`"), "{letter:?}");
}

#[test]
fn c4_a_journal_that_is_set_up_otherwise_refuses_its_partition_with_what_differs() {
    let nats = Nats::start();
    let config = stream::Config {
        name: "gearshift-log-journal-1".to_owned(),
        subjects: vec!["gearshift.journal.1".to_owned()],
        max_messages: 100,
        ..stream::Config::default()
    };
    let create = async { nats.jetstream().create_stream(config).await.map(drop) };
    nats.runtime.block_on(create).unwrap();
    let world = nats.joined("a");
    let refused = async || {
        let health = world.handle().health();
        let others = health.iter().filter(|one| one.partition != 1).all(|one| one.serving);
        health[1].reason.clone().filter(|_| others)
    };
    let reason = world.run(eventually_async("partition 1 is refused", refused));
    assert!(reason.contains("is set up otherwise: ") && reason.contains("max_msgs"), "{reason}");
}
