//! `OwnerDoor`: answers other engines for one partition, exactly while it is served here.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use gearshift_bus::{Message, Request, Server, SubjectPattern};
use gearshift_machine::definition::model::Schedule;
use gearshift_machine::machine::{Command, InstanceKey, LetterBody};
use gearshift_machine::partition::PartitionInput;
use gearshift_protocol::subjects;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::look::{Look, Seen};
use super::stored;
use super::waiter::{Waited, Watch};
use super::wire::{Answer, Decided, Question, decode, encode};
use crate::runtime::asks::{Ask, Asker};
use crate::runtime::error::Error;
use crate::runtime::handle::Handle;
use crate::runtime::seat::{SeatState, is_moved};
use crate::runtime::shared::Shared;
use crate::runtime::waiters::{Goal, Reached};

/// Inputs and looks of other engines under way at once; more wait in the bus's own queue, and
/// beyond that their askers are told `busy`.
const UNDER_WAY_MAX: usize = 4_096;
/// Other engines' waits at once.
const WAITS_MAX: usize = 16_384;
/// The largest answer that goes as one message; the bus takes 1 MiB.
const ANSWER_BYTES_MAX: usize = 900 * 1_024;
/// How long a closed door says that this engine is not the owner: questions that are under way
/// to it hear so, instead of nothing.
const LINGER: Duration = Duration::from_millis(100);

/// The bus's door of one partition; held while the partition is served, closed when dropped.
pub(crate) struct OwnerDoor {
    closing: CancellationToken,
}

impl OwnerDoor {
    /// Opens the door of `partition`; there is none where the engine has no others beside it.
    ///
    /// # Errors
    /// [`Error::Bus`].
    pub(crate) async fn open(shared: &Arc<Shared>, partition: u16) -> Result<Self, Error> {
        let closing = CancellationToken::new();
        if let Some(cluster) = &shared.cluster {
            let pattern = SubjectPattern::parse(&subjects::owner(partition, cluster.node()))?;
            let server = shared.bus.requests().serve(&pattern, subjects::OWNER_GROUP).await?;
            let host = Host {
                shared: Arc::clone(shared),
                partition,
                closing: closing.clone(),
                waits: Arc::new(Semaphore::new(WAITS_MAX)),
            };
            drop(shared.tasks.spawn(host.serve(server)));
        }
        Ok(Self { closing })
    }
}

impl Drop for OwnerDoor {
    fn drop(&mut self) {
        self.closing.cancel();
    }
}

/// Who stands behind the door.
#[derive(Clone)]
struct Host {
    shared: Arc<Shared>,
    partition: u16,
    closing: CancellationToken,
    waits: Arc<Semaphore>,
}

impl Host {
    async fn serve(self, mut server: Server) {
        let mut under_way = FuturesUnordered::new();
        loop {
            let has_room = under_way.len() < UNDER_WAY_MAX;
            tokio::select! {
                biased;
                () = self.closing.cancelled() => break,
                Some(()) = under_way.next() => {}
                request = server.next(), if has_room => match request {
                    Some(request) => under_way.push(self.answer(request)),
                    None => break,
                },
            }
        }
        let turn_away = async {
            while let Some(request) = server.next().await {
                respond(request, encode(Answer::NotOwner)).await;
            }
        };
        // What was taken is answered meanwhile: a frame may have become durable at the last moment.
        let finish = async { while under_way.next().await.is_some() {} };
        let (_, ()) = tokio::join!(tokio::time::timeout(LINGER, turn_away), finish);
    }

    async fn answer(&self, request: Request) {
        let answer = match decode(&request.message.payload) {
            Ok(Question::Input(input)) => encode(self.decide(input).await),
            Ok(Question::Look(look)) => self.look(look).await,
            Ok(Question::Standing) => {
                encode(match self.shared.standing_here(self.partition).await {
                    Some(standing) => Answer::Standing(standing),
                    None => self.refusal().unwrap_or(Answer::NotOwner),
                })
            }
            Ok(Question::Wait { key, goal, limit_ms }) => {
                let limit = Duration::from_millis(limit_ms);
                match self.begin_wait(&key, goal, limit, request) {
                    None => return,
                    Some(refused) => {
                        return respond(refused, encode(Answer::Full(WAITS_MAX))).await;
                    }
                }
            }
            Err(reason) => encode(Answer::Unreadable(reason)),
        };
        respond(request, answer).await;
    }

    /// Waiting takes no place of those who want something done; the request comes back where too
    /// many wait.
    fn begin_wait(
        &self,
        key: &InstanceKey,
        goal: Goal,
        limit: Duration,
        request: Request,
    ) -> Option<Request> {
        let Ok(place) = Arc::clone(&self.waits).try_acquire_owned() else { return Some(request) };
        let mut watch = Watch::begin(&self.shared, key, goal);
        let closing = self.closing.clone();
        drop(self.shared.tasks.spawn(async move {
            let waited = tokio::select! {
                biased;
                () = closing.cancelled() => Waited::Moved,
                waited = watch.wait_here(limit) => waited,
            };
            let answer = match waited {
                Waited::Met(met) | Waited::Reached(Reached { met, .. }) => Answer::Met(Some(met)),
                Waited::Time => Answer::Met(None),
                Waited::Moved => Answer::NotOwner,
            };
            respond(request, encode(&answer)).await;
            drop(place);
        }));
        None
    }

    /// Why nothing is done here, where that is so.
    fn refusal(&self) -> Option<Answer> {
        match &*self.shared.seat(self.partition).state() {
            SeatState::Serving => None,
            SeatState::Refused(reason) => Some(Answer::Refused(reason.clone())),
            SeatState::Recovering(_) | SeatState::Elsewhere(_) | SeatState::Stopped => {
                Some(Answer::NotOwner)
            }
        }
    }

    async fn decide(&self, input: PartitionInput) -> Answer {
        if let Some(refusal) = self.refusal() {
            return refusal;
        }
        if let Err(error) = self.know(&input).await {
            return Answer::Refused(error.to_string());
        }
        let (tell, done) = oneshot::channel();
        let seat = self.shared.seat(self.partition);
        match seat.asks.try_send(Ask::Input(Box::new(input), Some(Asker::Waiting(tell)))) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                return Answer::Full(self.shared.config.queue_limit);
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Answer::NotOwner,
        }
        match done.await {
            Ok(done) if is_moved(&done) => Answer::NotOwner,
            Ok(done) => Answer::Done(Box::new(Decided::of(done))),
            Err(_) => Answer::Lost,
        }
    }

    /// The asking engine may know a definition that was deployed just now.
    async fn know(&self, input: &PartitionInput) -> Result<(), Error> {
        let (workflow, version) = match input {
            PartitionInput::Deliver { key, .. } => (key.workflow(), None),
            PartitionInput::Start { key, version, .. } => (key.workflow(), *version),
            PartitionInput::Letter { letter, .. } => match &letter.body {
                LetterBody::Start { version, .. } => (letter.to.workflow(), *version),
                LetterBody::Within { start, .. } => {
                    let LetterBody::Start { version, .. } = &**start else { return Ok(()) };
                    (letter.to.workflow(), *version)
                }
                LetterBody::Event { .. }
                | LetterBody::FromChild { .. }
                | LetterBody::Cancel { .. }
                | LetterBody::Transaction(_)
                | LetterBody::Reply { .. } => return Ok(()),
            },
            PartitionInput::Command { key, command: Command::StartIn { version, .. }, .. } => {
                (key.workflow(), *version)
            }
            PartitionInput::Schedule { key, .. } => match Schedule::of_key(key) {
                Some((workflow, _)) => (workflow, None),
                None => return Ok(()),
            },
            PartitionInput::Reject { .. }
            | PartitionInput::CallReply { .. }
            | PartitionInput::CallResult { .. }
            | PartitionInput::CallStarted { .. }
            | PartitionInput::CallPending { .. }
            | PartitionInput::TimerDue { .. }
            | PartitionInput::Command { .. }
            | PartitionInput::Confirmed { .. }
            | PartitionInput::Replay { .. }
            | PartitionInput::Drop { .. }
            | PartitionInput::Advance { .. }
            | PartitionInput::SelfEvent { .. }
            | PartitionInput::BufferExpired { .. } => return Ok(()),
        };
        Box::pin(Handle(Arc::clone(&self.shared)).knows(workflow, version)).await.map(drop)
    }

    async fn look(&self, look: Look) -> Result<Bytes, String> {
        if let Some(refusal) = self.refusal() {
            return encode(&refusal);
        }
        match self.shared.see_here(self.partition, look).await {
            Some(seen) => self.fitting(seen).await,
            None => encode(Answer::NotOwner),
        }
    }

    /// The answer, cut or stored where it is too large for a message.
    async fn fitting(&self, seen: Seen) -> Result<Bytes, String> {
        let mut answer = Answer::Seen(Box::new(seen));
        loop {
            let bytes = encode(&answer)?;
            let Answer::Seen(seen) = &mut answer else { return Ok(bytes) };
            if bytes.len() <= ANSWER_BYTES_MAX {
                return Ok(bytes);
            }
            if !seen.halve() {
                let kept = stored::keep(&self.shared, seen).await;
                return encode(&kept.map_err(|error| error.to_string()).map(Answer::Stored)?);
            }
        }
    }
}

/// Without an answer the asker waits in vain, and looks again.
async fn respond(request: Request, answer: Result<Bytes, String>) {
    let subject = request.message.subject.clone();
    let body = match answer {
        Ok(body) => body,
        Err(reason) => {
            tracing::error!(reason, "another engine gets no answer");
            return;
        }
    };
    if let Err(error) = request.respond(Message::new(subject, body)).await {
        tracing::debug!(%error, "the asking engine left before the answer");
    }
}
