//! Handle: what doors and tests hold of a running engine; cheap to clone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dashmap::DashMap;
use gearshift_bus::Bus;
use gearshift_machine::definition::model::Early;
use gearshift_machine::machine::{Command, InstanceKey, Principal};
use gearshift_machine::partition::{Done, Partition, PartitionInput};
use gearshift_machine::value::Value;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::config::EngineConfig;
use super::definitions::DefinitionStore;
use super::drive::Ask;
use super::error::Error;
use super::intake::{Incoming, IntakeError, Targets, route};
use super::marks::Mark;
use super::notices::{NoticeMessage, SharedNotice};
use super::waiters::{Goal, Waiters};

/// A running engine, as doors and tests see it.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

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

/// One partition's place: its queue, and how it is doing.
pub(crate) struct Seat {
    asks: mpsc::Sender<Ask>,
    state: Mutex<SeatState>,
    mark: Mutex<Mark>,
}

/// How a partition is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SeatState {
    /// Replaying, or trying again after the reason given.
    Recovering(String),
    /// Taking inputs.
    Serving,
    /// Refuses to serve; only a person can help.
    Refused(String),
    /// The engine has stopped.
    Stopped,
}

/// How a partition is doing, for health reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionHealth {
    /// Its number.
    pub partition: u16,
    /// Does it take inputs?
    pub serving: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The journal's last confirmed sequence.
    pub position: u64,
    /// The owner's epoch.
    pub epoch: u64,
}

impl Seat {
    pub(crate) fn new(asks: mpsc::Sender<Ask>, mark: Mark) -> Self {
        let state = Mutex::new(SeatState::Recovering("starting".to_owned()));
        Self { asks, state, mark: Mutex::new(mark) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, SeatState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn serve(&self, mark: Mark) {
        self.advance(mark);
        *self.lock() = SeatState::Serving;
    }

    pub(crate) fn retire(&self, state: SeatState, mark: Mark) {
        self.advance(mark);
        *self.lock() = state;
    }

    pub(crate) fn advance(&self, mark: Mark) {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner) = mark;
    }

    pub(crate) fn mark(&self) -> Mark {
        *self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }
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

    /// Leaves out instances that only an older version's `correlate` found and that do not exist:
    /// a changed `correlate` neither starts nor misses anything (01 §4).
    pub(crate) async fn settle(
        &self,
        targets: Targets,
    ) -> Result<Vec<(InstanceKey, Early)>, Error> {
        let mut list = Vec::with_capacity(targets.list.len());
        for (key, early) in targets.list {
            match early {
                Some(early) => list.push((key, early)),
                None => {
                    let wanted = key.clone();
                    let partition = self.partition_of(&key);
                    let known = self.read(partition, move |partition| partition.contains(&wanted));
                    if known.await? {
                        list.push((key, Early::DeadLetter));
                    }
                }
            }
        }
        Ok(list)
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

/// The verdicts of one event: one per instance it was for.
pub type Verdicts = Vec<(InstanceKey, Done)>;

/// Why an event got no verdict.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It is not an event for anybody.
    #[error(transparent)]
    Intake(#[from] IntakeError),
    /// The engine could not decide.
    #[error(transparent)]
    Engine(#[from] Error),
}

impl Handle {
    /// The bus the engine runs on.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.0.bus
    }

    /// Deployed definitions.
    #[must_use]
    pub fn definitions(&self) -> &DefinitionStore {
        &self.0.definitions
    }

    /// The engine's configuration.
    #[must_use]
    pub fn config(&self) -> &EngineConfig {
        &self.0.config
    }

    /// Door (b): an event in, its durable verdicts out (01 §4).
    ///
    /// # Errors
    /// [`AskError::Intake`] where it is for nobody, [`AskError::Engine`] where a partition is
    /// saturated or not served.
    pub async fn event(&self, incoming: Incoming) -> Result<Verdicts, AskError> {
        let index = self.0.definitions.index();
        let targets = route(&index, &incoming, self.0.config.clock.now())?;
        let mut list = self.0.settle(targets).await?;
        if list.len() == 1
            && let Some((key, early)) = list.pop()
        {
            return Ok(vec![self.deliver(key, incoming.event, early).await?]);
        }
        let mut verdicts = Vec::with_capacity(list.len());
        for (key, early) in list {
            verdicts.push(self.deliver(key, incoming.event.clone(), early).await?);
        }
        Ok(verdicts)
    }

    async fn deliver(
        &self,
        key: InstanceKey,
        event: gearshift_machine::machine::Event,
        early: Early,
    ) -> Result<(InstanceKey, Done), Error> {
        let partition = self.0.partition_of(&key);
        let input = PartitionInput::Deliver { key: key.clone(), event, early, source: None };
        Ok((key, self.0.ask(partition, input).await?))
    }

    /// Starts a life of `key`.
    ///
    /// # Errors
    /// [`Error::Saturated`], [`Error::Unavailable`].
    pub async fn start(
        &self,
        key: InstanceKey,
        version: Option<u32>,
        input: Value,
        by: Principal,
    ) -> Result<Done, Error> {
        let partition = self.0.partition_of(&key);
        self.0.ask(partition, PartitionInput::Start { key, version, input, by }).await
    }

    /// Gives an operator's order.
    ///
    /// # Errors
    /// [`Error::Saturated`], [`Error::Unavailable`].
    pub async fn command(
        &self,
        key: InstanceKey,
        command: Command,
        by: Principal,
        reason: Arc<str>,
    ) -> Result<Done, Error> {
        let partition = self.0.partition_of(&key);
        self.0.ask(partition, PartitionInput::Command { key, command, by, reason }).await
    }

    /// Hands any input to one partition.
    ///
    /// # Errors
    /// [`Error::Saturated`], [`Error::Unavailable`].
    pub async fn input(&self, partition: u16, input: PartitionInput) -> Result<Done, Error> {
        self.0.ask(partition, input).await
    }

    /// The partition that owns `key`.
    #[must_use]
    pub fn partition_of(&self, key: &InstanceKey) -> u16 {
        self.0.partition_of(key)
    }

    /// Looks at the durable state of one partition.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn read<T, F>(&self, partition: u16, look: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Partition) -> T + Send + 'static,
    {
        if partition >= self.0.config.partitions {
            return Err(Error::Unavailable(format!("there is no partition {partition}")));
        }
        self.0.read(partition, look).await
    }

    /// Looks at the durable state of the partition that owns `key`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn look<T, F>(&self, key: &InstanceKey, look: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Partition) -> T + Send + 'static,
    {
        self.0.read(self.0.partition_of(key), look).await
    }

    /// Looks at every partition in turn.
    ///
    /// # Errors
    /// [`Error::Unavailable`] where one is not served.
    pub async fn look_everywhere<T, F>(&self, look: F) -> Result<Vec<T>, Error>
    where
        T: Send + 'static,
        F: Fn(&Partition) -> T + Clone + Send + 'static,
    {
        let mut seen = Vec::with_capacity(self.0.seats.len());
        for partition in 0..self.0.config.partitions {
            seen.push(self.0.read(partition, look.clone()).await?);
        }
        Ok(seen)
    }

    /// Waits until `key` reaches the state `state`, or its end where none is named; false after
    /// `limit`. Register before asking what leads there.
    #[must_use]
    pub fn waiter(&self, key: &InstanceKey, state: Option<&str>) -> InstanceWaiter {
        let goal = state.map_or(Goal::End, |name| Goal::State(name.to_owned()));
        let told = self.0.waiters.wait(key.clone(), goal.clone());
        InstanceWaiter { handle: self.clone(), key: key.clone(), goal, told }
    }

    /// Lifecycle changes from now on.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Arc<NoticeMessage>> {
        self.0.notices.subscribe()
    }

    /// How the partitions are doing.
    #[must_use]
    pub fn health(&self) -> Vec<PartitionHealth> {
        let report = |(number, seat): (usize, &Seat)| {
            let mark = seat.mark();
            let reason = match &*seat.lock() {
                SeatState::Serving => None,
                SeatState::Recovering(reason) | SeatState::Refused(reason) => Some(reason.clone()),
                SeatState::Stopped => Some("stopped".to_owned()),
            };
            PartitionHealth {
                partition: u16::try_from(number).unwrap_or(u16::MAX),
                serving: reason.is_none(),
                reason,
                position: mark.sequence,
                epoch: mark.epoch,
            }
        };
        self.0.seats.iter().enumerate().map(report).collect()
    }

    /// Is the engine stopping?
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// Resolves when the engine begins to stop.
    pub async fn stopping(&self) {
        self.0.stop.cancelled().await;
    }
}

/// A registered wish to hear of an instance.
pub struct InstanceWaiter {
    handle: Handle,
    key: InstanceKey,
    goal: Goal,
    told: oneshot::Receiver<()>,
}

impl InstanceWaiter {
    /// Waits at most `limit`; true when the goal was met.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn wait(self, limit: Duration) -> Result<bool, Error> {
        // The goal may have been met before the waiter was registered.
        if self.is_met_now().await? {
            return Ok(true);
        }
        if tokio::time::timeout(limit, self.told).await.is_ok() {
            return Ok(true);
        }
        Ok(false)
    }

    async fn is_met_now(&self) -> Result<bool, Error> {
        let key = self.key.clone();
        let looked = self.handle.look(&self.key, move |partition| partition.instance(&key));
        let Some(instance) = looked.await? else { return Ok(false) };
        let definitions = self.handle.0.definitions.index();
        let workflow = self.key.workflow();
        let Some(definition) = definitions.definitions.get(workflow, instance.pin.version) else {
            return Ok(false);
        };
        let names = instance.active.iter().map(|id| &*definition.state(*id).id).collect::<Vec<_>>();
        Ok(self.goal.is_met(instance.status, &names))
    }
}
