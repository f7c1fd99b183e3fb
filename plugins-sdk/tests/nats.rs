//! Plugins on a real server, called by a plain client as anybody would by hand.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::{HeaderMap, Message};
use gearshift_bus::{Bus, PrivateServer, ServerOptions};
use gearshift_plugins_sdk::{
    Context, Failure, JsonSchema, NatsOptions, OperationOptions, Plugin, State, schemars,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const VALIDATE: &str = "gearshift.plugin.validator.v1.validate_document";
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Deserialize, JsonSchema)]
struct Document {
    title: String,
}

#[derive(Deserialize, Serialize, JsonSchema, PartialEq, Debug)]
struct Verdict {
    valid: bool,
    words: usize,
    call: String,
    attempt: u32,
}

/// What the instances of the plugin share: handlers entered, and what holds them.
#[derive(Clone)]
struct Desk {
    entered: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

async fn validate_document(
    State(desk): State<Desk>,
    ctx: Context,
    document: Document,
) -> Result<Verdict, Failure> {
    desk.entered.fetch_add(1, Ordering::SeqCst);
    if document.title.is_empty() {
        return Err(Failure::permanent("title is missing").code(422));
    }
    if document.title == "later" {
        return Err(Failure::retryable("busy").retry_after(Duration::from_secs(30)));
    }
    if document.title == "held" {
        desk.gate.acquire().await?.forget();
    }
    let words = document.title.split_whitespace().count();
    Ok(Verdict { valid: true, words, call: ctx.call_id, attempt: ctx.attempt })
}

async fn charge(_: Document) -> Result<bool, Failure> {
    Ok(true)
}

fn validator(desk: &Desk) -> Plugin {
    let once = OperationOptions::new().idempotent(false).timeout(Duration::from_secs(90));
    Plugin::new("validator", "1.2.0")
        .operation("validate_document", validate_document)
        .operation_with("charge", charge, once)
        .state(desk.clone())
}

/// A server, two plain clients' worth of connections, and what the plugins share.
struct World {
    server: PrivateServer,
    client: async_nats::Client,
    desk: Desk,
}

impl World {
    async fn start() -> Self {
        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        let client = async_nats::connect(server.url()).await.unwrap();
        let desk = Desk { entered: Arc::default(), gate: Arc::new(Semaphore::new(0)) };
        Self { server, client, desk }
    }

    async fn bus(&self) -> Bus {
        Bus::connect(&NatsOptions::new(self.server.url())).await.unwrap()
    }

    async fn call(&self, title: &str) -> Message {
        let body = json!({ "title": title }).to_string();
        let asked = self.client.request(VALIDATE, body.into());
        tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap()
    }
}

fn header<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    message.headers.as_ref()?.get(name).map(async_nats::HeaderValue::as_str)
}

#[tokio::test]
async fn a_plain_client_calls_in_json_and_message_pack() {
    let world = World::start().await;
    let running = validator(&world.desk).serve(&world.bus().await).await.unwrap();

    let reply = world.call("a b c").await;
    let verdict: Verdict = serde_json::from_slice(&reply.payload).unwrap();
    let by_hand = Verdict { valid: true, words: 3, call: String::new(), attempt: 1 };
    assert_eq!(verdict, by_hand);
    assert_eq!(header(&reply, "Content-Type"), None, "what says nothing is JSON");

    let mut list = HeaderMap::new();
    list.insert("Content-Type", "application/msgpack");
    list.insert("Gearshift-Call-Id", "c7");
    list.insert("Gearshift-Attempt", "3");
    let body = rmp_serde::to_vec_named(&json!({ "title": "a b" })).unwrap();
    let asked = world.client.request_with_headers(VALIDATE, list, body.into());
    let reply = tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap();
    assert_eq!(header(&reply, "Content-Type"), Some("application/msgpack"));
    let verdict: Verdict = rmp_serde::from_slice(&reply.payload).unwrap();
    assert_eq!(verdict, Verdict { valid: true, words: 2, call: "c7".to_owned(), attempt: 3 });
    running.drain().await;
}

#[tokio::test]
async fn failures_are_headers_that_every_client_can_read() {
    let world = World::start().await;
    let running = validator(&world.desk).serve(&world.bus().await).await.unwrap();
    let reply = world.call("").await;
    assert_eq!(header(&reply, "Nats-Service-Error-Code"), Some("422"));
    assert_eq!(header(&reply, "Nats-Service-Error"), Some("title is missing"));
    assert_eq!(header(&reply, "Gearshift-Error-Kind"), Some("permanent"));
    let reply = world.call("later").await;
    assert_eq!(header(&reply, "Gearshift-Error-Kind"), Some("retryable"));
    assert_eq!(header(&reply, "Gearshift-Retry-After"), Some("30s"));
    let asked = world.client.request(VALIDATE, "[1, 2".into());
    let reply = tokio::time::timeout(PATIENCE, asked).await.unwrap().unwrap();
    assert_eq!(header(&reply, "Nats-Service-Error-Code"), Some("400"));
    running.drain().await;
}

#[tokio::test]
async fn discovery_shows_each_instance_and_what_its_operations_say() {
    let world = World::start().await;
    let first = validator(&world.desk).serve(&world.bus().await).await.unwrap();
    let second = validator(&world.desk).serve(&world.bus().await).await.unwrap();
    let inbox = world.client.new_inbox();
    let mut answers = world.client.subscribe(inbox.clone()).await.unwrap();
    world.client.publish_with_reply("$SRV.INFO.validator", inbox, "".into()).await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let next = futures_util::StreamExt::next(&mut answers);
        let message = tokio::time::timeout(PATIENCE, next).await.unwrap().unwrap();
        let info: Value = serde_json::from_slice(&message.payload).unwrap();
        assert_eq!((&info["name"], &info["version"]), (&json!("validator"), &json!("1.2.0")));
        assert_eq!(info["metadata"]["gearshift.plugin"], json!("1"));
        let endpoints = info["endpoints"].as_array().unwrap();
        let of = |name: &str| endpoints.iter().find(|one| one["name"] == *name).unwrap();
        let validate = of("validate_document");
        assert_eq!(validate["subject"], json!(VALIDATE));
        assert_eq!(validate["queue_group"], json!("q"));
        assert_eq!(validate["metadata"]["gearshift.idempotent"], json!("true"));
        let input = validate["metadata"]["gearshift.input"].as_str().unwrap();
        assert!(input.contains("title"), "{input}");
        assert_eq!(of("charge")["metadata"]["gearshift.idempotent"], json!("false"));
        assert_eq!(of("charge")["metadata"]["gearshift.timeout"], json!("90s"));
        ids.push(info["id"].clone());
    }
    assert_ne!(ids[0], ids[1], "instances have ids of their own");
    first.drain().await;
    second.drain().await;
}

#[tokio::test]
async fn what_was_delivered_is_answered_by_an_instance_that_drains() {
    const CALLS: usize = 64;
    let world = World::start().await;
    let first = validator(&world.desk).serve(&world.bus().await).await.unwrap();
    let second = validator(&world.desk).serve(&world.bus().await).await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..CALLS {
        let client = world.client.clone();
        calls.spawn(async move {
            let body = json!({ "title": "held" }).to_string();
            client.request(VALIDATE, body.into()).await.unwrap()
        });
    }
    // Both instances have their hands full, so all others wait in their queues.
    let full = async {
        while world.desk.entered.load(Ordering::SeqCst) < 32 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, full).await.unwrap();
    let mut draining = JoinSet::new();
    draining.spawn(first.drain());
    world.desk.gate.add_permits(CALLS);
    while let Some(reply) = tokio::time::timeout(PATIENCE, calls.join_next()).await.unwrap() {
        let verdict: Verdict = serde_json::from_slice(&reply.unwrap().payload).unwrap();
        assert!(verdict.valid);
    }
    draining.join_next().await.unwrap().unwrap();
    // The other one still answers, and once it is gone, callers hear so at once.
    world.call("a").await;
    second.drain().await;
    let gone = world.client.request(VALIDATE, "{}".into());
    let gone = tokio::time::timeout(PATIENCE, gone).await.unwrap().unwrap_err();
    assert_eq!(gone.kind(), async_nats::RequestErrorKind::NoResponders);
}
