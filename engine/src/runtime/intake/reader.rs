//! [`Reader`]: reads one source and hands every message to the partitions that it is for.
//!
//! Messages are handed on while the decisions on those before are still under way. What a partition
//! did not take, because it was busy or lost, it is told again, in order; the others are not told
//! again what they took. A partition that consumed a sequence before says `duplicate`.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::select_all;
use gearshift_bus::{Delivered, Inbox};
use gearshift_machine::machine::{Outcome, Timestamp};
use gearshift_machine::partition::{Done, PartitionInput, Position};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::names::one_name_each;
use super::parcel::{Parcel, open};
use super::settle::{Settling, settle};
use super::sources::Source;
use super::stands::{Stands, lost};
use crate::runtime::asks::Round;
use crate::runtime::clock::monotonic;
use crate::runtime::definitions::Index;
use crate::runtime::error::Error;
use crate::runtime::longwork::{Late, Said, compared, read_object, redeem};
use crate::runtime::seat::SeatState;
use crate::runtime::shared::Shared;

/// The partition that keeps the dead letters of messages that name no instance.
const REJECTS: u16 = 0;
/// Messages read at once: a full batch of each of four partitions, so that frames are few.
const READ_MAX: usize = 1_024;
/// Reads whose decisions are under way at once.
const UNDER_WAY_MAX: usize = 3;
/// Wait before a busy partition is told again.
pub(super) const BUSY_RETRY: Duration = Duration::from_millis(200);
/// Wait before it is looked again whether a partition is served.
const UNSERVED_RETRY: Duration = Duration::from_millis(50);
/// Partitions that were not concerned are told how far the source was read after this many
/// messages, so that a restart does not read everything again.
const ADVANCE_EVERY: u64 = 4_096;
/// The same after this time, so that what grows old on the bus was passed by everybody before.
const ADVANCE_AFTER: Duration = Duration::from_secs(60);

/// Reads one source.
pub(super) struct Reader {
    pub(super) shared: Arc<Shared>,
    inbox: Inbox,
    pub(super) source: Source,
    stop: CancellationToken,
    pub(super) stands: Stands,
    /// What is read next.
    pub(super) next: u64,
    /// Drawn anew whenever it goes back, so that partitions that refused something know.
    pub(super) round: u64,
    under_way: VecDeque<Handed>,
    advanced: Instant,
    /// How the partitions are doing; looked at before it is asked who is served.
    seats: Vec<watch::Receiver<SeatState>>,
    /// Somebody saw that the stream may not be the one it was.
    doubt: watch::Receiver<u64>,
    /// What [`Inbox::connects`] said when the stream was compared with what was read.
    connects: u64,
}

/// Messages handed to partitions, and their decisions to come.
#[derive(Default)]
struct Handed {
    /// The first sequence behind them.
    next: u64,
    decisions: Vec<Told>,
    /// Partitions they were not for after all: no instance there has the key.
    missed: Vec<u16>,
}

struct Told {
    partition: u16,
    sequence: u64,
    decision: oneshot::Receiver<Done>,
}

/// Whether what was under way was taken; what asks for more patience comes later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Taken {
    All,
    /// Some partition was lost.
    NotAll,
    /// Some partition is full.
    Busy,
}

impl Reader {
    pub(super) fn new(
        shared: Arc<Shared>,
        inbox: Inbox,
        source: Source,
        stop: CancellationToken,
        connects: u64,
    ) -> Self {
        let doubt = shared.intake.doubt.subscribe();
        let seats = (0..shared.config.partitions).map(|seat| shared.seat(seat).subscribe());
        Self {
            seats: seats.collect(),
            round: shared.intake.next_round(),
            shared,
            inbox,
            source,
            stop,
            stands: Stands::default(),
            next: 0,
            under_way: VecDeque::with_capacity(UNDER_WAY_MAX),
            advanced: monotonic(),
            doubt,
            connects,
        }
    }

    /// Reads until it is to stop, or the connection was made anew: the stream may be another now.
    pub(super) async fn run(mut self) -> Result<(), Error> {
        while !self.stop.is_cancelled() {
            self.seats.iter_mut().for_each(|seat| drop(seat.borrow_and_update()));
            if self.stands.update(&self.shared, &self.source).await {
                self.shared.intake.misses.follow(&self.source, &self.stands);
                self.settle_all().await;
                self.go_back();
                self.tell_position(self.next);
            }
            if self.stands.is_empty() {
                self.rest(UNSERVED_RETRY).await;
                continue;
            }
            let read = self.inbox.read_from(self.next, READ_MAX).await;
            if self.inbox.connects() != self.connects {
                break;
            }
            match read {
                Ok(messages) if messages.is_empty() => self.idle().await?,
                Ok(messages) => self.hand_over(&messages).await?,
                Err(error) => self.pass_over(error).await?,
            }
        }
        self.settle_all().await;
        Ok(())
    }

    /// Hands on what was read, and waits for the decisions on what was handed on long before.
    async fn hand_over(&mut self, messages: &[Delivered]) -> Result<(), Error> {
        // After reading: what these messages need to be known was written before they were stored.
        let index = self.shared.definitions.fresh().await?;
        let mut handed = Handed::default();
        for message in messages {
            self.hand(&index, message, &mut handed).await?;
            handed.next = message.sequence + 1;
        }
        self.shared.keep_place(&self.source, messages.last());
        self.next = handed.next;
        self.stands.told(self.next);
        self.under_way.push_back(handed);
        if self.under_way.len() >= UNDER_WAY_MAX {
            self.settle_first().await?;
        }
        Ok(())
    }

    async fn hand(
        &self,
        index: &Index,
        message: &Delivered,
        handed: &mut Handed,
    ) -> Result<(), Error> {
        let sequence = message.sequence;
        let position = Position { source: self.source.number, sequence };
        let source = Some(position);
        let mut parcels = open(index, &self.source, message, self.shared.config.clock.now());
        if parcels.len() > 1 {
            let place = (&message.message.subject, position);
            one_name_each(&self.shared, &self.stands, index, place, &mut parcels).await;
        }
        for parcel in parcels {
            let (targets, event) = match parcel {
                Parcel::Deliver(targets, event) => (targets, event),
                Parcel::Reject(event, reason) => {
                    let input = PartitionInput::Reject { event, reason, key: None, source };
                    self.tell(REJECTS, sequence, input, handed).await?;
                    continue;
                }
                Parcel::Result(Late { key, call, attempt, said, beside }) => {
                    let partition = self.shared.partition_of(&key);
                    if self.stands.wanting(partition, sequence).is_none() {
                        continue;
                    }
                    let outcome = match said {
                        Said::Outcome(outcome) => outcome,
                        Said::Stored(stored) => {
                            let (reply, object) = *stored;
                            let call = call.to_string();
                            Box::pin(read_object(&self.shared, reply, &object, &call)).await?
                        }
                    };
                    let of = (call, attempt);
                    let outcome = Box::pin(compared(&self.shared, &key, of, outcome)).await;
                    redeem(&self.shared, of, &outcome, beside);
                    let source = position;
                    let input = PartitionInput::CallResult { key, call, attempt, outcome, source };
                    self.tell(partition, sequence, input, handed).await?;
                    continue;
                }
            };
            let stored = Timestamp(message.time_ms);
            let settling = Settling { position, name: Arc::clone(&event.name), stored };
            let settled = settle(&self.shared, &self.stands, targets, &settling).await;
            handed.missed.extend(settled.missed);
            let last = settled.list.len().saturating_sub(1);
            let mut event = Some(event);
            for (place, (key, early)) in settled.list.into_iter().enumerate() {
                let partition = self.shared.partition_of(&key);
                let event = if place == last { event.take() } else { event.clone() };
                let event = event.unwrap_or_default();
                let input = PartitionInput::Deliver { key, event, early, source };
                self.tell(partition, sequence, input, handed).await?;
            }
        }
        Ok(())
    }

    /// Tells a partition, unless another engine has it, or it was told before.
    async fn tell(
        &self,
        partition: u16,
        sequence: u64,
        input: PartitionInput,
        handed: &mut Handed,
    ) -> Result<(), Error> {
        let Some(stand) = self.stands.wanting(partition, sequence) else { return Ok(()) };
        let round = Round { session: stand.session, number: self.round };
        let told = self.shared.ask_in_round(partition, round, input);
        let decision = tokio::select! {
            biased;
            decision = told => decision?,
            // Its queue is full and nobody takes from it: what was not told is told again.
            () = lost(&self.shared, partition) => oneshot::channel().1,
        };
        handed.decisions.push(Told { partition, sequence, decision });
        Ok(())
    }

    /// Nothing is there: everything is settled, then new messages or partitions are waited for.
    async fn idle(&mut self) -> Result<(), Error> {
        if !self.under_way.is_empty() {
            while !self.under_way.is_empty() {
                self.settle_first().await?;
            }
            return Ok(());
        }
        if self.advanced.elapsed() >= ADVANCE_AFTER {
            self.advanced = monotonic();
            self.advance(self.next, 1).await;
        }
        let changed = self.seats.iter_mut().map(|seat| seat.changed().boxed());
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            newer = self.inbox.wait_beyond(self.next.saturating_sub(1)) => { newer?; }
            _ = select_all(changed) => {}
            _ = self.doubt.changed() => {
                let reason = format!("stream `{}` is looked at again", self.source.name());
                return Err(Error::Unavailable(reason));
            }
            () = tokio::time::sleep(ADVANCE_AFTER) => {}
        }
        Ok(())
    }

    /// Waits for the decisions on what was handed on first.
    async fn settle_first(&mut self) -> Result<(), Error> {
        let Some(handed) = self.under_way.pop_front() else { return Ok(()) };
        let next = handed.next;
        let taken = self.settle(handed).await;
        if taken == Taken::All {
            self.advance(next, ADVANCE_EVERY).await;
            self.tell_position(next);
            return Ok(());
        }
        let taken = taken.max(self.settle_all().await);
        self.go_back();
        self.rest(if taken == Taken::Busy { BUSY_RETRY } else { UNSERVED_RETRY }).await;
        Ok(())
    }

    /// Goes on at the first message that was not taken; nothing may be under way.
    pub(super) fn go_back(&mut self) {
        self.next = self.stands.lowest().unwrap_or(self.next);
        self.round = self.shared.intake.next_round();
    }

    fn tell_position(&self, next: u64) {
        let stream = self.source.stream.as_deref();
        self.shared.note(stream, |health| health.position = next.saturating_sub(1));
    }

    pub(super) async fn settle_all(&mut self) -> Taken {
        let mut all = Taken::All;
        while let Some(handed) = self.under_way.pop_front() {
            all = all.max(self.settle(handed).await);
        }
        all
    }

    async fn settle(&mut self, handed: Handed) -> Taken {
        let mut all = Taken::All;
        for Told { partition, sequence, mut decision } in handed.decisions {
            let done = match decision.try_recv() {
                Ok(done) => Some(done),
                Err(oneshot::error::TryRecvError::Closed) => None,
                Err(oneshot::error::TryRecvError::Empty) => tokio::select! {
                    biased;
                    done = decision => done.ok(),
                    () = lost(&self.shared, partition) => None,
                },
            };
            let busy = done.as_ref().is_some_and(|done| is_busy(&done.outcome));
            if busy || done.is_none() {
                self.stands.back(partition, sequence);
                all = all.max(if busy { Taken::Busy } else { Taken::NotAll });
            }
        }
        let mut missed = handed.missed;
        missed.sort_unstable();
        missed.dedup();
        for partition in missed {
            // An instance that comes later must not find the message when it is read again.
            if self.stands.is_beyond(partition, handed.next) {
                self.pass(partition, handed.next - 1).await;
            }
        }
        all
    }

    /// Tells those who did not hear of it for long that everything before `next` was looked at.
    async fn advance(&mut self, next: u64, behind: u64) {
        for partition in self.stands.unaware(next, behind) {
            self.pass(partition, next - 1).await;
        }
    }

    pub(super) async fn pass(&self, partition: u16, sequence: u64) {
        let input = PartitionInput::Advance { source: self.source.number, sequence };
        tokio::select! {
            biased;
            // One that stops needs to know nothing.
            told = self.shared.tell(partition, input) => drop(told),
            () = lost(&self.shared, partition) => {}
        }
    }

    pub(super) async fn rest(&self, time: Duration) {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
    }
}

pub(super) const fn is_busy(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Busy { .. })
}
