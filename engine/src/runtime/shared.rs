//! Shared: what the engine's tasks share; how they reach a partition.

use std::sync::Arc;

use dashmap::DashMap;
use gearshift_bus::Bus;
use gearshift_machine::definition::model::Early;
use gearshift_machine::machine::InstanceKey;
use gearshift_machine::partition::{Done, Partition, PartitionInput};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::EngineConfig;
use super::definitions::DefinitionStore;
use super::drive::Ask;
use super::error::Error;
use super::intake::Targets;
use super::marks::Mark;
use super::notices::{NoticeMessage, SharedNotice};
use super::seat::{Seat, SeatState};
use super::waiters::Waiters;

/// What the engine's tasks share.
pub(crate) struct Shared {
    pub(crate) config: EngineConfig,
    pub(crate) bus: Bus,
    pub(crate) definitions: DefinitionStore,
    pub(crate) seats: Vec<Seat>,
    pub(crate) waiters: Waiters,
    pub(crate) notices: broadcast::Sender<SharedNotice>,
    pub(crate) stop: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// Newest major version of each plugin, as last discovered; a hint, never a decision.
    pub(crate) majors: DashMap<String, u64>,
}

/// Who gets an event.
pub(crate) struct Settled {
    /// Key, and what to do where no instance has it.
    pub(crate) list: Vec<(InstanceKey, Early)>,
    /// Partitions of instances that do not exist, left out of the list.
    pub(crate) missed: Vec<u16>,
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

    /// Has the partition refused for good, so that only a person can help?
    pub(crate) fn is_refused(&self, partition: u16) -> bool {
        matches!(&*self.seat(partition).lock(), SeatState::Refused(_))
    }

    /// Hands an input in and does not wait for the decision.
    pub(crate) async fn tell(&self, partition: u16, input: PartitionInput) -> Result<(), Error> {
        let asks = &self.seat(partition).asks;
        asks.send(Ask::Input(Box::new(input), None)).await.map_err(|_| self.unavailable(partition))
    }

    /// Hands an input in, waiting for room; the receiver gets the durable decision.
    pub(crate) async fn ask_in_order(
        &self,
        partition: u16,
        input: PartitionInput,
    ) -> Result<oneshot::Receiver<Done>, Error> {
        let (tell, done) = oneshot::channel();
        let asks = &self.seat(partition).asks;
        let sent = asks.send(Ask::Input(Box::new(input), Some(tell))).await;
        sent.map(|()| done).map_err(|_| self.unavailable(partition))
    }

    /// Hands an input in and waits for the durable decision.
    pub(crate) async fn ask(&self, partition: u16, input: PartitionInput) -> Result<Done, Error> {
        let (tell, done) = oneshot::channel();
        let seat = self.seat(partition);
        match seat.asks.try_send(Ask::Input(Box::new(input), Some(tell))) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Err(Error::Saturated { partition, limit: self.config.queue_limit });
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(self.unavailable(partition)),
        }
        done.await.map_err(|_| self.unavailable(partition))
    }

    /// Who really gets an event: the instances that exist, and those that it starts or waits for.
    /// A miss of one workflow is none where another takes the event; where nobody does, one target
    /// stays, so that exactly one dead letter or verdict says so. What only an older version's
    /// `correlate` found never starts anything (01 §4).
    pub(crate) async fn settle(&self, targets: Targets) -> Result<Settled, Error> {
        if let [(key, Some(early))] = targets.list.as_slice() {
            return Ok(Settled { list: vec![(key.clone(), *early)], missed: Vec::new() });
        }
        let (mut list, mut misses) = (Vec::with_capacity(targets.list.len()), Vec::new());
        for (key, early) in targets.list {
            let wanted = key.clone();
            let partition = self.partition_of(&key);
            let takes = matches!(early, Some(Early::Start | Early::Buffer { .. }))
                || self.read(partition, move |partition| partition.contains(&wanted)).await?;
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
        let missed = misses.iter().map(|(key, _)| self.partition_of(key)).collect();
        Ok(Settled { list, missed })
    }

    /// Looks at the durable state of a partition.
    pub(crate) async fn read<T, F>(&self, partition: u16, look: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Partition) -> T + Send + 'static,
    {
        let (tell, seen) = oneshot::channel();
        let read = Ask::Read(Box::new(move |partition| drop(tell.send(look(partition)))));
        self.seat(partition).asks.send(read).await.map_err(|_| self.unavailable(partition))?;
        seen.await.map_err(|_| self.unavailable(partition))
    }

    /// Tells subscribers, where there are any; the message is made only then.
    pub(crate) fn announce(&self, notice: impl FnOnce() -> NoticeMessage) {
        if self.notices.receiver_count() > 0 {
            // The last subscriber may leave in between; notices may be lost.
            drop(self.notices.send(Arc::new(notice())));
        }
    }

    fn unavailable(&self, partition: u16) -> Error {
        let reason = match &*self.seat(partition).lock() {
            SeatState::Recovering(reason) => format!("partition {partition} recovers: {reason}"),
            SeatState::Refused(reason) => format!("partition {partition} refuses: {reason}"),
            SeatState::Serving => format!("partition {partition} was lost while asking"),
            SeatState::Stopped => "the engine is stopping".to_owned(),
        };
        Error::Unavailable(reason)
    }
}
