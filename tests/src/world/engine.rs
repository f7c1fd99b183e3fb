//! [`World`]: an engine in a runtime of its own, so that dropping the runtime is a crash.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions, PrivateServer};
use gearshift_client::Client;
use gearshift_client::protocol::command::{Deploy, Format};
use gearshift_client::protocol::view::{HistoryEntry, InstanceDetail};
use gearshift_client::protocol::{EventHeaders, InstanceVerdict, Wait};
use gearshift_engine::api::{BusDoor, serve_on_bus};
use gearshift_engine::{Clock, Engine, EngineConfig, Handle};
use gearshift_machine::machine::Timestamp;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::wait::{PATIENCE, eventually_async};
use crate::nats;

/// Which bus an engine runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In memory; survives a crash of the engine, as a broker would.
    Memory,
    /// In a directory; opened again after a crash.
    Embedded,
    /// On a server of its own, which survives a crash of the engine.
    Nats,
}

impl Backend {
    /// All of them: every test of semantics passes on each.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Embedded, Self::Nats];
}

/// An engine, its bus and its clock.
pub struct World {
    backend: Backend,
    clock: Clock,
    /// Kept over crashes where the backend is a server; goes before its folder.
    broker: Option<Broker>,
    folder: TempDir,
    /// Kept over crashes where the backend is in memory.
    memory: Bus,
    snapshot_every_bytes: u64,
    life: Option<Life>,
}

/// What ends with a crash.
struct Life {
    // Fields are dropped in this order: what lives in the runtime before the runtime.
    door: BusDoor,
    engine: Engine,
    bus: Bus,
    runtime: Runtime,
}

/// A server and the runtime that it is watched from.
struct Broker {
    server: PrivateServer,
    runtime: Runtime,
}

/// Partitions of every engine here: more than one, so that keys are spread.
const PARTITIONS: u16 = 2;

/// When virtual time begins: 2026-01-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp(1_767_225_600_000);

impl World {
    /// An engine under virtual time.
    #[must_use]
    pub fn new(backend: Backend) -> Self {
        Self::with(backend, Clock::at(BEGIN), EngineConfig::default().snapshot_every_bytes)
    }

    /// An engine under virtual time that snapshots after every frame.
    #[must_use]
    pub fn snapshotting(backend: Backend) -> Self {
        Self::with(backend, Clock::at(BEGIN), 1)
    }

    /// An engine under the system's time.
    #[must_use]
    pub fn real_time(backend: Backend) -> Self {
        Self::with(backend, Clock::System, EngineConfig::default().snapshot_every_bytes)
    }

    fn with(backend: Backend, clock: Clock, snapshot_every_bytes: u64) -> Self {
        let folder = tempfile::tempdir().unwrap_or_else(|error| panic!("no folder: {error}"));
        let broker = (backend == Backend::Nats).then(|| Broker::start(folder.path()));
        let memory = Bus::in_memory();
        let mut world =
            Self { backend, clock, broker, folder, memory, snapshot_every_bytes, life: None };
        world.start();
        world
    }

    /// Starts the engine on what was left behind.
    ///
    /// # Panics
    /// Where it refuses to start.
    pub fn start(&mut self) {
        self.try_start().unwrap_or_else(|error| panic!("engine: {error}"));
    }

    /// Starts the engine on what was left behind.
    ///
    /// # Errors
    /// Why the engine or its door does not start.
    pub fn try_start(&mut self) -> Result<(), String> {
        let runtime = runtime();
        let (backend, memory) = (self.backend, self.memory.clone());
        let dir = self.bus_folder();
        let url = self.server_url().to_owned();
        let config = self.config();
        let started = runtime.block_on(async move {
            let bus = match backend {
                Backend::Memory => memory,
                // The last life's files are let go of when its last thread ends.
                Backend::Embedded => {
                    eventually_async("the directory is free", async || {
                        Bus::embedded(&dir).await.ok()
                    })
                    .await
                }
                Backend::Nats => {
                    let bus = Bus::connect(&NatsOptions::new(&url)).await;
                    bus.map_err(|error| format!("`{url}`: {error}"))?
                }
            };
            let engine = Engine::start(bus.clone(), config).await;
            let engine = engine.map_err(|error| error.to_string())?;
            let door = serve_on_bus(&engine.handle()).await;
            Ok::<_, String>((bus, engine, door.map_err(|error| error.to_string())?))
        });
        let (bus, engine, door) = started?;
        self.life = Some(Life { door, engine, bus, runtime });
        Ok(())
    }

    fn config(&self) -> EngineConfig {
        EngineConfig {
            name: "test".to_owned(),
            partitions: PARTITIONS,
            snapshot_every_bytes: self.snapshot_every_bytes,
            data: Some(self.data_folder()),
            clock: self.clock.clone(),
            ..EngineConfig::default()
        }
    }

    /// Where high-water marks are.
    #[must_use]
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Where the embedded bus is.
    #[must_use]
    pub fn bus_folder(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    /// The server's address; empty where there is none.
    #[must_use]
    pub fn server_url(&self) -> &str {
        self.broker.as_ref().map_or("", |broker| broker.server.url())
    }

    /// Kills the server and starts it again on what it has stored.
    ///
    /// # Panics
    /// Where there is none, or it does not start.
    pub fn restart_server(&mut self, meanwhile: impl FnOnce(&Path)) {
        let Some(Broker { server, runtime }) = &mut self.broker else { panic!("no server") };
        server.kill();
        meanwhile(server.dir());
        let again = runtime.block_on(server.restart());
        again.unwrap_or_else(|error| panic!("the server does not come back: {error}"));
    }

    /// A folder of the test's own.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Ends the engine without a word, between any two steps of its tasks.
    pub fn crash(&mut self) {
        if let Some(Life { door, engine, bus, runtime }) = self.life.take() {
            runtime.shutdown_timeout(Duration::from_secs(10));
            drop((door, engine, bus));
        }
    }

    /// A crash, and a new start on what was left behind.
    pub fn restart(&mut self) {
        self.crash();
        self.start();
    }

    /// Ends the engine in order; true where everything ended in time.
    pub fn shutdown(&mut self) -> bool {
        let Some(Life { door, engine, bus, runtime }) = self.life.take() else { return true };
        let ended = runtime.block_on(async move {
            door.close().await;
            engine.shutdown().await
        });
        runtime.shutdown_timeout(Duration::from_secs(10));
        drop(bus);
        ended
    }

    fn life(&self) -> &Life {
        self.life.as_ref().unwrap_or_else(|| panic!("the engine is not running"))
    }

    /// Runs something beside the engine.
    pub fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.life().runtime.block_on(work)
    }

    /// The engine's handle.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.life().engine.handle()
    }

    /// The bus it runs on.
    #[must_use]
    pub fn bus(&self) -> Bus {
        self.life().bus.clone()
    }

    /// A client over the bus.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::bus(self.bus()).as_user("ann").with_timeout(PATIENCE)
    }

    /// Moves virtual time on.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Deploys YAML.
    ///
    /// # Panics
    /// Where it is refused.
    pub fn deploy(&self, text: &str) {
        let deploy = Deploy {
            text: text.to_owned(),
            origin: "test.workflow.yaml".to_owned(),
            format: Format::Yaml,
        };
        let deployed = self.run(self.client().deploy(&deploy));
        deployed.unwrap_or_else(|error| panic!("{error}: {:#?}", error.problem()));
    }

    /// Sends an event, with an id where one is given; its single verdict.
    ///
    /// # Panics
    /// Where there is not exactly one verdict.
    pub fn send(&self, event: &str, id: Option<&str>, data: &Value) -> InstanceVerdict {
        let headers = EventHeaders { id: id.map(str::to_owned), ..EventHeaders::default() };
        let reply = self.run(self.client().send_with(event, data, &headers));
        let mut reply = reply.unwrap_or_else(|error| panic!("{event}: {error}"));
        assert_eq!(reply.verdicts.len(), 1, "{event}: {reply:?}");
        reply.verdicts.remove(0)
    }

    /// The instance as it is now.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn instance(&self, id: &str) -> InstanceDetail {
        let shown = self.run(self.client().instance(id));
        shown.unwrap_or_else(|error| panic!("{id}: {error}"))
    }

    /// Its history.
    ///
    /// # Panics
    /// Where there is none.
    #[must_use]
    pub fn history(&self, id: &str) -> Vec<HistoryEntry> {
        let shown = self.run(self.client().history(id));
        shown.unwrap_or_else(|error| panic!("{id}: {error}")).items
    }

    /// Waits until the instance is in `state`.
    ///
    /// # Panics
    /// Where it never comes there.
    pub fn wait_for(&self, id: &str, state: &str) -> InstanceDetail {
        let wait = Wait::State(state.to_owned());
        let client = self.client();
        let waited = self.run(client.wait_for(id, &wait, PATIENCE));
        let waited = waited.unwrap_or_else(|error| panic!("{id} in {state}: {error}"));
        assert!(waited.reached, "{id} never reaches {state}: {:#?}", waited.instance);
        waited.instance
    }

    /// Waits until `look` at the instance sees something.
    pub fn until<T>(&self, id: &str, what: &str, look: impl Fn(&InstanceDetail) -> Option<T>) -> T {
        let client = self.client();
        self.run(eventually_async(what, async || look(&client.instance(id).await.ok()?)))
    }
}

impl Broker {
    fn start(folder: &Path) -> Self {
        let runtime = runtime();
        let server = runtime.block_on(nats::single(&folder.join("server")));
        let server = server.unwrap_or_else(|error| panic!("no server: {error}"));
        Self { server, runtime }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.crash();
    }
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let built = builder.worker_threads(2).enable_all().build();
    built.unwrap_or_else(|error| panic!("no runtime: {error}"))
}
