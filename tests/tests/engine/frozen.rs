//! Decision 0037: an engine process that is stopped and goes on decides what had come meanwhile
//! before the clocks that ran out meanwhile.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions};
use gearshift_client::Client;
use gearshift_client::protocol::Status;
use gearshift_client::protocol::command::Start;
use gearshift_client::protocol::view::{InstanceDetail, StepStatus};
use gearshift_plugins_sdk::{Context, Failure, OperationOptions, Plugin, Running, State};
use gearshift_tests::chaos::{Node, Program};
use gearshift_tests::nats::{Cluster, Nodes};
use gearshift_tests::world::{Answer, Recorded, eventually, eventually_async};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// What each call may take, in the definitions below.
const TIMEOUT: Duration = Duration::from_secs(2);
/// An engine that is stopped so long finds that all its own waits are over, and its lease too.
const BEYOND: Duration = Duration::from_millis(1_500);
/// How long one answer of the engine may take before it is asked again.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// Two calls with an undo each, and one that may fail.
const STEPS: &str = "
workflow: still
version: 1
correlate: data.key
events: { still.ended: {} }
mode: sequential
on_failure: rollback
steps:
  first:
    call: recorded.work
    with: { about: first }
    timeout: 2s
    undo: { call: recorded.work, with: { about: undo first }, timeout: 2s }
  second:
    call: recorded.work
    with: { about: second }
    timeout: 2s
    undo: { call: recorded.work, with: { about: undo second }, timeout: 2s }
  third:
    call: recorded.work
    with: { about: third }
    timeout: 2s
";

/// A call whose plugin answers later.
const LONG: &str = "
workflow: still
version: 1
correlate: data.key
events: { still.ended: {} }
mode: sequential
steps:
  first: { call: slow.work, timeout: 4s }
";

/// An engine in a process of its own, and a server; the plugins are in the test's.
struct Stage {
    engine: Node,
    client: Client,
    bus: Bus,
    #[expect(dead_code, reason = "held for its drop, which ends the server")]
    server: Cluster,
    #[expect(dead_code, reason = "held for its drop")]
    folder: TempDir,
}

impl Stage {
    async fn open(definition: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Cluster::start(folder.path(), Nodes::One).await.unwrap();
        let path = folder.path().join("still.workflow.yaml");
        std::fs::write(&path, definition).unwrap();
        let urls = server.urls();
        let engine = Node::start(program(folder.path(), &path, &urls)).unwrap();
        let bus = Bus::connect(&NatsOptions::new(&urls)).await.unwrap();
        let client = Client::bus(bus.clone()).as_user("ann").with_timeout(ANSWER_MAX);
        Self { engine, client, bus, server, folder }
    }

    async fn start(&self) {
        let start = Start {
            workflow: "still".to_owned(),
            key: Some("a".to_owned()),
            input: json!({}),
            ..Start::default()
        };
        eventually_async("it is started", async || self.client.start(&start).await.ok()).await;
    }

    /// Stops the engine, lets the plugin answer and the time of the call pass, and lets it go on.
    async fn stands_still(&self, gate: &Semaphore, beyond: Duration) {
        self.engine.stop().await.unwrap();
        let stopped = Instant::now();
        gate.add_permits(1);
        let is_over = || (stopped.elapsed() > beyond).then_some(());
        eventually("the time of the call is over", is_over).await;
        self.engine.signal("-CONT").await.unwrap();
    }

    async fn until(&self, what: &str, look: impl Fn(&InstanceDetail) -> bool) -> InstanceDetail {
        eventually_async(what, async || {
            self.client.instance("still/a").await.ok().filter(|seen| look(seen))
        })
        .await
    }

    async fn end(mut self) {
        let ended = self.engine.end().await.unwrap();
        assert!(ended.is_some_and(|status| status.success()), "{ended:?}");
    }
}

fn program(folder: &Path, definition: &Path, urls: &str) -> Program {
    let arguments = ["serve", "--nats", urls, "--name", "engine", "--data"].map(Into::into);
    let mut arguments = arguments.to_vec();
    arguments.extend([folder.join("data").into(), definition.into()]);
    Program {
        name: "engine".to_owned(),
        path: env!("CARGO_BIN_EXE_gearshift-recorded").into(),
        arguments,
        variables: Vec::new(),
        folder: folder.to_owned(),
    }
}

/// A plugin that answers what is named here only behind its gate, and the third call as told.
fn behind(names: &[&'static str], third: Answer) -> (Recorded, BTreeMap<&'static str, Gate>) {
    let gates = names.iter().map(|name| (*name, Arc::new(Semaphore::new(0))));
    let gates: BTreeMap<_, _> = gates.collect();
    let known = gates.clone();
    let plugin = Recorded::new(move |seen| {
        let about = seen.input["about"].as_str().unwrap_or_default();
        match known.get(about) {
            Some(gate) => Answer::Behind(Arc::clone(gate), json!({ "about": about })),
            None if about == "third" => third.clone(),
            None => Answer::Output(json!({ "about": about })),
        }
    });
    (plugin, gates)
}

type Gate = Arc<Semaphore>;

/// What the plugin was asked, with the number of the attempt.
fn asked(plugin: &Recorded) -> Vec<(String, u32)> {
    let text = |input: &Value| input["about"].as_str().unwrap_or_default().to_owned();
    plugin.seen().iter().map(|one| (text(&one.input), one.attempt)).collect()
}

async fn is_asked(plugin: &Recorded, about: &str) {
    let seen = || asked(plugin).iter().any(|(name, _)| name == about).then_some(());
    eventually(about, seen).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decision_37_answers_that_came_in_time_count_after_stops_in_a_row() {
    let stage = Stage::open(STEPS).await;
    let (plugin, gates) = behind(&["second", "third"], Answer::Never);
    let _running = plugin.serve(&stage.bus).await;
    stage.start().await;
    for about in ["second", "third"] {
        is_asked(&plugin, about).await;
        stage.stands_still(&gates[about], TIMEOUT + BEYOND).await;
    }
    let done = stage.until("it ends", |seen| seen.summary.status.is_ended()).await;
    assert_eq!(done.summary.status, Status::Done, "{done:#?}");
    let expected = ["first", "second", "third"].map(|about| (about.to_owned(), 1));
    assert_eq!(asked(&plugin), expected);
    stage.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decision_37_a_rollback_goes_on_with_what_was_answered_during_a_stop() {
    let stage = Stage::open(STEPS).await;
    let never = Answer::Permanent("not this one".to_owned());
    let (plugin, gates) = behind(&["undo second", "undo first"], never);
    let _running = plugin.serve(&stage.bus).await;
    stage.start().await;
    for about in ["undo second", "undo first"] {
        is_asked(&plugin, about).await;
        stage.stands_still(&gates[about], TIMEOUT + BEYOND).await;
    }
    let over = |seen: &InstanceDetail| {
        seen.summary.status.is_ended() || seen.summary.status == Status::Stuck
    };
    let end = stage.until("it ends, or waits for a person", over).await;
    let undone = |at: usize| end.steps.steps[at].status == StepStatus::Undone;
    assert!(undone(0) && undone(1), "{end:#?}");
    let expected = ["first", "second", "third", "undo second", "undo first"];
    assert_eq!(asked(&plugin), expected.map(|about| (about.to_owned(), 1)), "{end:#?}");
    stage.end().await;
}

/// The plugin `slow`, which promises its results, and that it lives more often than it is stopped.
async fn slow(bus: &Bus, gate: &Gate, asked: &Arc<Semaphore>) -> Running {
    async fn work(
        State((gate, asked)): State<(Gate, Arc<Semaphore>)>,
        _: Context,
        _: Value,
    ) -> Result<Value, Failure> {
        asked.add_permits(1);
        gate.acquire().await?.forget();
        Ok(json!({ "slow": true }))
    }
    let options = OperationOptions::new().long(Duration::from_millis(400));
    let plugin = Plugin::new("slow", "1.0.0").state((Arc::clone(gate), Arc::clone(asked)));
    plugin.operation_with("work", work, options).serve(bus).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn decision_37_signs_of_life_and_results_that_came_during_a_stop_count() {
    let stage = Stage::open(LONG).await;
    let (gate, asked) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let _running = slow(&stage.bus, &gate, &asked).await;
    stage.start().await;
    let called = || (asked.available_permits() > 0).then_some(());
    eventually("the plugin works", called).await;
    // Shorter than what an engine takes for an absence, longer than the plugin may be silent.
    let closed = Semaphore::new(0);
    for _ in 0..2 {
        stage.stands_still(&closed, Duration::from_millis(900)).await;
    }
    stage.stands_still(&gate, TIMEOUT * 2 + BEYOND).await;
    let done = stage.until("it ends", |seen| seen.summary.status.is_ended()).await;
    assert_eq!(done.summary.status, Status::Done, "{done:#?}");
    assert_eq!(asked.available_permits(), 1, "the plugin is asked once");
    assert_eq!(done.steps.steps[0].retry_count, 0, "{done:#?}");
    stage.end().await;
}
