//! [`World`]: an engine in a runtime of its own, so that dropping the runtime is a crash.

use std::path::PathBuf;
use std::time::Duration;

use gearshift_bus::{Bus, ErrorKind, Faults, Headers, Message, NatsOptions, Subject};
use gearshift_engine::runtime::{AskError, Incoming, Verdicts, decode};
use gearshift_engine::{Clock, Engine, EngineConfig, Error, Handle};
use gearshift_machine::definition::{Format, load};
use gearshift_machine::machine::{InstanceKey, Outcome, Timestamp};
use gearshift_machine::partition::{Partition, Restore};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::{COUNTER, Counter, Recorded, eventually_async};

/// When virtual time begins: 2026-01-01T00:00:00Z.
const BEGIN: Timestamp = Timestamp(1_767_225_600_000);

/// Steps of tasks at a time where nobody counts them: the runtime's own number.
const STEPS: u32 = 61;

/// An engine, its bus and its clock.
pub(crate) struct World {
    /// Kept over crashes; `None` where the bus is in a folder and opened anew.
    kept: Option<Bus>,
    /// The server to connect to, anew in every life.
    url: Option<String>,
    pub(crate) folder: TempDir,
    pub(crate) config: EngineConfig,
    threads: bool,
    /// Waits take no time, on one thread.
    paused: bool,
    /// Steps of tasks before the outside has its turn, on one thread.
    steps: u32,
    plugin: Option<Recorded>,
    life: Option<Life>,
}

/// What ends with a crash; dropped in this order.
struct Life {
    engine: Engine,
    bus: Bus,
    runtime: Runtime,
}

impl World {
    fn new(kept: Option<Bus>, threads: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = kept.is_none().then(|| folder.path().to_owned());
        let config = EngineConfig {
            name: "test".to_owned(),
            partitions: 2,
            data,
            clock: Clock::at(BEGIN),
            ..EngineConfig::default()
        };
        Self {
            kept,
            url: None,
            folder,
            config,
            threads,
            paused: false,
            steps: STEPS,
            plugin: None,
            life: None,
        }
    }

    /// In memory: the bus survives a crash of the engine, as a broker would.
    pub(crate) fn memory() -> Self {
        Self::on(Bus::in_memory())
    }

    /// On a bus that others use as well.
    pub(crate) fn on(bus: Bus) -> Self {
        Self::new(Some(bus), true)
    }

    /// On a bus that fails; one thread, so that a seed means the same again.
    pub(crate) fn simulated(seed: u64, faults: Faults) -> Self {
        Self::new(Some(Bus::simulated(seed, faults)), false)
    }

    /// In a directory, opened again after a crash, with high-water marks beside it.
    pub(crate) fn embedded() -> Self {
        Self::new(None, true)
    }

    /// On a NATS server that others use as well; each life has a connection of its own.
    pub(crate) fn nats(url: &str) -> Self {
        let mut world = Self::memory();
        world.url = Some(url.to_owned());
        world
    }

    /// The same world after `change` to the engine's configuration.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut EngineConfig)) -> Self {
        change(&mut self.config);
        self
    }

    /// The same world on one thread: nothing runs beside what was polled.
    pub(crate) fn on_one_thread(mut self) -> Self {
        self.threads = false;
        self
    }

    /// The same world on one thread whose waits take no time: whenever nothing runs, the next one
    /// is over.
    pub(crate) fn in_no_time(mut self) -> Self {
        (self.threads, self.paused) = (false, true);
        self
    }

    /// The same world on one thread that can be stopped after every step of a task.
    pub(crate) fn step_by_step(mut self) -> Self {
        (self.threads, self.steps) = (false, 1);
        self
    }

    /// The same world with a plugin that serves before the engine starts, in every life.
    pub(crate) fn serving(mut self, plugin: &Recorded) -> Self {
        self.plugin = Some(plugin.clone());
        self
    }

    /// The same world with a running engine and [`COUNTER`] deployed.
    pub(crate) fn started(mut self) -> Self {
        self.start();
        self.deploy(COUNTER);
        self
    }

    /// Starts the engine on what was left behind.
    pub(crate) fn start(&mut self) {
        self.try_start().unwrap();
    }

    pub(crate) fn try_start(&mut self) -> Result<(), Error> {
        let runtime = match self.threads {
            true => Builder::new_multi_thread().worker_threads(2).enable_all().build(),
            false => Builder::new_current_thread()
                .event_interval(self.steps)
                .start_paused(self.paused)
                .enable_all()
                .build(),
        };
        let runtime = runtime.unwrap();
        let bus = runtime.block_on(self.open_bus());
        if let Some(plugin) = &self.plugin {
            let server = runtime.block_on(Recorded::listen(&bus));
            let running = plugin.clone().run(server, bus.clone(), self.config.partitions);
            drop(runtime.spawn(running));
        }
        let started = runtime.block_on(Engine::start(bus.clone(), self.config.clone()));
        self.life = Some(Life { engine: started?, bus, runtime });
        Ok(())
    }

    /// The bus; opened once the last life has let go of the directory.
    pub(crate) async fn open_bus(&self) -> Bus {
        if let Some(url) = &self.url {
            return Bus::connect(&NatsOptions::new(url)).await.unwrap();
        }
        if let Some(bus) = &self.kept {
            return bus.clone();
        }
        let folder = self.bus_folder();
        eventually_async("the directory is free", async || match Bus::embedded(&folder).await {
            Ok(bus) => Some(bus),
            Err(error) if matches!(error.kind(), ErrorKind::Locked { .. }) => None,
            Err(error) => panic!("{error}"),
        })
        .await
    }

    pub(crate) fn bus_folder(&self) -> PathBuf {
        self.folder.path().join("bus")
    }

    /// Works on the bus while no engine runs.
    pub(crate) fn between<T>(&self, work: impl AsyncFnOnce(&Bus) -> T) -> T {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bus = self.open_bus().await;
            let done = work(&bus).await;
            if self.kept.is_none() {
                bus.close().await.unwrap();
            }
            done
        })
    }

    /// Ends the engine without a word, between any two steps of its tasks.
    pub(crate) fn crash(&mut self) {
        if let Some(Life { engine, bus, runtime }) = self.life.take() {
            runtime.shutdown_timeout(Duration::from_secs(10));
            drop((engine, bus));
        }
    }

    pub(crate) fn restart(&mut self) {
        self.crash();
        self.start();
    }

    /// Ends the engine in order; true where everything ended in time.
    pub(crate) fn shutdown(&mut self) -> bool {
        let Life { engine, bus, runtime } = self.life.take().unwrap();
        let ended = runtime.block_on(engine.shutdown());
        runtime.shutdown_timeout(Duration::from_secs(10));
        drop(bus);
        ended
    }

    /// Ends the engine in order on a bus that others go on with.
    pub(crate) fn stop(&mut self) -> bool {
        let Life { engine, bus, runtime } = self.life.take().unwrap();
        let ended = runtime.block_on(engine.stop());
        runtime.shutdown_timeout(Duration::from_secs(10));
        drop(bus);
        ended
    }

    /// [`World::shutdown`] at a moment that `beside` was polled once.
    pub(crate) fn shutdown_beside<T>(&mut self, beside: impl Future<Output = T>) -> (T, bool) {
        let Life { engine, bus, runtime } = self.life.take().unwrap();
        let both = futures_util::future::join(beside, engine.shutdown());
        let outcome = runtime.block_on(both);
        runtime.shutdown_timeout(Duration::from_secs(10));
        drop(bus);
        outcome
    }

    fn life(&self) -> &Life {
        self.life.as_ref().unwrap()
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.life().runtime.block_on(work)
    }

    /// Runs something in the engine's life, until it ends or the life does.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        drop(self.life().runtime.spawn(work));
    }

    pub(crate) fn handle(&self) -> Handle {
        self.life().engine.handle()
    }

    pub(crate) fn bus(&self) -> Bus {
        self.life().bus.clone()
    }

    /// Moves virtual time on.
    pub(crate) fn advance(&self, by: Duration) {
        self.config.clock.advance(by);
    }

    pub(crate) fn deploy(&self, text: &str) {
        let loaded = load(text, "test.workflow.yaml", Format::Yaml);
        let loaded = loaded.unwrap_or_else(|problems| panic!("{problems:#?}"));
        self.run(self.handle().deploy(loaded.definition)).unwrap();
    }

    /// Asks through the door.
    pub(crate) fn ask(&self, event: Incoming) -> Result<Verdicts, AskError> {
        self.run(self.handle().event(event))
    }

    /// The one verdict on an event of the counter `name`.
    pub(crate) fn send(&self, event: &str, name: &str, n: u64) -> Outcome {
        outcome_of(self.ask(incoming(event, name, n))).unwrap()
    }

    /// Publishes for the inbox; returns once it is stored.
    pub(crate) fn publish(&self, event: &str, name: &str, n: u64) {
        let message = Message::new(Subject::parse(event).unwrap(), body(name, n).to_string())
            .with_header("Nats-Msg-Id", &format!("{event}-{name}-{n}"))
            .unwrap();
        self.run(async {
            // `Unknown` is sent again under the same id, as a publisher would.
            while self.bus().publish(message.clone()).await.is_err() {}
        });
    }

    /// The counter as it is now, where there is one and its partition is there to tell.
    pub(crate) async fn counter(&self, name: &str) -> Option<Counter> {
        let wanted = key(name);
        let look = move |partition: &Partition| partition.instance(&wanted);
        self.handle().look(&key(name), look).await.ok()?.map(Counter::of)
    }

    /// Waits until the counter holds what `look` wants.
    pub(crate) fn until(&self, name: &str, what: &str, look: impl Fn(&Counter) -> bool) -> Counter {
        let seen = async || self.counter(name).await.filter(|counter| look(counter));
        self.run(eventually_async(what, seen))
    }

    /// Waits until the partitions have taken all that the inbox holds.
    pub(crate) fn inbox_is_read(&self) {
        self.run(eventually_async("the inbox is read", async || {
            let last = self.bus().inbox("events").await.unwrap().tail().await.unwrap().last;
            let read = |partition: &Partition| {
                partition.cursors().map(|(_, cursor)| cursor.sequence).max().unwrap_or(0)
            };
            let read = self.handle().look_everywhere(read).await.unwrap();
            (read.into_iter().max() == Some(last)).then_some(())
        }));
    }

    /// A name whose counter is in `partition`.
    pub(crate) fn name_in(&self, partition: u16) -> String {
        let names = (0..1_000).map(|number| format!("k{number}"));
        let mut fitting = names.filter(|name| self.handle().partition_of(&key(name)) == partition);
        fitting.next().unwrap()
    }

    /// All that the partitions remember, but for who owns them.
    pub(crate) fn memory_text(&self) -> String {
        let handle = self.handle();
        let seen = async || handle.look_everywhere(describe).await.ok();
        self.run(eventually_async("all partitions are there", seen)).join("\n")
    }

    /// Rebuilds a partition from its whole journal, as another engine would.
    pub(crate) fn replayed(&self, partition: u16) -> Restore {
        self.run(async {
            let log = self.bus().log(&format!("journal-{partition}")).await.unwrap();
            let mut restore = Restore::begin(partition, None);
            let mut next = 1;
            loop {
                let entries = log.read_from(next, 1_024 * 1_024).await.unwrap();
                let Some(last) = entries.last() else { return restore };
                next = last.sequence + 1;
                for entry in &entries {
                    restore.apply(entry.sequence, &entry.frame).unwrap();
                }
            }
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.crash();
    }
}

pub(crate) fn key(name: &str) -> InstanceKey {
    InstanceKey::new("counter", name).unwrap()
}

fn body(name: &str, n: u64) -> Value {
    json!({ "key": name, "n": n })
}

/// Fails with the first lines that differ.
pub(crate) fn assert_same(before: &str, after: &str, what: &str) {
    let mut pairs = before.lines().zip(after.lines()).enumerate();
    let differs = pairs.find(|(_, (before, after))| before != after);
    assert!(before == after, "{what}: {differs:#?}");
}

/// An event of the counter `name`, with an id of its own.
pub(crate) fn incoming(event: &str, name: &str, n: u64) -> Incoming {
    let mut headers = Headers::new();
    headers.insert("Nats-Msg-Id", &format!("{event}-{name}-{n}")).unwrap();
    decode(event, &headers, body(name, n).to_string().as_bytes(), None).unwrap()
}

/// An event of any workflow.
pub(crate) fn event(name: &str, body: &Value) -> Incoming {
    decode(name, &Headers::new(), body.to_string().as_bytes(), None).unwrap()
}

/// The outcome of an event that was for one instance.
pub(crate) fn outcome_of(asked: Result<Verdicts, AskError>) -> Result<Outcome, AskError> {
    let mut verdicts = asked?;
    assert_eq!(verdicts.len(), 1);
    Ok(verdicts.remove(0).1.outcome)
}

fn describe(partition: &Partition) -> String {
    let instances = partition.instances_from(None, usize::MAX);
    let traces = instances.iter().map(|one| partition.trace(&one.key)).collect::<Vec<_>>();
    let letters = partition.dead_letters().collect::<Vec<_>>();
    let cursors = partition.cursors().collect::<Vec<_>>();
    format!("{instances:#?}\n{traces:#?}\n{letters:#?}\n{cursors:#?}\n{:#?}", partition.counts())
}
