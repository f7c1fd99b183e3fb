//! The journal's writer: one frame in flight, compare-and-append, never a guess (01 §1, rule 4).

use bytes::Bytes;
use gearshift_bus::{Appended, Log};
use gearshift_machine::partition::{FrameHead, peek};

use super::error::Error;

/// Appends the frames of one epoch of one partition.
#[derive(Debug)]
pub(crate) struct Journal {
    log: Log,
    partition: u16,
    epoch: u64,
    /// The sequence of the last entry that we know of, ours or a stray one.
    last: u64,
}

/// Why a frame did not become ours.
#[derive(Debug)]
pub(crate) enum Lost {
    /// A newer owner wrote its epoch; drop the partition at once.
    Fenced {
        /// Its epoch.
        epoch: u64,
    },
    /// The bus failed for good; rebuild from the journal later.
    Failed(Error),
}

impl From<gearshift_bus::Error> for Lost {
    fn from(error: gearshift_bus::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// Entries read at once while finding out what happened, in bytes.
const READ_BYTES: usize = 4 * 1_024 * 1_024;
/// Identical resends before the bus counts as failed.
const RESENDS_MAX: u32 = 8;

impl Journal {
    pub(crate) fn new(log: Log, partition: u16, epoch: u64, last: u64) -> Self {
        Self { log, partition, epoch, last }
    }

    /// The sequence of the last entry.
    pub(crate) const fn position(&self) -> u64 {
        self.last
    }

    pub(crate) const fn log(&self) -> &Log {
        &self.log
    }

    /// Appends `frame`; returns its sequence once it is durable and known to be ours.
    pub(crate) async fn append(&mut self, frame: Vec<u8>) -> Result<u64, Lost> {
        let frame = Bytes::from(frame);
        for _ in 0..RESENDS_MAX {
            match self.log.append(self.last, frame.clone()).await {
                Ok(Appended::Stored(sequence)) => {
                    self.last = sequence;
                    return Ok(sequence);
                }
                Ok(Appended::Fenced { .. } | Appended::Unknown) => {
                    if let Some(sequence) = self.find(&frame).await? {
                        self.last = sequence;
                        return Ok(sequence);
                    }
                }
                Err(error) if error.is_retryable() => {
                    tracing::warn!(partition = self.partition, %error, "append failed, looking");
                    if let Some(sequence) = self.find(&frame).await? {
                        self.last = sequence;
                        return Ok(sequence);
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Lost::Failed(Error::Unavailable(format!(
            "frame of partition {} was not confirmed after {RESENDS_MAX} attempts",
            self.partition
        ))))
    }

    /// Looks for `frame` behind the last known entry. `None`: it is not there and may be sent
    /// again, at the new end where only strangers' entries came in between.
    async fn find(&mut self, frame: &Bytes) -> Result<Option<u64>, Lost> {
        loop {
            let entries = self.log.read_from(self.last + 1, READ_BYTES).await?;
            if entries.is_empty() {
                return Ok(None);
            }
            for entry in entries {
                if entry.frame == *frame {
                    return Ok(Some(entry.sequence));
                }
                match peek(&entry.frame) {
                    Some(FrameHead { partition, epoch })
                        if partition == self.partition && epoch > self.epoch =>
                    {
                        return Err(Lost::Fenced { epoch });
                    }
                    Some(_) | None => {
                        tracing::warn!(
                            partition = self.partition,
                            sequence = entry.sequence,
                            "foreign entry in the journal, adopted and skipped"
                        );
                        self.last = entry.sequence;
                    }
                }
            }
        }
    }
}
