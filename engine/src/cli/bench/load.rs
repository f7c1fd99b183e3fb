//! What all workloads share: the definitions, a fresh folder, an engine in process.

use std::path::{Path, PathBuf};

use gearshift_bus::{Bus, Headers};
use gearshift_machine::definition::{self, Format};

use super::BenchArgs;
use crate::runtime::{Engine, EngineConfig, Handle, decode};

/// The record is what the instance is started with; it stays with it as `input`.
/// draft –submit→ submitted –approve [amount < 10000]→ approved –archive→ archived; anything else
/// is refused (01 §11).
pub(super) const APPROVAL: &str = r#"
workflow: bench_approval
version: 1
correlate: data.id
unhandled: reject
events:
  bench.submitted: { start: true }
  bench.approved: {}
  bench.archived: {}
initial: draft
states:
  draft:
    on: { bench.submitted: submitted }
  submitted:
    on:
      bench.approved:
        when: data.action == 'approve' && data.amount < 10000
        to: approved
  approved:
    on: { bench.archived: archived }
  archived: { final: true }
"#;

/// The same record, waiting for a person, with a reminder a day later.
pub(super) const WAITING: &str = r#"
workflow: bench_waiting
version: 1
correlate: data.id
events:
  bench.requested: { start: true }
  user.action: {}
initial: draft
states:
  draft:
    on: { bench.requested: submitted }
  submitted:
    approval: { title: "Approve", choices: [approve, reject] }
    on:
      user.action:
        - { when: data.action == 'approve', to: approved }
        - { when: data.action == 'reject', to: rejected }
    after: { 24h: submitted }
  approved: { final: true }
  rejected: { final: true }
"#;

/// A timer of 5 seconds.
pub(super) const TIMERS: &str = r#"
workflow: bench_timer
version: 1
correlate: data.id
events: { bench.armed: { start: true } }
initial: waiting
states:
  waiting: { after: { 5s: fired } }
  fired: { final: true }
"#;

/// A note of 100 characters, as in the published workload.
const NOTE: &str = "Lorem ipsum is not in here: this is a note of exactly one hundred characters, \
                    counted by hand, twice..";

/// A running engine and its folder.
pub(super) struct World {
    engine: Engine,
    dir: Folder,
}

/// A folder of our own, removed afterwards unless somebody chose it.
pub(super) struct Folder {
    path: PathBuf,
    ours: bool,
}

impl Folder {
    pub(super) fn new(args: &BenchArgs) -> Result<Self, String> {
        let ours = args.data.is_none();
        let path = args.data.clone().unwrap_or_else(|| {
            let name = format!("gearshift-bench-{}", uuid::Uuid::now_v7().simple());
            std::env::temp_dir().join(name)
        });
        std::fs::create_dir_all(&path)
            .map_err(|error| format!("cannot make `{}`: {error}", path.display()))?;
        Ok(Self { path, ours })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, "benchmark folder was left behind");
        }
    }
}

impl World {
    /// Starts an engine in this process with `definition` deployed.
    pub(super) async fn start(args: &BenchArgs, definition: &str) -> Result<Self, String> {
        let dir = Folder::new(args)?;
        let bus = if args.bus == "memory" {
            Bus::in_memory()
        } else {
            Bus::embedded(dir.path()).await.map_err(|error| error.to_string())?
        };
        let config = EngineConfig {
            data: Some(dir.path().to_owned()),
            notice_buffer: 65_536,
            ..EngineConfig::default()
        };
        let engine = Engine::start(bus, config).await.map_err(|error| error.to_string())?;
        let loaded = definition::load(definition, "bench", Format::Yaml)
            .map_err(|problems| format!("benchmark definition: {problems:?}"))?;
        engine.deploy(loaded.definition).await.map_err(|error| error.to_string())?;
        Ok(Self { engine, dir })
    }

    pub(super) fn handle(&self) -> Handle {
        self.engine.handle()
    }

    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub(super) async fn stop(self) -> Result<(), String> {
        if self.engine.shutdown().await {
            return Ok(());
        }
        Err("the engine did not stop in time".to_owned())
    }
}

/// The body of the event that starts an instance.
pub(super) fn record(id: &str) -> String {
    format!(r#"{{"id":"{id}","amount":100,"requester":"ann@example.org","note":"{NOTE}"}}"#)
}

/// Sends one event through the in-process door and checks that it led to `state`.
pub(super) async fn send(
    handle: &Handle,
    event: &str,
    body: &str,
    state: &str,
) -> Result<(), String> {
    let incoming = decode(event, &Headers::default(), body.as_bytes(), None)
        .map_err(|error| error.to_string())?;
    let verdicts = handle.event(incoming).await.map_err(|error| error.to_string())?;
    let [(_, done)] = verdicts.as_slice() else {
        return Err(format!("{} verdicts, expected one", verdicts.len()));
    };
    let definition = done.definition.as_deref();
    let reached = definition
        .is_some_and(|definition| done.active.iter().any(|id| *definition.state(*id).id == *state));
    if reached { Ok(()) } else { Err(format!("`{event}` gave {:?}", done.outcome)) }
}
