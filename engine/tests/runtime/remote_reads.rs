//! Lists, pages and health give the same through each engine, whoever owns what.

use gearshift_bus::Bus;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{PARTITIONS, joined, spread};
use crate::remote::{LOAN, key_at, order, pair, query, request};
use crate::support::{COUNTER, PATIENCE, World, incoming, key};

fn open(world: &World, count: u64) -> Vec<String> {
    let names = (0..count).map(|number| format!("n{number:03}")).collect::<Vec<_>>();
    for name in &names {
        world.ask(incoming("counter.opened", name, 0)).unwrap();
    }
    names
}

fn without_ages(mut page: Value) -> Value {
    for item in page["items"].as_array_mut().unwrap() {
        item["age_s"] = Value::Null;
    }
    page
}

#[test]
fn pages_over_partitions_of_three_engines_are_the_same_through_each() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    let names = open(&first, 40);
    let second = joined(&bus, "b");
    let third = joined(&bus, "c");
    let worlds = [&first, &second, &third];
    spread(&worlds, &[1, 2, 1]);
    let whole = |world: &World| without_ages(query(world, "instances", &json!({ "limit": 100 })));
    let all = whole(&first);
    let items = all["items"].as_array().unwrap().clone();
    assert_eq!(items.len(), names.len());
    for world in worlds {
        assert_eq!(whole(world), all);
    }
    // Each page through another engine.
    let mut turned = Vec::new();
    let mut after = Value::Null;
    for world in worlds.into_iter().cycle() {
        let page = without_ages(query(world, "instances", &json!({ "limit": 7, "after": after })));
        turned.extend(page["items"].as_array().unwrap().iter().cloned());
        after = page["next"].clone();
        if after.is_null() {
            break;
        }
    }
    assert_eq!(turned, items);
    let definitions = query(&second, "definitions", &json!({}));
    assert_eq!(definitions["items"][0]["instances"], json!(names.len()));
}

#[test]
fn one_instance_is_shown_the_same_and_found_by_its_end() {
    let [first, second] = pair(&[COUNTER]);
    let near = key_at(&first, "counter");
    first.ask(incoming("counter.opened", near.key(), 0)).unwrap();
    first.ask(incoming("counter.added", near.key(), 1)).unwrap();
    for what in ["instance", "history", "why"] {
        let shown = [&first, &second].map(|world| {
            let mut shown = query(world, what, &json!({ "id": near.to_string() }));
            shown["age_s"] = Value::Null;
            shown
        });
        assert_eq!(shown[0], shown[1], "{what}");
    }
    let long = key("some-rather-long-7f3a");
    first.ask(incoming("counter.opened", long.key(), 0)).unwrap();
    for world in [&first, &second] {
        let found = query(world, "instance", &json!({ "id": "long-7f3a" }));
        assert_eq!(found["id"], long.to_string());
        let problem = request(world, "gearshift.query.instance", &json!({ "id": "nobody-9" }));
        assert_eq!(problem.unwrap_err()["code"], "GS4002");
    }
}

#[test]
fn tasks_of_every_engine_are_listed_through_each() {
    let worlds = pair(&[LOAN]);
    for owner in &worlds {
        let key = key_at(owner, "loan");
        order(&worlds[0], "start", &json!({ "workflow": "loan", "key": key.key() })).unwrap();
        let body = json!({ "key": key.key(), "n": 2 });
        request(&worlds[1], "gearshift.event.loan.judged", &body).unwrap();
    }
    for world in &worlds {
        let tasks = query(world, "tasks", &json!({}));
        assert_eq!(tasks["items"].as_array().unwrap().len(), 2, "{tasks}");
    }
}

#[test]
fn health_names_every_partition_with_its_owner_through_each() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(COUNTER);
    open(&first, 20);
    let mut second = joined(&bus, "b");
    spread(&[&first, &second], &[2, 2]);
    for world in [&first, &second] {
        // Who gave partitions away hears a moment later who has them.
        let end = Instant::now() + PATIENCE;
        let mut health = query(world, "health", &json!({}));
        while health["status"] != "ready" {
            assert!(Instant::now() < end, "{health}");
            health = query(world, "health", &json!({}));
        }
        let partitions = health["partitions"].as_array().unwrap();
        assert_eq!(partitions.len(), usize::from(PARTITIONS));
        let instances = partitions.iter().map(|one| one["instances"].as_u64().unwrap());
        assert_eq!(instances.sum::<u64>(), 20, "{health}");
        let owned = |node: &str| partitions.iter().filter(|one| one["owner"] == node).count();
        assert_eq!((owned("a"), owned("b")), (2, 2), "{health}");
        let nodes = health["engines"].as_array().unwrap().iter();
        assert_eq!(nodes.map(|one| one["node"].clone()).collect::<Vec<_>>(), ["a", "b"]);
    }
    second.crash();
    let missed = || (query(&first, "health", &json!({}))["status"] == "degraded").then_some(());
    let end = Instant::now() + PATIENCE;
    while missed().is_none() {
        assert!(Instant::now() < end, "nobody misses the dead engine");
    }
}

#[test]
fn an_answer_above_the_limit_of_a_message_arrives_whole() {
    let worlds = pair(&[COUNTER]);
    let [owner, other] = [&worlds[0], &worlds[1]];
    let far = key_at(owner, "counter");
    owner.ask(incoming("counter.opened", far.key(), 0)).unwrap();
    // Some 60 kB each: a slice of all of them is far above 1 MiB.
    let pad = "x".repeat(60_000);
    let keys = (0..200).map(|number| format!("w{number:03}")).collect::<Vec<_>>();
    for name in &keys {
        owner.ask(incoming("counter.opened", name, 0)).unwrap();
        let body = json!({ "key": name, "pad": pad });
        request(owner, "gearshift.event.counter.padded", &body).unwrap();
    }
    let listed = query(other, "instances", &json!({ "limit": 1_000 }));
    assert_eq!(listed["items"].as_array().unwrap().len(), keys.len() + 1);
    let shown = query(other, "instance", &json!({ "id": "w001" }));
    assert_eq!(shown["vars"]["pad"], json!(pad));
}
