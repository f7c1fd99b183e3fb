//! Engine: start, shutdown; owns every task.

use std::sync::Arc;
use std::time::Duration;

use gearshift_bus::Bus;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::EngineConfig;
use super::definitions::{DefinitionStore, Deployed};
use super::error::Error;
use super::handle::Handle;
use super::intake::read_inbox;
use super::marks::Marks;
use super::owner::own;
use super::seat::{Seat, SeatState};
use super::shared::Shared;
use super::waiters::Waiters;

/// A running engine. Dropping it stops nothing: its tasks run on until [`Engine::shutdown`] is
/// called, or until the runtime ends, which is a crash, and survived like one.
pub struct Engine {
    handle: Handle,
}

/// How often high-water marks are written; they may lag, never lead.
const MARKS_EVERY: Duration = Duration::from_secs(1);
/// Wait before the inbox is read again after a failure.
const INTAKE_RETRY: Duration = Duration::from_millis(500);

impl Engine {
    /// Starts an engine on `bus`: definitions, then partitions, then intake. Returns once every
    /// partition serves or refuses.
    ///
    /// # Errors
    /// [`Error::Bus`], [`Error::Definition`] for a stored definition that does not load,
    /// [`Error::Partitions`], [`Error::File`].
    pub async fn start(bus: Bus, config: EngineConfig) -> Result<Self, Error> {
        let marks = Marks::open(config.data.as_deref(), config.partitions)?;
        let listens = bus.bucket("listens").await?;
        let definitions = DefinitionStore::open(bus.bucket("definitions").await?, listens).await?;
        let (notices, _) = broadcast::channel(config.notice_buffer);
        let mut seats = Vec::new();
        let mut queues = Vec::new();
        for partition in 0..config.partitions {
            let (asks, queue) = mpsc::channel(config.queue_limit);
            seats.push(Seat::new(asks, marks.get(partition).unwrap_or_default()));
            queues.push(queue);
        }
        let shared = Arc::new(Shared {
            config,
            bus,
            definitions,
            seats,
            waiters: Waiters::default(),
            notices,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            majors: dashmap::DashMap::new(),
        });
        for (partition, queue) in (0_u16..).zip(queues) {
            shared.tasks.spawn(own(Arc::clone(&shared), partition, queue));
        }
        let engine = Self { handle: Handle(Arc::clone(&shared)) };
        engine.settled().await;
        engine.capture().await?;
        shared.tasks.spawn(keep_reading(Arc::clone(&shared)));
        shared.tasks.spawn(keep_marks(Arc::clone(&shared), marks));
        Ok(engine)
    }

    /// What doors and tests hold.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Makes a definition available and listens to its events from now on.
    ///
    /// # Errors
    /// [`Error::VersionExists`], [`Error::Bus`].
    pub async fn deploy(
        &self,
        definition: gearshift_machine::definition::model::Definition,
    ) -> Result<Deployed, Error> {
        self.handle.deploy(definition).await
    }

    /// Stops within [`EngineConfig::shutdown_limit`]: no new inputs, what was accepted is decided,
    /// calls under way may finish within 5 s and are asked again, under the same ids, by the next
    /// start otherwise, snapshots are taken, the bus is closed. False when something
    /// did not end in time; the next start picks that up as after a crash.
    pub async fn shutdown(self) -> bool {
        let shared = &self.handle.0;
        shared.stop.cancel();
        shared.tasks.close();
        let ended = tokio::time::timeout(shared.config.shutdown_limit, shared.tasks.wait()).await;
        if let Err(error) = shared.bus.close().await {
            tracing::error!(%error, "bus did not close cleanly");
            return false;
        }
        ended.is_ok()
    }

    /// Waits until no partition is at its first recovery any more.
    async fn settled(&self) {
        const LOOK_AGAIN: Duration = Duration::from_millis(2);
        let starting = |seat: &Seat| match &*seat.lock() {
            SeatState::Recovering(reason) => reason == "starting",
            SeatState::Serving | SeatState::Refused(_) | SeatState::Stopped => false,
        };
        while self.handle.0.seats.iter().any(starting) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    async fn capture(&self) -> Result<(), Error> {
        self.handle.capture().await
    }
}

impl Handle {
    /// Makes a definition available and listens to its events from now on.
    ///
    /// # Errors
    /// [`Error::VersionExists`], [`Error::Bus`].
    pub async fn deploy(
        &self,
        definition: gearshift_machine::definition::model::Definition,
    ) -> Result<Deployed, Error> {
        let inbox = self.0.bus.inbox("events").await?;
        let deployed = self.0.definitions.deploy(definition, &inbox).await?;
        if deployed.fresh {
            self.capture().await?;
            tracing::info!(
                workflow = %deployed.definition.name,
                version = deployed.definition.version,
                "deployed"
            );
        }
        Ok(deployed)
    }

    /// The inbox captures exactly the subjects that deployed definitions name.
    async fn capture(&self) -> Result<(), Error> {
        let patterns = self.0.definitions.index().captured()?;
        let inbox = self.0.bus.inbox("events").await?;
        inbox.capture(&patterns).await?;
        Ok(())
    }
}

async fn keep_reading(shared: Arc<Shared>) {
    while !shared.stop.is_cancelled() {
        let outcome = match shared.bus.inbox("events").await {
            Ok(inbox) => read_inbox(Arc::clone(&shared), inbox).await,
            Err(error) => Err(error.into()),
        };
        let Err(error) = outcome else { return };
        if !shared.stop.is_cancelled() {
            tracing::warn!(%error, "intake stopped, starting again");
            tokio::select! {
                biased;
                () = shared.stop.cancelled() => return,
                () = tokio::time::sleep(INTAKE_RETRY) => {}
            }
        }
    }
}

async fn keep_marks(shared: Arc<Shared>, mut marks: Marks) {
    loop {
        let stopped = tokio::select! {
            biased;
            () = shared.stop.cancelled() => true,
            () = tokio::time::sleep(MARKS_EVERY) => false,
        };
        let now = shared.seats.iter().map(Seat::mark).collect::<Vec<_>>();
        if let Err(error) = marks.write(&now) {
            tracing::warn!(%error, "high-water marks were not written");
        }
        if stopped {
            return;
        }
    }
}
