//! Asking a partition wherever it is: here through its queue, elsewhere through its owner's door.

use std::time::Duration;

use gearshift_bus::{ErrorKind, Message, Subject};
use gearshift_machine::machine::InstanceKey;
use gearshift_machine::partition::{Done, Partition, PartitionInput};
use gearshift_protocol::subjects;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::look::{Look, Seen};
use super::search::{Search, TRY_AGAIN};
use super::wire::{Answer, Question, Standing, decode, encode};
use crate::runtime::asks::{Ask, Asker};
use crate::runtime::error::Error;
use crate::runtime::intake::Target;
use crate::runtime::seat::{SeatState, is_moved};
use crate::runtime::shared::Shared;

/// How long an owner may take to look; a look is harmless to repeat.
const LOOK_LIMIT: Duration = Duration::from_secs(2);
/// The same for health, which is a view: who does not answer soon is not well.
const STANDING_LIMIT: Duration = Duration::from_millis(500);
/// How long an owner that was replaced may still take to answer: one that handed its partition over
/// does so at once, one that stands still does not.
const LAST_ANSWER: Duration = Duration::from_millis(300);

/// Where a partition can be asked.
pub(super) enum Way {
    /// Here.
    Here,
    /// At its owner's door, if there is one.
    There,
    /// Nowhere yet, for this reason.
    Nowhere(String),
    /// Nowhere, and waiting is of no use.
    Never(Error),
}

impl Shared {
    /// Hands an input in, to whoever owns the partition, and waits for the durable decision.
    ///
    /// # Errors
    /// [`Error::Saturated`] and [`Error::Unavailable`]: nothing was done.
    /// [`Error::OutcomeUnknown`]: nobody knows.
    pub(crate) async fn ask(&self, partition: u16, input: PartitionInput) -> Result<Done, Error> {
        if self.seat(partition).serves()
            && let Some(done) = self.ask_here(partition, &input).await?
        {
            return Ok(done);
        }
        Box::pin(self.ask_around(partition, input)).await
    }

    /// Asks wherever the partition is, until somebody takes the input.
    async fn ask_around(&self, partition: u16, input: PartitionInput) -> Result<Done, Error> {
        let mut search = Search::begin(self, partition);
        loop {
            let done = match self.way(partition) {
                Way::Here => self.ask_here(partition, &input).await?,
                Way::There => self.ask_there(partition, &input).await?,
                Way::Nowhere(_) => None,
                Way::Never(error) => return Err(error),
            };
            match done {
                Some(done) => return Ok(done),
                None => search.again().await?,
            }
        }
    }

    /// Looks at the durable state of a partition, wherever it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn look(&self, partition: u16, look: Look) -> Result<Seen, Error> {
        let mut search = Search::begin(self, partition);
        loop {
            let seen = match self.way(partition) {
                Way::Here => self.see_here(partition, look.clone()).await,
                Way::There => Box::pin(self.look_there(partition, &look)).await?,
                Way::Nowhere(_) => None,
                Way::Never(error) => return Err(error),
            };
            match seen {
                Some(seen) => return Ok(seen),
                None => search.again().await?,
            }
        }
    }

    /// Is there an instance with this key, ended ones included?
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn contains(&self, key: &InstanceKey) -> Result<bool, Error> {
        let Seen::Truth(truth) =
            self.look(self.partition_of(key), Look::Contains(key.clone())).await?
        else {
            return Err(Seen::unasked());
        };
        Ok(truth)
    }

    /// Did the target take its event, or will it?
    ///
    /// # Errors
    /// [`Error::Unavailable`].
    pub(crate) async fn takes(&self, target: Target) -> Result<bool, Error> {
        let partition = self.partition_of(&target.key);
        let Seen::Truth(truth) = self.look(partition, Look::Takes(target)).await? else {
            return Err(Seen::unasked());
        };
        Ok(truth)
    }

    /// [`Look`]s here; `None`: nobody looked.
    pub(super) async fn see_here(&self, partition: u16, look: Look) -> Option<Seen> {
        if let Look::Takes(target) = look {
            return self.takes_here(partition, target).await.map(Seen::Truth);
        }
        if let Look::Progress(key) = look {
            self.look_here(partition, |_| ()).await?;
            return Some(Seen::Progress(self.progress_here(&key)));
        }
        self.look_here(partition, move |partition| look.on(partition)).await
    }

    pub(super) fn way(&self, partition: u16) -> Way {
        let shares = self.cluster.is_some();
        match &*self.seat(partition).state() {
            SeatState::Serving => Way::Here,
            SeatState::Elsewhere(_) => Way::There,
            // Who stops has handed its partitions over, where there is anybody to take them.
            SeatState::Stopped if shares => Way::There,
            SeatState::Recovering(reason) => Way::Nowhere(format!("it recovers: {reason}")),
            SeatState::Refused(reason) => {
                Way::Never(Error::Refuses { partition, reason: reason.clone() })
            }
            SeatState::Stopped => {
                Way::Never(Error::Unavailable("the engine is stopping".to_owned()))
            }
        }
    }

    /// `None`: it was not taken, and nothing was done.
    async fn ask_here(
        &self,
        partition: u16,
        input: &PartitionInput,
    ) -> Result<Option<Done>, Error> {
        let (tell, done) = oneshot::channel();
        match self
            .seat(partition)
            .asks
            .try_send(Ask::Input(Box::new(input.clone()), Some(Asker::Waiting(tell))))
        {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Err(Error::Saturated { partition, limit: self.config.queue_limit });
            }
            // The partition's task has ended: only with the engine.
            Err(mpsc::error::TrySendError::Closed(_)) => return Ok(None),
        }
        match done.await {
            Ok(done) if is_moved(&done) => Ok(None),
            Ok(done) => Ok(Some(done)),
            Err(_) => {
                let reason = "it was lost while the frame was under way".to_owned();
                Err(Error::OutcomeUnknown { partition, reason })
            }
        }
    }

    /// `None`: nobody looked.
    pub(crate) async fn look_here<T: Send + 'static>(
        &self,
        partition: u16,
        look: impl FnOnce(&Partition) -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, seen) = oneshot::channel();
        let read = Ask::Read(Box::new(move |partition| drop(tell.send(look(partition)))));
        self.seat(partition).asks.send(read).await.ok()?;
        seen.await.ok()
    }

    /// How a partition is doing, where it is served here.
    pub(super) async fn standing_here(&self, partition: u16) -> Option<Standing> {
        if !self.seat(partition).serves() {
            return None;
        }
        let look = |partition: &Partition| partition.counts().instances as u64;
        let instances = self.look_here(partition, look).await?;
        let mark = self.seat(partition).mark();
        Some(Standing { position: mark.sequence, epoch: mark.epoch, instances })
    }

    /// How a partition is doing, asked once; `None` where nobody answers soon.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Bus`].
    pub(super) async fn standing(&self, partition: u16) -> Result<Option<Standing>, Error> {
        match self.way(partition) {
            Way::Here => Ok(self.standing_here(partition).await),
            Way::There => self.standing_there(partition).await,
            Way::Nowhere(_) | Way::Never(_) => Ok(None),
        }
    }

    async fn standing_there(&self, partition: u16) -> Result<Option<Standing>, Error> {
        let end = Instant::now() + STANDING_LIMIT;
        loop {
            match self.request(partition, &Question::Standing, STANDING_LIMIT).await {
                Ok(Some(Answer::Standing(standing))) => return Ok(Some(standing)),
                // The door of the owner before says for a moment that it is not the owner.
                Ok(None) if Instant::now() < end => tokio::time::sleep(TRY_AGAIN).await,
                Ok(_) | Err(Error::OutcomeUnknown { .. } | Error::Unavailable(_)) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// `None`: it was not taken, and nothing was done.
    async fn ask_there(
        &self,
        partition: u16,
        input: &PartitionInput,
    ) -> Result<Option<Done>, Error> {
        let question = Question::Input(input.clone());
        match self.request(partition, &question, self.config.owner_reply).await? {
            Some(Answer::Done(decided)) => {
                // The owner may know a definition that was deployed just now.
                if let Some((workflow, version)) = decided.definition()
                    && self.definitions.index().definitions.get(workflow, version).is_none()
                    && let Err(error) = self.definitions.refresh().await
                {
                    tracing::warn!(%error, "a verdict without names: its definition is not known");
                }
                let index = self.definitions.index();
                Ok(Some(decided.into_done(&index.definitions)))
            }
            // What happened is settled by now, so it may be told again where a repeat is noticed.
            Some(Answer::Lost) if is_noticed_again(input) => Ok(None),
            Some(Answer::Lost) => {
                let reason = "its owner lost it meanwhile".to_owned();
                Err(Error::OutcomeUnknown { partition, reason })
            }
            Some(other) => self.unexpected(partition, &other),
            None => Ok(None),
        }
    }

    async fn look_there(&self, partition: u16, look: &Look) -> Result<Option<Seen>, Error> {
        let question = Question::Look(look.clone());
        let answer = match self.request(partition, &question, LOOK_LIMIT).await {
            // A look changes nothing: it is taken again.
            Err(Error::OutcomeUnknown { .. }) => return Ok(None),
            answer => answer?,
        };
        match answer {
            Some(Answer::Seen(seen)) => Ok(Some(*seen)),
            Some(Answer::Lost) => Ok(None),
            Some(Answer::Stored(digest)) => Ok(super::stored::read(self, &digest).await?),
            Some(other) => self.unexpected(partition, &other),
            None => Ok(None),
        }
    }

    /// Asks the owner's door. `None`: it was not delivered, or not to the owner. [`Answer::Lost`]
    /// also where the owner was replaced before it answered: it never writes a frame again.
    ///
    /// # Errors
    /// [`Error::OutcomeUnknown`] where no answer came; it is never asked again here.
    pub(super) async fn request(
        &self,
        partition: u16,
        question: &Question,
        limit: Duration,
    ) -> Result<Option<Answer>, Error> {
        let unknown = |reason: String| Error::OutcomeUnknown { partition, reason };
        let Some(cluster) = &self.cluster else { return Ok(None) };
        let Some(owner) = cluster.owner(partition) else { return Ok(None) };
        let subject = Subject::parse(&subjects::owner(partition, &owner))?;
        let body = encode(question).map_err(Error::Unavailable)?;
        let requests = self.bus.requests();
        let replaced = async {
            cluster.replaced(partition, &owner).await;
            tokio::time::sleep(LAST_ANSWER).await;
        };
        let reply = tokio::select! {
            biased;
            reply = requests.request(Message::new(subject, body), limit) => reply,
            () = replaced => return Ok(Some(Answer::Lost)),
        };
        let reply = match reply {
            Ok(reply) => reply,
            Err(error) if matches!(error.kind(), ErrorKind::Full { .. }) => {
                let ErrorKind::Full { limit } = *error.kind() else { return Err(error.into()) };
                return Err(Error::Saturated { partition, limit });
            }
            Err(error) if error.is_retryable() => return Ok(None),
            Err(error) => {
                let kind = error.kind();
                let is_unknown = matches!(kind, ErrorKind::Timeout { .. } | ErrorKind::Unknown);
                return Err(if is_unknown { unknown(error.to_string()) } else { error.into() });
            }
        };
        match decode(&reply.payload) {
            Ok(Answer::NotOwner) => Ok(None),
            Ok(Answer::Full(limit)) => Err(Error::Saturated { partition, limit }),
            Ok(Answer::Refused(reason)) => Err(Error::Refuses { partition, reason }),
            Ok(Answer::Unreadable(reason)) => {
                let told = format!("the owner of partition {partition} cannot read us: {reason}");
                Err(Error::Unavailable(told))
            }
            Ok(answer) => Ok(Some(answer)),
            Err(reason) => Err(unknown(format!("its owner's answer is unreadable: {reason}"))),
        }
    }

    fn unexpected<T>(&self, partition: u16, answer: &Answer) -> Result<T, Error> {
        tracing::error!(partition, ?answer, "an owner answered something else");
        let reason = "its owner answered something else".to_owned();
        Err(Error::OutcomeUnknown { partition, reason })
    }
}

/// Does whoever decides it a second time see that it was decided?
const fn is_noticed_again(input: &PartitionInput) -> bool {
    match input {
        PartitionInput::Deliver { event, .. } => event.id.is_some(),
        PartitionInput::Start { id, .. } => id.is_some(),
        PartitionInput::Letter { .. } => true, // numbered for each partition that sends
        PartitionInput::CallReply { .. }
        | PartitionInput::CallResult { .. }
        | PartitionInput::CallStarted { .. }
        | PartitionInput::CallPending { .. }
        | PartitionInput::TimerDue { .. }
        | PartitionInput::Command { .. }
        | PartitionInput::Confirmed { .. }
        | PartitionInput::Reject { .. }
        | PartitionInput::Replay { .. }
        | PartitionInput::Drop { .. }
        | PartitionInput::Advance { .. }
        | PartitionInput::SelfEvent { .. }
        | PartitionInput::Schedule { .. }
        | PartitionInput::BufferExpired { .. } => false,
    }
}
