//! What the engine knows of plugins: versions, breakers, where calls go.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gearshift_bus::{
    Bus, EndpointInfo, ErrorKind, Message, Offer, Registration, ServiceInfo, Subject,
};
use gearshift_machine::machine::{InstanceKey, NoticeKind, Status};
use gearshift_protocol::headers;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{World, event, eventually_async, on_each_bus};

/// The attempts of a call that its instances saw, by service id.
type Went = Arc<Mutex<BTreeMap<String, Vec<u32>>>>;

/// An instance of the plugin `p` with the operation `work`.
pub(crate) struct Worker {
    pub(crate) id: String,
    _serving: JoinSet<()>,
    _offered: Registration,
}

/// How workers behave, and what they saw.
#[derive(Clone, Default)]
pub(crate) struct Shop {
    went: Went,
    pub(crate) fails: Arc<AtomicBool>,
    /// How many of the next calls are answered later, and never.
    promises: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
}

impl Shop {
    /// One more instance; `alone` ones can also be asked alone.
    pub(crate) async fn worker(&self, bus: &Bus, version: &str, alone: bool) -> Worker {
        let serial = self.asked.load(Ordering::Relaxed) + self.went.lock().unwrap().len();
        let mut metadata = BTreeMap::from([("gearshift.plugin".to_owned(), "1".to_owned())]);
        if alone {
            metadata.insert("gearshift.instance".to_owned(), "true".to_owned());
        }
        let info = ServiceInfo {
            name: "p".to_owned(),
            id: format!("w{serial}-{version}").replace('.', "_"),
            version: version.to_owned(),
            metadata,
            endpoints: vec![EndpointInfo {
                name: "work".to_owned(),
                subject: "gearshift.plugin.p.v1.work".to_owned(),
                metadata: BTreeMap::new(),
            }],
        };
        let offer = if alone { Offer::new("q").alone() } else { Offer::new("q") };
        let (offered, servers) = bus.requests().offer_as(info, offer).await.unwrap();
        let id = offered.id().to_owned();
        self.went.lock().unwrap().insert(id.clone(), Vec::new());
        let mut serving = JoinSet::new();
        for mut server in servers {
            let (shop, id) = (self.clone(), id.clone());
            serving.spawn(async move {
                while let Some(request) = server.next().await {
                    shop.asked.fetch_add(1, Ordering::Relaxed);
                    let attempt = request.message.headers.get(headers::ATTEMPT).unwrap();
                    let attempt = attempt.parse().unwrap();
                    shop.went.lock().unwrap().get_mut(&id).unwrap().push(attempt);
                    let mut reply = Message::new(request.message.subject.clone(), "{}");
                    let less = |left: usize| left.checked_sub(1);
                    let (set, fetch) = (Ordering::Relaxed, Ordering::Relaxed);
                    if shop.promises.fetch_update(set, fetch, less).is_ok() {
                        reply = Message::new(request.message.subject.clone(), "");
                        reply.headers.insert(headers::PENDING, "true").unwrap();
                    }
                    if shop.fails.load(Ordering::Relaxed) {
                        reply.headers.insert(headers::SERVICE_ERROR_CODE, "503").unwrap();
                        reply.headers.insert(headers::SERVICE_ERROR, "the bank is down").unwrap();
                    }
                    request.respond(reply).await.unwrap();
                }
            });
        }
        Worker { id, _serving: serving, _offered: offered }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many calls each instance got.
    fn went(&self) -> BTreeMap<String, usize> {
        let went = self.went.lock().unwrap();
        went.iter().map(|(id, calls)| (id.clone(), calls.len())).collect()
    }
}

pub(crate) fn jobs(operation: &str, rules: &str) -> String {
    format!(
        "workflow: job\ncorrelate: data.key\nevents: {{ job.wanted: {{ start: true }} }}\n\
         plugins: {{ p: {rules} }}\nstates:\n  working:\n    entry:\n      - call: {operation}\n        \
         timeout: 20s\n        retry: {{ attempts: 100, backoff: 1s, on: [retryable, timeout, \
         plugin_not_found] }}\n    done: ended\n    failed: lost\n  ended: {{ final: true }}\n  \
         lost: {{ final: true }}\n"
    )
}

pub(crate) async fn want(world: &World, name: &str) {
    world.handle().event(event("job.wanted", &json!({ "key": name }))).await.unwrap();
}

async fn status(world: &World, name: &str) -> Option<Status> {
    let key = InstanceKey::new("job", name).unwrap();
    Some(world.handle().instance(&key).await.ok()??.status)
}

pub(crate) async fn ends(world: &World, name: &str) {
    let seen = async || (status(world, name).await? == Status::Done).then_some(());
    eventually_async(&format!("{name} ends"), seen).await;
}

/// Moves time on until the instance has ended.
async fn ends_in_time(world: &World, name: &str, step: Duration) {
    let seen = async || {
        world.advance(step);
        (status(world, name).await? == Status::Done).then_some(())
    };
    eventually_async(&format!("{name} ends"), seen).await;
}

async fn gone(bus: &Bus, id: &str) {
    let subject = Subject::parse(&format!("gearshift.plugin.p.v1.work.{id}")).unwrap();
    let seen = async || {
        let ping = Message::new(subject.clone(), "");
        let asked = bus.requests().request(ping, Duration::from_secs(1)).await;
        matches!(asked.err()?.kind(), ErrorKind::NoResponders { .. }).then_some(())
    };
    eventually_async("the instance is gone", seen).await;
}

#[test]
fn g10_a_breaker_opens_and_is_open_after_a_restart_until_it_is_reset() {
    on_each_bus(|mut world| {
        world.start();
        let shop = Shop::default();
        shop.fails.store(true, Ordering::Relaxed);
        world.deploy(&jobs("p.work", "{ breaker: { threshold: 3, reset: 1h } }"));
        let bus = world.bus();
        world.run(async {
            let _worker = shop.worker(&bus, "1.0.0", false).await;
            want(&world, "a").await;
            let opened = async || {
                world.advance(Duration::from_millis(200));
                world.handle().breakers().pop()
            };
            let (key, tripped) = eventually_async("it opens", opened).await;
            assert_eq!(key, "p.v1.work");
            assert_eq!((tripped.failures, tripped.half_open), (3, false));
            assert!(tripped.error.contains("the bank is down"), "{tripped:?}");
            assert_eq!(shop.asked(), 3);
            let plugins = async || {
                let kept = bus.bucket("plugins").await.unwrap().keys("breaker/").await.unwrap();
                (kept == ["breaker/p.v1.work"]).then_some(())
            };
            eventually_async("it is kept", plugins).await;
        });
        drop(bus);
        world.restart();
        let bus = world.bus();
        world.run(async {
            assert_eq!(world.handle().breakers().len(), 1, "it is known before anything is asked");
            let _worker = shop.worker(&bus, "1.0.0", false).await;
            want(&world, "b").await;
            let waits = async || (status(&world, "b").await? == Status::Running).then_some(());
            eventually_async("b waits", waits).await;
            assert_eq!(shop.asked(), 3, "nothing was sent");
            shop.fails.store(false, Ordering::Relaxed);
            let closed = world.handle().reset_breakers("p", Some("work"), "ann").await.unwrap();
            assert_eq!(closed, ["p.v1.work"]);
            ends_in_time(&world, "a", Duration::from_millis(100)).await;
            ends_in_time(&world, "b", Duration::from_millis(100)).await;
            assert_eq!(shop.asked(), 5, "one call each");
            let attempts = shop.went.lock().unwrap().values().flatten().copied().max();
            assert!(attempts <= Some(4), "what was held is no attempt: {attempts:?}");
        });
    });
}

#[test]
fn g10_after_its_time_one_call_is_tried_and_closes_the_breaker_again() {
    on_each_bus(|mut world| {
        world.start();
        let shop = Shop::default();
        shop.fails.store(true, Ordering::Relaxed);
        world.deploy(&jobs("p.work", "{ breaker: { threshold: 2, reset: 1h } }"));
        let bus = world.bus();
        world.run(async {
            let _worker = shop.worker(&bus, "1.0.0", false).await;
            want(&world, "a").await;
            let opened = async || {
                world.advance(Duration::from_millis(200));
                world.handle().breakers().pop()
            };
            eventually_async("it opens", opened).await;
            world.advance(Duration::from_secs(3_600));
            let reopened = async || {
                world.advance(Duration::from_millis(200));
                let (_, tripped) = world.handle().breakers().pop()?;
                (tripped.failures == 3 && !tripped.half_open).then_some(())
            };
            eventually_async("the call that is tried fails too", reopened).await;
            assert_eq!(shop.asked(), 3);
            shop.fails.store(false, Ordering::Relaxed);
            world.advance(Duration::from_secs(3_600));
            ends_in_time(&world, "a", Duration::from_millis(200)).await;
            assert_eq!(shop.asked(), 4);
            let closed = async || world.handle().breakers().is_empty().then_some(());
            eventually_async("it is closed", closed).await;
        });
    });
}

#[test]
fn g10_where_it_is_declared_calls_fail_at_once_while_the_breaker_is_open() {
    on_each_bus(|mut world| {
        world.start();
        let shop = Shop::default();
        shop.fails.store(true, Ordering::Relaxed);
        world.deploy(&jobs("p.work", "{ breaker: { threshold: 1, reset: 1h, open: fail } }"));
        let bus = world.bus();
        world.run(async {
            let _worker = shop.worker(&bus, "1.0.0", false).await;
            want(&world, "a").await;
            let seen = async || {
                world.advance(Duration::from_millis(200));
                (status(&world, "a").await? == Status::Done).then_some(())
            };
            eventually_async("it ends in `lost`", seen).await;
            assert_eq!(shop.asked(), 1, "the next attempt was not sent");
            let key = InstanceKey::new("job", "a").unwrap();
            let trace = world.handle().trace(&key).await.unwrap();
            let told = trace.iter().filter_map(|entry| entry.note.as_deref());
            assert!(told.into_iter().any(|note| note.contains("breaker_open")), "{trace:#?}");
        });
    });
}

#[test]
fn g3_a_call_reaches_only_versions_that_the_definition_means() {
    on_each_bus(|mut world| {
        world.start();
        let shop = Shop::default();
        world.deploy(&jobs("p@^1.2.work", "{}"));
        let bus = world.bus();
        world.run(async {
            let older = shop.worker(&bus, "1.1.0", false).await;
            want(&world, "a").await;
            let key = InstanceKey::new("job", "a").unwrap();
            let told = async || {
                let trace = world.handle().trace(&key).await.ok()?;
                let notes = trace.into_iter().filter_map(|entry| entry.note);
                notes.into_iter().find(|note| note.contains("plugin_not_found"))
            };
            let note = eventually_async("it says why", told).await;
            assert!(note.contains("runs as 1.1.0, but `^1.2` is needed"), "{note}");
            let newer = shop.worker(&bus, "1.2.0", true).await;
            ends_in_time(&world, "a", Duration::from_millis(20)).await;
            for name in ["b", "c", "d", "e"] {
                want(&world, name).await;
                ends(&world, name).await;
            }
            assert_eq!(shop.went(), BTreeMap::from([(older.id.clone(), 0), (newer.id.clone(), 5)]));
        });
    });
}

#[test]
fn g7_calls_are_balanced_over_instances_and_one_that_is_gone_costs_no_time() {
    on_each_bus(|mut world| {
        world.start();
        let shop = Shop::default();
        world.deploy(&jobs("p.work", "{ balance: round_robin }"));
        let bus = world.bus();
        world.run(async {
            let mut workers = Vec::new();
            for _ in 0..3 {
                workers.push(shop.worker(&bus, "1.0.0", true).await);
            }
            for number in 0..30 {
                want(&world, &format!("a{number}")).await;
            }
            for number in 0..30 {
                ends(&world, &format!("a{number}")).await;
            }
            let went = shop.went();
            assert_eq!(went.values().copied().collect::<Vec<_>>(), [10, 10, 10], "{went:?}");
            let leaves = workers.remove(1);
            let id = leaves.id.clone();
            drop(leaves);
            gone(&bus, &id).await;
            // Time stands still: nothing waits for a retry.
            for number in 0..12 {
                want(&world, &format!("b{number}")).await;
                ends(&world, &format!("b{number}")).await;
            }
            let went = shop.went();
            assert_eq!(went[&id], 10);
            assert_eq!(went.values().sum::<usize>(), 42);
        });
    });
}

#[test]
fn g7_what_an_instance_promised_is_in_flight_there() {
    on_each_bus(|mut world| {
        world.start();
        let shop = Shop::default();
        world.deploy(&jobs("p.work", "{ balance: least_in_flight }"));
        let bus = world.bus();
        world.run(async {
            let workers =
                [shop.worker(&bus, "1.0.0", true).await, shop.worker(&bus, "1.0.0", true).await];
            shop.promises.store(1, Ordering::Relaxed);
            want(&world, "long").await;
            let took = async || (shop.asked() == 1).then_some(());
            eventually_async("it is taken", took).await;
            for number in 0..10 {
                want(&world, &format!("a{number}")).await;
                ends(&world, &format!("a{number}")).await;
            }
            let mut went: Vec<_> = shop.went().into_values().collect();
            went.sort_unstable();
            assert_eq!(went, [1, 10], "the other one has nothing under way");
            drop(workers);
        });
    });
}

#[test]
fn g4_what_plugins_announce_becomes_notices() {
    on_each_bus(|mut world| {
        world.start();
        let bus = world.bus();
        world.run(async {
            let mut notices = world.handle().notices();
            for (event, kind) in [
                ("registered", NoticeKind::Registered),
                ("overloaded", NoticeKind::Overloaded),
                ("available", NoticeKind::Available),
                ("unregistered", NoticeKind::Unregistered),
            ] {
                let body = json!({ "event": event, "id": "w1", "version": "1.2.0",
                    "state": "active", "in_flight": 3, "capacity": 16 });
                let subject = Subject::parse("gearshift.announce.p").unwrap();
                let announced = Message::new(subject, body.to_string());
                let heard = async || {
                    // The engine may not listen yet when the first one is published.
                    bus.publish(announced.clone()).await.unwrap();
                    let soon = Duration::from_millis(100);
                    let next = tokio::time::timeout(soon, notices.recv()).await.ok()?.unwrap();
                    (next.kind == kind).then_some(next)
                };
                let notice = eventually_async(event, heard).await;
                assert_eq!(notice.key.to_string(), "plugin/p");
                let told = notice.data.to_json();
                let told: serde_json::Value = serde_json::from_slice(told.as_ref()).unwrap();
                assert_eq!((&told["id"], &told["load"]), (&json!("w1"), &json!("3/16")));
            }
        });
    });
}
