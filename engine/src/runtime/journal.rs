//! The journal's writer: one frame in flight, compare-and-append, never a guess (01 §1, rule 4).

use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Appended, Log};
use gearshift_machine::partition::{Inspected, inspect};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::clock::span;
use super::cluster::Tenure;
use super::error::Error;

/// Appends the frames of one epoch of one partition.
pub(crate) struct Journal {
    log: Log,
    partition: u16,
    epoch: u64,
    ending: Ending,
    /// The sequence of the last entry that we know of, ours or a stray one.
    last: u64,
}

/// Why a frame did not become ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Lost {
    /// Another owner wrote its epoch; drop the partition at once.
    #[error("another engine took over in epoch {epoch}")]
    Fenced {
        /// Its epoch.
        epoch: u64,
    },
    /// The owner before us wrote on while we replayed; replay again before opening an epoch.
    #[error("the owner before writes on")]
    Behind,
    /// Another engine has the partition now; it decides what becomes of it.
    #[error("another engine has the partition")]
    Gone,
    /// The bus failed for good; rebuild from the journal later.
    #[error(transparent)]
    Failed(Error),
}

impl From<gearshift_bus::Error> for Lost {
    fn from(error: gearshift_bus::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// What ends the wait for the fate of a frame.
pub(crate) struct Ending {
    /// The bus counts as failed.
    pub(crate) after: Duration,
    /// The engine stops.
    pub(crate) stop: CancellationToken,
    /// Another engine has the partition.
    pub(crate) tenure: Tenure,
}

/// Entries read at once while finding out what happened, in bytes.
const READ_BYTES: usize = 4 * 1_024 * 1_024;
/// Wait before the third resend, doubled before each of the later ones.
const RESEND_AFTER: Duration = Duration::from_millis(2);
/// The longest wait before a resend.
const RESEND_AFTER_MAX: Duration = Duration::from_secs(1);
/// Resends that are made whatever ends meanwhile: they take an eighth of a second, and leave less
/// unknown.
const RESENDS_MIN: u32 = 8;

impl Journal {
    pub(crate) fn new(log: Log, partition: u16, epoch: u64, last: u64, ending: Ending) -> Self {
        Self { log, partition, epoch, ending, last }
    }

    /// The sequence of the last entry.
    pub(crate) const fn position(&self) -> u64 {
        self.last
    }

    pub(crate) const fn log(&self) -> &Log {
        &self.log
    }

    /// Appends the frame that opens our epoch: it names the frame before it, so nothing of an
    /// owner before us may stand between what was replayed and it.
    pub(crate) async fn open(&mut self, frame: Vec<u8>) -> Result<u64, Lost> {
        self.send(frame, true).await
    }

    /// Appends `frame`; returns its sequence once it is durable and known to be ours.
    pub(crate) async fn append(&mut self, frame: Vec<u8>) -> Result<u64, Lost> {
        self.send(frame, false).await
    }

    async fn send(&mut self, frame: Vec<u8>, opens: bool) -> Result<u64, Lost> {
        let frame = Bytes::from(frame);
        let began = Instant::now();
        let mut resends = 0;
        loop {
            self.pause(resends, began).await?;
            resends += 1;
            match self.log.append(self.last, frame.clone()).await {
                Ok(Appended::Stored(sequence)) => {
                    self.last = sequence;
                    return Ok(sequence);
                }
                Ok(Appended::Fenced { .. } | Appended::Unknown) => {}
                Err(error) if error.is_retryable() => {
                    tracing::warn!(partition = self.partition, %error, "append failed, looking");
                }
                Err(error) => return Err(error.into()),
            }
            if let Some(sequence) = self.find(&frame, opens).await? {
                self.last = sequence;
                return Ok(sequence);
            }
        }
    }

    /// Whoever answered twice with no result needs a moment: an election, a replica that lags.
    async fn pause(&mut self, resends: u32, began: Instant) -> Result<(), Lost> {
        let Some(doublings) = resends.checked_sub(2) else { return Ok(()) };
        let wait = RESEND_AFTER.saturating_mul(2_u32.saturating_pow(doublings));
        let wait = tokio::time::sleep(wait.min(RESEND_AFTER_MAX));
        if resends < RESENDS_MIN {
            wait.await;
            return Ok(());
        }
        let partition = self.partition;
        let failed = |why: &str| {
            let reason = format!("frame of partition {partition} was not confirmed {why}");
            Err(Lost::Failed(Error::Unavailable(reason)))
        };
        if began.elapsed() >= self.ending.after {
            return failed(&format!("within {}", span(self.ending.after)));
        }
        tokio::select! {
            biased;
            () = self.ending.stop.cancelled() => failed("before the engine stopped"),
            () = self.ending.tenure.lost() => Err(Lost::Gone),
            () = wait => Ok(()),
        }
    }

    /// Looks for `frame` behind the last known entry. `None`: it is not there and may be sent
    /// again, at the new end where only strangers' entries came in between.
    async fn find(&mut self, frame: &Bytes, opens: bool) -> Result<Option<u64>, Lost> {
        loop {
            let entries = self.log.read_from(self.last + 1, READ_BYTES).await?;
            if entries.is_empty() {
                return Ok(None);
            }
            for entry in entries {
                if entry.frame == *frame {
                    return Ok(Some(entry.sequence));
                }
                self.judge(inspect(&entry.frame), entry.sequence, opens)?;
                tracing::warn!(
                    partition = self.partition,
                    sequence = entry.sequence,
                    "foreign entry in the journal, adopted and skipped"
                );
                self.last = entry.sequence;
            }
        }
    }

    /// May somebody else's entry be skipped? Exactly what replay would skip, may: a partition
    /// that served on behind anything else would lose all that follows at its next start.
    fn judge(&self, entry: Inspected, sequence: u64, opens: bool) -> Result<(), Lost> {
        let corrupt = |reason: String| {
            Err(Lost::Failed(Error::JournalCorrupt { partition: self.partition, reason }))
        };
        match entry {
            Inspected::Foreign => Ok(()),
            Inspected::Unreadable(error) => {
                corrupt(format!("frame at sequence {sequence}: {error}"))
            }
            Inspected::Frame { partition, .. } if partition != self.partition => corrupt(format!(
                "frame at sequence {sequence} is of partition {partition}, not {}",
                self.partition
            )),
            // Of one epoch there is one writer, and its frames before this one are all known.
            Inspected::Frame { epoch, .. } if epoch >= self.epoch => Err(Lost::Fenced { epoch }),
            Inspected::Frame { .. } if opens => Err(Lost::Behind),
            Inspected::Frame { .. } => Ok(()),
        }
    }
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
