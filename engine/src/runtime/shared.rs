//! Shared: what the engine's tasks share; how they reach a partition.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use gearshift_bus::Bus;
use gearshift_machine::definition::model::Early;
use gearshift_machine::machine::{InstanceKey, NoticeKind};
use gearshift_machine::partition::{Done, Partition, PartitionInput};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::asks::{Ask, Asker, Round};
use super::cache::Results;
use super::cluster::Cluster;
use super::config::EngineConfig;
use super::definitions::DefinitionStore;
use super::error::Error;
use super::intake::{Intake, Targets};
use super::longwork::{Bodies, Longwork};
use super::marks::Mark;
use super::notices::{Hearing, NoticeMessage, NoticeSubjects, SharedNotice};
use super::providers::Providers;
use super::seat::{Seat, SeatState};
use super::waiters::Waiters;

/// What the engine's tasks share.
pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) bus: Bus,
    pub(crate) definitions: DefinitionStore,
    pub(crate) intake: Intake,
    pub(crate) seats: Vec<Seat>,
    pub(crate) waiters: Waiters,
    pub(crate) notices: broadcast::Sender<SharedNotice>,
    /// Notices on their way to the bus.
    pub(crate) outgoing: broadcast::Sender<SharedNotice>,
    pub(crate) notice_subjects: NoticeSubjects,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// This engine among others of the bus; `None` where it has all partitions.
    pub(crate) cluster: Option<Arc<Cluster>>,
    /// Which plugins run, and where their operations are asked.
    pub(crate) providers: Providers,
    /// The calls whose plugins answer later.
    pub(crate) longwork: Longwork,
    /// Large bodies that were taken.
    pub(crate) bodies: Bodies,
    /// What calls gave, for the same calls again.
    pub(crate) results: Results,
    /// How many deploy what the engine was started with.
    pub(crate) loading: AtomicUsize,
}

impl Shared {
    pub(crate) fn seat(&self, partition: u16) -> &Seat {
        // Partition numbers come from `partition_of` and from loops over the configuration.
        self.seats.get(usize::from(partition)).unwrap_or_else(|| panic!("no seat {partition}"))
    }

    /// Slots spread evenly over partitions (01 §5).
    pub(crate) fn partition_of(&self, key: &InstanceKey) -> u16 {
        key.slot() % self.config.partitions
    }

    pub(crate) fn mark(&self, partition: u16) -> Option<Mark> {
        let mark = self.seat(partition).mark();
        (mark != Mark::default()).then_some(mark)
    }

    /// Hands an input in and does not wait for the decision.
    pub(crate) async fn tell(&self, partition: u16, input: PartitionInput) -> Result<(), Error> {
        let asks = &self.seat(partition).asks;
        asks.send(Ask::Input(Box::new(input), None)).await.map_err(|_| self.unavailable(partition))
    }

    /// [`Shared::ask_in_round`] for what comes from no source.
    pub(crate) async fn ask_in_order(
        &self,
        partition: u16,
        session: u64,
        input: PartitionInput,
    ) -> Result<oneshot::Receiver<Done>, Error> {
        self.ask_in_round(partition, Round { session, number: 0 }, input).await
    }

    /// [`Shared::tell`] where there is room at once; else gives the input back.
    pub(crate) fn try_tell(&self, partition: u16, input: PartitionInput) -> Option<PartitionInput> {
        let told = self.seat(partition).asks.try_send(Ask::Input(Box::new(input), None));
        match told.map_err(mpsc::error::TrySendError::into_inner) {
            Err(Ask::Input(input, _)) => Some(*input),
            Ok(()) | Err(Ask::Told(..) | Ask::Read(_) | Ask::Heard(_)) => None,
        }
    }

    /// Hands in what came from an inbox, waiting for room; the receiver gets the durable decision,
    /// or nothing where the round's session ended before, or something before it was refused.
    pub(crate) async fn ask_in_round(
        &self,
        partition: u16,
        round: Round,
        input: PartitionInput,
    ) -> Result<oneshot::Receiver<Done>, Error> {
        let (tell, done) = oneshot::channel();
        let asks = &self.seat(partition).asks;
        let sent = asks.send(Ask::Told(round, Box::new(input), Asker::Waiting(tell))).await;
        sent.map(|()| done).map_err(|_| self.unavailable(partition))
    }

    /// Who really gets an event: the instances that exist, and those that it starts or waits for.
    /// A miss of one workflow is none where another takes the event; where nobody does, one target
    /// stays, so that exactly one dead letter or verdict says so. What only an older version's
    /// `correlate` found never starts anything (01 §4).
    pub(crate) async fn settle(
        &self,
        targets: Targets,
    ) -> Result<Vec<(InstanceKey, Early)>, Error> {
        if let [(key, Some(early))] = targets.list.as_slice() {
            return Ok(vec![(key.clone(), *early)]);
        }
        let (mut list, mut misses) = (Vec::with_capacity(targets.list.len()), Vec::new());
        for (key, early) in targets.list {
            let takes = matches!(early, Some(Early::Start | Early::Buffer { .. }))
                || self.contains(&key).await?;
            match takes {
                true => list.push((key, early.unwrap_or(Early::DeadLetter))),
                false => misses.push((key, early)),
            }
        }
        if list.is_empty() && !misses.is_empty() {
            // The newest version speaks for a workflow, where one of them is concerned.
            let newest = misses.iter().position(|(_, early)| early.is_some());
            let (key, _) = misses.remove(newest.unwrap_or(0));
            list.push((key, Early::DeadLetter));
        }
        Ok(list)
    }

    /// Looks at the durable state of a partition that is served here, or soon will be.
    pub(crate) async fn read_local<T, F>(&self, partition: u16, look: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Partition) -> T + Send + 'static,
    {
        let (tell, seen) = oneshot::channel();
        let read = Ask::Read(Box::new(move |partition| drop(tell.send(look(partition)))));
        self.seat(partition).asks.send(read).await.map_err(|_| self.unavailable(partition))?;
        seen.await.map_err(|_| self.unavailable(partition))
    }

    /// Who listens to notices of this kind now?
    pub(crate) fn hearing(&self, workflow: &str, kind: NoticeKind) -> Hearing {
        let here = self.notices.receiver_count() > 0;
        let there = self.outgoing.receiver_count() > 0
            && self.notice_subjects.is_heard(&self.bus, workflow, kind);
        Hearing { here, there }
    }

    /// Tells subscribers here and on the bus.
    pub(crate) fn announce(&self, Hearing { here, there }: Hearing, notice: NoticeMessage) {
        let notice = Arc::new(notice);
        // The last subscriber may leave in between; notices may be lost.
        if there {
            drop(self.outgoing.send(Arc::clone(&notice)));
        }
        if here {
            drop(self.notices.send(notice));
        }
    }

    fn unavailable(&self, partition: u16) -> Error {
        let reason = match &*self.seat(partition).state() {
            SeatState::Recovering(reason) => format!("partition {partition} recovers: {reason}"),
            SeatState::Refused(reason) => {
                return Error::Refuses { partition, reason: reason.clone() };
            }
            SeatState::Serving => format!("partition {partition} was lost while asking"),
            SeatState::Elsewhere(None) => format!("partition {partition} has no owner now"),
            SeatState::Elsewhere(Some(node)) => format!("partition {partition} is with `{node}`"),
            SeatState::Stopped => "the engine is stopping".to_owned(),
        };
        Error::Unavailable(reason)
    }
}
