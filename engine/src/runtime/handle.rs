//! Handle: what doors and tests hold of a running engine; cheap to clone.

use std::sync::Arc;

use gearshift_bus::{Bus, Request};
use gearshift_machine::definition::model::Early;
use gearshift_machine::machine::{
    Command, Generation, InstanceKey, Outcome, Principal, TraceContext,
};
use gearshift_machine::partition::{Done, Partition, PartitionInput};
use gearshift_machine::value::Value;
use tokio::sync::broadcast;

use super::asks::{Ask, Asker, Replies, Replying};
use super::awaiting::Wish;
use super::cluster::{Cluster, EngineInfo};
use super::config::EngineConfig;
use super::definitions::DefinitionStore;
use super::error::Error;
use super::intake::{Incoming, IntakeError, route};
use super::notices::NoticeMessage;
use super::remote::InstanceWaiter;
use super::seat::{PartitionHealth, Seat, SeatState};
use super::shared::Shared;
use super::waiters::Goal;

/// A running engine, as doors and tests see it.
#[derive(Clone)]
pub struct Handle(pub(crate) Arc<Shared>);

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
        let list = self.targets(&incoming).await?;
        self.deliver_all(list, incoming).await
    }

    /// [`Handle::event`] with a wish for each instance to hear of it, registered before.
    ///
    /// # Errors
    /// As [`Handle::event`].
    pub(crate) async fn event_awaited(
        &self,
        incoming: Incoming,
        state: Option<&str>,
    ) -> Result<Vec<(InstanceKey, Done, InstanceWaiter)>, AskError> {
        let list = self.targets(&incoming).await?;
        let waiters = list.iter().map(|(key, _)| self.waiter(key, state)).collect::<Vec<_>>();
        let verdicts = self.deliver_all(list, incoming).await?;
        let all = verdicts.into_iter().zip(waiters);
        Ok(all.map(|((key, done), waiter)| (key, done, waiter)).collect())
    }

    async fn deliver_all(
        &self,
        mut list: Vec<(InstanceKey, Early)>,
        incoming: Incoming,
    ) -> Result<Verdicts, AskError> {
        if list.len() == 1
            && let Some((key, early)) = list.pop()
        {
            return Ok(vec![self.deliver(key, incoming.event, early).await?]);
        }
        let mut verdicts = Vec::with_capacity(list.len());
        let mut refused = Vec::new();
        for (key, early) in list {
            let delivered = self.deliver(key.clone(), incoming.event.clone(), early).await;
            verdicts.push(match delivered {
                // What others committed stands, so this is the verdict of one.
                Err(error @ (Error::Saturated { .. } | Error::Unavailable(_))) => {
                    refused.push(error);
                    (key.clone(), busy(&key))
                }
                delivered => delivered?,
            });
        }
        match refused.pop() {
            Some(error) if refused.len() + 1 == verdicts.len() => Err(error.into()),
            Some(_) | None => Ok(verdicts),
        }
    }

    /// Whom an event that comes through a door is for, and what to do where there is nobody.
    ///
    /// # Errors
    /// As [`Handle::event`].
    pub async fn targets(
        &self,
        incoming: &Incoming,
    ) -> Result<Vec<(InstanceKey, Early)>, AskError> {
        let routed = || {
            let index = self.0.definitions.index();
            route(&index, incoming, self.0.config.clock.now(), None)
        };
        let targets = match routed() {
            // It may be for a definition that was deployed through another engine just now.
            Err(_) if Box::pin(self.refresh()).await? => routed()?,
            targets => targets?,
        };
        Ok(self.0.settle(targets).await?)
    }

    /// Loads what other engines deployed; true where there was something.
    ///
    /// # Errors
    /// [`Error::Bus`], [`Error::Definition`].
    pub(crate) async fn refresh(&self) -> Result<bool, Error> {
        let definitions = &self.0.definitions;
        if definitions.is_shared() { definitions.refresh().await } else { Ok(false) }
    }

    /// Is the workflow deployed, in this version where one is named?
    ///
    /// # Errors
    /// As [`Handle::refresh`].
    pub(crate) async fn knows(&self, workflow: &str, version: Option<u32>) -> Result<bool, Error> {
        let known = || {
            let index = self.0.definitions.index();
            match version {
                Some(version) => index.definitions.get(workflow, version).is_some(),
                None => index.definitions.latest(workflow).is_some(),
            }
        };
        Ok(known() || (self.refresh().await? && known()))
    }

    /// Hands in an event that is for exactly one instance of a partition that is served here; the
    /// decision comes out of `replies`, with the request, and what became of `wish` where there
    /// is one. The way of most events. Gives the request
    /// back where any of that does not hold or there is no room: nothing was done.
    pub(crate) fn hand_in(
        &self,
        incoming: Incoming,
        request: Request,
        replies: &Replies,
        wish: Option<Wish>,
    ) -> Option<Request> {
        let index = self.0.definitions.index();
        let routed = route(&index, &incoming, self.0.config.clock.now(), None);
        let Ok(mut targets) = routed else { return Some(request) };
        let (Some((key, Some(early))), []) = (targets.list.pop(), targets.list.as_slice()) else {
            return Some(request);
        };
        let partition = self.0.partition_of(&key);
        let seat = self.0.seat(partition);
        if !seat.serves() {
            return Some(request);
        }
        let event = incoming.event;
        let input = Box::new(PartitionInput::Deliver { key, event, early, source: None });
        let asker = Asker::Request(Box::new(Replying::new(request, replies.clone(), wish)));
        match seat.asks.try_send(Ask::Input(input, Some(asker))) {
            Ok(()) => None,
            Err(error) => error.into_inner().into_request(),
        }
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

    /// Starts a life of `key`, which goes on with the trace of whoever asks, if there is one.
    ///
    /// # Errors
    /// [`Error::Saturated`], [`Error::Unavailable`].
    pub async fn start(
        &self,
        key: InstanceKey,
        version: Option<u32>,
        input: Value,
        by: Principal,
        trace_context: Option<Arc<TraceContext>>,
    ) -> Result<Done, Error> {
        let partition = self.0.partition_of(&key);
        let start = PartitionInput::Start { key, version, input, by, id: None, trace_context };
        self.0.ask(partition, start).await
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

    /// Looks at the durable state of one partition, which this engine must serve: for tests and
    /// tools; doors look through whichever engine.
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
        self.0.read_local(partition, look).await
    }

    /// [`Handle::read`] of the partition that owns `key`.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub async fn look<T, F>(&self, key: &InstanceKey, look: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: FnOnce(&Partition) -> T + Send + 'static,
    {
        self.0.read_local(self.0.partition_of(key), look).await
    }

    /// [`Handle::read`] of every partition in turn.
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
            seen.push(self.0.read_local(partition, look.clone()).await?);
        }
        Ok(seen)
    }

    /// Waits until `key` reaches the state `state`, or its end where none is named; false after
    /// `limit`. Register before asking what leads there.
    #[must_use]
    pub fn waiter(&self, key: &InstanceKey, state: Option<&str>) -> InstanceWaiter {
        let goal = state.map_or(Goal::End, |name| Goal::State(name.to_owned()));
        InstanceWaiter::begin(&self.0, key, goal)
    }

    /// Waits for the next decision about `key` after `step`.
    pub(crate) fn waiter_after(&self, key: &InstanceKey, step: u64) -> InstanceWaiter {
        InstanceWaiter::begin(&self.0, key, Goal::After(step))
    }

    /// Lifecycle changes from now on.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Arc<NoticeMessage>> {
        self.0.notices.subscribe()
    }

    /// Those of them that somebody on the bus listens to.
    pub(crate) fn outgoing(&self) -> broadcast::Receiver<Arc<NoticeMessage>> {
        self.0.outgoing.subscribe()
    }

    /// Does anybody on the bus still listen to it?
    pub(crate) fn is_heard(&self, notice: &NoticeMessage) -> bool {
        self.0.notice_subjects.is_heard(&self.0.bus, notice.key.workflow(), notice.kind)
    }

    /// How the partitions are doing, as far as this engine knows.
    #[must_use]
    pub fn health(&self) -> Vec<PartitionHealth> {
        let cluster = self.0.cluster.as_deref();
        let report = |(number, seat): (u16, &Seat)| {
            let mark = seat.mark();
            let mut owner = cluster.and_then(|cluster| cluster.owner(number));
            let is_certain = cluster.is_none_or(|cluster| cluster.is_certain(number));
            let reason = match &*seat.state() {
                SeatState::Serving if is_certain => None,
                SeatState::Serving => Some("its lease is not confirmed: no answer".to_owned()),
                SeatState::Elsewhere(None) => Some("it has no owner now".to_owned()),
                SeatState::Elsewhere(Some(node)) => {
                    owner = Some(node.to_string());
                    None
                }
                SeatState::Recovering(reason) | SeatState::Refused(reason) => Some(reason.clone()),
                SeatState::Stopped => Some("stopped".to_owned()),
            };
            PartitionHealth {
                partition: number,
                serving: seat.serves() && is_certain,
                reason,
                position: mark.sequence,
                epoch: mark.epoch,
                owner,
            }
        };
        (0_u16..).zip(&self.0.seats).map(report).collect()
    }

    /// Why nothing reaches the bus now, where that is so.
    #[must_use]
    pub fn bus_absence(&self) -> Option<String> {
        self.0.bus.absence()
    }

    /// The engines of the bus that live, this one included; none where it has no others beside it.
    #[must_use]
    pub fn cluster(&self) -> Vec<EngineInfo> {
        self.0.cluster.as_deref().map(Cluster::engines).unwrap_or_default()
    }

    /// Is the engine stopping?
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.0.stop.is_cancelled()
    }

    /// Runs a task that a stop waits for: it has to end soon once the engine stops.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(task);
    }

    /// Resolves when the engine begins to stop.
    pub async fn stopping(&self) {
        self.0.stop.cancelled().await;
    }
}

/// Nothing was done: the queue of the instance's partition is full.
fn busy(key: &InstanceKey) -> Done {
    Done {
        key: Some(key.clone()),
        definition: None,
        outcome: Outcome::Busy { what: "queue".into() },
        effects: Vec::new(),
        trace: None,
        generation: Generation(0),
        step: 0,
        status: None,
        active: Vec::new(),
    }
}
