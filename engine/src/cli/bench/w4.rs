//! W4: instances that wait for an approval, in a process of their own: memory, disk, kill -9.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use gearshift_client::Client;
use gearshift_protocol::command::{Decide, Deploy, Format};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use super::load::{Folder, WAITING, record};
use super::measure::{Latencies, cpu_time, disk_bytes, finish, rss_bytes};
use super::{BenchArgs, Report};
use crate::runtime::monotonic;

/// Instances where nobody says.
const KEYS: u32 = 100_000;
/// Approvals decided one at a time afterwards.
const DECIDED: u32 = 300;
/// How long the settled engine rests before its memory is read.
const SETTLE: Duration = Duration::from_secs(3);

/// An engine in a process of its own.
struct Engine {
    child: Child,
    client: Client,
    pid: u32,
}

/// What `gearshift dev -o json` prints first.
#[derive(Deserialize)]
struct Ready {
    url: String,
    token: String,
}

pub(super) async fn run(args: &BenchArgs) -> Result<Report, String> {
    if args.bus != "embedded" {
        return Err("w4 measures what survives kill -9; it needs `--bus embedded`".to_owned());
    }
    let dir = Folder::new(args)?;
    let keys = args.keys.unwrap_or(KEYS);
    let engine = Engine::start(&dir).await?;
    engine.deploy().await?;
    tokio::time::sleep(SETTLE).await;
    let (empty, cpu) = (rss_bytes(engine.pid), cpu_time(engine.pid));
    let begun = monotonic();
    start_all(&engine.client, keys, args.in_flight.min(64)).await?;
    let (took, cpu) = (begun.elapsed(), cpu_time(engine.pid).saturating_sub(cpu));
    tokio::time::sleep(SETTLE).await;
    let rss = rss_bytes(engine.pid);
    let mut report = Report {
        workload: "w4",
        bus: args.bus.clone(),
        door: "http",
        rss_bytes: rss,
        disk_bytes: disk_bytes(dir.path()),
        ..Report::default()
    };
    let above = rss.saturating_sub(empty);
    report.rss_above_empty_bytes = Some(above);
    report.bytes_per_instance = Some(above as f64 / f64::from(keys));
    finish(&mut report, u64::from(keys), took, cpu);
    decide_some(&engine.client, keys.min(DECIDED)).await?.report(&mut report);
    engine.kill().await?;
    let again = monotonic();
    let engine = Engine::start(&dir).await?;
    let reply = request(&engine.client, "after-kill").await?;
    report.ready_seconds = Some(again.elapsed().as_secs_f64());
    if reply != "submitted" {
        return Err(format!("after kill -9 a new key came to `{reply}`"));
    }
    check_some_survived(&engine.client, keys).await?;
    engine.kill().await?;
    Ok(report)
}

impl Engine {
    async fn start(dir: &Folder) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut child = Command::new(program)
            .args(["dev", "--listen", "127.0.0.1:0", "-o", "json", "--data"])
            .arg(dir.path().join("store"))
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start the engine: {error}"))?;
        let stdout = child.stdout.take().ok_or("the engine has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = lines.next_line().await.map_err(|error| error.to_string())?;
        let line = line.ok_or("the engine ended before it was ready")?;
        let ready = serde_json::from_str::<Ready>(&line)
            .map_err(|error| format!("the engine printed `{line}`: {error}"))?;
        let pid = child.id().ok_or("the engine ended at once")?;
        let client = Client::http(&ready.url, &ready.token).map_err(|error| error.to_string())?;
        Ok(Self { child, client, pid })
    }

    async fn deploy(&self) -> Result<(), String> {
        let order =
            Deploy { text: WAITING.to_owned(), origin: "bench".to_owned(), format: Format::Yaml };
        let deployed = self.client.deploy(&order).await;
        deployed.map(|_| ()).map_err(|error| error.to_string())
    }

    /// kill -9.
    async fn kill(mut self) -> Result<(), String> {
        self.child.kill().await.map_err(|error| error.to_string())
    }
}

/// Starts one instance; the state it came to.
async fn request(client: &Client, id: &str) -> Result<String, String> {
    let body = serde_json::from_str(&record(id)).map_err(|error| error.to_string())?;
    let reply = client.send("bench.requested", &body).await.map_err(|error| error.to_string())?;
    let verdict = reply.verdicts.first().ok_or("no verdict")?;
    Ok(verdict.active.first().cloned().unwrap_or_default())
}

async fn start_all(client: &Client, keys: u32, in_flight: u32) -> Result<(), String> {
    let next = Arc::new(AtomicU32::new(0));
    let mut senders = JoinSet::new();
    for _ in 0..in_flight.min(keys) {
        let (client, next) = (client.clone(), Arc::clone(&next));
        senders.spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= keys {
                    return Ok::<_, String>(());
                }
                let state = request(&client, &format!("w-{number:06}")).await?;
                if state != "submitted" {
                    return Err(format!("w-{number:06} came to `{state}`"));
                }
            }
        });
    }
    while let Some(sender) = senders.join_next().await {
        sender.map_err(|error| error.to_string())??;
    }
    Ok(())
}

/// Decides approvals one at a time: the latency of a person's click.
async fn decide_some(client: &Client, count: u32) -> Result<Latencies, String> {
    let mut latencies = Latencies::default();
    for number in 0..count {
        let begun = monotonic();
        let id = format!("bench_waiting/w-{number:06}");
        let order = Decide {
            instance: id.clone(),
            choice: "approve".to_owned(),
            data: None,
            reason: "bench".to_owned(),
        };
        let verdict = client.decide(&order).await.map_err(|error| error.to_string())?;
        latencies.add(begun.elapsed());
        if verdict.active.first().map(String::as_str) != Some("approved") {
            return Err(format!("{id} came to {:?}", verdict.active));
        }
    }
    Ok(latencies)
}

/// The first, the last decided and the last started are as they were acknowledged.
async fn check_some_survived(client: &Client, keys: u32) -> Result<(), String> {
    let decided = keys.min(DECIDED);
    for (number, state) in [(0, "approved"), (decided - 1, "approved"), (keys - 1, "submitted")] {
        let state = if number < decided { "approved" } else { state };
        let id = format!("bench_waiting/w-{number:06}");
        let seen = client.instance(&id).await.map_err(|error| error.to_string())?;
        if seen.summary.active.first().map(String::as_str) != Some(state) {
            return Err(format!("after kill -9 {id} is {:?}", seen.summary.active));
        }
    }
    Ok(())
}
