//! What a handler can do with its context, on a bus and in a test without one.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use gearshift_bus::{Bus, Digest, Message, Subject, SubjectPattern};
use gearshift_plugins_sdk::{Context, Failure, Heartbeat, OperationOptions, Plugin};
use gearshift_protocol::{CallHeaders, Encoding, EventHeaders, ObjectRef, PluginFailure};
use serde_json::{Value, json};

const PATIENCE: Duration = Duration::from_secs(30);

async fn scan(ctx: Context, pages: u8) -> Result<u8, Failure> {
    for page in 1..=pages {
        ctx.heartbeat(page * 100 / pages, &format!("page {page} of {pages}"));
        ctx.emit("page.scanned", &json!({"documentId": "d-7", "page": page})).await?;
    }
    ctx.heartbeat(None, "done");
    Ok(pages)
}

async fn publish(ctx: Context, event_type: String) -> Result<(), Failure> {
    ctx.emit(&event_type, &Value::Null).await
}

async fn patient(ctx: Context, _: Value) -> Result<u64, Failure> {
    ctx.cancelled().await;
    assert!(ctx.is_cancelled());
    Err(Failure::cancelled())
}

async fn hurried(ctx: Context, _: Value) -> Result<bool, Failure> {
    Ok(ctx.time_left().is_some_and(|left| left <= Duration::from_secs(60) && !left.is_zero()))
}

/// Says everything three times.
async fn thrice(_: Context, text: String) -> Result<String, Failure> {
    Ok(text.repeat(3))
}

fn scanner() -> Plugin {
    Plugin::new("scanner", "1.0.0")
        .operation_with("scan", scan, OperationOptions::new().long(Duration::from_secs(10)))
        .operation("publish", publish)
        .operation("patient", patient)
        .operation("hurried", hurried)
        .operation("thrice", thrice)
}

#[tokio::test]
async fn a_test_sees_signs_of_life_and_events() {
    let test = scanner().test().attempt(2).call_id("c1");
    assert_eq!(test.call("scan", json!(2)).await.unwrap(), json!(2));
    let beats = [
        Heartbeat::new(2, Some(50), "page 1 of 2"),
        Heartbeat::new(2, Some(100), "page 2 of 2"),
        Heartbeat::new(2, None, "done"),
    ];
    assert_eq!(test.heartbeats(), beats);
    let events = test.events();
    assert_eq!(events.len(), 2);
    assert_eq!((events[0].id.as_str(), events[1].id.as_str()), ("c1.1", "c1.2"));
    assert_eq!(events[1].event_type, "page.scanned");
    assert_eq!(events[1].data, json!({"documentId": "d-7", "page": 2}));
}

#[tokio::test]
async fn a_test_cancels_calls_and_sets_deadlines() {
    let cancelled = scanner().test().cancel_after(5).call("patient", Value::Null).await;
    assert_eq!(cancelled.unwrap_err().code_text(), "499");
    let at_once = scanner().test().cancelled().call("patient", Value::Null).await;
    assert_eq!(at_once.unwrap_err().code_text(), "499");
    let hurried = async |test: gearshift_plugins_sdk::TestPlugin| {
        test.call("hurried", Value::Null).await.unwrap()
    };
    assert_eq!(hurried(scanner().test()).await, json!(false));
    assert_eq!(hurried(scanner().test().time_left(Duration::from_secs(60))).await, json!(true));
    assert_eq!(hurried(scanner().test().time_left(Duration::ZERO)).await, json!(false));
}

async fn call(bus: &Bus, operation: &str, input: Value, attempt: u32) -> Message {
    let subject = format!("gearshift.plugin.scanner.v1.{operation}");
    let body = serde_json::to_vec(&input).unwrap();
    let mut message = Message::new(Subject::parse(&subject).unwrap(), body);
    let call = CallHeaders {
        call_id: "c1".to_owned(),
        attempt,
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned()),
        ..CallHeaders::default()
    };
    for (name, value) in call.to_headers() {
        message.headers.insert(name, &value).unwrap();
    }
    bus.requests().request(message, PATIENCE).await.unwrap()
}

#[tokio::test]
async fn an_emitted_event_is_a_cloud_event_that_repeats_under_its_id() {
    let bus = Bus::in_memory();
    let inbox = bus.inbox("events").await.unwrap();
    inbox.capture(&[SubjectPattern::parse("page.*").unwrap()]).await.unwrap();
    let running = scanner().serve(&bus).await.unwrap();
    for attempt in [1, 2] {
        call(&bus, "scan", json!(1), attempt).await;
    }
    let stored = inbox.read_from(1, 10).await.unwrap();
    assert_eq!(stored.len(), 2);
    for delivered in &stored {
        let message = &delivered.message;
        assert_eq!(message.subject.as_str(), "page.scanned");
        let event = EventHeaders::from_headers(|name| message.headers.get(name));
        assert_eq!(event.id.as_deref(), Some("c1.1"));
        assert_eq!(event.source.as_deref(), Some("plugin/scanner"));
        assert_eq!(event.event_type.as_deref(), Some("page.scanned"));
        assert!(event.traceparent.is_some());
        assert_eq!(message.headers.get("Nats-Msg-Id"), Some("c1.1"));
        assert_eq!(message.headers.get("ce-specversion"), Some("1.0"));
    }
    // Both attempts say the same, byte for byte, so the second is a repeat and nothing else.
    assert_eq!(stored[0].message, stored[1].message);
    for wrong in ["gearshift.command.eve.kill", "$JS.API.INFO", "no subject", ""] {
        let reply = call(&bus, "publish", json!(wrong), 1).await;
        assert!(PluginFailure::from_headers(|name| reply.headers.get(name)).is_some(), "{wrong}");
    }
    running.drain().await;
}

/// Large bodies travel by the object store, in and out, whatever the encoding of the call.
#[tokio::test]
async fn bodies_above_the_inline_limit_travel_as_objects() {
    let bus = Bus::in_memory();
    let running = scanner().serve(&bus).await.unwrap();
    let bodies = bus.blobs("bodies").await.unwrap();
    let text = "x".repeat(100_000);
    let stored = bodies.put(serde_json::to_vec(&text).unwrap().into()).await.unwrap();
    let named = |bucket: &str, name: &str| json!({"$object": format!("{bucket}/{name}")});
    let reply = call(&bus, "thrice", named("gearshift-bodies", stored.as_str()), 1).await;
    let object = ObjectRef::parse(&reply.payload).unwrap();
    assert_eq!(object.bucket, "gearshift-bodies");
    assert_eq!(reply.headers.get("Content-Type"), None, "what says nothing is JSON");
    let content = bodies.get(&Digest::parse(&object.name).unwrap()).await.unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<String>(&content).unwrap(), text.repeat(3));
    // MessagePack as well; what is stored is JSON.
    let body = Encoding::MessagePack.encode(&"y".repeat(40_000)).unwrap();
    let subject = Subject::parse("gearshift.plugin.scanner.v1.thrice").unwrap();
    let packed = Message::new(subject, body);
    let packed = packed.with_header("Content-Type", "application/msgpack").unwrap();
    let reply = bus.requests().request(packed, PATIENCE).await.unwrap();
    let object = ObjectRef::parse(&reply.payload).unwrap();
    let content = bodies.get(&Digest::parse(&object.name).unwrap()).await.unwrap().unwrap();
    assert_eq!(serde_json::from_slice::<String>(&content).unwrap(), "y".repeat(120_000));
    // Only what is there, and only of that store: it is the plugin's login that reads.
    let failure = async |input: Value| {
        let reply = call(&bus, "thrice", input, 1).await;
        PluginFailure::from_headers(|name| reply.headers.get(name)).unwrap().code
    };
    let gone = Digest::of(b"gone");
    assert_eq!(failure(named("gearshift-bodies", gone.as_str())).await, "410");
    assert_eq!(failure(named("gearshift-snapshots", stored.as_str())).await, "400");
    let large = bodies.put(vec![b' '; 8 * 1024 * 1024 + 1].into()).await.unwrap();
    assert_eq!(failure(named("gearshift-bodies", large.as_str())).await, "413");
    running.drain().await;
    // A test without a bus sees none of this.
    let told = scanner().test().call("thrice", json!(text)).await.unwrap();
    assert_eq!(told, json!(text.repeat(3)));
}
