//! `dev`: an engine on this machine, with an HTTP door, that reloads definitions.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use gearshift_client::Client;
use serde_json::json;

use super::args::Global;
use super::connect::{self, DevNote};
use super::doors::{self, Doors, heard, stop};
use super::entry::PluginLoader;
use super::failure::{BUG, Failure, Outcome};
use super::ground::{Choice, Ground};
use super::mocks::{self, Mock};
use super::output::tell;
use super::reload::Loader;
use super::signals::Signals;
use crate::runtime::{Engine, EngineConfig, Loading};

const EXAMPLES: &str = "\
Examples:
  gearshift dev                                   all definitions below this folder, in memory
  gearshift dev examples --data .gearshift/data   kept over restarts
  gearshift dev --nats examples                   on a NATS server of its own: plugins and
                                                  services in other processes can join
  gearshift dev --nats=nats://127.0.0.1:4222      on a NATS server that runs already
  gearshift dev --listen 127.0.0.1:0 -o json      a free port; one line of JSON for scripts
  gearshift dev workflows --mock                  no plugins needed: calls answer {}

Later commands in the same folder find this engine and its token by themselves. Elsewhere:
  GEARSHIFT_SERVER=http://127.0.0.1:4500 GEARSHIFT_TOKEN=gearshift_… gearshift ls

Ctrl-C or SIGTERM stops it within 25 s, a second one at once.";

/// `gearshift dev`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DevArgs {
    /// The folder with definitions; they are reloaded when they change, and so is a mocks.yaml
    /// beside them
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Keep everything in this directory; else it ends with the process
    #[arg(long, value_name = "DIR", env = "GEARSHIFT_DATA")]
    data: Option<PathBuf>,
    /// Stand on NATS: without a URL on a server of its own, with one on that server. The same
    /// engine and the same files
    #[arg(long, value_name = "URL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "", env = "GEARSHIFT_DEV_NATS")]
    nats: Option<String>,
    /// The port of the NATS server of its own; 0 takes a free one [default: 4222, if it is free]
    #[arg(long, value_name = "PORT", requires = "nats", env = "GEARSHIFT_NATS_PORT")]
    nats_port: Option<u16>,
    /// The monitoring of the server that --nats=URL names, which tells whether it syncs
    /// [default: its port 8222]
    #[arg(long, value_name = "URL", env = "GEARSHIFT_MONITOR")]
    monitor: Option<String>,
    /// Where the HTTP door listens; port 0 takes a free one. Other than loopback only with --token
    #[arg(long, value_name = "ADDRESS:PORT", env = "GEARSHIFT_LISTEN")]
    #[arg(default_value = "127.0.0.1:4500", value_parser = doors::listen)]
    listen: SocketAddr,
    /// Answer the calls of this engine without plugins: PLUGIN.OPERATION with this output, all
    /// others with {}. May be repeated
    #[arg(long, value_name = "PLUGIN.OPERATION=JSON", num_args = 0..=1)]
    #[arg(default_missing_value = mocks::EVERYTHING, value_parser = mocks::parse)]
    mock: Vec<Mock>,
}

impl DevArgs {
    fn ground(&self) -> Result<Choice<'_>, Failure> {
        match (self.nats.as_deref(), self.nats_port) {
            (None, _) => Ok(Choice::Embedded),
            (Some(""), port) => Ok(Choice::Own { port }),
            (Some(servers), None) => {
                Ok(Choice::Joined { servers, monitor: self.monitor.as_deref() })
            }
            (Some(servers), Some(_)) => Err(Failure::usage(format!(
                "`--nats-port` is for a server of its own, and `{servers}` runs already"
            ))),
        }
    }
}

/// Runs until a signal.
pub(super) async fn dev(global: &Global, args: DevArgs, plugins: PluginLoader) -> Outcome {
    let choice = args.ground()?;
    let token = doors::token(global, args.listen, args.data.as_deref())?;
    let about = std::fs::metadata(&args.folder)
        .map_err(|error| Failure::file("cannot read", &args.folder, &error))?;
    if !about.is_dir() {
        return Err(Failure::usage(format!("`{}` is not a folder", args.folder.display()))
            .with_help("`gearshift run FILE` runs a single definition"));
    }
    let mut signals = Signals::new()?;
    let ground = tokio::select! {
        biased;
        code = signals.next() => return Ok(code),
        ground = Ground::open(global, choice, args.data.as_deref()) => ground?,
    };
    let bus = ground.bus.clone();
    let client = Client::bus(bus.clone()).as_user(&connect::user(global));
    let mut loader = Loader::new(global, client, bus.clone(), plugins, args.folder.clone());
    loader.mock(&args.mock).await?;
    loader.provide_all().await;
    let config = EngineConfig { mocked: loader.mocked(), ..ground.config.clone() };
    let engine = tokio::select! {
        biased;
        // What was begun is picked up by the next start.
        code = signals.next() => return Ok(code),
        engine = Engine::start(bus, config) => engine?,
    };
    let loading = engine.handle().loading();
    let opened = Doors::open(&engine, Some((args.listen, &token))).await;
    let (outcome, doors) = match opened {
        Ok(mut doors) => {
            let session = Session { global, args: &args, ground: &ground, token: &token };
            let served = session.serve(&mut doors, &mut loader, (&mut signals, loading)).await;
            (served, Some(doors))
        }
        Err(failure) => (Err(failure), None),
    };
    // A second signal ends at once; the next start recovers.
    let ended = tokio::select! {
        biased;
        code = signals.next() => return Ok(code),
        ended = stop(engine, doors) => ended,
    };
    drop(loader);
    ground.close().await;
    outcome.and(ended)?;
    Ok(0)
}

/// What a running `dev` was asked for, and what it stands on.
struct Session<'a> {
    global: &'a Global,
    args: &'a DevArgs,
    ground: &'a Ground,
    token: &'a str,
}

impl Session<'_> {
    /// Loads, says so, and reloads until a signal.
    async fn serve(
        &self,
        doors: &mut Doors,
        loader: &mut Loader,
        (signals, loading): (&mut Signals, Loading),
    ) -> Result<(), Failure> {
        let url = doors.url().ok_or_else(|| Failure::new(BUG, "the HTTP door has no address"))?;
        let note = DevNote {
            url,
            token: self.token.to_owned(),
            pid: std::process::id(),
            nats: self.ground.nats.clone(),
            monitor: self.ground.monitor.clone(),
        };
        // Watching begins first, so that no change falls between.
        let mut watcher = loader.watch();
        let loaded = loader.load_all().await?;
        drop(loading);
        let kept = keep_note(&note, self.args.data.as_deref());
        let mut outcome = heard(self.announce(&note, &loaded, loader));
        while outcome.is_ok() {
            outcome = tokio::select! {
                biased;
                _ = signals.next() => break,
                failure = doors.ended() => Err(failure),
                () = watcher.changed() => heard(loader.reload().await),
            };
        }
        for folder in kept {
            note.remove(&folder);
        }
        if !self.global.quiet {
            tell("stopping; once more to stop at once");
        }
        outcome
    }

    /// Address and token: for people, or as one line of JSON.
    fn announce(&self, note: &DevNote, loaded: &[String], loader: &Loader) -> Result<(), Failure> {
        let output = self.global.out();
        let data = self.args.data.as_ref().map(|data| data.display().to_string());
        let warnings = self.ground.warnings.iter().map(String::as_str).chain(loader.warning());
        let warnings = Vec::from_iter(warnings);
        output.json(&json!({
            "url": note.url,
            "token": note.token,
            "pid": note.pid,
            "nats": note.nats,
            "data": data,
            "loaded": loaded,
            "warnings": warnings,
        }))?;
        let data = data.unwrap_or_else(|| "memory (--data DIR keeps it)".to_owned());
        let (nats, data) = match (&note.nats, &self.ground.about) {
            (Some(url), Some(about)) if self.args.nats.as_deref() == Some("") => {
                let ends = "with this process (--data DIR keeps it)".to_owned();
                let data = if self.args.data.is_some() { data } else { ends };
                (format!("{url}  {about}"), data)
            }
            (Some(url), about) => {
                let about = about.as_deref().unwrap_or_default();
                (format!("{url}  {about}"), "on that server".to_owned())
            }
            (None, _) => ("none (embedded; --nats starts one)".to_owned(), data),
        };
        for warning in warnings {
            output.line(format!("warning  {warning}"))?;
        }
        output.line(format!("server   {}", note.url))?;
        output.line(format!("token    {}", note.token))?;
        output.line(format!("nats     {nats}      data  {data}"))?;
        let names = if loaded.is_empty() { "nothing yet".to_owned() } else { loaded.join(" ") };
        let folder = self.args.folder.display();
        output.line(format!("loaded   {names}      {}      watching {folder}", loader.summary()))
    }
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
