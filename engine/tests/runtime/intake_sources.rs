//! Sources that are not what they were, and messages that are gone: never silence, never stuck.

use bytes::Bytes;
use gearshift_bus::{Bus, Message, Subject};
use gearshift_engine::runtime::IntakeHealth;
use serde_json::{Value, json};

use crate::intake_engines::{dead_letters, publish_bare};
use crate::support::{World, eventually_async};

/// The inbox as the engine sees it, once `look` likes it.
fn inbox_health(world: &World, what: &str, look: impl Fn(&IntakeHealth) -> bool) -> IntakeHealth {
    let seen = async || world.handle().intake().into_iter().find(|health| look(health));
    world.run(eventually_async(what, seen))
}

/// As if the stream had been another one when the engine ran before.
fn tamper(world: &World) {
    world.between(async |bus: &Bus| {
        let bucket = bus.bucket("sources").await.unwrap();
        let value = bucket.get("table").await.unwrap().unwrap();
        let mut table = serde_json::from_slice::<Value>(&value.value).unwrap();
        table[0]["incarnation"] = json!("00000000000000000000000000000abc");
        bucket.put("table", Bytes::from(table.to_string())).await.unwrap();
    });
}

#[test]
fn e16_a_recreated_inbox_is_refused_until_it_is_accepted() {
    let mut world = World::embedded().started();
    publish_bare(&world, "counter.opened", &json!({ "key": "a", "n": 0 }));
    for n in 1..=5 {
        publish_bare(&world, "counter.added", &json!({ "key": "a", "n": n }));
    }
    world.until("a", "they are taken", |counter| counter.seen.len() == 5);
    let healthy = inbox_health(&world, "it is read", |health| health.position == 6);
    assert_eq!((healthy.source, healthy.reason.as_deref()), (1, None));
    world.crash();
    tamper(&world);
    world.start();
    let refused = inbox_health(&world, "it says why", |health| health.reason.is_some());
    let reason = refused.reason.unwrap();
    assert!(reason.starts_with("GS6003 inbox_changed"), "{reason}");
    assert!(reason.contains("--accept-new-inbox"), "{reason}");
    // Doors go on, and what is published is kept.
    world.send("counter.added", "a", 6);
    publish_bare(&world, "counter.added", &json!({ "key": "a", "n": 7 }));
    assert_eq!(world.run(world.counter("a")).unwrap().seen, [1, 2, 3, 4, 5, 6]);
    world.crash();
    world.config.accept_new_inbox = true;
    world.start();
    // A new source: the stream is read from its first message on, as a person wanted.
    let counter = world.until("a", "the new stream is read", |one| one.seen.last() == Some(&7));
    assert_eq!(counter.seen, [1, 2, 3, 4, 5, 6, 1, 2, 3, 4, 5, 7]);
    let healthy = inbox_health(&world, "it is read", |health| health.position == 7);
    assert_eq!((healthy.source, healthy.reason), (2, None));
    world.config.accept_new_inbox = false;
    world.restart();
    world.inbox_is_read();
    assert_eq!(world.run(world.counter("a")).unwrap().seen.len(), 12);
}

#[test]
fn messages_that_are_gone_leave_one_dead_letter_that_names_them() {
    let mut world = World::memory().with(|config| config.partitions = 4).started();
    publish_bare(&world, "counter.opened", &json!({ "key": "a", "n": 0 }));
    publish_bare(&world, "counter.added", &json!({ "key": "a", "n": 1 }));
    world.until("a", "it is taken", |counter| counter.seen == [1]);
    world.crash();
    world.between(async |bus: &Bus| {
        let inbox = bus.inbox("events").await.unwrap();
        for n in 2..=9 {
            let body = json!({ "key": "a", "n": n }).to_string();
            let message = Message::new(Subject::parse("counter.added").unwrap(), body);
            inbox.publish(message).await.unwrap();
        }
        // Events 2 to 5 grow too old before an engine comes.
        inbox.trim(7).await.unwrap();
    });
    world.start();
    let counter = world.until("a", "reading goes on", |one| one.seen.last() == Some(&9));
    assert_eq!(counter.seen, [1, 6, 7, 8, 9]);
    let letters = dead_letters(&world);
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert!(letters[0].reason.starts_with("GS3012 message_lost"), "{:?}", letters[0]);
    assert!(letters[0].reason.contains("to 6 of `events`"), "{:?}", letters[0]);
    // It is kept once, also when everything is read again.
    world.restart();
    world.inbox_is_read();
    assert_eq!(dead_letters(&world).len(), 1);
}

#[test]
fn e18_a_message_that_the_bus_calls_malformed_is_a_dead_letter_and_reading_goes_on() {
    let world = World::memory().started();
    let message = Message::new(Subject::parse("counter.opened").unwrap(), r#"{"key":"a","n":0}"#)
        .with_header("Gearshift-Malformed", "header `ce-id` occurs twice")
        .unwrap();
    world.run(world.bus().publish(message)).unwrap();
    publish_bare(&world, "counter.opened", &json!({ "key": "b", "n": 0 }));
    world.until("b", "what stands behind it is read", |_| true);
    let letters = dead_letters(&world);
    assert_eq!(letters.len(), 1, "{letters:#?}");
    assert_eq!(&*letters[0].reason, "GS3007 headers: header `ce-id` occurs twice");
    assert_eq!(world.run(world.counter("a")), None);
}

#[test]
fn an_event_without_an_id_is_named_after_its_place() {
    let world = World::memory().started();
    publish_bare(&world, "counter.added", &json!({ "key": "nobody", "n": 1 }));
    let letter = async || dead_letters_of(&world).await.into_iter().next();
    let letter = world.run(eventually_async("a dead letter", letter));
    assert_eq!(letter.as_deref(), Some("events@1:1"));
}

async fn dead_letters_of(world: &World) -> Vec<Option<String>> {
    let mut ids = Vec::new();
    for partition in 0..world.config.partitions {
        let letters = world.handle().dead_letters(partition, &Default::default(), None, 9).await;
        let letters = letters.unwrap().into_iter();
        ids.extend(letters.map(|(_, letter)| letter.event.id.map(|id| id.to_string())));
    }
    ids
}
