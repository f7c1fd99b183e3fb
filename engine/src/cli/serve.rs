//! `serve`: an engine in production, on NATS servers, beside others.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use gearshift_bus::ErrorKind;
use gearshift_client::Client;
use serde_json::json;

use super::args::Global;
use super::connect;
use super::deploy;
use super::doors::{self, Doors, heard, stop};
use super::failure::{CONFLICT, DENIED, Failure, Outcome, TIMED_OUT, UNREACHABLE};
use super::joining::{JoinArgs, Joined, is_away as is_bus_away, join, words};
use super::lock::DataDir;
use super::login::NatsTarget;
use super::output::{Output, tell};
use super::signals::Signals;
use super::sources::files;
use super::words::within;
use crate::runtime::{ClusterConfig, Engine, EngineConfig, Error};

/// Wait before definitions are deployed again while somebody is away.
const AGAIN: Duration = Duration::from_secs(1);

const EXAMPLES: &str = "\
Examples:
  gearshift serve --nats nats://127.0.0.1:4222 workflows/
  gearshift serve --nats tls://a:4222,tls://b:4222 --nats-credentials engine.creds \\
    --data /var/lib/gearshift --listen 127.0.0.1:4500 --strict
  gearshift serve --context production --no-wait

Several engines on the same servers share the partitions, and take over from one another.
Probes: /livez and /readyz of --listen. SIGTERM hands over and ends within 25 s, a second one at
once. `gearshift bus config` prints a server configuration with one user per role.";

/// `gearshift serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct ServeArgs {
    /// Definitions to deploy at start: files, or folders with them
    #[arg(value_name = "FILE")]
    definitions: Vec<PathBuf>,
    /// The NATS servers, such as nats://127.0.0.1:4222, several with commas; else those of
    /// --context
    #[arg(long, value_name = "URL", env = "GEARSHIFT_NATS")]
    nats: Option<String>,
    #[command(flatten)]
    join: JoinArgs,
    /// Where high-water marks are kept, outside of the servers: a journal that came back shorter
    /// is refused then
    #[arg(long, value_name = "DIR", env = "GEARSHIFT_DATA")]
    data: Option<PathBuf>,
    /// Open an HTTP door with probes here; port 0 takes a free one. Other than loopback only with
    /// --token
    #[arg(long, value_name = "ADDRESS:PORT", env = "GEARSHIFT_LISTEN")]
    #[arg(value_parser = doors::listen)]
    listen: Option<SocketAddr>,
    /// This engine's name in logs, health and epoch frames
    #[arg(long, value_name = "NAME", env = "GEARSHIFT_NAME", default_value = "gearshift")]
    name: String,
    /// How many partitions there are; the same for all engines, and for good
    #[arg(long, value_name = "N", env = "GEARSHIFT_PARTITIONS", default_value = "4")]
    #[arg(value_parser = within(1, 256))]
    partitions: u32,
    /// Worker threads; as many as the machine has cores where nobody says. One serves tens of
    /// thousands of events per second and leaves the rest to servers and plugins beside it
    #[arg(long, value_name = "N", env = "GEARSHIFT_THREADS")]
    #[arg(value_parser = within(1, 256))]
    pub(super) threads: Option<u32>,
    /// Serve this partition although its journal lost confirmed entries. What is missing is gone
    /// for good. May be repeated
    #[arg(long, value_name = "PARTITION", value_parser = clap::value_parser!(u16))]
    accept_journal_loss: Vec<u16>,
    /// Read streams of bare events as new ones where they are not what they were: deleted and made
    /// again, or shorter. Events that were lost with them are gone for good
    #[arg(long)]
    accept_new_inbox: bool,
}

/// Runs until a signal.
pub(super) async fn serve(global: &Global, args: ServeArgs) -> Outcome {
    let target = connect::nats_target(global, args.nats.as_deref())?;
    let definitions = files(&args.definitions)?;
    let token = match args.listen {
        Some(listen) => Some(doors::token(global, listen, args.data.as_deref())?),
        None => None,
    };
    let data = args.data.as_deref().map(DataDir::take).transpose()?;
    let mut signals = Signals::new()?;
    let joined = tokio::select! {
        biased;
        code = signals.next() => return Ok(code),
        joined = join(&target, &args.join) => joined?,
    };
    for warning in &joined.warnings {
        tracing::warn!(server = %joined.server.name, "{warning}");
    }
    tokio::select! {
        biased;
        code = signals.next() => return Ok(code),
        checked = check_streams(&joined, args.partitions) => checked?,
    }
    let config = config(&args, data.as_ref(), &joined);
    let engine = tokio::select! {
        biased;
        // What was begun is picked up by the next start.
        code = signals.next() => return Ok(code),
        engine = start(&joined, &config, args.join.waits()) => engine?,
    };
    let loading = engine.handle().loading();
    let http = args.listen.zip(token.as_deref());
    let opened = open(&engine, http, args.join.waits()).await;
    let (outcome, doors) = match opened {
        Ok(mut doors) => {
            let ready = Ready { global, target: &target, joined: &joined, engine: &engine };
            let loaded = tokio::select! {
                biased;
                _ = signals.next() => Ok(None),
                loaded = load(global, &joined, &definitions) => loaded.map(Some),
            };
            drop(loading);
            let said = match &loaded {
                Ok(Some(loaded)) => ready.say(&doors, token.as_deref(), loaded),
                Ok(None) | Err(_) => Ok(()),
            };
            let outcome = match loaded.and_then(|loaded| heard(said).map(|()| loaded)) {
                // A signal came first.
                Ok(None) => Ok(()),
                Ok(Some(_)) => tokio::select! {
                    biased;
                    _ = signals.next() => Ok(()),
                    failure = doors.ended() => Err(failure),
                },
                Err(failure) => Err(failure),
            };
            (outcome, Some(doors))
        }
        Err(failure) => (Err(failure), None),
    };
    if !global.quiet {
        tell("stopping; once more to stop at once");
    }
    tokio::select! {
        biased;
        code = signals.next() => return Ok(code),
        ended = stop(engine, doors) => outcome.and(ended)?,
    }
    Ok(0)
}

/// Journals and inbox that are set up otherwise are told at once, with what differs (row C4).
async fn check_streams(joined: &Joined, partitions: u32) -> Result<(), Failure> {
    let told = |error: gearshift_bus::Error| {
        if let ErrorKind::Refused { reason } = error.kind() {
            return Err(Failure::new(DENIED, reason.clone()).with_help(
                "log in as an engine: `gearshift bus config --role engine` prints what it may",
            ));
        }
        if !matches!(error.kind(), ErrorKind::Mismatch { .. }) {
            // What may come right by itself is the engine's to wait for.
            return Ok(());
        }
        Err(Failure::new(CONFLICT, words(&error))
            .with_help("engines change no stream that is there: set it back, or delete it"))
    };
    for partition in 0..partitions {
        let log = joined.bus.log(&format!("journal-{partition}")).await;
        log.map(drop).or_else(told)?;
    }
    joined.bus.inbox("events").await.map(drop).or_else(told)
}

fn config(args: &ServeArgs, data: Option<&DataDir>, joined: &Joined) -> EngineConfig {
    EngineConfig {
        name: args.name.clone(),
        partitions: u16::try_from(args.partitions).unwrap_or(u16::MAX),
        data: data.map(|data| data.path().to_owned()),
        cluster: Some(ClusterConfig::named(&args.name)),
        accept_lost: args.accept_journal_loss.iter().copied().collect::<BTreeSet<_>>(),
        accept_new_inbox: args.accept_new_inbox,
        warnings: joined.warnings.clone(),
        ..EngineConfig::default()
    }
}

/// Starts the engine, again where servers went away meanwhile: somebody would only start it again.
async fn start(joined: &Joined, config: &EngineConfig, waits: bool) -> Result<Engine, Failure> {
    loop {
        match Engine::start(joined.bus.clone(), config.clone()).await {
            Err(Error::Bus(error)) if waits && is_bus_away(&error) => {
                tracing::warn!(%error, "not started yet");
                tokio::time::sleep(AGAIN).await;
            }
            started => return Ok(started?),
        }
    }
}

/// Opens the doors likewise.
async fn open(
    engine: &Engine,
    http: Option<(SocketAddr, &str)>,
    waits: bool,
) -> Result<Doors, Failure> {
    loop {
        match Doors::open(engine, http).await {
            Err(failure) if waits && is_away(&failure) => {
                tracing::warn!(reason = failure.problem.detail, "not open yet");
                tokio::time::sleep(AGAIN).await;
            }
            opened => return opened,
        }
    }
}

/// Are servers or other engines away? They come back.
const fn is_away(failure: &Failure) -> bool {
    matches!(failure.exit, UNREACHABLE | TIMED_OUT)
}

/// Deploys what was named; `name@version` each.
async fn load(
    global: &Global,
    joined: &Joined,
    definitions: &[PathBuf],
) -> Result<Vec<String>, Failure> {
    let client = Client::bus(joined.bus.clone()).as_user(&connect::user(global));
    let mut loaded = Vec::new();
    let known = deploy::known(definitions);
    for path in definitions {
        let reply = loop {
            match deploy::send(&client, global, path).await {
                Err(failure) if is_away(&failure) => {
                    tracing::warn!(reason = failure.problem.detail, "not deployed yet");
                    tokio::time::sleep(AGAIN).await;
                }
                sent => break sent?,
            }
        };
        loaded.extend(reply.definitions.iter().map(|one| format!("{}@{}", one.name, one.version)));
        deploy::tell_missing(&client, &known, &deploy::TOLD, path, global.stderr_look()).await;
    }
    Ok(loaded)
}

/// What is said once everything is open.
struct Ready<'a> {
    global: &'a Global,
    target: &'a NatsTarget,
    joined: &'a Joined,
    engine: &'a Engine,
}

impl Ready<'_> {
    fn say(&self, doors: &Doors, token: Option<&str>, loaded: &[String]) -> Result<(), Failure> {
        let output: Output = self.global.out();
        let server = &self.joined.server;
        let partitions = self.engine.handle().health();
        let served = partitions.iter().filter(|one| one.serving).count();
        let (url, nats) = (doors.url(), self.target.shown());
        output.json(&json!({
            "nats": nats,
            "server": { "name": server.name, "version": server.version, "id": server.id },
            "replicas": server.replicas,
            "durability": self.joined.level(),
            "url": url,
            "token": token,
            "pid": std::process::id(),
            "partitions": partitions.len(),
            "serving": served,
            "loaded": loaded,
            "warnings": self.joined.warnings,
        }))?;
        for warning in self.joined.warnings.iter().filter(|_| output.is_text()) {
            output.line(format!("warning  {warning}"))?;
        }
        if let (Some(url), Some(token)) = (&url, token) {
            output.line(format!("server   {url}      token  {token}"))?;
        }
        if !loaded.is_empty() {
            output.line(format!("loaded   {}", loaded.join(" ")))?;
        }
        output.line(format!(
            "ready    {nats}  nats-server {}  {served} of {} partitions here",
            server.version,
            partitions.len()
        ))
    }
}
