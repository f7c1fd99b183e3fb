//! Owns partitions: mark → snapshot → replay → epoch frame → drive; again after a failure.

use std::sync::Arc;
use std::time::Duration;

use gearshift_machine::partition::{Partition, Restore};
use tokio::sync::mpsc;

use super::drive::{Ask, Drive};
use super::error::Error;
use super::journal::{Journal, Lost};
use super::marks::Mark;
use super::seat::{Seat, SeatState};
use super::shared::Shared;
use super::snapshots;

/// Journal bytes read at once during recovery.
const READ_BYTES: usize = 4 * 1_024 * 1_024;
/// Wait before a partition that was lost is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Replays in a row because the owner before writes on; more means that it is alive and well.
const BEHIND_MAX: u32 = 16;

/// Drives partition `id` until the engine stops. A refusal (row E16) is final: only a person can
/// say what happened to the journal.
pub(crate) async fn own(shared: Arc<Shared>, id: u16, mut asks: mpsc::Receiver<Ask>) {
    let mut behind = 0;
    let mut held = None;
    loop {
        let lost = match recover(&shared, id).await {
            Ok((partition, journal, incarnation)) => {
                behind = 0;
                let drive = Drive::new(Arc::clone(&shared), partition, journal, incarnation, held);
                match drive.run(&mut asks, &mut held).await {
                    Ok(()) => return,
                    Err(lost) => lost,
                }
            }
            Err(lost) => lost,
        };
        let (reason, last) = match lost {
            Lost::Behind if behind < BEHIND_MAX && !shared.stop.is_cancelled() => {
                behind += 1;
                continue;
            }
            Lost::Behind => ("the owner before writes on".to_owned(), false),
            Lost::Fenced { epoch } => (format!("another engine took over in epoch {epoch}"), false),
            Lost::Failed(error) => {
                let refusal =
                    matches!(error, Error::LogBehindMark { .. } | Error::JournalCorrupt { .. });
                let (code, name) = error.code();
                let told =
                    if refusal { format!("{code} {name}: {error}") } else { error.to_string() };
                (told, refusal)
            }
        };
        tracing::error!(partition = id, reason, "partition is not served");
        shared.seat(id).set(if last {
            SeatState::Refused(reason.clone())
        } else {
            SeatState::Recovering(reason.clone())
        });
        if last {
            refuse_all(&shared, &mut asks, &reason).await;
            return;
        }
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(RETRY_AFTER) => {}
        }
    }
}

/// Answers every asker of a refused partition by dropping its question: the seat says why.
async fn refuse_all(shared: &Shared, asks: &mut mpsc::Receiver<Ask>, reason: &str) {
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            ask = asks.recv() => {
                if ask.is_none() {
                    return;
                }
                tracing::debug!(reason, "question to a refused partition");
            }
        }
    }
}

/// Rebuilds the partition: snapshot + replay, then an epoch frame of our own.
async fn recover(shared: &Shared, id: u16) -> Result<(Partition, Journal, u128), Lost> {
    let log = shared.bus.log(&format!("journal-{id}")).await?;
    let tail = log.tail().await?;
    check_mark(shared.mark(id), id, tail.last, tail.incarnation).map_err(Lost::Failed)?;
    let snapshot = snapshots::latest(shared, id, tail.last).await.map_err(Lost::Failed)?;
    let start = snapshot.as_ref().map_or(1, |snapshot| snapshot.position() + 1);
    let corrupt = |reason: String| Lost::Failed(Error::JournalCorrupt { partition: id, reason });
    if start <= tail.last && start < tail.first {
        return Err(corrupt(format!("begins at {} but replay needs {start}", tail.first)));
    }
    let mut restore = Restore::begin(id, snapshot);
    let mut last = start.max(tail.first) - 1;
    // To the end as it is now, not as it was: the owner before may still be writing.
    loop {
        let entries = log.read_from(last + 1, READ_BYTES).await?;
        let Some(newest) = entries.last() else { break };
        last = newest.sequence;
        for entry in &entries {
            let applied = restore.apply(entry.sequence, &entry.frame);
            applied.map_err(|error| corrupt(error.to_string()))?;
        }
        // Replay is CPU work: let the others have their turn.
        tokio::task::yield_now().await;
    }
    let mut partition = restore.finish();
    let epoch = partition.epoch() + 1;
    let mut journal = Journal::new(log, id, epoch, last);
    // Two engines may open the same epoch at once: their frames must differ, or both would take
    // the one that is stored for their own.
    let owner = format!("{} {}", shared.config.name, uuid::Uuid::new_v4().simple());
    journal.open(partition.epoch_frame(epoch, &owner)).await?;
    Ok((partition, journal, tail.incarnation))
}

fn check_mark(mark: Option<Mark>, id: u16, last: u64, incarnation: u128) -> Result<(), Error> {
    let Some(mark) = mark else { return Ok(()) };
    if last < mark.sequence || (mark.sequence > 0 && incarnation != mark.incarnation) {
        return Err(Error::LogBehindMark { partition: id, tail: last, mark: mark.sequence });
    }
    Ok(())
}

impl Seat {
    fn set(&self, state: SeatState) {
        *self.lock() = state;
    }
}
