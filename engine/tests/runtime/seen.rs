//! Instances of plugins as the engine sees them: those that are gone while nobody looked, and those
//! that are connected and say nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions, PrivateServer, ServerOptions, SubjectPattern};
use gearshift_engine::runtime::ClusterConfig;
use gearshift_machine::machine::NoticeKind;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::cluster::{LEASE, served, spread};
use crate::plugins::{Shop, jobs, want};
use crate::remote::request;
use crate::support::{PATIENCE, World, eventually, eventually_async, on_nats};

fn engine(server: &PrivateServer, node: &str) -> World {
    let mut world = World::nats(server.url()).with(|config| {
        config.name = node.to_owned();
        config.partitions = 4;
        config.cluster = Some(ClusterConfig { node: node.to_owned(), lease: LEASE });
    });
    world.start();
    world
}

/// The engine that tells of plugins goes in the moment in which one of them does.
#[test]
fn decision_53_on_nats_whoever_tells_next_tells_of_one_that_was_killed_before() {
    let ground = Runtime::new().unwrap();
    let server = ground.block_on(PrivateServer::start(ServerOptions::default())).unwrap();
    let mut first = engine(&server, "a");
    let second = engine(&server, "b");
    spread(&[&first, &second], &[2, 2]);
    let worlds = [&first, &second];
    let [told, _] = worlds.map(|world| served(world).contains(&0));
    assert!(told, "the first engine keeps the low end");
    let mut heard = second.handle().notices();
    let _listens = first.handle().notices();
    let bus = ground.block_on(Bus::connect(&NatsOptions::new(server.url()))).unwrap();
    let shop = Shop::default();
    let [gone, stays] = ground.block_on(async {
        [shop.worker(&bus, "1.0.0", false).await, shop.worker(&bus, "1.1.0", false).await]
    });
    let kept = async || {
        let kept = bus.bucket("plugins").await.ok()?.get("told").await.ok()??;
        let kept: BTreeMap<String, Value> = serde_json::from_slice(&kept.value).unwrap();
        (kept.contains_key(&gone.id) && kept.contains_key(&stays.id)).then_some(())
    };
    ground.block_on(eventually_async("both are known as there", kept));
    let id = gone.id.clone();
    first.crash();
    ground.block_on(async { drop(gone) });
    second.run(eventually("it takes over", || served(&second).contains(&0).then_some(())));
    let told = async {
        loop {
            let notice = heard.recv().await.unwrap();
            if notice.kind == NoticeKind::Unregistered {
                return notice;
            }
        }
    };
    let notice = second.run(async { tokio::time::timeout(PATIENCE, told).await.unwrap() });
    let data = notice.data.to_json();
    let data: Value = serde_json::from_slice(data.as_ref()).unwrap();
    let said = json!({ "id": id, "version": "1.0.0", "reason": "it no longer answers" });
    assert_eq!(data, said);
    drop(stays);
}

/// A process that stands still keeps its connection, and what it subscribes to.
#[test]
fn a_plugin_that_stands_still_is_told_apart_from_one_that_does_not_run() {
    on_nats(|mut world| {
        world.start();
        world.deploy(&jobs("p.work", "{}"));
        let bus = world.bus();
        let still = world.run(async {
            let ping = bus.subscribe(&SubjectPattern::parse("$SRV.PING.p").unwrap()).await;
            let work = SubjectPattern::parse("gearshift.plugin.p.v1.work").unwrap();
            (ping.unwrap(), bus.requests().serve(&work, "q").await.unwrap())
        });
        world.run(want(&world, "a"));
        let why = || {
            let why = request(&world, "gearshift.query.why", &json!({ "id": "job/a" })).unwrap();
            why["lines"].as_array().unwrap().iter().map(ToString::to_string).collect::<String>()
        };
        let words = "plugin `p` is connected and does not answer";
        assert!(why().contains(words), "{}", why());
        let list = |body: Value| request(&world, "gearshift.query.plugins", &body).unwrap();
        for body in [json!({}), json!({ "name": "p" })] {
            let list = list(body);
            assert_eq!(list["items"], json!([]), "{list}");
            assert!(list["missing"].to_string().contains(words), "{list}");
        }
        drop(still);
        world.run(eventually_async("it is gone", async || {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let list = bus.requests().discover().await.unwrap();
            list.is_empty().then_some(())
        }));
        assert!(why().contains("no plugin `p` is running"), "{}", why());
        assert_eq!(list(json!({}))["missing"], Value::Null);
    });
}
