//! Engine: start, shutdown; owns every task.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use futures_util::future::join_all;
use gearshift_bus::Bus;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::cache::Results;
use super::clock::monotonic;
use super::cluster::{Cluster, keep};
use super::config::EngineConfig;
use super::definitions::{DefinitionStore, Deployed};
use super::drive::SENT_ONCE_MAY_STAY;
use super::error::Error;
use super::handle::Handle;
use super::intake::{self, Intake};
use super::longwork::{Bodies, Longwork, keep_bodies, keep_hearing, keep_missing};
use super::marks::{self, Marks};
use super::notices::NoticeSubjects;
use super::outage::Outage;
use super::owner::own;
use super::providers::{Providers, hear, hear_second, keep_losses};
use super::seat::{STARTING, Seat, SeatState};
use super::shared::Shared;
use super::waiters::Waiters;

/// A running engine. Dropping it stops nothing: its tasks run on until [`Engine::shutdown`] is
/// called, or until the runtime ends, which is a crash, and survived like one.
pub struct Engine {
    handle: Handle,
    membership: Membership,
}

/// How an engine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// All that was accepted is decided and stored.
    InOrder,
    /// Something did not end in time.
    Late,
    /// The bus was away, for the reason given, and did not come back.
    WithoutBus(String),
}

/// The task that keeps this engine among others: it outlives all that needs leases.
struct Membership {
    tasks: TaskTracker,
    ended: CancellationToken,
}

/// How often high-water marks are written; they may lag, never lead.
const MARKS_EVERY: Duration = Duration::from_secs(1);
/// How long partitions may take to go over to other engines at a stop.
const LEAVE_LIMIT: Duration = Duration::from_secs(20);
const _: () = assert!(SENT_ONCE_MAY_STAY.as_secs() < LEAVE_LIMIT.as_secs(), "they go over");
/// How long an engine that stops waits for a bus that is away or silent: servers that are started
/// again are back by then, and what is gone for good keeps nothing.
const AWAY_LIMIT: Duration = Duration::from_secs(3);
/// How long an engine waits, in leases, to see where each partition is before it says that it runs.
const PLACES_LEASES: u32 = 5;

impl Engine {
    /// Starts an engine on `bus`: definitions, then partitions, then intake. Returns once every
    /// partition serves or refuses; among other engines, once it is known where each of them is,
    /// or after a few leases.
    ///
    /// # Errors
    /// [`Error::Bus`], [`Error::Definition`] for a stored definition that does not load,
    /// [`Error::Partitions`], [`Error::File`]; [`Error::Unavailable`] where the other engines of
    /// the bus have another number of partitions, or one of them has this one's node name.
    pub async fn start(bus: Bus, config: EngineConfig) -> Result<Self, Error> {
        let marks = Marks::open(config.data.as_deref(), config.partitions)?;
        let definitions = DefinitionStore::open(&bus).await?;
        let intake = Intake::open(&bus).await?;
        let (notices, _) = broadcast::channel(config.notice_buffer);
        let (outgoing, _) = broadcast::channel(config.notice_buffer);
        let mut seats = Vec::new();
        let mut queues = Vec::new();
        for partition in 0..config.partitions {
            let (asks, queue) = mpsc::channel(config.queue_limit);
            seats.push(Seat::new(asks, marks.get(partition).unwrap_or_default()));
            queues.push(queue);
        }
        let cluster = match &config.cluster {
            Some(cluster) => Some(Cluster::join(&bus, &config, cluster).await?),
            None => None,
        };
        let providers =
            Providers::new(bus.clone(), config.mocked.clone(), config.calls_in_flight_limit);
        providers.load_holds().await?;
        providers.load_breakers().await?;
        let shared = Arc::new(Shared {
            cluster,
            config,
            bus,
            definitions,
            intake,
            seats,
            waiters: Waiters::default(),
            notices,
            outgoing,
            notice_subjects: NoticeSubjects::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
            providers,
            longwork: Longwork::default(),
            bodies: Bodies::default(),
            results: Results::default(),
            loading: AtomicUsize::default(),
        });
        for (partition, queue) in (0_u16..).zip(queues) {
            shared.tasks.spawn(own(Arc::clone(&shared), partition, queue));
        }
        let membership = Membership { tasks: TaskTracker::new(), ended: CancellationToken::new() };
        if let Some(cluster) = &shared.cluster {
            membership.tasks.spawn(keep(Arc::clone(cluster), membership.ended.clone()));
        }
        let engine = Self { handle: Handle(Arc::clone(&shared)), membership };
        hear_second(&shared);
        shared.tasks.spawn(keep_hearing(Arc::clone(&shared)));
        engine.settled().await;
        intake::start(&shared).await?;
        shared.tasks.spawn(keep_marks(Arc::clone(&shared), marks));
        shared.tasks.spawn(keep_holds(Arc::clone(&shared)));
        shared.tasks.spawn(keep_plugins(Arc::clone(&shared)));
        shared.tasks.spawn(keep_missing(Arc::clone(&shared)));
        shared.tasks.spawn(keep_losses(Arc::clone(&shared)));
        shared.tasks.spawn(keep_bodies(Arc::clone(&shared)));
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
    /// start otherwise, snapshots are taken, the bus is closed. Where other engines live, they get
    /// the partitions first, while everything here still answers; calls then have 1 s, and those
    /// that may not be repeated 18 s. False when something did not end in time, or the bus was
    /// away; the next start picks that up as after a crash.
    pub async fn shutdown(self) -> bool {
        matches!(self.end().await, Stopped::InOrder)
    }

    /// [`Engine::shutdown`], which says why it did not end in order. A bus that is away, or says
    /// nothing at all, is waited for no longer than 3 s: what would be kept there cannot be kept,
    /// and nothing of it was acknowledged.
    pub async fn end(self) -> Stopped {
        let bus = self.handle.0.bus.clone();
        let ended = self.halt().await;
        if let Err(error) = bus.close().await {
            tracing::error!(%error, "bus did not close cleanly");
            return if matches!(ended, Stopped::InOrder) { Stopped::Late } else { ended };
        }
        ended
    }

    /// [`Engine::shutdown`] on a bus that others of this process go on with.
    pub async fn stop(self) -> bool {
        matches!(self.halt().await, Stopped::InOrder)
    }

    async fn halt(self) -> Stopped {
        let shared = Arc::clone(&self.handle.0);
        let absence = tokio::select! {
            biased;
            ended = self.in_order() => return if ended { Stopped::InOrder } else { Stopped::Late },
            absence = shared.bus.away_for(AWAY_LIMIT) => absence,
        };
        // Whatever still waits for the bus hears of the end, and is not waited for.
        shared.stop.cancel();
        self.membership.ended.cancel();
        let is_here = |seat: &&Seat| match &*seat.state() {
            SeatState::Serving | SeatState::Recovering(_) | SeatState::Refused(_) => true,
            SeatState::Elsewhere(_) | SeatState::Stopped => false,
        };
        let open = shared.seats.iter().filter(is_here).count();
        tracing::warn!(
            reason = absence,
            partitions = open,
            "the bus is away: ended without it; calls under way and what was not stored yet are \
             left to the next start, which replays the journal"
        );
        Stopped::WithoutBus(absence)
    }

    async fn in_order(&self) -> bool {
        let shared = &self.handle.0;
        let began = monotonic();
        if let Some(cluster) = &shared.cluster
            && cluster.has_company()
            && !cluster.leave(LEAVE_LIMIT.min(shared.config.shutdown_limit)).await
        {
            tracing::warn!("some partitions were not handed over in time");
        }
        shared.stop.cancel();
        shared.tasks.close();
        let left = shared.config.shutdown_limit.saturating_sub(began.elapsed());
        let ended = tokio::time::timeout(left, shared.tasks.wait()).await;
        self.membership.ended.cancel();
        self.membership.tasks.close();
        self.membership.tasks.wait().await;
        ended.is_ok()
    }

    /// Waits until no partition is at its first recovery any more.
    async fn settled(&self) {
        let shared = &self.handle.0;
        let each = shared.seats.iter().map(|seat| async {
            let mut seen = seat.subscribe();
            let is_known = |state: &SeatState| match state {
                SeatState::Recovering(reason) => reason != STARTING,
                SeatState::Elsewhere(node) => node.is_some(),
                SeatState::Serving | SeatState::Refused(_) | SeatState::Stopped => true,
            };
            // Seats live as long as their engine, so this cannot fail.
            drop(seen.wait_for(is_known).await);
        });
        let all = join_all(each);
        match &shared.config.cluster {
            None => drop(all.await),
            Some(cluster) => {
                // Whoever left partitions lying may still have to be missed.
                let limit = cluster.lease * PLACES_LEASES;
                drop(tokio::time::timeout(limit, all).await);
            }
        }
    }
}

async fn keep_marks(shared: Arc<Shared>, mut marks: Marks) {
    let mut told = Vec::new();
    let (mut file, mut bus) = (Outage::default(), Outage::default());
    loop {
        let stopped = tokio::select! {
            biased;
            () = shared.stop.cancelled() => true,
            () = tokio::time::sleep(MARKS_EVERY) => false,
        };
        let now = shared.seats.iter().map(Seat::mark).collect::<Vec<_>>();
        say_marks(&mut file, "in their file", marks.write(&now).map_err(|error| error.to_string()));
        let told = tokio::time::timeout(MARKS_EVERY, marks::tell(&shared, &mut told)).await;
        let told = match told {
            Ok(told) => told.map_err(|error| error.to_string()),
            Err(_) => Err("no answer".to_owned()),
        };
        say_marks(&mut bus, "on the bus", told);
        if stopped {
            return;
        }
    }
}

/// Hears which plugins are paused; where the bus does not tell, it is asked again.
async fn keep_holds(shared: Arc<Shared>) {
    loop {
        let heard = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            heard = shared.providers.keep_holds() => heard,
        };
        if let Err(error) = heard {
            tracing::debug!(%error, "it is not heard which plugins are paused");
        }
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(MARKS_EVERY) => {}
        }
    }
}

/// Hears what plugins announce, and which breakers other engines open and close.
async fn keep_plugins(shared: Arc<Shared>) {
    loop {
        let heard = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            heard = shared.providers.keep_breakers() => heard,
            heard = hear(&shared) => heard,
        };
        if let Err(error) = heard {
            tracing::debug!(%error, "it is not heard how plugins are");
        }
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(MARKS_EVERY) => {}
        }
    }
}

/// Says when marks begin to fail, and when they are kept again.
fn say_marks(outage: &mut Outage, place: &str, kept: Result<(), String>) {
    match kept {
        Ok(()) if outage.ends() => tracing::warn!(place, "high-water marks are kept again"),
        Ok(()) => {}
        Err(error) if outage.begins() => {
            tracing::warn!(place, error, "high-water marks are not kept");
        }
        Err(error) => tracing::debug!(place, error, "high-water marks are still not kept"),
    }
}
