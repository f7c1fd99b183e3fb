//! Plugins on a bus, called the way the engine does it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gearshift_bus::{Bus, Clock, ErrorKind, Message, Subject};
use gearshift_plugins_sdk::{
    Context, Error, Failure, JsonSchema, OperationOptions, Plugin, State, schemars,
};
use gearshift_protocol::{CallHeaders, Encoding, FailureKind, PluginFailure, headers};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// Generous: only a hang reaches it.
const LONG: Duration = Duration::from_secs(20);

#[derive(Deserialize, Serialize, JsonSchema)]
struct Words {
    text: String,
}

async fn shout(words: Words) -> Result<Words, Failure> {
    Ok(Words { text: words.text.to_uppercase() })
}

async fn whoami(ctx: Context, _: Value) -> Result<Value, Failure> {
    Ok(json!([ctx.instance_id, ctx.workflow, ctx.step, ctx.attempt, ctx.call_id, ctx.deadline]))
}

async fn parse(words: Words) -> Result<i64, std::num::ParseIntError> {
    words.text.parse()
}

async fn explode(words: Words) -> Result<(), Failure> {
    assert!(words.text.is_empty(), "boom {}", words.text);
    Ok(())
}

async fn long(words: Words) -> Result<String, Failure> {
    Ok(words.text.repeat(100_000))
}

async fn busy(_: Value) -> Result<(), Failure> {
    Err(Failure::retryable("later\nplease").code(503).retry_after(Duration::from_secs(30)))
}

fn plugin() -> Plugin {
    Plugin::new("words", "2.1.0")
        .operation("shout", shout)
        .operation("whoami", whoami)
        .operation("parse", parse)
        .operation("explode", explode)
        .operation("long", long)
        .operation("busy", busy)
}

fn request(operation: &str, encoding: Encoding, input: &Value) -> Message {
    let subject = Subject::parse(&format!("gearshift.plugin.words.v2.{operation}")).unwrap();
    Message::new(subject, encoding.encode(input).unwrap())
        .with_header(headers::CONTENT_TYPE, encoding.content_type())
        .unwrap()
}

async fn ask(bus: &Bus, message: Message) -> Result<Value, PluginFailure> {
    let reply = bus.requests().request(message, LONG).await.unwrap();
    let get = |name: &str| reply.headers.get(name);
    match PluginFailure::from_headers(get) {
        Some(failure) => Err(failure),
        None => Ok(Encoding::of(get("content-type")).unwrap().decode(&reply.payload).unwrap()),
    }
}

async fn call(bus: &Bus, operation: &str, input: Value) -> Result<Value, PluginFailure> {
    ask(bus, request(operation, Encoding::Json, &input)).await
}

#[tokio::test]
async fn both_encodings_and_the_context_arrive() {
    let bus = Bus::in_memory();
    let running = plugin().serve(&bus).await.unwrap();
    for encoding in [Encoding::Json, Encoding::MessagePack] {
        let message = request("shout", encoding, &json!({"text": "ü"}));
        let reply = bus.requests().request(message, LONG).await.unwrap();
        // What says nothing is JSON.
        let said = (encoding != Encoding::Json).then(|| encoding.content_type());
        assert_eq!(reply.headers.get("Content-Type"), said);
        assert_eq!(encoding.decode::<Value>(&reply.payload).unwrap(), json!({"text": "Ü"}));
    }
    let sent = CallHeaders {
        call_id: "c1".into(),
        attempt: 2,
        deadline: Some("2026-01-01T00:00:00Z".into()),
        workflow: "order@1".into(),
        instance: "order/ü 7".into(),
        step: "charging".into(),
        ..CallHeaders::default()
    };
    let mut message = request("whoami", Encoding::Json, &Value::Null);
    for (name, value) in sent.to_headers() {
        message.headers.insert(name, &value).unwrap();
    }
    assert_eq!(
        ask(&bus, message).await.unwrap(),
        json!(["order/ü 7", "order@1", "charging", 2, "c1", "2026-01-01T00:00:00Z"])
    );
    running.drain().await;
}

#[tokio::test]
async fn failures_say_whether_to_try_again() {
    let bus = Bus::in_memory();
    let _running = plugin().concurrency(1).serve(&bus).await.unwrap();
    let text = |text: &str| json!({"text": text});
    for (operation, input, kind, code, message) in [
        ("parse", text("x"), FailureKind::Retryable, "500", "invalid digit found in string"),
        ("shout", json!({}), FailureKind::Permanent, "400", "invalid_input: json body: missing"),
        ("explode", text("!"), FailureKind::Retryable, "500", "the handler panicked: boom !"),
        ("long", text(&"x".repeat(100)), FailureKind::Permanent, "413", "output of 10000002 bytes"),
        // It travels inline where not everybody reads objects.
        ("parse", text(&"x".repeat(65_536)), FailureKind::Retryable, "500", "invalid digit found"),
        ("busy", Value::Null, FailureKind::Retryable, "503", "later please"),
    ] {
        let failure = call(&bus, operation, input).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (kind, code), "{operation}");
        assert!(failure.message.starts_with(message), "{operation}: {}", failure.message);
        let after = (operation == "busy").then_some(30_000);
        assert_eq!(failure.retry_after_ms, after);
    }
    let mut odd = request("shout", Encoding::Json, &text("x"));
    odd.headers.insert("content-type", "text/plain").unwrap();
    assert_eq!(ask(&bus, odd).await.unwrap_err().code, "415");
    // After all that, panic included, the plugin still answers.
    assert_eq!(call(&bus, "parse", text("7")).await.unwrap(), json!(7));
}

#[tokio::test]
async fn hostile_bodies_fail_for_good() {
    let bus = Bus::in_memory();
    let _running = plugin().serve(&bus).await.unwrap();
    let deep = vec![0x91; 60_000];
    let long = vec![0xdd, 0xff, 0xff, 0xff, 0xff, 0xc0];
    for body in [deep, long, vec![0xc1]] {
        let mut message = request("whoami", Encoding::MessagePack, &Value::Null);
        message.payload = body.into();
        let failure = ask(&bus, message).await.unwrap_err();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Permanent, "400"));
    }
}

/// Gates handlers: tells how many are inside and how many ever were at once.
#[derive(Clone)]
struct Gate {
    entered: Arc<Semaphore>,
    open: Arc<Semaphore>,
    inside: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gate {
    fn new() -> Self {
        let closed = || Arc::new(Semaphore::new(0));
        let zero = || Arc::new(AtomicUsize::new(0));
        Self { entered: closed(), open: closed(), inside: zero(), most: zero() }
    }

    async fn entered(&self, calls: u32) {
        self.entered.acquire_many(calls).await.unwrap().forget();
    }
}

async fn pass(State(gate): State<Gate>, _: Context, input: Value) -> Result<Value, Failure> {
    let inside = gate.inside.fetch_add(1, Ordering::SeqCst) + 1;
    gate.most.fetch_max(inside, Ordering::SeqCst);
    gate.entered.add_permits(1);
    gate.open.acquire().await?.forget();
    gate.inside.fetch_sub(1, Ordering::SeqCst);
    Ok(input)
}

fn gated(gate: &Gate) -> Plugin {
    Plugin::new("words", "2.0.0").operation("pass", pass).state(gate.clone())
}

#[tokio::test]
async fn calls_beyond_the_limit_wait_their_turn() {
    let (bus, gate) = (Bus::in_memory(), Gate::new());
    let running = gated(&gate).concurrency(2).serve(&bus).await.unwrap();
    let calls = (0..6).map(|n| call(&bus, "pass", json!(n)));
    let opener = async {
        gate.entered(2).await;
        assert_eq!(gate.inside.load(Ordering::SeqCst), 2);
        gate.open.add_permits(6);
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(calls), opener);
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(json!(answers), json!([0, 1, 2, 3, 4, 5]));
    assert_eq!(gate.most.load(Ordering::SeqCst), 2);
    running.drain().await;
}

#[tokio::test]
async fn a_drain_answers_what_was_taken_and_leaves_the_bus() {
    let (bus, gate) = (Bus::in_memory(), Gate::new());
    let running = gated(&gate).concurrency(1).serve(&bus).await.unwrap();
    assert_eq!(bus.requests().discover().await.unwrap().len(), 1);
    let calls = (0..3).map(|n| call(&bus, "pass", json!(n)));
    let drain = async {
        gate.entered(1).await;
        let drain = running.drain();
        tokio::pin!(drain);
        // One call is inside, so the drain cannot be over.
        assert!(futures_util::poll!(&mut drain).is_pending());
        gate.open.add_permits(3);
        drain.await;
    };
    let (answers, ()) = tokio::join!(futures_util::future::join_all(calls), drain);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert!(bus.requests().discover().await.unwrap().is_empty());
    let late = bus.requests().request(request("pass", Encoding::Json, &json!(1)), LONG).await;
    assert!(matches!(late.unwrap_err().kind(), ErrorKind::NoResponders { .. }));
}

async fn until_cancelled(
    State(gate): State<Gate>,
    ctx: Context,
    _: Value,
) -> Result<Value, Failure> {
    gate.entered.add_permits(1);
    ctx.cancelled().await;
    Err(Failure::cancelled())
}

#[tokio::test]
async fn a_cancellation_reaches_its_call() {
    let (bus, gate) = (Bus::in_memory(), Gate::new());
    let plugin = Plugin::new("words", "2.0.0").operation("wait", until_cancelled);
    let _running = plugin.state(gate.clone()).serve(&bus).await.unwrap();
    let waiting = |id: &str| {
        let message = request("wait", Encoding::Json, &Value::Null);
        message.with_header(headers::CALL_ID, id).unwrap()
    };
    let cancel = async |id: &str| {
        let subject = Subject::parse(&gearshift_protocol::subjects::cancel(id)).unwrap();
        bus.publish(Message::new(subject, "")).await.unwrap();
    };
    let first = ask(&bus, waiting("c1"));
    let second = ask(&bus, waiting("c2"));
    tokio::pin!(first, second);
    let canceller = async {
        gate.entered(2).await;
        cancel("c1").await;
    };
    tokio::select! {
        biased;
        (answer, ()) = async { tokio::join!(&mut first, canceller) } => {
            assert_eq!(answer.unwrap_err().code, "499");
        }
        _ = &mut second => panic!("the other call was cancelled too"),
    }
    cancel("c2").await;
    assert_eq!(second.await.unwrap_err().code, "499");
}

#[tokio::test]
async fn a_deadline_cancels_its_call_unless_it_was_over_before() {
    let (bus, gate) = (Bus::in_memory(), Gate::new());
    let plugin = Plugin::new("words", "2.0.0").operation("wait", until_cancelled);
    let _running = plugin.state(gate.clone()).serve(&bus).await.unwrap();
    let waiting = |millis: i64| {
        let deadline = Clock::system().now_ms() + millis;
        let deadline = jiff::Timestamp::from_millisecond(deadline).unwrap();
        let message = request("wait", Encoding::Json, &Value::Null);
        message.with_header(headers::DEADLINE, &deadline.to_string()).unwrap()
    };
    let over = ask(&bus, waiting(-200));
    let soon = ask(&bus, waiting(200));
    tokio::select! {
        biased;
        // Clocks may differ, so such a deadline says nothing.
        _ = over => panic!("it was cancelled at once"),
        answer = soon => assert_eq!(answer.unwrap_err().code, "499"),
    }
}

#[tokio::test]
async fn a_call_that_waited_in_the_queue_past_its_deadline_is_not_made() {
    let (bus, gate) = (Bus::in_memory(), Gate::new());
    let long = OperationOptions::new().long(LONG);
    let plugin = gated(&gate).operation_with("render", pass, long).concurrency(1);
    let _running = plugin.serve(&bus).await.unwrap();
    let now = Clock::system().now_ms();
    let sent = |operation: &str, millis: i64| {
        let deadline = jiff::Timestamp::from_millisecond(now + millis).unwrap();
        let message = request(operation, Encoding::Json, &json!(millis));
        message.with_header(headers::DEADLINE, &deadline.to_string()).unwrap()
    };
    let first = ask(&bus, request("pass", Encoding::Json, &json!("first")));
    let soon = ask(&bus, sent("pass", 100));
    let to = "gearshift.result.x";
    let long = ask(&bus, sent("render", 100).with_header(headers::RESULT_TO, to).unwrap());
    // Over when it came, so clocks differ and nothing is known.
    let over = ask(&bus, sent("pass", -60_000));
    let later = ask(&bus, sent("pass", 60_000));
    let opener = async {
        gate.entered(1).await;
        tokio::time::sleep(Duration::from_millis(150)).await;
        gate.open.add_permits(3);
    };
    let (first, soon, long, over, later, ()) = tokio::join!(first, soon, long, over, later, opener);
    assert_eq!(first.unwrap(), json!("first"));
    for refused in [soon, long] {
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, "499");
        assert!(refused.message.contains("waited in the plugin's queue"), "{refused:?}");
    }
    assert_eq!((over.unwrap(), later.unwrap()), (json!(-60_000), json!(60_000)));
    gate.entered(2).await;
    assert_eq!(gate.entered.available_permits(), 0);
}

#[tokio::test]
async fn discovery_tells_subjects_and_schemas() {
    let bus = Bus::in_memory();
    let first = plugin().serve(&bus).await.unwrap();
    let _second = plugin().serve(&bus).await.unwrap();
    let found = bus.requests().discover().await.unwrap();
    assert_eq!(found.len(), 2);
    assert_ne!(found[0].id, found[1].id);
    assert_eq!(found[0].metadata["gearshift.plugin"], "1");
    let shout = &found[0].endpoints[0];
    assert_eq!(shout.subject, "gearshift.plugin.words.v2.shout");
    let schema: Value = serde_json::from_str(&shout.metadata["gearshift.input"]).unwrap();
    assert_eq!(schema["properties"]["text"]["type"], "string");
    assert_eq!(schema["required"], json!(["text"]));
    // One of the two goes; the other answers all.
    drop(first);
    for _ in 0..4 {
        call(&bus, "parse", json!({"text": "1"})).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_plugin_is_said_before_it_serves() {
    let bus = Bus::in_memory();
    let gate = Gate::new();
    let fails = async |plugin: Plugin| plugin.serve(&bus).await.unwrap_err().to_string();
    assert_eq!(fails(Plugin::new("v", "1.2")).await, "`1.2` is not a version such as `1.2.0`");
    let name = fails(Plugin::new("a.b", "1.2.0")).await;
    assert!(name.starts_with("`a.b` is not usable as a name"), "{name}");
    let name = fails(Plugin::new("v", "1.2.0").operation("", shout)).await;
    assert!(name.starts_with("`` is not usable as a name"), "{name}");
    let twice = Plugin::new("v", "1.2.0").operation("a", shout).operation("a", parse);
    assert_eq!(fails(twice).await, "operation `a` is there twice");
    let stateless = Plugin::new("v", "1.2.0").operation("pass", pass).state(7_u8);
    let error = stateless.clone().serve(&bus).await.unwrap_err();
    assert!(matches!(error, Error::MissingState { .. }), "{error}");
    assert!(stateless.state(gate).serve(&bus).await.is_ok());
    bus.close().await.unwrap();
    assert!(matches!(plugin().serve(&bus).await, Err(Error::Bus(_))));
}

#[tokio::test]
async fn operations_are_tested_without_a_bus() {
    let test = plugin().test().attempt(3).call_id("c9").instance("order/7");
    let told = test.call("whoami", Value::Null).await.unwrap();
    assert_eq!(told, json!(["order/7", "test@1", "test", 3, "c9", null]));
    let failure = test.call("explode", json!({"text": "!"})).await.unwrap_err();
    assert!(failure.is_retryable() && failure.message().ends_with("boom !"));
    assert_eq!(test.call("dance", Value::Null).await.unwrap_err().code_text(), "404");
    let gate = Gate::new();
    let waits = Plugin::new("words", "2.0.0").operation("wait", until_cancelled).state(gate);
    let failure = waits.test().cancelled().call("wait", Value::Null).await.unwrap_err();
    assert_eq!((failure.code_text(), failure.is_retryable()), ("499", false));
}

#[test]
fn an_error_is_told_with_what_caused_it() {
    #[derive(Debug)]
    struct Outer(std::num::ParseIntError);

    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("bad line")
        }
    }

    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    let failure = Failure::from(Outer("x".parse::<i64>().unwrap_err()));
    assert_eq!(failure.to_string(), "bad line: invalid digit found in string (500, retryable)");
}
