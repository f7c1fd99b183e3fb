//! The crash matrix of a workflow of steps: the engine is dropped at every write of its journal, on
//! both sides of it, and lives again; the checker judges what is left.
//!
//! One job comes to its end, with parallel steps, a `foreach`, a retry, a skipped and an optional
//! step; one fails at its end and is taken back. `GEARSHIFT_LONG=1` does it several times.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gearshift_bus::{Breakpoint, Bus, Stop};
use gearshift_client::Client;
use gearshift_client::protocol::command::{Deploy, Format};
use gearshift_client::protocol::view::InstanceDetail;
use gearshift_client::protocol::{EventHeaders, Verdict, Wait};
use gearshift_engine::api::{BusDoor, serve_on_bus};
use gearshift_engine::{Engine, EngineConfig};
use gearshift_plugins_sdk::Running;
use gearshift_tests::checker::{
    Called, Invocation, JOBS, Kind, Line, Phase, Run, Settings, check, read_lines,
};
use gearshift_tests::load::{self, recorder};
use gearshift_tests::world::{PATIENCE, eventually_async};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// Items of each job: the call for number 3 is made a second time.
const ITEMS: u32 = 4;
/// Trials at once; each waits for the disk most of the time.
const THREADS: usize = 4;

/// Where a life ends: at which write, counted from 1, and on which side of it.
type Crash = Option<(u64, Stop)>;

/// An engine on files, with its plugin; dropped in this order.
struct Life {
    door: BusDoor,
    engine: Engine,
    plugin: Running,
    bus: Bus,
    breakpoint: Breakpoint,
    runtime: Runtime,
}

/// What came of a trial.
struct Trial {
    run: Run,
    /// Writes of the first life.
    writes: u64,
    /// Did the first life end before the job did?
    was_cut: bool,
}

#[test]
fn e_steps_survive_a_crash_at_every_write() {
    let times = if std::env::var_os("GEARSHIFT_LONG").is_some() { 8 } else { 1 };
    for ends in ["ends", "fails"].repeat(times) {
        let quiet = trial(ends, None);
        judge(&quiet, ends, "no crash");
        let sides = [Stop::Before, Stop::After];
        let crashes: Vec<_> =
            (1..=quiet.writes).flat_map(|at| sides.map(|side| (at, side))).collect();
        let (next, met) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            while let Some(crash) = crashes.get(next.fetch_add(1, Ordering::Relaxed)) {
                let trial = trial(ends, Some(*crash));
                judge(&trial, ends, &format!("{crash:?}"));
                met.fetch_add(usize::from(trial.was_cut), Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| (0..THREADS).for_each(|_| drop(scope.spawn(work))));
        let (all, met) = (crashes.len(), met.into_inner());
        println!("{ends}: {} writes, {met} of {all} crashes met", quiet.writes);
        // What waits while a frame is stored is in the next one, so there may be fewer.
        assert!(met * 2 > all, "{ends}: {met} of {all} crashes were met");
    }
}

fn judge(trial: &Trial, ends: &str, crash: &str) {
    let report = check(&trial.run);
    assert_eq!(report.findings, [], "{ends}, {crash}: {:#?}", trial.run.calls);
    assert_eq!(report.jobs, 1, "{ends}, {crash}");
}

/// Runs a job; where it is to crash, again from there to its end.
fn trial(ends: &str, crash: Crash) -> Trial {
    let folder = tempfile::tempdir().unwrap();
    let key = format!("j-1-{ITEMS}-{ends}");
    let first = Life::begin(folder.path());
    first.deploy();
    let (at, side) = crash.unwrap_or((u64::MAX, Stop::Before));
    first.breakpoint.stop_at(at, side);
    let ended = first.run(&key);
    let (writes, was_cut) = (first.breakpoint.seen(), ended.is_none());
    first.crash();
    // Whoever asked and got no answer asks again, under the same ids.
    let second = Life::begin(folder.path());
    let ended = second.run(&key).unwrap();
    let history = second.history(&ended.summary.id);
    second.crash();
    let run = Run {
        settings: Settings {
            kills: u32::from(was_cut),
            separate_plugins: true,
            ..Settings::default()
        },
        lines: lines(&key),
        calls: read_lines::<Called>(&folder.path().join("calls.jsonl")).unwrap(),
        instances: vec![ended],
        histories: vec![history],
        dead_letters: Vec::new(),
        journals: Vec::new(),
        faults: Vec::new(),
        exits: Vec::new(),
    };
    Trial { run, writes, was_cut }
}

/// What was asked for, as the checker reads it.
fn lines(key: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for (op, kind) in [("c0-1", Kind::Job), ("c0-2", Kind::Release)] {
        let asked = Invocation { kind, instance: format!("{JOBS}/{key}"), choice: None };
        for phase in [Phase::Invoke(asked), Phase::Ok { verdict: "taken".to_owned() }] {
            let op = op.to_owned();
            lines.push(Line { client: 0, op, attempt: 1, phase, at_us: 0, wall_ms: 0 });
        }
    }
    lines
}

impl Life {
    fn begin(folder: &Path) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let (breakpoint, dir) = (Breakpoint::default(), folder.join("bus"));
        let config = EngineConfig {
            partitions: 1,
            data: Some(folder.to_owned()),
            ..EngineConfig::default()
        };
        let (bus, plugin, engine, door) = runtime.block_on(async {
            // The last life's files are let go of when its last thread ends.
            let open = async || Bus::embedded(&dir).await.ok();
            let bus = eventually_async("the folder is free", open).await;
            let bus = bus.with_breakpoint(breakpoint.clone());
            let plugin = recorder(&folder.join("calls.jsonl")).unwrap();
            let plugin = plugin.serve(&bus).await.unwrap();
            let engine = Engine::start(bus.clone(), config).await.unwrap();
            let door = serve_on_bus(&engine.handle()).await.unwrap();
            (bus, plugin, engine, door)
        });
        Self { door, engine, plugin, bus, breakpoint, runtime }
    }

    fn client(&self) -> Client {
        Client::bus(self.bus.clone()).as_user("ann").with_timeout(PATIENCE)
    }

    fn deploy(&self) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(load::DEFINITIONS);
        let file = file.join(format!("{JOBS}.workflow.yaml"));
        let (text, origin) = (std::fs::read_to_string(&file).unwrap(), JOBS.to_owned());
        let deploy = Deploy { text, origin, format: Format::Yaml };
        self.runtime.block_on(self.client().deploy(&deploy)).unwrap();
    }

    /// Runs the job to its end, or until the breakpoint stops a write: `None`.
    fn run(&self, key: &str) -> Option<InstanceDetail> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.breakpoint.stopped() => None,
                ended = play(self.client(), key) => Some(ended),
            }
        })
    }

    fn history(&self, id: &str) -> Vec<gearshift_client::protocol::view::HistoryEntry> {
        self.runtime.block_on(self.client().history(id)).unwrap().items
    }

    /// Ends it without a word.
    fn crash(self) {
        let Self { door, engine, plugin, bus, runtime, .. } = self;
        runtime.shutdown_timeout(Duration::from_secs(10));
        drop((door, engine, plugin, bus));
    }
}

/// Begins the job, releases it, and waits until it has ended.
async fn play(client: Client, key: &str) -> InstanceDetail {
    let items: Vec<u32> = (0..ITEMS).collect();
    let fails = key.ends_with("-fails");
    let job = json!({ "key": key, "op": "c0-1", "items": items, "fails": fails });
    send(&client, "job.submitted", "c0-1", &job).await;
    send(&client, "job.released", "c0-2", &json!({ "key": key, "op": "c0-2" })).await;
    let waited = client.wait_for(&format!("{JOBS}/{key}"), &Wait::End, PATIENCE).await.unwrap();
    assert!(waited.reached, "{:#?}", waited.instance);
    waited.instance
}

async fn send(client: &Client, event: &str, id: &str, data: &Value) {
    let headers = EventHeaders { id: Some(id.to_owned()), ..EventHeaders::default() };
    let reply = client.send_with(event, data, &headers).await.unwrap();
    let [one] = reply.verdicts.as_slice() else { panic!("{event}: {reply:?}") };
    let is_taken = matches!(
        one.verdict,
        Verdict::Started { .. }
            | Verdict::Transitioned { .. }
            | Verdict::Deferred
            | Verdict::Duplicate { .. }
    );
    assert!(is_taken, "{event}: {one:?}");
}
