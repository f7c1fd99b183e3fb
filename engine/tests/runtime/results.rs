//! What results of long work tell beside themselves: how busy the instance is, and whether they say
//! what a reply said (row P3).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use gearshift_bus::{
    Bus, EndpointInfo, Headers, Message, Offer, Registration, ServiceInfo, Subject,
};
use gearshift_engine::api::{self, Request};
use gearshift_machine::machine::{InstanceKey, Status};
use gearshift_protocol::headers;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::{World, event, eventually_async, on_each_bus};

/// The calls that were made: by whom they were taken, and what they said of themselves.
#[derive(Clone, Default)]
struct Desk(Arc<Mutex<Vec<(&'static str, Headers)>>>);

impl Desk {
    /// An instance; of all of them the first call is promised, if `promises`.
    async fn worker(
        &self,
        bus: &Bus,
        id: &'static str,
        promises: bool,
    ) -> (JoinSet<()>, Registration) {
        let metadata = [("gearshift.plugin", "1"), ("gearshift.instance", "true")];
        let metadata = metadata.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let info = ServiceInfo {
            name: "p".to_owned(),
            id: id.to_owned(),
            version: "1.0.0".to_owned(),
            metadata: metadata.into(),
            endpoints: vec![EndpointInfo {
                name: "work".to_owned(),
                subject: "gearshift.plugin.p.v1.work".to_owned(),
                metadata: BTreeMap::new(),
            }],
        };
        let offer = Offer::new("q").alone().keep_id();
        let (offered, servers) = bus.requests().offer_as(info, offer).await.unwrap();
        let mut serving = JoinSet::new();
        for mut server in servers {
            let desk = self.clone();
            serving.spawn(async move {
                while let Some(request) = server.next().await {
                    let reply = desk.answer(id, promises, &request.message);
                    request.respond(reply).await.unwrap();
                }
            });
        }
        (serving, offered)
    }

    fn answer(&self, id: &'static str, promises: bool, asked: &Message) -> Message {
        let mut calls = self.0.lock().unwrap();
        let first = calls.first().map_or(id, |(first, _)| *first);
        let promises = calls.is_empty() && promises;
        let load = match promises {
            true => "9/10",
            false if id == first => "1/10",
            false => "5/10",
        };
        let body = if promises { "" } else { "{}" };
        let mut reply = Message::new(asked.subject.clone(), body);
        if promises {
            reply.headers.insert(headers::PENDING, "true").unwrap();
        }
        reply.headers.insert(headers::LOAD, load).unwrap();
        calls.push((id, asked.headers.clone()));
        reply
    }

    /// Who took the calls so far.
    fn took(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().iter().map(|(id, _)| *id).collect()
    }

    /// A result of the first call.
    fn result(&self, body: &'static str) -> Message {
        let (_, list) = self.0.lock().unwrap().first().cloned().unwrap();
        let to = Subject::parse(list.get(headers::RESULT_TO).unwrap()).unwrap();
        let mut result = Message::new(to, body);
        for name in [headers::CALL_ID, headers::ATTEMPT, headers::INSTANCE] {
            result.headers.insert(name, list.get(name).unwrap()).unwrap();
        }
        result.headers.insert(headers::LOAD, "0/10").unwrap();
        result
    }
}

const JOBS: &str = "workflow: job\ncorrelate: data.key\nevents: { job.wanted: { start: true } }\n\
    plugins: { p: { balance: resource } }\nstates:\n  working:\n    entry: { call: p.work }\n    \
    done: ended\n    failed: lost\n  ended: { final: true }\n  lost: { final: true }\n";

async fn want(world: &World, name: &str) {
    world.handle().event(event("job.wanted", &json!({ "key": name }))).await.unwrap();
}

async fn ends(world: &World, name: &str) {
    let key = InstanceKey::new("job", name).unwrap();
    let done = async || {
        let seen = world.handle().instance(&key).await.ok()??;
        (seen.status == Status::Done).then_some(())
    };
    eventually_async(&format!("{name} ends"), done).await;
}

#[test]
fn g7_the_load_that_comes_with_a_result_counts() {
    on_each_bus(|mut world| {
        world.start();
        world.deploy(JOBS);
        let (bus, desk) = (world.bus(), Desk::default());
        world.run(async {
            let _one = desk.worker(&bus, "one", true).await;
            let _two = desk.worker(&bus, "two", true).await;
            want(&world, "long").await;
            eventually_async("it is taken", async || (desk.took().len() == 1).then_some(())).await;
            for name in ["a", "b"] {
                want(&world, name).await;
                ends(&world, name).await;
            }
            let took = desk.took();
            assert!(took[1] != took[0] && took[2] != took[0], "nine of ten, {took:?}");
            bus.publish(desk.result("{}")).await.unwrap();
            ends(&world, "long").await;
            want(&world, "c").await;
            ends(&world, "c").await;
            let took = desk.took();
            assert_eq!(took[3], took[0], "it said that it has nothing to do: {took:?}");
        });
    });
}

/// Attempts that were answered twice and differently, as `plugin show -o json` tells.
async fn conflicts(world: &World) -> u64 {
    let request = Request {
        subject: "gearshift.query.plugins".to_owned(),
        headers: Headers::new(),
        body: "{}".into(),
    };
    let reply = api::answer(&world.handle(), request).await.unwrap();
    let page: serde_json::Value = serde_json::from_slice(&reply).unwrap();
    page["items"][0]["operations"][0]["conflicts"].as_u64().unwrap_or_default()
}

#[test]
fn p3_a_result_that_says_something_else_than_the_reply_before_is_told() {
    on_each_bus(|mut world| {
        world.start();
        world.deploy(JOBS);
        let (bus, desk) = (world.bus(), Desk::default());
        world.run(async {
            let _one = desk.worker(&bus, "one", false).await;
            want(&world, "a").await;
            ends(&world, "a").await;
            bus.publish(desk.result("{}")).await.unwrap();
            bus.publish(desk.result("{\"n\":2}")).await.unwrap();
            let told = async || (conflicts(&world).await > 0).then_some(());
            eventually_async("the difference is counted", told).await;
            assert_eq!(conflicts(&world).await, 1, "what says the same is no conflict");
        });
    });
}
