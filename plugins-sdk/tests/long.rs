//! Long work: promised at once, alive meanwhile, its result stored whatever happens to the bus.
//!
//! Each check runs on the embedded bus and on a server; the engine's part is played by hand.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gearshift_bus::{
    Bus, Delivered, Inbox, Message, NatsOptions, PrivateServer, ServerOptions, Subject,
    SubjectPattern, Subscription,
};
use gearshift_plugins_sdk::{
    Context, Failure, OperationOptions, Plugin, PluginState, Running, State,
};
use gearshift_protocol::{
    CallHeaders, Encoding, FailureKind, Heartbeat, Pending, PluginFailure, headers, subjects,
};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

/// Generous: only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);
/// The interval of signs of life.
const INTERVAL: Duration = Duration::from_millis(150);

/// A bus with an engine's ears, and what the plugin shares.
struct World {
    bus: Bus,
    work: Work,
    _kept: Kept,
}

/// What the bus lives in.
enum Kept {
    Folder(#[expect(dead_code, reason = "held for its drop")] tempfile::TempDir),
    Server(#[expect(dead_code, reason = "held for its drop")] Box<PrivateServer>),
}

#[derive(Clone)]
struct Work {
    begun: Arc<Semaphore>,
    gate: Arc<Semaphore>,
    effects: Arc<AtomicUsize>,
}

/// Works until it is let go, or told that nobody waits.
async fn render(State(work): State<Work>, ctx: Context, input: Value) -> Result<Value, Failure> {
    work.effects.fetch_add(1, Ordering::SeqCst);
    ctx.heartbeat(40, "page 4 of 10");
    work.begun.add_permits(1);
    tokio::select! {
        biased;
        () = ctx.cancelled() => return Err(Failure::cancelled()),
        permit = work.gate.acquire() => permit?.forget(),
    }
    match input["fail"].as_str() {
        Some(reason) => Err(Failure::retryable(reason).code(503)),
        None => Ok(json!({"pages": input["pages"], "attempt": ctx.attempt})),
    }
}

impl World {
    async fn embedded() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bus = Bus::embedded(dir.path()).await.unwrap();
        Self::new(bus, Kept::Folder(dir))
    }

    async fn nats() -> Self {
        let server = PrivateServer::start(ServerOptions::default()).await.unwrap();
        let bus = Bus::connect(&NatsOptions::new(server.url())).await.unwrap();
        Self::new(bus, Kept::Server(Box::new(server)))
    }

    fn new(bus: Bus, kept: Kept) -> Self {
        let none = || Arc::new(Semaphore::new(0));
        let work = Work { begun: none(), gate: none(), effects: Arc::default() };
        Self { bus, work, _kept: kept }
    }

    async fn plugin(&self) -> Running {
        let options = OperationOptions::new().long(INTERVAL);
        let plugin = Plugin::new("printer", "1.0.0").operation_with("render", render, options);
        plugin.state(self.work.clone()).concurrency(2).serve(&self.bus).await.unwrap()
    }

    async fn results(&self) -> Inbox {
        let inbox = self.bus.inbox("results").await.unwrap();
        inbox.capture(&[pattern("gearshift.result.>")]).await.unwrap();
        inbox
    }

    async fn heartbeats(&self) -> Subscription {
        self.bus.subscribe(&pattern("gearshift.heartbeat.*")).await.unwrap()
    }

    async fn ask(&self, call: &CallHeaders, input: Value) -> Message {
        let subject = Subject::parse("gearshift.plugin.printer.v1.render").unwrap();
        let mut message = Message::new(subject, serde_json::to_vec(&input).unwrap());
        for (name, value) in call.to_headers() {
            message.headers.insert(name, &value).unwrap();
        }
        self.bus.requests().request(message, PATIENCE).await.unwrap()
    }

    /// Asks, is told that the result comes later, and waits until the handler is at work.
    async fn begin(&self, call: &CallHeaders, input: Value) {
        let reply = self.ask(call, input).await;
        let pending = Pending::from_headers(|name| reply.headers.get(name)).unwrap();
        assert_eq!(pending.heartbeat_ms, Some(150));
        assert_eq!(reply.headers.get(headers::LOAD), Some("1/2"));
        assert!(reply.payload.is_empty());
        let begun = tokio::time::timeout(PATIENCE, self.work.begun.acquire());
        begun.await.unwrap().unwrap().forget();
    }

    async fn cancel(&self, call_id: &str) {
        let subject = Subject::parse(&subjects::cancel(call_id)).unwrap();
        self.bus.publish(Message::new(subject, "")).await.unwrap();
    }
}

fn pattern(text: &str) -> SubjectPattern {
    SubjectPattern::parse(text).unwrap()
}

fn call(call_id: &str) -> CallHeaders {
    CallHeaders {
        call_id: call_id.to_owned(),
        attempt: 2,
        instance: "order/ü 7".to_owned(),
        result_to: Some(subjects::result(call_id)),
        ..CallHeaders::default()
    }
}

/// The RFC 3339 text of a moment so far from now.
fn moment(left: Duration) -> String {
    let at = gearshift_bus::Clock::system().now_ms() + i64::try_from(left.as_millis()).unwrap();
    jiff::Timestamp::from_millisecond(at).unwrap().to_string()
}

async fn first(inbox: &Inbox) -> Delivered {
    let waited = tokio::time::timeout(PATIENCE, inbox.wait_beyond(0)).await;
    waited.unwrap().unwrap();
    inbox.read_from(1, 1).await.unwrap().remove(0)
}

async fn beat(beats: &mut Subscription) -> (String, Heartbeat) {
    let message = tokio::time::timeout(PATIENCE, beats.next()).await.unwrap().unwrap();
    let beat = Heartbeat::parse(&message.payload).unwrap();
    assert_eq!(message.headers.get("Gearshift-Instance"), Some("order/%C3%BC%207"));
    (message.subject.as_str().to_owned(), beat)
}

async fn the_result_is_promised_and_stored_once(world: World) {
    let inbox = world.results().await;
    let mut beats = world.heartbeats().await;
    let running = world.plugin().await;
    world.begin(&call("c1"), json!({"pages": 10})).await;
    // The handler speaks once; the signs of life go on with what it said.
    let began = tokio::time::Instant::now();
    for _ in 0..6 {
        let told = Heartbeat::new(2, Some(40), "page 4 of 10");
        assert_eq!(beat(&mut beats).await, ("gearshift.heartbeat.c1".to_owned(), told));
    }
    assert!(began.elapsed() >= INTERVAL, "six signs of life in {:?}", began.elapsed());
    assert_eq!(inbox.tail().await.unwrap().last, 0);
    world.work.gate.add_permits(1);
    let result = first(&inbox).await.message;
    assert_eq!(result.subject.as_str(), "gearshift.result.c1");
    let output: Value = Encoding::Json.decode(&result.payload).unwrap();
    assert_eq!(output, json!({"pages": 10, "attempt": 2}));
    for (name, value) in [
        (headers::CONTENT_TYPE, headers::JSON),
        (headers::CALL_ID, "c1"),
        (headers::ATTEMPT, "2"),
        (headers::INSTANCE, "order/%C3%BC%207"),
        (headers::MESSAGE_ID, "c1.2"),
        (headers::LOAD, "0/2"),
    ] {
        assert_eq!(result.headers.get(name), Some(value), "{name}");
    }
    running.drain().await;
    assert_eq!(inbox.tail().await.unwrap().last, 1, "one result");
    assert_eq!(world.work.effects.load(Ordering::SeqCst), 1, "one effect");
}

async fn a_failure_is_a_result_too(world: World) {
    let inbox = world.results().await;
    let running = world.plugin().await;
    world.work.gate.add_permits(1);
    world.begin(&call("c2"), json!({"fail": "no paper"})).await;
    let result = first(&inbox).await.message;
    let failure = PluginFailure::from_headers(|name| result.headers.get(name)).unwrap();
    assert_eq!((failure.kind, failure.message.as_str()), (FailureKind::Retryable, "no paper"));
    assert_eq!(result.headers.get(headers::CALL_ID), Some("c2"));
    running.drain().await;
}

/// The place for results is not there yet; the plugin ends meanwhile, and waits for it.
async fn a_result_waits_for_its_place_also_in_a_drain(world: World) {
    let mut beats = world.heartbeats().await;
    let running = world.plugin().await;
    world.begin(&call("c3"), json!({"pages": 1})).await;
    let mut draining = tokio::task::JoinSet::new();
    draining.spawn(running.drain());
    world.work.gate.add_permits(1);
    // Signs of life go on after the handler has ended: the result is still to come.
    while world.work.gate.available_permits() > 0 {
        beat(&mut beats).await;
    }
    for _ in 0..6 {
        beat(&mut beats).await;
    }
    assert!(draining.try_join_next().is_none(), "the drain waits for the result");
    let inbox = world.results().await;
    assert_eq!(first(&inbox).await.message.headers.get(headers::MESSAGE_ID), Some("c3.2"));
    let drained = tokio::time::timeout(PATIENCE, draining.join_next());
    drained.await.unwrap().unwrap().unwrap();
    assert_eq!(world.work.effects.load(Ordering::SeqCst), 1);
}

async fn a_cancelled_call_falls_silent_and_gives_up_its_place(world: World) {
    let mut beats = world.heartbeats().await;
    let running = world.plugin().await;
    // Nothing takes results, so only the cancellation ends the attempts to publish it.
    world.begin(&call("c4"), Value::Null).await;
    beat(&mut beats).await;
    let drain = running.drain();
    tokio::pin!(drain);
    assert!(futures_util::poll!(&mut drain).is_pending());
    world.cancel("c4").await;
    tokio::time::timeout(PATIENCE, drain).await.unwrap();
}

async fn after_its_deadline_a_call_is_cancelled(world: World) {
    let inbox = world.results().await;
    let running = world.plugin().await;
    let mut late = call("c5");
    late.deadline = Some(moment(Duration::from_millis(200)));
    world.begin(&late, Value::Null).await;
    let result = first(&inbox).await.message;
    let failure = PluginFailure::from_headers(|name| result.headers.get(name)).unwrap();
    assert_eq!(failure.code, "499");
    running.drain().await;
}

async fn calls_by_hand_are_answered_directly(world: World) {
    let running = world.plugin().await;
    world.work.gate.add_permits(1);
    let reply = world.ask(&CallHeaders::default(), json!({"pages": 3})).await;
    let output: Value = Encoding::Json.decode(&reply.payload).unwrap();
    assert_eq!(output["pages"], json!(3));
    assert_eq!(Pending::from_headers(|name| reply.headers.get(name)), None);
    // The login that publishes results is the plugin's, so the place is not the caller's choice.
    for place in ["$JS.API.STREAM.DELETE.x", "order.placed", "gearshift.result.", "a b"] {
        let elsewhere = CallHeaders { result_to: Some(place.to_owned()), ..call("c6") };
        let reply = world.ask(&elsewhere, Value::Null).await;
        let failure = PluginFailure::from_headers(|name| reply.headers.get(name)).unwrap();
        assert_eq!((failure.kind, failure.code.as_str()), (FailureKind::Permanent, "400"));
    }
    assert_eq!(world.work.effects.load(Ordering::SeqCst), 1);
    assert_eq!(running.state(), PluginState::Active);
    running.drain().await;
}

/// Makes a test of each check, on both buses.
macro_rules! on_both {
    ($($check:ident,)*) => {
        mod embedded {
            $(
                #[tokio::test]
                async fn $check() {
                    super::$check(super::World::embedded().await).await;
                }
            )*
        }
        mod nats {
            $(
                #[tokio::test]
                async fn $check() {
                    super::$check(super::World::nats().await).await;
                }
            )*
        }
    };
}

on_both!(
    the_result_is_promised_and_stored_once,
    a_failure_is_a_result_too,
    a_result_waits_for_its_place_also_in_a_drain,
    a_cancelled_call_falls_silent_and_gives_up_its_place,
    after_its_deadline_a_call_is_cancelled,
    calls_by_hand_are_answered_directly,
);

/// The server is killed while the work is done, and comes back: the result is stored all the same.
#[tokio::test]
async fn a_result_survives_the_server() {
    let mut server = PrivateServer::start(ServerOptions::default()).await.unwrap();
    let bus = Bus::connect(&NatsOptions::new(server.url())).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(bus, Kept::Folder(dir));
    let inbox = world.results().await;
    let running = world.plugin().await;
    world.begin(&call("c7"), json!({"pages": 2})).await;
    server.kill();
    world.work.gate.add_permits(1);
    server.restart().await.unwrap();
    let result = first(&inbox).await.message;
    assert_eq!(result.headers.get(headers::MESSAGE_ID), Some("c7.2"));
    running.drain().await;
    assert_eq!(world.work.effects.load(Ordering::SeqCst), 1);
}
