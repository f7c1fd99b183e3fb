//! A world over NATS: servers, an engine in a process of its own, and the load generator here.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bus, Headers, Message, NatsOptions, PrivateServer, ServerOptions, Subject};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::load::Folder;
use super::measure::{cpu_time, disk_bytes, rss_bytes};
use super::{BenchArgs, Report, Sync};

/// How long an answer may take; only a hang reaches it.
const PATIENCE: Duration = Duration::from_secs(30);

/// A private server, or somebody's.
pub(super) struct Servers {
    pub(super) url: String,
    pub(super) bus: Bus,
    pub(super) dir: Folder,
    server: Option<PrivateServer>,
}

/// Another process of this program; it ends with this one.
pub(super) struct Process {
    child: Child,
    pid: u32,
}

/// Servers, and an engine on them.
pub(super) struct World {
    pub(super) servers: Servers,
    engine: Process,
    cpu: Duration,
    server_cpu: Duration,
    load_cpu: Duration,
}

impl Servers {
    pub(super) async fn open(args: &BenchArgs) -> Result<Self, String> {
        let dir = Folder::new(args)?;
        let (server, url) = if args.bus == "nats" {
            let mut options = ServerOptions::in_dir(&dir.path().join("nats"));
            options.sync_interval = match args.sync {
                Sync::Always => None,
                Sync::Default => Some("2m".to_owned()),
            };
            let server = PrivateServer::start(options).await.map_err(|error| error.to_string())?;
            let url = server.url().to_owned();
            (Some(server), url)
        } else {
            (None, args.bus.clone())
        };
        let bus = Bus::connect(&NatsOptions::new(&url)).await.map_err(|error| error.to_string())?;
        Ok(Self { url, bus, dir, server })
    }

    fn cpu(&self) -> Duration {
        self.server.as_ref().map_or(Duration::ZERO, |server| cpu_time(server.pid()))
    }

    /// Bytes that the server has on disk; 0 where it is not ours.
    pub(super) fn disk_bytes(&self) -> u64 {
        self.server.as_ref().map_or(0, |server| disk_bytes(server.dir()))
    }
}

impl Process {
    /// Starts this program with `arguments` and waits for the first line it prints.
    pub(super) async fn start(dir: &Folder, arguments: &[&str]) -> Result<Self, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let what = arguments.first().copied().unwrap_or_default();
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start `{what}`: {error}"))?;
        let stdout = child.stdout.take().ok_or("no output")?;
        let line = BufReader::new(stdout).lines().next_line().await;
        match line.map_err(|error| error.to_string())? {
            Some(_) => {}
            None => return Err(format!("`{what}` ended before it was ready")),
        }
        let pid = child.id().ok_or_else(|| format!("`{what}` ended at once"))?;
        Ok(Self { child, pid })
    }

    /// CPU time since it began.
    pub(super) fn cpu(&self) -> Duration {
        cpu_time(self.pid)
    }

    /// Ends it as an operator does, and waits.
    pub(super) async fn stop(mut self) -> Result<(), String> {
        let pid = self.pid.to_string();
        let asked = Command::new("kill").args(["-TERM", &pid]).status().await;
        asked.map_err(|error| error.to_string())?;
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        match ended {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("process {pid} ended with {status}")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("process {pid} did not end within {} s", PATIENCE.as_secs())),
        }
    }
}

impl World {
    /// Starts everything, with `definition` deployed.
    pub(super) async fn start(args: &BenchArgs, definition: &str) -> Result<Self, String> {
        let servers = Servers::open(args).await?;
        let path: PathBuf = servers.dir.path().join("bench.workflow.yaml");
        std::fs::write(&path, definition).map_err(|error| error.to_string())?;
        let url = servers.url.clone();
        let (partitions, threads) = (args.partitions.to_string(), args.threads.to_string());
        let arguments = [
            "serve",
            "--nats",
            &url,
            "--no-wait",
            "--partitions",
            &partitions,
            "--threads",
            &threads,
            "-o",
            "json",
            "-q",
            "--data",
            "engine",
            "bench.workflow.yaml",
        ];
        let engine = Process::start(&servers.dir, &arguments).await?;
        let zero = Duration::ZERO;
        Ok(Self { servers, engine, cpu: zero, server_cpu: zero, load_cpu: zero })
    }

    /// From here on CPU time counts.
    pub(super) fn begin(&mut self) {
        self.cpu = cpu_time(self.engine.pid);
        self.server_cpu = self.servers.cpu();
        self.load_cpu = cpu_time(std::process::id());
    }

    /// CPU time of the engine since the beginning.
    pub(super) fn cpu(&self) -> Duration {
        cpu_time(self.engine.pid).saturating_sub(self.cpu)
    }

    /// CPU time of the others since the beginning, for each of `events`.
    pub(super) fn report_others(&self, report: &mut Report, events: u64) {
        let each = |time: Duration| Some(time.as_secs_f64() * 1e6 / events as f64);
        let server = self.servers.cpu().saturating_sub(self.server_cpu);
        let load = cpu_time(std::process::id()).saturating_sub(self.load_cpu);
        report.server_cpu_us_per_event = each(server);
        report.load_cpu_us_per_event = each(load);
    }

    /// What is read of the processes at the end.
    pub(super) fn report(&self, report: &mut Report, args: &BenchArgs) {
        report.bus = match args.bus.as_str() {
            "nats" => format!("nats, sync {}", args.sync.as_str()),
            url => super::super::login::shown(url),
        };
        report.rss_bytes = rss_bytes(self.engine.pid);
        report.disk_bytes = self.servers.disk_bytes();
    }

    pub(super) async fn stop(self) -> Result<(), String> {
        self.engine.stop().await?;
        // Before the server goes, so that nobody misses it.
        self.servers.bus.close().await.map_err(|error| error.to_string())
    }
}

/// What is read of an answer.
#[derive(Deserialize)]
struct Answer {
    verdicts: Vec<Verdict>,
}

#[derive(Deserialize)]
struct Verdict {
    #[serde(default)]
    active: Vec<String>,
}

/// A message of JSON.
fn message(subject: &str, body: &str, headers: &Headers) -> Result<Message, String> {
    let subject = Subject::parse(subject).map_err(|error| error.to_string())?;
    let mut message = Message::new(subject, Bytes::copy_from_slice(body.as_bytes()));
    message.headers = headers.clone();
    Ok(message)
}

/// Asks the engine about an event and checks that it led to `state`.
pub(super) async fn send(
    bus: &Bus,
    event: &str,
    body: &str,
    headers: &Headers,
    state: &str,
) -> Result<(), String> {
    let message = message(&format!("gearshift.event.{event}"), body, headers)?;
    let reply = bus.requests().request(message, PATIENCE).await;
    let reply = reply.map_err(|error| format!("`{event}`: {error}"))?;
    let text = || String::from_utf8_lossy(&reply.payload).into_owned();
    let answer: Answer = serde_json::from_slice(&reply.payload)
        .map_err(|error| format!("`{event}` was answered by {}: {error}", text()))?;
    match answer.verdicts.as_slice() {
        [one] if one.active.iter().any(|active| active == state) => Ok(()),
        _ => Err(format!("`{event}` was answered by {}", text())),
    }
}

/// What a stream answers that has stored a message.
#[derive(Deserialize)]
struct Stored {
    seq: u64,
}

/// Publishes an event on its bare subject and checks that it is stored.
pub(super) async fn publish(bus: &Bus, event: &str, body: &str) -> Result<(), String> {
    let message = message(event, body, &Headers::default())?;
    let reply = bus.requests().request(message, PATIENCE).await;
    let reply = reply.map_err(|error| format!("`{event}`: {error}"))?;
    match serde_json::from_slice::<Stored>(&reply.payload) {
        Ok(Stored { seq: 1.. }) => Ok(()),
        Ok(_) | Err(_) => {
            Err(format!("`{event}` was not stored: {}", String::from_utf8_lossy(&reply.payload)))
        }
    }
}
