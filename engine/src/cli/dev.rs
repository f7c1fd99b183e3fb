//! `dev`: an engine on this machine, with an HTTP door, that reloads definitions.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use gearshift_client::Client;
use serde_json::json;
use tokio::task::JoinSet;

use super::args::Global;
use super::connect::{self, DevNote, write_private};
use super::entry::PluginLoader;
use super::failure::{BUG, ENDED_BADLY, Failure, NOT_FOUND, Outcome};
use super::mocks::{self, Mock};
use super::output::tell;
use super::providers;
use super::reload::Loader;
use crate::api::{self, BusDoor};
use crate::http::{self, Door, Token};
use crate::runtime::Engine;

const EXAMPLES: &str = "\
Examples:
  gearshift dev                                   all definitions below this folder, in memory
  gearshift dev examples --data .gearshift/data   kept over restarts
  gearshift dev --listen 127.0.0.1:0 -o json      a free port; one line of JSON for scripts
  gearshift dev workflows --mock                  no plugins needed: calls answer {}

Later commands in the same folder find this engine and its token by themselves. Elsewhere:
  GEARSHIFT_SERVER=http://127.0.0.1:4500 GEARSHIFT_TOKEN=gearshift_… gearshift ls

Ctrl-C or SIGTERM stops it within 25 s, a second one at once.";

/// How long open connections may keep the HTTP door from closing.
const DOOR_CLOSES: Duration = Duration::from_secs(1);
/// The file of a data directory that keeps the token over restarts.
const TOKEN_FILE: &str = "token";

/// `gearshift dev`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DevArgs {
    /// The folder with definitions; they are reloaded when they change
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Keep everything in this directory; else it ends with the process
    #[arg(long, value_name = "DIR", env = "GEARSHIFT_DATA")]
    data: Option<PathBuf>,
    /// Where the HTTP door listens; port 0 takes a free one. Other than loopback only with --token
    #[arg(long, value_name = "ADDRESS:PORT", env = "GEARSHIFT_LISTEN")]
    #[arg(default_value = "127.0.0.1:4500", value_parser = listen)]
    listen: SocketAddr,
    /// Answer calls without plugins: PLUGIN.OPERATION with this output, all others with {}.
    /// May be repeated
    #[arg(long, value_name = "PLUGIN.OPERATION=JSON", num_args = 0..=1)]
    #[arg(default_missing_value = mocks::EVERYTHING, value_parser = mocks::parse)]
    mock: Vec<Mock>,
}

fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is not an address and a port from 0 to 65535, such as 127.0.0.1:4500")
    })
}

/// Runs until a signal.
pub(super) async fn dev(global: &Global, args: DevArgs, plugins: PluginLoader) -> Outcome {
    let token = token(global, &args)?;
    let about = std::fs::metadata(&args.folder)
        .map_err(|error| Failure::file("cannot read", &args.folder, &error))?;
    if !about.is_dir() {
        return Err(Failure::usage(format!("`{}` is not a folder", args.folder.display()))
            .with_help("`gearshift run FILE` runs a single definition"));
    }
    let mut signals = Signals::new()?;
    let (bus, config) = providers::open(args.data.as_deref()).await?;
    let client = Client::bus(bus.clone()).as_user(&connect::user(global));
    let mut loader = Loader::new(global, client, bus.clone(), plugins, args.folder.clone());
    loader.mock(&args.mock).await?;
    loader.provide_all().await;
    let engine = tokio::select! {
        biased;
        // What was begun is picked up by the next start.
        code = signals.next() => return Ok(code),
        engine = Engine::start(bus.clone(), config) => engine?,
    };
    let opened = Opened::new(&args, &engine, loader, &token).await;
    let (outcome, opened) = match opened {
        Ok(mut opened) => (opened.serve(global, &args, &mut signals).await, Some(opened)),
        Err(failure) => (Err(failure), None),
    };
    // A second signal ends at once; the next start recovers.
    let ended = tokio::select! {
        biased;
        code = signals.next() => return Ok(code),
        ended = stop(engine, opened) => ended,
    };
    match outcome {
        Ok(()) if ended => Ok(0),
        Ok(()) => Err(Failure::new(ENDED_BADLY, "the engine did not stop in time")),
        Err(failure) => Err(failure),
    }
}

/// Stops the engine while doors and plugins still answer for what is under way.
async fn stop(engine: Engine, opened: Option<Opened>) -> bool {
    let ended = engine.shutdown().await;
    if let Some(Opened { mut tasks, .. }) = opened {
        // The door closes with the engine; connections that stay open are cut.
        let closed = tokio::time::timeout(DOOR_CLOSES, tasks.join_next()).await;
        tracing::debug!(in_time = closed.is_ok(), "HTTP door closed");
    }
    ended
}

/// What a running `dev` holds beside the engine.
struct Opened {
    tasks: JoinSet<Result<(), http::Error>>,
    loader: Loader,
    note: DevNote,
    _bus_door: BusDoor,
}

impl Opened {
    /// Opens the doors.
    async fn new(
        args: &DevArgs,
        engine: &Engine,
        loader: Loader,
        token: &str,
    ) -> Result<Self, Failure> {
        let handle = engine.handle();
        let bus_door = api::serve_on_bus(&handle).await?;
        let door = Door::bind(handle, args.listen, token).await;
        let door = door.map_err(|error| not_opened(args.listen, &error))?;
        let note = DevNote {
            url: format!("http://{}", door.address()),
            token: token.to_owned(),
            pid: std::process::id(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(door.run());
        Ok(Self { tasks, loader, note, _bus_door: bus_door })
    }

    /// Loads, says so, and reloads until a signal.
    async fn serve(
        &mut self,
        global: &Global,
        args: &DevArgs,
        signals: &mut Signals,
    ) -> Result<(), Failure> {
        // Watching begins first, so that no change falls between.
        let mut watcher = self.loader.watch();
        let loaded = self.loader.load_all().await?;
        let kept = keep_note(&self.note, args.data.as_deref());
        let mut outcome = heard(announce(global, args, &self.note, &loaded, &self.loader));
        while outcome.is_ok() {
            outcome = tokio::select! {
                biased;
                _ = signals.next() => break,
                ended = self.tasks.join_next() => door_ended(ended),
                () = watcher.changed() => heard(self.loader.reload().await),
            };
        }
        for folder in kept {
            self.note.remove(&folder);
        }
        if !global.quiet {
            tell("stopping; once more to stop at once");
        }
        outcome
    }
}

/// An engine goes on when nobody reads what it prints.
fn heard(outcome: Result<(), Failure>) -> Result<(), Failure> {
    match outcome {
        Err(failure) if failure.unread => Ok(()),
        other => other,
    }
}

fn door_ended(
    ended: Option<Result<Result<(), http::Error>, tokio::task::JoinError>>,
) -> Result<(), Failure> {
    match ended {
        Some(Ok(Ok(()))) | None => Err(Failure::new(BUG, "the HTTP door closed by itself")),
        Some(Ok(Err(error))) => Err(Failure::new(ENDED_BADLY, error.to_string())),
        Some(Err(error)) => Err(Failure::new(BUG, error.to_string())),
    }
}

/// The token given, the one kept from the last time, or a fresh one.
fn token(global: &Global, args: &DevArgs) -> Result<String, Failure> {
    if let Some(token) = connect::token(global)? {
        return Ok(token);
    }
    if !args.listen.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "`{}` can be reached from other machines, so a token must be chosen",
            args.listen
        ))
        .with_help("add `--token TOKEN` (or GEARSHIFT_TOKEN), or listen on 127.0.0.1"));
    }
    let Some(data) = &args.data else { return Ok(Token::generate()) };
    let unusable =
        |error: std::io::Error| Failure::file("cannot use the data directory", data, &error);
    connect::create_private_dir(data).map_err(unusable)?;
    let path = data.join(TOKEN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(kept) if !kept.trim().is_empty() => return Ok(kept.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::file("cannot read the token", &path, &error)),
    }
    let token = Token::generate();
    write_private(&path, token.as_bytes()).map_err(unusable)?;
    Ok(token)
}

/// Says which port, and how to get another (row C2).
fn not_opened(address: SocketAddr, error: &http::Error) -> Failure {
    let http::Error::Bind { source, .. } = error else {
        return Failure::usage(error.to_string());
    };
    let port = address.port();
    let taken = source.kind() == std::io::ErrorKind::AddrInUse;
    let refused = source.kind() == std::io::ErrorKind::PermissionDenied;
    let failure = if taken {
        format!("port {port} of {} is taken by another process", address.ip())
    } else if refused {
        format!("port {port} of {} needs more rights than this process has", address.ip())
    } else {
        error.to_string()
    };
    Failure::outside(NOT_FOUND, "no_port", failure)
        .with_help("`--listen 127.0.0.1:0` takes a free port, `--listen 127.0.0.1:4600` another")
}

/// Leaves the note in the working directory and the data directory; gives back where.
fn keep_note(note: &DevNote, data: Option<&Path>) -> Vec<PathBuf> {
    let here = std::env::current_dir().ok();
    let folders = here.into_iter().chain(data.map(Path::to_owned));
    let kept = folders.filter(|folder| match note.write(folder) {
        Ok(()) => true,
        Err(error) => {
            let path = DevNote::path(folder);
            tracing::warn!(path = %path.display(), %error, "commands here need --server");
            false
        }
    });
    kept.collect()
}

/// Address and token: for people, or as one line of JSON.
fn announce(
    global: &Global,
    args: &DevArgs,
    note: &DevNote,
    loaded: &[String],
    loader: &Loader,
) -> Result<(), Failure> {
    let output = global.out();
    let data = args.data.as_ref().map(|data| data.display().to_string());
    output.json(&json!({
        "url": note.url,
        "token": note.token,
        "pid": note.pid,
        "data": data,
        "loaded": loaded,
    }))?;
    let data = data.unwrap_or_else(|| "memory (--data DIR keeps it)".to_owned());
    output.line(format!("server   {}", note.url))?;
    output.line(format!("token    {}", note.token))?;
    output.line(format!("nats     none (embedded)      data  {data}"))?;
    let names = if loaded.is_empty() { "nothing yet".to_owned() } else { loaded.join(" ") };
    let folder = args.folder.display();
    output.line(format!("loaded   {names}      {}      watching {folder}", loader.summary()))
}

/// The signals that end a process.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn new() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};

        let failed = |error: std::io::Error| Failure::new(BUG, format!("signals: {error}"));
        Ok(Self {
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        })
    }

    #[cfg(not(unix))]
    fn new() -> Result<Self, Failure> {
        Ok(Self {})
    }

    /// The exit code of the next signal: 130 or 143.
    #[cfg(unix)]
    async fn next(&mut self) -> u8 {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => 143,
            _ = self.interrupt.recv() => 130,
        }
    }

    /// The exit code of the next Ctrl-C.
    #[cfg(not(unix))]
    async fn next(&mut self) -> u8 {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        130
    }
}
