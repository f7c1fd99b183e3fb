//! Drive: inputs → decide → journal → release: the only loop a partition has.
//!
//! Nothing leaves before the frame is durable; reads happen between frames, so that nobody ever
//! sees what might still be lost (01 §1, guarantee 2).

mod clocks;
mod release;

use std::sync::Arc;
use std::time::Duration;

use gearshift_machine::machine::{Outcome, Timestamp};
use gearshift_machine::partition::{Partition, Stamped};
use tokio::sync::{mpsc, oneshot};

use super::arrivals::Arrivals;
use super::asks::{Ask, Asker, Read, is_own, not_here, position_of, refer};
use super::awaiting::Awaiting;
use super::cluster::{Standing, Tenure};
use super::dispatch::Dispatch;
use super::held::{Held, Place};
use super::journal::{Journal, Lost};
use super::marks::Mark;
use super::notices::Hearings;
use super::schedules::Planner;
use super::seat::SeatState;
use super::shared::Shared;
use super::snapshots::Snapshots;

/// Due timers taken per frame while events wait, so that a burst does not starve them.
const DUE_BESIDE_EVENTS_MAX: usize = 128;

/// How a drive ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The engine stops.
    Stopped,
    /// The partition is to go to another engine.
    GivenUp,
}

/// How long calls under way keep a stop.
const CALLS_MAY_FINISH: Duration = Duration::from_secs(5);
/// How long calls under way keep a partition from another engine; it serves on meanwhile.
const CALLS_MAY_STAY: Duration = Duration::from_secs(1);

/// How long those keep it that may not be repeated: whoever takes over could only ask a person what
/// became of them.
pub(crate) const SENT_ONCE_MAY_STAY: Duration = Duration::from_secs(18);
/// How often it is looked whether there are such calls still.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// One partition's loop.
pub(crate) struct Drive {
    shared: Arc<Shared>,
    partition: Partition,
    journal: Journal,
    dispatch: Dispatch,
    snapshots: Snapshots,
    tenure: Tenure,
    planner: Planner,
    arrivals: Arrivals,
    incarnation: u128,
    session: u64,
    /// The last stamp given: time never goes back inside a partition (01 §6).
    now: Timestamp,
    asks: Vec<Ask>,
    /// Inputs that did not fit the last frame, with their askers.
    left: Vec<(Stamped, Option<Asker>, Option<Place>)>,
    held: Held,
    /// Looks, and how many inputs told before them are still to be decided.
    reads: Vec<(usize, Read)>,
    /// Askers that want to hear how an instance goes on.
    awaiting: Awaiting,
    /// Whether the journal has gone.
    gone: oneshot::Receiver<Lost>,
}

impl Drive {
    pub(crate) fn new(
        shared: Arc<Shared>,
        partition: Partition,
        journal: Journal,
        incarnation: u128,
        gone: oneshot::Receiver<Lost>,
    ) -> Self {
        let id = partition.id();
        let session = shared.seat(id).begin_session();
        let dispatch = Dispatch::start(Arc::clone(&shared), id);
        let snapshots = Snapshots::new(Arc::clone(&shared), id, incarnation);
        let tenure = Tenure::new(shared.cluster.as_ref(), id);
        let planner = Planner::new(Arc::clone(&shared));
        let arrivals = Arrivals::new(Arc::clone(&shared), id, session);
        Self {
            shared,
            partition,
            journal,
            dispatch,
            snapshots,
            tenure,
            planner,
            arrivals,
            incarnation,
            session,
            now: Timestamp(0),
            asks: Vec::new(),
            left: Vec::new(),
            held: Held::default(),
            reads: Vec::new(),
            awaiting: Awaiting::default(),
            gone,
        }
    }

    /// Runs until the engine stops, the partition is given up, or it is lost.
    pub(crate) async fn run(mut self, asks: &mut mpsc::Receiver<Ask>) -> Result<End, Lost> {
        let outcome = self.serve(asks).await;
        // What no frame has met is not done.
        let left = std::mem::take(&mut self.left).into_iter();
        left.map(|(input, asker, _)| Ask::Input(Box::new(input.input), asker)).for_each(not_here);
        std::mem::take(&mut self.asks).into_iter().for_each(not_here);
        outcome
    }

    async fn serve(&mut self, asks: &mut mpsc::Receiver<Ask>) -> Result<End, Lost> {
        self.resend();
        self.shared.seat(self.partition.id()).serve(self.mark());
        let (mut leaves, mut last) = (None, None);
        loop {
            match self.tenure.standing() {
                Standing::Held => {}
                Standing::Lost => return Err(Lost::Gone),
                Standing::Yielding => {
                    let now = tokio::time::Instant::now();
                    let last = *last.get_or_insert(now + SENT_ONCE_MAY_STAY);
                    let end = *leaves.get_or_insert(now + CALLS_MAY_STAY);
                    if self.dispatch.calls().is_empty() {
                        // The last answers came with the end of their calls.
                        self.drain(asks).await?;
                        if self.dispatch.calls().is_empty() {
                            return Ok(self.give_up(asks));
                        }
                    }
                    if now >= end {
                        if now >= last || self.partition.calls_sent_once().is_empty() {
                            return Ok(self.give_up(asks));
                        }
                        leaves = Some(now + LOOK_AGAIN);
                    }
                }
            }
            if !self.collect(asks, leaves).await? {
                break;
            }
            self.turn().await?;
        }
        // What was accepted before the stop is still decided: nothing acknowledged waits in memory.
        self.drain(asks).await?;
        if !self.tenure.has_company() {
            self.finish_calls(asks).await?;
            self.dispatch.stop().await;
            self.snapshots.finish(&self.partition, &mut self.journal).await;
        }
        self.shared.seat(self.partition.id()).retire(SeatState::Stopped, self.mark());
        Ok(End::Stopped)
    }

    /// Nothing more is decided here: whoever waits asks the next owner.
    fn give_up(&self, asks: &mut mpsc::Receiver<Ask>) -> End {
        let seat = self.shared.seat(self.partition.id());
        seat.retire(SeatState::Elsewhere(None), self.mark());
        while let Ok(ask) = asks.try_recv() {
            not_here(ask);
        }
        End::GivenUp
    }

    /// Decides what waits in the queue now.
    async fn drain(&mut self, asks: &mut mpsc::Receiver<Ask>) -> Result<(), Lost> {
        while let Ok(ask) = asks.try_recv() {
            self.asks.push(ask);
        }
        self.turn().await?;
        while !self.left.is_empty() {
            self.turn().await?;
        }
        Ok(())
    }

    /// Calls under way may finish and be recorded, for a while.
    async fn finish_calls(&mut self, asks: &mut mpsc::Receiver<Ask>) -> Result<(), Lost> {
        let end = tokio::time::Instant::now() + CALLS_MAY_FINISH;
        loop {
            let calls = self.dispatch.calls();
            let goes_on = tokio::select! {
                biased;
                () = tokio::time::sleep_until(end) => false,
                () = calls.wait() => false,
                taken = asks.recv_many(&mut self.asks, self.shared.config.batch_limit) => taken > 0,
            };
            if !goes_on {
                // The last answers came with the end of their calls.
                self.drain(asks).await?;
                return Ok(());
            }
            self.turn().await?;
        }
    }

    /// Waits for something to do, at most until `end` where calls end a tenure; false when the
    /// engine stops. A journal that went away meanwhile is an error.
    async fn collect(
        &mut self,
        asks: &mut mpsc::Receiver<Ask>,
        end: Option<tokio::time::Instant>,
    ) -> Result<bool, Lost> {
        let limit = self.shared.config.batch_limit;
        if !self.left.is_empty() || self.snapshots.has_work() {
            while self.asks.len() < limit
                && let Ok(ask) = asks.try_recv()
            {
                self.asks.push(ask);
            }
            return Ok(!self.shared.stop.is_cancelled());
        }
        let (due, waits) = self.next_due();
        let (shared, id) = (Arc::clone(&self.shared), self.partition.id());
        let clock = &shared.config.clock;
        let calls = self.dispatch.calls();
        let over = async {
            match end {
                Some(end) => drop(tokio::time::timeout_at(end, calls.wait()).await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => return Ok(false),
            () = self.tenure.changed() => {}
            () = over => {}
            taken = asks.recv_many(&mut self.asks, limit) => {
                if taken == 0 { return Ok(false) }
            }
            () = clock.sleep_until(due.unwrap_or_default()), if due.is_some() => {}
            () = shared.seat(id).in_hand.told(), if waits => {}
            () = self.awaiting.due() => {}
            () = self.planner.changed() => {}
            Ok(lost) = &mut self.gone => return Err(lost),
        }
        Ok(true)
    }

    /// One frame: everything that is waiting, decided together.
    async fn turn(&mut self) -> Result<(), Lost> {
        self.now = self.now.max(self.shared.config.clock.now());
        self.awaiting.expire();
        let mut askers = Vec::with_capacity(self.asks.len() + self.left.len());
        let mut places = Vec::with_capacity(askers.capacity());
        let mut inputs = Vec::with_capacity(askers.capacity());
        for (stamped, asker, place) in std::mem::take(&mut self.left) {
            // One before it in the same batch may have been refused.
            if !self.held.holds(place) {
                inputs.push(stamped);
                askers.push(asker);
                places.push(place);
            }
        }
        for ask in std::mem::take(&mut self.asks) {
            match ask {
                Ask::Input(input, asker) => {
                    inputs.push(Stamped { input: *input, at: self.now });
                    askers.push(asker);
                    places.push(None);
                }
                Ask::Told(round, input, asker) => {
                    let place = |source| Place { source, round: round.number };
                    let place = position_of(&input).map(|position| place(position.source));
                    if round.session != self.session || self.held.holds(place) {
                        // The reader sees its question dropped, and goes back.
                        continue;
                    }
                    inputs.push(Stamped { input: *input, at: self.now });
                    askers.push(Some(asker));
                    places.push(place);
                }
                Ask::Read(read) => self.reads.push((inputs.len(), read)),
                Ask::Heard(heard) => {
                    if self.arrivals.reached(heard) {
                        self.partition.deaf_until(heard.until);
                    }
                }
            }
        }
        // What is due is offered again only when nothing of it is left over from the last frame.
        let due_max = match inputs.is_empty() {
            true => self.shared.config.batch_limit,
            false if inputs.iter().any(|one| is_own(&one.input)) => 0,
            false => DUE_BESIDE_EVENTS_MAX,
        };
        for input in self.due(due_max) {
            inputs.push(Stamped { input, at: self.now });
            askers.push(None);
            places.push(None);
        }
        let mut decided = inputs.len();
        if !inputs.is_empty() {
            self.commit(inputs, askers, places).await?;
            decided -= self.left.len();
        }
        if !self.reads.is_empty() && !self.tenure.is_certain() {
            // Another engine may have decided since: whoever looks has to look there.
            self.reads.clear();
        }
        // Who looks sees all that was told before, also what did not fit the frame.
        for (behind, read) in std::mem::take(&mut self.reads) {
            match behind.saturating_sub(decided) {
                0 => read(&self.partition),
                behind => self.reads.push((behind, read)),
            }
        }
        self.snapshots.turn(&self.partition, &mut self.journal).await;
        Ok(())
    }

    async fn commit(
        &mut self,
        inputs: Vec<Stamped>,
        mut askers: Vec<Option<Asker>>,
        mut places: Vec<Option<Place>>,
    ) -> Result<(), Lost> {
        let index = self.shared.definitions.index();
        let held = self.shared.providers.with_held(&index.definitions);
        let definitions = held.as_ref().unwrap_or(&index.definitions);
        let batch = self.partition.decide(definitions, inputs);
        if batch.frame.is_none() && !self.tenure.is_certain() {
            // Answers out of memory alone are looks: another engine may know better.
            self.held.hold_back(&places);
            refer(askers);
            return Ok(());
        }
        for (done, place) in batch.results.iter().zip(&places) {
            if matches!(done.outcome, Outcome::Busy { .. }) {
                self.held.hold_back(std::slice::from_ref(place));
            }
        }
        if let Some(frame) = batch.frame {
            self.snapshots.note(frame.len());
            if let Err(lost) = self.journal.append(frame).await {
                if self.tenure.is_shared() && matches!(lost, Lost::Fenced { .. }) {
                    // The frame cannot be stored any more, so nothing was done for anybody.
                    refer(askers);
                }
                return Err(lost);
            }
            self.shared.seat(self.partition.id()).advance(self.mark());
        }
        let taken = batch.results.len().min(askers.len());
        let left = askers.split_off(taken).into_iter().zip(places.split_off(taken));
        let left = batch.left.into_iter().zip(left);
        self.left = left.map(|(input, (asker, place))| (input, asker, place)).collect();
        let mut hearings = Hearings::default();
        for (done, asker) in batch.results.into_iter().zip(askers) {
            self.release(done, asker, &mut hearings);
        }
        Ok(())
    }

    const fn mark(&self) -> Mark {
        Mark {
            incarnation: self.incarnation,
            sequence: self.journal.position(),
            epoch: self.partition.epoch(),
        }
    }
}
