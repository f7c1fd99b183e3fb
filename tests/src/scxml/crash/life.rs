//! [`Life`]: an engine on files, from its start until it is dropped.

use std::path::Path;
use std::time::Duration;

use gearshift_bus::{Breakpoint, Bus};
use gearshift_engine::{Clock, Engine, EngineConfig, Handle};
use gearshift_machine::machine::{InstanceKey, Principal, Timestamp};
use gearshift_machine::partition::{Partition, PartitionInput};
use gearshift_machine::value::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use super::super::Ending;
use super::{Decisions, Story};
use crate::world::{PATIENCE, eventually_async};

/// More waits than any document has.
const WAITS_MAX: u32 = 1_000;

/// What ends with a crash; dropped in this order.
pub(super) struct Life {
    engine: Engine,
    bus: Bus,
    runtime: Runtime,
    clock: Clock,
    breakpoint: Breakpoint,
}

impl Life {
    /// Starts an engine on what lies in `folder`.
    pub(super) fn begin(folder: &Path, partitions: u16, clock: &Clock) -> Result<Self, String> {
        // One thread, so that nothing of the engine runs while the test looks.
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let (breakpoint, dir) = (Breakpoint::default(), folder.join("bus"));
        let config = EngineConfig {
            name: "suite".to_owned(),
            partitions,
            data: Some(folder.to_owned()),
            clock: clock.clone(),
            ..EngineConfig::default()
        };
        let started = runtime.block_on(async {
            // The last life's files are let go of when its last thread ends.
            let open = async || Bus::embedded(&dir).await.ok();
            let bus = eventually_async("the folder is free", open)
                .await
                .with_breakpoint(breakpoint.clone());
            let engine = Engine::start(bus.clone(), config).await;
            engine.map(|engine| (bus, engine)).map_err(|error| error.to_string())
        });
        let (bus, engine) = started?;
        Ok(Self { engine, bus, runtime, clock: clock.clone(), breakpoint })
    }

    /// Where frames can be stopped.
    pub(super) const fn breakpoint(&self) -> &Breakpoint {
        &self.breakpoint
    }

    /// Makes the definitions of `story` available.
    pub(super) fn deploy(&self, story: &Story) -> Result<(), String> {
        self.runtime.block_on(async {
            for definition in story.definitions.clone() {
                let deployed = self.engine.deploy(definition).await;
                deployed.map_err(|error| error.to_string())?;
            }
            self.quiet().await
        })
    }

    /// Runs `story` until nothing happens any more, or until the breakpoint stops a frame: `None`.
    pub(super) fn run(&self, story: &Story) -> Result<Option<Ending>, String> {
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.breakpoint.stopped() => Ok(None),
                ended = self.play(story) => ended.map(Some),
            }
        })
    }

    /// What the journals hold now.
    pub(super) fn decisions(&self) -> Result<Decisions, String> {
        let partitions = self.engine.handle().config().partitions;
        self.runtime.block_on(Decisions::read(&self.bus, partitions))
    }

    /// Ends the engine without a word.
    pub(super) fn crash(self) {
        let Self { engine, bus, runtime, .. } = self;
        runtime.shutdown_timeout(Duration::from_secs(10));
        drop((engine, bus));
    }

    async fn play(&self, story: &Story) -> Result<Ending, String> {
        let handle = self.engine.handle();
        let key = InstanceKey::new(&story.workflow, "run")?;
        if look(&handle, &key).await?.is_none() {
            let by = Principal::default();
            let started = handle.start(key.clone(), None, Value::empty_map(), by, None).await;
            started.map_err(|error| error.to_string())?;
        }
        for _ in 0..WAITS_MAX {
            self.quiet().await?;
            let Some(instance) = look(&handle, &key).await? else {
                return Err("the instance was never started".to_owned());
            };
            let due = if instance.status.is_ended() { None } else { self.due().await? };
            let Some(due) = due else { return Ok(story.ending(&instance)) };
            self.clock.advance(Duration::from_millis(due.since_ms(self.clock.now())));
        }
        Err(format!("more than {WAITS_MAX} waits"))
    }

    /// Waits until only time brings anything new: nothing is on its way between instances, and no
    /// frame came while all partitions were looked at.
    async fn quiet(&self) -> Result<(), String> {
        let (handle, now) = (self.engine.handle(), self.clock.now());
        let positions = || handle.health().iter().map(|it| it.position).collect::<Vec<_>>();
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let before = positions();
            let is_idle = move |partition: &Partition| {
                let waits = partition.next_due().is_none_or(|due| due > now);
                partition.counts().pending == 0 && waits
            };
            let idle = handle.look_everywhere(is_idle).await.map_err(|error| error.to_string())?;
            if idle.into_iter().all(|idle| idle) && positions() == before {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
        Err(format!("something goes on for more than {PATIENCE:?}"))
    }

    /// When the next thing happens by itself to an instance that has not ended.
    async fn due(&self) -> Result<Option<Timestamp>, String> {
        let next = |partition: &Partition| {
            let due = partition.next_due()?;
            // What is kept of an ended instance is nobody's progress.
            let first = partition.due(due, 2).into_iter().next()?;
            let of = |key: &InstanceKey| partition.instance(key);
            let ended = matches!(&first, PartitionInput::TimerDue { key, .. }
                if of(key).is_some_and(|it| it.status.is_ended()));
            (!ended).then_some(due)
        };
        let seen = self.engine.handle().look_everywhere(next).await;
        Ok(seen.map_err(|error| error.to_string())?.into_iter().flatten().min())
    }
}

async fn look(
    handle: &Handle,
    key: &InstanceKey,
) -> Result<Option<gearshift_machine::machine::Instance>, String> {
    let wanted = key.clone();
    let seen = handle.look(key, move |partition: &Partition| partition.instance(&wanted)).await;
    seen.map_err(|error| error.to_string())
}
