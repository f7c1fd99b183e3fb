//! Orders of operators on NATS, with two engines, of which the one that took them is killed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions};
use gearshift_client::protocol::command::{Clocks, Fork, Hold, Start, TimerOrder};
use gearshift_client::protocol::view::InstanceDetail;
use gearshift_client::protocol::{EventHeaders, NoticeKind, Status, Verdict};
use gearshift_client::{Client, Watch, WatchFilter};
use gearshift_tests::checker::{Called, read_lines};
use gearshift_tests::nats::{Cluster, Nodes};
use gearshift_tests::world::{Dev, Launch, eventually_async};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// So many that either engine has some of them.
const COUNT: usize = 8;

/// Two engines on one server, each in a process of its own with the recording plugin.
struct Pair {
    folder: TempDir,
    launches: Vec<Launch>,
    engines: Vec<Option<Dev>>,
    // Ends after the engines.
    _server: Cluster,
}

impl Pair {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Cluster::start(folder.path(), Nodes::One).await.unwrap();
        let launch = |name: &str| Launch {
            program: PathBuf::from(env!("CARGO_BIN_EXE_gearshift-recorded")),
            definitions: Path::new(env!("CARGO_MANIFEST_DIR")).join("definitions/control"),
            data: folder.path().join(name),
            folder: folder.path().to_owned(),
            variables: vec![("GEARSHIFT_TEST_CALLS", folder.path().join("calls.jsonl"))],
            nats: Some(server.urls()),
        };
        let launches = vec![launch("a"), launch("b")];
        let mut pair = Self { folder, launches, engines: vec![None, None], _server: server };
        pair.spawn(0).await;
        pair.spawn(1).await;
        pair.spread().await;
        pair
    }

    async fn spawn(&mut self, at: usize) {
        let mut engine = self.launches[at].spawn().unwrap();
        engine.ready().await.unwrap();
        self.engines[at] = Some(engine);
    }

    /// Waits until either engine drives partitions.
    async fn spread(&self) {
        let client = self.client(0);
        eventually_async("either engine drives partitions", async || {
            let health = client.health().await.ok()?;
            let driving = health.engines.iter().filter(|engine| !engine.partitions.is_empty());
            (driving.count() == 2 && health.partitions.iter().all(|it| it.serving)).then_some(())
        })
        .await;
    }

    fn client(&self, at: usize) -> Client {
        self.engines[at].as_ref().unwrap().client()
    }

    /// Kills the first engine, and waits until the second one has all that it had.
    async fn take_over(&mut self) -> Client {
        self.engines[0].take().unwrap().kill().await.unwrap();
        let client = self.client(1);
        eventually_async("the other engine drives everything", async || {
            let health = client.health().await.ok()?;
            let driving = health.engines.iter().filter(|engine| !engine.partitions.is_empty());
            (driving.count() == 1 && health.partitions.iter().all(|it| it.serving)).then_some(())
        })
        .await;
        client
    }

    fn calls(&self) -> Vec<Called> {
        read_lines(&self.folder.path().join("calls.jsonl")).unwrap_or_default()
    }
}

fn keys(name: &str) -> Vec<String> {
    (0..COUNT).map(|number| format!("{name}-{number}")).collect()
}

async fn until<T>(
    client: &Client,
    id: &str,
    what: &str,
    look: impl Fn(&InstanceDetail) -> Option<T>,
) -> T {
    eventually_async(&format!("{id}: {what}"), async || look(&client.instance(id).await.ok()?))
        .await
}

async fn ended(client: &Client, id: &str, status: Status) -> InstanceDetail {
    let is_there = |seen: &InstanceDetail| (seen.summary.status == status).then(|| seen.clone());
    until(client, id, status.as_str(), is_there).await
}

async fn send(client: &Client, event: &str, key: &str) -> Verdict {
    let data = json!({ "key": key });
    let sent = client.send_with(event, &data, &EventHeaders::default()).await.unwrap();
    assert_eq!(sent.verdicts.len(), 1, "{event} {key}: {sent:?}");
    sent.verdicts[0].verdict.clone()
}

async fn start(client: &Client, workflow: &str, key: &str, input: Value) -> Option<Status> {
    let order = Start {
        workflow: workflow.to_owned(),
        key: Some(key.to_owned()),
        input,
        ..Start::default()
    };
    client.start(&order).await.unwrap().verdict.status
}

#[tokio::test(flavor = "multi_thread")]
async fn k1_k6_k7_i2_e4_what_was_ordered_stands_at_the_engine_that_takes_over() {
    let mut pair = Pair::start().await;
    let (first, keys) = (pair.client(0), keys("l"));
    let mut due = Vec::new();
    for key in &keys {
        send(&first, "lamp.lit", key).await;
        let vars = [("watts".to_owned(), json!(60))].into_iter().collect();
        first.set_vars(key, vars, "brighter").await.unwrap();
        first.checkpoint(key, "bright", "").await.unwrap();
        let later = TimerOrder {
            instance: key.clone(),
            timer: "burns".to_owned(),
            by_ms: Some(3_600_000),
            ..TimerOrder::default()
        };
        first.move_timer(&later).await.unwrap();
        first.pause(key, Clocks::Keep, "a fuse").await.unwrap();
        assert!(matches!(send(&first, "lamp.switched", key).await, Verdict::Deferred));
        due.push(first.instance(key).await.unwrap().timers[0].due.clone());
    }
    let second = pair.take_over().await;
    for (key, due) in keys.iter().zip(&due) {
        let seen = second.instance(key).await.unwrap();
        assert_eq!((seen.summary.status, &seen.vars["watts"]), (Status::Paused, &json!(60)));
        assert_eq!((seen.parked.len(), &seen.timers[0].due), (1, due), "{seen:#?}");
        assert_eq!(seen.paused.unwrap().reason, "a fuse");
        let again = second.pause(key, Clocks::Keep, "").await.unwrap_err();
        assert_eq!(again.problem().unwrap().code, "GS4018", "{again}");
        second.resume(key, "mended").await.unwrap();
        let dark = ended(&second, key, Status::Done).await;
        assert_eq!(dark.summary.active, ["dark"], "what waited was taken once");
    }
    for key in &keys {
        let forked = format!("{key}-again");
        let order = Fork {
            instance: key.clone(),
            from: "bright".to_owned(),
            key: Some(forked.clone()),
            ..Fork::default()
        };
        second.fork(&order).await.unwrap();
        let seen = second.instance(&forked).await.unwrap();
        assert_eq!((&seen.summary.active[0], &seen.vars["watts"]), (&"burns".into(), &json!(60)));
        second.fire_timer(&forked, "burns", "now").await.unwrap();
        assert_eq!(ended(&second, &forked, Status::Done).await.summary.active, ["out"]);
        let missing = Fork { from: "dim".to_owned(), key: None, ..order };
        let missing = second.fork(&missing).await.unwrap_err();
        let problem = missing.problem().unwrap();
        assert!(problem.status == 404 && problem.detail.contains("`bright`"), "{missing}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h5_a_rollback_by_hand_goes_on_at_the_engine_that_takes_over() {
    let mut pair = Pair::start().await;
    let (first, keys) = (pair.client(0), keys("s"));
    let gate = pair.folder.path().join("gate");
    for key in &keys {
        start(&first, "saga", key, json!({ "gate": gate })).await;
    }
    for key in &keys {
        let waits = |seen: &InstanceDetail| (seen.steps.current_step == ["third"]).then_some(());
        until(&first, key, "two steps are done", waits).await;
        let verdict = first.rollback(key, None, "the customer called").await.unwrap();
        assert_eq!(verdict.status, Some(Status::Compensating));
    }
    eventually_async("every undo is under way", async || {
        let calls = pair.calls();
        let undone = calls.iter().filter(|call| call.operation == "recorder.take_back");
        let of = undone.map(|call| &call.instance).collect::<BTreeSet<_>>();
        (of.len() == COUNT).then_some(())
    })
    .await;
    let second = pair.take_over().await;
    std::fs::write(&gate, "").unwrap();
    for key in &keys {
        let stuck = ended(&second, key, Status::Stuck).await;
        assert_eq!(
            stuck.summary.stuck_reason.as_deref(),
            Some("rolled back by hand: the customer called")
        );
        let calls = pair.calls();
        let of = |operation: &str| -> Vec<Called> {
            let id = format!("saga/{key}");
            let its = |call: &&Called| call.instance == id && call.operation == operation;
            calls.iter().filter(its).cloned().collect()
        };
        let acts = of("recorder.act");
        assert_eq!(acts.len(), 2, "{acts:?}");
        // The newest first, and asked again under the same id where the first engine had asked.
        let mut undone = of("recorder.take_back");
        undone.dedup_by(|next, one| next.call_id == one.call_id);
        let about: Vec<_> = undone.iter().map(|call| call.about.as_str()).collect();
        assert_eq!(about, [&acts[1].call_id, &acts[0].call_id], "{undone:#?}");
        second.retry(key, "a mistake").await.unwrap();
        let waits = |seen: &InstanceDetail| (seen.steps.current_step == ["third"]).then_some(());
        until(&second, key, "what was taken back is done again", waits).await;
        send(&second, "saga.ended", key).await;
        ended(&second, key, Status::Done).await;
    }
}

fn plugin_hold() -> Hold {
    Hold {
        plugin: Some("recorder".to_owned()),
        reason: "it is mended".to_owned(),
        ..Hold::default()
    }
}

fn definition_hold() -> Hold {
    Hold { workflow: Some("lamp".to_owned()), reason: "no power".to_owned(), ..Hold::default() }
}

/// Waits until the engine tells so many pauses of whole plugins and definitions.
async fn knows(client: &Client, count: usize) {
    eventually_async("it has heard of the pause", async || {
        let warnings = client.health().await.ok()?.warnings;
        let told = warnings.iter().filter(|line| line.contains("is paused by")).count();
        (told == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn k2_what_is_paused_as_a_whole_stays_so_at_the_engine_that_takes_over() {
    let mut pair = Pair::start().await;
    let (first, other, keys) = (pair.client(0), pair.client(1), keys("p"));
    first.hold(&plugin_hold()).await.unwrap();
    first.hold(&definition_hold()).await.unwrap();
    knows(&other, 2).await;
    for key in &keys {
        start(&other, "saga", key, json!({})).await;
        assert_eq!(start(&other, "lamp", key, json!({})).await, Some(Status::Paused));
    }
    let second = pair.take_over().await;
    for key in &keys {
        let saga = second.instance(&format!("saga/{key}")).await.unwrap();
        assert_eq!(saga.steps.current_step, ["first"], "it waits for its plugin");
        let why = second.why(&format!("saga/{key}")).await.unwrap().lines.join("\n");
        assert!(why.contains("plugin `recorder` is paused by ann"), "{why}");
    }
    assert_eq!(pair.calls(), [], "nothing was sent");
    let again = start(&second, "lamp", "again", json!({})).await;
    assert_eq!(again, Some(Status::Paused), "the definition is paused still");
    // An engine that comes later knows of it before it takes anything.
    pair.spawn(0).await;
    pair.spread().await;
    let back = pair.client(0);
    knows(&back, 2).await;
    for hold in [plugin_hold(), definition_hold()] {
        assert!(back.release(&hold).await.unwrap().changed);
    }
    knows(&second, 0).await;
    for key in &keys {
        let id = format!("saga/{key}");
        let waits = |seen: &InstanceDetail| (seen.steps.current_step == ["third"]).then_some(());
        until(&second, &id, "its calls were made", waits).await;
        let lamp = second.instance(&format!("lamp/{key}")).await.unwrap();
        assert_eq!(lamp.summary.status, Status::Paused, "it waits for a resume of its own");
    }
    let calls = pair.calls();
    assert!(calls.iter().all(|call| call.attempt == 1), "no attempt was counted: {calls:#?}");
    assert_eq!(start(&second, "lamp", "free", json!({})).await, Some(Status::Running));
}

/// The recording plugin in a process of its own.
fn plugin(pair: &Pair) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gearshift-test-plugin"));
    command.arg(pair.launches[0].nats.as_ref().unwrap()).kill_on_drop(true);
    command.env("GEARSHIFT_TEST_CALLS", pair.folder.path().join("calls.jsonl")).spawn().unwrap()
}

/// The id that the next notice of this kind is about, and why it is told.
async fn told(watch: &mut Watch, kind: NoticeKind, limit: Duration) -> Option<(String, Value)> {
    let next = async {
        loop {
            let notice = watch.next().await.unwrap().unwrap();
            if notice.kind == kind {
                let id = notice.data["id"].as_str().unwrap().to_owned();
                return (id, notice.data["reason"].clone());
            }
        }
    };
    tokio::time::timeout(limit, next).await.ok()
}

#[tokio::test]
async fn g4_a_plugin_that_is_killed_is_announced_as_gone_once_and_one_that_ends_says_so() {
    let pair = Pair::start().await;
    let bus = Bus::connect(&NatsOptions::new(pair.launches[0].nats.as_ref().unwrap())).await;
    let client = Client::bus(bus.unwrap());
    let filter = WatchFilter { workflow: Some("plugin".to_owned()), key: None };
    let mut watch = client.watch(filter).await.unwrap();
    let (came, gone) = (NoticeKind::Registered, NoticeKind::Unregistered);
    let long = Duration::from_secs(60);
    // Until the engine knows that somebody listens, nothing is told.
    let (mut victim, id) = loop {
        let victim = plugin(&pair);
        if let Some((id, _)) = told(&mut watch, came, Duration::from_secs(5)).await {
            break (victim, id);
        }
    };
    let mut other = plugin(&pair);
    let (second, _) = told(&mut watch, came, long).await.unwrap();
    victim.kill().await.unwrap();
    let reason = json!("it no longer answers");
    assert_eq!(told(&mut watch, gone, long).await, Some((id, reason)));
    // It would be told twice by now, if both engines told it.
    let pid = other.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    other.wait().await.unwrap();
    assert_eq!(told(&mut watch, gone, long).await, Some((second, Value::Null)));
    let more = told(&mut watch, gone, Duration::from_secs(10)).await;
    assert_eq!(more, None, "it said so itself");
}
