//! Requests of the bus that wait while partitions change hands, or their engine stops.

use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions, PrivateServer, ServerOptions};
use gearshift_engine::api::serve_on_bus;
use gearshift_engine::runtime::ClusterConfig;
use serde_json::json;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::cluster::{LEASE, joined, member, served, spread};
use crate::support::{Asking, FLOW, World, flow, is_in};

/// Far longer than any of these waits takes that is met.
const LONG: Duration = Duration::from_secs(50);
/// What an answer takes at most that nothing has to be waited for.
const SOON: Duration = Duration::from_secs(20);

/// One instance per partition.
fn names(world: &World) -> Vec<String> {
    (0..4_u16)
        .map(|partition| {
            let mut names = (0..1_000).map(|number| format!("k{number}"));
            let here = |name: &String| world.handle().partition_of(&flow(name)) == partition;
            names.find(here).unwrap()
        })
        .collect()
}

#[test]
fn an_asker_hears_from_the_next_owner() {
    let bus = Bus::in_memory();
    let first = joined(&bus, "a");
    first.deploy(FLOW);
    let _door = first.run(serve_on_bus(&first.handle())).unwrap();
    let names = names(&first);
    // Its time ends after the partitions have moved.
    let brief = LEASE * 4;
    let asked = first.run(async {
        let mut asked = Vec::new();
        for name in &names {
            let met = Asking::new("flow.begun", name).wait("armed", LONG);
            asked.push(met.begin(&bus));
            is_in(&first.handle(), name, "open").await;
        }
        asked
    });
    let vain = first.run(async {
        let vain = names.iter().map(|name| Asking::new("flow.counted", name).wait("done", brief));
        vain.map(|asking| asking.begin(&bus)).collect::<Vec<_>>()
    });
    let mut second = member(&bus, "b");
    second.start();
    spread(&[&first, &second], &[2, 2]);
    first.run(async {
        for answer in vain {
            let answer = answer.answer().await;
            assert_eq!(answer["reached"], false, "{answer}");
            assert_eq!(answer["verdicts"][0]["active"], json!(["open"]), "{answer}");
        }
        for (name, answer) in names.iter().zip(asked) {
            assert!(!answer.is_answered(), "{name}");
            Asking::new("flow.armed", name).over(bus.clone()).await;
            let answer = answer.answer().await;
            assert_eq!(answer["reached"], true, "{answer}");
            assert_eq!(answer["verdicts"][0]["verdict"], "started", "{answer}");
            assert_eq!(answer["verdicts"][0]["active"], json!(["armed"]), "{answer}");
        }
    });
}

#[test]
fn on_nats_an_asker_of_an_engine_that_stops_is_told_to_ask_again() {
    let ground = Runtime::new().unwrap();
    let server = ground.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
    let mut first = engine(&server, "a");
    first.deploy(FLOW);
    let first_door = first.run(serve_on_bus(&first.handle())).unwrap();
    let bus = ground.block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    let names = names(&first);
    let event = |name: &str| Asking::new("flow.begun", name).id("1").wait("armed", LONG);
    let asked = ground.block_on(async {
        let mut asked = Vec::new();
        for name in &names {
            asked.push(event(name).begin(&bus));
            is_in(&first.handle(), name, "open").await;
        }
        asked
    });
    let second = engine(&server, "b");
    spread(&[&first, &second], &[2, 2]);
    let _second_door = second.run(serve_on_bus(&second.handle())).unwrap();
    assert!(asked.iter().all(|answer| !answer.is_answered()));
    let began = Instant::now();
    assert!(first.shutdown());
    assert_eq!(served(&second).len(), 4);
    drop(first_door);
    ground.block_on(async {
        for (name, answer) in names.iter().zip(asked) {
            let answer = answer.answer().await;
            // Not GS5002: it is decided.
            assert_eq!(answer["code"], "GS5003", "{answer}");
            assert!(answer["detail"].as_str().unwrap().contains("under the same id"), "{answer}");
            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
            let again = event(name).begin(&bus);
            Asking::new("flow.armed", name).over(bus.clone()).await;
            let again = again.answer().await;
            assert_eq!(again["verdicts"][0]["verdict"], "duplicate", "{again}");
            assert_eq!(again["reached"], true, "{again}");
        }
    });
}

/// An engine of two on a server.
fn engine(server: &PrivateServer, node: &str) -> World {
    let mut world = World::nats(server.url()).with(|config| {
        config.name = node.to_owned();
        config.partitions = 4;
        config.cluster = Some(ClusterConfig { node: node.to_owned(), lease: LEASE });
    });
    world.start();
    world
}

#[test]
fn on_nats_askers_whose_engine_asks_another_one_hear_that_it_stops() {
    let ground = Runtime::new().unwrap();
    let server = ground.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
    let mut first = engine(&server, "a");
    first.deploy(FLOW);
    let names = names(&first);
    let door = first.run(serve_on_bus(&first.handle())).unwrap();
    let second = engine(&server, "b");
    spread(&[&first, &second], &[2, 2]);
    let theirs = served(&second);
    let names: Vec<_> = names
        .into_iter()
        .filter(|name| theirs.contains(&first.handle().partition_of(&flow(name))))
        .collect();
    let bus = ground.block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    // Decided by the second engine; waited for through the first one, which alone has a door.
    let waiting = ground.block_on(async {
        let mut waiting = Vec::new();
        for name in &names {
            waiting.push(Asking::new("flow.begun", name).wait("armed", LONG).begin(&bus));
            is_in(&second.handle(), name, "open").await;
        }
        waiting
    });
    assert_eq!(waiting.len(), 2);
    let began = Instant::now();
    assert!(first.shutdown());
    drop(door);
    for answer in waiting {
        let answer = ground.block_on(answer.answer());
        assert_eq!(answer["code"], "GS5003", "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains("under the same id"), "{answer}");
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn on_nats_a_wait_goes_on_while_nobody_serves_its_partition() {
    let ground = Runtime::new().unwrap();
    let server = ground.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
    let member = |node: &str| {
        let mut world = World::nats(server.url()).with(|config| {
            config.name = node.to_owned();
            config.partitions = 4;
            config.cluster = Some(ClusterConfig { node: node.to_owned(), lease: LEASE });
            // Shorter than an owner that died is missed.
            config.owner_wait = Duration::from_millis(20);
        });
        world.start();
        world
    };
    let first = member("a");
    first.deploy(FLOW);
    let names = names(&first);
    let _door = first.run(serve_on_bus(&first.handle())).unwrap();
    let mut second = member("b");
    spread(&[&first, &second], &[2, 2]);
    let theirs = served(&second);
    let of_second = |name: &&String| theirs.contains(&first.handle().partition_of(&flow(name)));
    let names: Vec<_> = names.iter().filter(of_second).collect();
    let bus = ground.block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    let asked = ground.block_on(async {
        let mut asked = Vec::new();
        for name in &names {
            asked.push(Asking::new("flow.begun", name).wait("armed", LONG).begin(&bus));
            is_in(&second.handle(), name, "open").await;
            // Its verdict is on the way still; what is asked now is answered behind it.
            Asking::new("flow.counted", name).over(bus.clone()).await;
        }
        asked
    });
    assert_eq!(asked.len(), 2);
    second.crash();
    ground.block_on(async {
        for (name, answer) in names.iter().zip(asked) {
            is_in(&first.handle(), name, "open").await;
            Asking::new("flow.armed", name).over(bus.clone()).await;
            let answer = answer.answer().await;
            assert_eq!(answer["reached"], true, "{answer}");
            assert_eq!(answer["verdicts"][0]["verdict"], "started", "{answer}");
        }
    });
}

#[test]
fn on_nats_what_is_asked_of_an_owner_that_died_is_answered_before_the_stop() {
    let ground = Runtime::new().unwrap();
    let server = ground.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
    let mut first = engine(&server, "a");
    first.deploy(FLOW);
    let names = names(&first);
    let _door = first.run(serve_on_bus(&first.handle())).unwrap();
    let mut second = engine(&server, "b");
    spread(&[&first, &second], &[2, 2]);
    let bus = ground.block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    second.crash();
    let asked = ground.block_on(async {
        let asked: Vec<_> =
            names.iter().map(|name| Asking::new("flow.begun", name).begin(&bus)).collect();
        // What was asked before this was taken before the stop.
        Asking::new("flow.counted", "nobody").over(bus.clone()).await;
        asked
    });
    let began = Instant::now();
    assert!(first.shutdown());
    for answer in asked {
        let answer = ground.block_on(answer.answer());
        let is_told = answer["verdicts"][0]["verdict"] == "started"
            || answer["code"].as_str().is_some_and(|code| code.starts_with("GS500"));
        assert!(is_told, "{answer}");
    }
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

/// Stops the only engine while somebody on `bus` waits.
fn told_of_the_stop(
    mut world: World,
    bus: &Bus,
    ground: &Runtime,
    stop: impl FnOnce(&mut World) -> bool,
) {
    world.start();
    world.deploy(FLOW);
    let door = world.run(serve_on_bus(&world.handle())).unwrap();
    let asked = ground.block_on(async {
        let asked = Asking::new("flow.begun", "a").wait("armed", LONG).begin(bus);
        is_in(&world.handle(), "a", "open").await;
        asked
    });
    let began = Instant::now();
    assert!(stop(&mut world));
    drop(door);
    let answer = ground.block_on(asked.answer());
    assert_eq!(answer["code"], "GS5003", "{answer}");
    assert!(answer["detail"].as_str().unwrap().contains("under the same id"), "{answer}");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
}

#[test]
fn an_asker_of_the_only_engine_hears_that_it_stops() {
    let ground = Runtime::new().unwrap();
    let bus = Bus::in_memory();
    told_of_the_stop(World::on(bus.clone()), &bus, &ground, World::stop);
    let server = ground.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
    let bus = ground.block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    told_of_the_stop(World::nats(server.url()), &bus, &ground, World::shutdown);
}
