//! Owns partitions: lease → mark → snapshot → replay → epoch frame → drive; again after a failure.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use gearshift_bus::{ErrorKind, Log, Tail};
use gearshift_machine::partition::{Partition, Restore, Snapshot};
use tokio::sync::{mpsc, oneshot, watch};

use super::asks::{Ask, not_here};
use super::cluster::{Right, Tenure};
use super::drive::{Drive, End};
use super::error::Error;
use super::journal::{Ending, Journal, Lost};
use super::marks;
use super::outage::Outage;
use super::remote::OwnerDoor;
use super::seat::SeatState;
use super::shared::Shared;
use super::snapshots;

/// Journal bytes read at once during recovery.
const READ_BYTES: usize = 4 * 1_024 * 1_024;
/// Wait before a partition that was lost is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How often an owner looks whether its journal is still there.
const LOOK_EVERY: Duration = Duration::from_secs(3);
/// Replays in a row because the owner before writes on; more means that it is alive and well.
const BEHIND_MAX: u32 = 16;
/// Looks at a journal that seems to be shorter than it was, or not to fit its snapshot, before that
/// is believed: replicas of a broker may lag behind right after an election.
const SHORT_LOOKS: u32 = 10;

/// One partition's owner, for as long as the engine runs.
struct Owner {
    shared: Arc<Shared>,
    id: u16,
    asks: mpsc::Receiver<Ask>,
    /// Replays in a row that were overtaken.
    behind: u32,
    /// Times in a row that the journal was too short.
    short: u32,
    /// The time since it could not be served here.
    outage: Outage,
}

/// What to do after a partition was not served, or is served no more.
enum Next {
    /// Try again now.
    Again,
    /// Try again in a while, for the reason given.
    Later(String),
    /// It is refused, for the reason given: only a person can say what happened.
    Refuse(String),
    /// The engine stops.
    Stop,
}

/// Drives partition `id` until the engine stops, whenever this engine has it.
pub(crate) async fn own(shared: Arc<Shared>, id: u16, asks: mpsc::Receiver<Ask>) {
    let mut owner = Owner { shared, id, asks, behind: 0, short: 0, outage: Outage::default() };
    while owner.has_the_right().await {
        let next = match Box::pin(owner.serve()).await {
            Ok(End::Stopped) => Next::Stop,
            Ok(End::GivenUp) => Next::Again,
            Err(lost) => owner.judge(lost).await,
        };
        match next {
            Next::Again => {}
            Next::Later(reason) => owner.wait(&reason).await,
            Next::Refuse(reason) => owner.refuse(&reason).await,
            Next::Stop => break,
        }
    }
    owner.shared.seat(id).close();
    // Nothing was done for whoever still waits: another engine may be asked.
    owner.asks.close();
    while let Ok(ask) = owner.asks.try_recv() {
        not_here(ask);
    }
    if let Some(cluster) = &owner.shared.cluster {
        cluster.release(id).await;
    }
}

impl Owner {
    /// Waits until this engine may serve the partition; false when it stops.
    async fn has_the_right(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        let Some(cluster) = &shared.cluster else { return !shared.stop.is_cancelled() };
        let seat = shared.seat(self.id);
        let mut right = cluster.right(self.id);
        while !shared.stop.is_cancelled() {
            let now = right.borrow_and_update().clone();
            match now {
                Right::Held => return true,
                Right::Yielding => {
                    // Nothing is under way any more.
                    seat.set(SeatState::Elsewhere(None));
                    cluster.release(self.id).await;
                    continue;
                }
                Right::Elsewhere(node) => {
                    (self.behind, self.short) = (0, 0);
                    self.outage = Outage::default();
                    // At the start nothing is known yet, which is not the same as free.
                    if node.is_some() || !seat.is_starting() {
                        seat.set(SeatState::Elsewhere(node));
                    }
                }
                Right::RefusedBy(node, reason) => {
                    seat.set(SeatState::Refused(format!("{reason} (says `{node}`)")));
                }
            }
            self.turn_away(&mut right).await;
        }
        false
    }

    /// Answers whoever asks here until the right changes or the engine stops.
    async fn turn_away(&mut self, right: &mut watch::Receiver<Right>) {
        loop {
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return,
                changed = right.changed() => {
                    if changed.is_ok() {
                        return;
                    }
                }
                ask = self.asks.recv() => match ask {
                    Some(ask) => not_here(ask),
                    None => return,
                }
            }
        }
    }

    /// Rebuilds the partition and drives it.
    async fn serve(&mut self) -> Result<End, Lost> {
        self.shared.seat(self.id).begin_recovery();
        let (partition, journal, incarnation) = Box::pin(recover(&self.shared, self.id)).await?;
        (self.behind, self.short) = (0, 0);
        if self.outage.ends() {
            tracing::warn!(partition = self.id, "partition is served again");
        }
        if let Some(cluster) = &self.shared.cluster {
            cluster.opened(self.id, partition.epoch());
        }
        let door = OwnerDoor::open(&self.shared, self.id).await.map_err(Lost::Failed)?;
        let shared = Arc::clone(&self.shared);
        let log = journal.log().clone();
        let (tell, gone) = oneshot::channel();
        let drive = Drive::new(shared, partition, journal, incarnation, gone);
        let ended = tokio::select! {
            biased;
            ended = drive.run(&mut self.asks) => ended,
            never = watch_over(&self.shared, self.id, &log, incarnation, tell) => match never {},
        };
        if let Err(lost) = &ended {
            // Before anything is looked up: nobody asks here what is decided elsewhere.
            self.shared.seat(self.id).set(SeatState::Recovering(lost.to_string()));
        }
        drop(door);
        if let (Ok(End::GivenUp), Some(cluster)) = (&ended, &self.shared.cluster) {
            cluster.release(self.id).await;
        }
        ended
    }

    async fn judge(&mut self, lost: Lost) -> Next {
        let error = match lost {
            Lost::Behind if self.behind < BEHIND_MAX && !self.shared.stop.is_cancelled() => {
                self.behind += 1;
                return Next::Again;
            }
            Lost::Behind => return Next::Later(lost.to_string()),
            Lost::Gone => return Next::Again,
            Lost::Fenced { epoch } => {
                // With others about, whoever has the lease goes on; the other looks elsewhere.
                if let Some(cluster) = &self.shared.cluster
                    && !cluster.still_holds(self.id).await
                {
                    return Next::Again;
                }
                return Next::Later(Lost::Fenced { epoch }.to_string());
            }
            Lost::Failed(error) => error,
        };
        // A journal that is set up otherwise stays so until a person sets it back (row C4).
        let is_other = is_set_up_otherwise(&error);
        let refusal = matches!(error, Error::LogBehindMark { .. } | Error::JournalCorrupt { .. });
        if !refusal && !is_other {
            return Next::Later(error.to_string());
        }
        if !is_other && self.may_lag() {
            self.short += 1;
            return Next::Later(error.to_string());
        }
        let (code, name) = error.code();
        Next::Refuse(format!("{code} {name}: {error}"))
    }

    /// May what was read of the journal be old? Only where it is kept by servers.
    fn may_lag(&self) -> bool {
        let nats = matches!(self.shared.bus.kind(), gearshift_bus::BackendKind::Nats);
        nats && self.short < SHORT_LOOKS
    }

    /// Lets some time pass; inputs wait in the queue meanwhile.
    async fn wait(&mut self, reason: &str) {
        if self.outage.begins() {
            tracing::error!(partition = self.id, reason, "partition is not served");
        } else {
            tracing::debug!(partition = self.id, reason, "partition is still not served");
        }
        self.shared.seat(self.id).set(SeatState::Recovering(reason.to_owned()));
        tokio::select! {
            biased;
            () = self.shared.stop.cancelled() => {}
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
    }

    /// Turns every asker away, the seat says why; until the engine stops or the partition is
    /// another's.
    async fn refuse(&mut self, reason: &str) {
        tracing::error!(partition = self.id, reason, "partition is not served");
        self.shared.seat(self.id).set(SeatState::Refused(reason.to_owned()));
        let mut right = self.shared.cluster.as_ref().map(|cluster| {
            cluster.refused(self.id, reason);
            cluster.right(self.id)
        });
        let held = |right: &Right| match right {
            Right::Held => true,
            Right::Yielding | Right::Elsewhere(_) | Right::RefusedBy(..) => false,
        };
        loop {
            let moved = async {
                match &mut right {
                    // The cluster lives as long as the engine.
                    Some(right) => drop(right.wait_for(|right| !held(right)).await),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return,
                () = moved => return,
                ask = self.asks.recv() => match ask {
                    Some(ask) => not_here(ask),
                    None => return,
                }
            }
        }
    }
}

/// Looks whether the log is still the one that is written to, as long as it was, and tells once it
/// is not: an owner that decides nothing would not notice. Who does not answer says nothing.
async fn watch_over(
    shared: &Shared,
    id: u16,
    log: &Log,
    incarnation: u128,
    tell: oneshot::Sender<Lost>,
) -> Infallible {
    let lost = loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let mark = shared.seat(id).mark().sequence;
        match log.tail().await {
            Ok(tail) if tail.incarnation == incarnation && tail.last >= mark => {}
            Ok(tail) => {
                let tail = tail.last;
                break Lost::Failed(Error::LogBehindMark { partition: id, tail, mark });
            }
            Err(error) if matches!(error.kind(), ErrorKind::NotFound { .. }) => break error.into(),
            Err(error) => tracing::debug!(partition = id, %error, "journal was not seen"),
        }
    };
    // The drive may have ended in this moment: then it says why itself.
    drop(tell.send(lost));
    std::future::pending().await
}

fn is_set_up_otherwise(error: &Error) -> bool {
    matches!(error, Error::Bus(error) if matches!(error.kind(), ErrorKind::Mismatch { .. }))
}

/// Rebuilds the partition: snapshot + replay, then an epoch frame of our own.
async fn recover(shared: &Shared, id: u16) -> Result<(Partition, Journal, u128), Lost> {
    let log = shared.bus.log(&format!("journal-{id}")).await?;
    let tail = log.tail().await?;
    let snapshot = Box::pin(confirmed(shared, id, &tail)).await.map_err(Lost::Failed)?;
    let start = snapshot.as_ref().map_or(1, |snapshot| snapshot.position() + 1);
    let corrupt = |reason: String| Lost::Failed(Error::JournalCorrupt { partition: id, reason });
    if start <= tail.last && start < tail.first {
        return Err(corrupt(format!("begins at {} but replay needs {start}", tail.first)));
    }
    let mut restore = Restore::begin(id, snapshot);
    let mut last = start.max(tail.first) - 1;
    // To the end as it is now, not as it was: the owner before may still be writing.
    loop {
        let read = log.read_from(last + 1, READ_BYTES).await;
        let entries = read.map_err(|error| {
            // Bytes that are not those that were written come back by no waiting.
            let is_damage = matches!(error.kind(), ErrorKind::Corrupt { .. });
            if is_damage { corrupt(error.to_string()) } else { error.into() }
        })?;
        let Some(newest) = entries.last() else { break };
        last = newest.sequence;
        for entry in &entries {
            let applied = restore.apply(entry.sequence, &entry.frame);
            applied.map_err(|error| corrupt(error.to_string()))?;
        }
        // Replay is CPU work: let the others have their turn.
        tokio::task::yield_now().await;
    }
    if let Some(cluster) = &shared.cluster
        && *cluster.right(id).borrow() != Right::Held
    {
        return Err(Lost::Gone);
    }
    let mut partition = restore.finish();
    let epoch = partition.epoch() + 1;
    let tenure = Tenure::new(shared.cluster.as_ref(), id);
    let after = shared.config.frame_wait;
    let ending = Ending { after, stop: shared.stop.clone(), tenure };
    let mut journal = Journal::new(log, id, epoch, last, ending);
    // Two engines may open the same epoch at once: their frames must differ, or both would take
    // the one that is stored for their own.
    let owner = format!("{} {}", shared.config.name, uuid::Uuid::new_v4().simple());
    journal.open(partition.epoch_frame(epoch, &owner)).await?;
    // Instances may run on what another engine deployed while this one did not look.
    shared.definitions.refresh().await.map_err(Lost::Failed)?;
    Ok((partition, journal, tail.incarnation))
}

/// The snapshot to go on from, where the journal is as long as it was confirmed to be; or where a
/// person accepts what is missing.
async fn confirmed(shared: &Shared, id: u16, tail: &Tail) -> Result<Option<Snapshot>, Error> {
    let found = match marks::check(shared, id, tail).await {
        Ok(()) => snapshots::latest(shared, id, tail).await,
        Err(error) => Err(error),
    };
    let accepts = shared.config.accept_lost.contains(&id) && !shared.seat(id).was_served();
    match found {
        Err(error @ Error::LogBehindMark { .. }) if accepts => {
            tracing::warn!(partition = id, %error, "accepted: what is missing is lost");
            marks::forget(shared, id).await?;
            snapshots::forget_foreign(shared, id, tail).await?;
            snapshots::latest(shared, id, tail).await
        }
        found => found,
    }
}
