//! Restore: a partition out of its snapshot and the frames behind it. Evaluates nothing.

use crate::machine::{DecodeError, Reader};

use super::frame::{self, Chain, Head, Item, Opened};
use super::memory::Partition;
use super::snapshot::Snapshot;

/// Why a journal cannot be replayed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// The frame is damaged or does not follow the one before it.
    #[error("frame at sequence {sequence} is corrupt: {reason}")]
    Corrupt {
        /// Where it stands in the journal.
        sequence: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The frame was written by a newer program.
    #[error("frame at sequence {sequence}: {source}")]
    NewerVersion {
        /// Where it stands in the journal.
        sequence: u64,
        /// Which versions.
        source: DecodeError,
    },
    /// The frame stands at or before one that was applied already.
    #[error("frame at sequence {sequence} comes after the one at sequence {last}")]
    Order {
        /// Where it stands.
        sequence: u64,
        /// The last sequence told.
        last: u64,
    },
}

/// What became of one journal message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Its decisions are part of the partition.
    Frame,
    /// The snapshot has it already.
    Covered,
    /// A frame of an owner that was replaced before it landed; or the last frame once more.
    Stale,
    /// Not a frame of ours.
    Foreign,
}

/// A partition being restored.
#[derive(Debug)]
pub struct Restore {
    partition: Partition,
    snapshot: Option<Snapshot>,
    last: u64,
    foreign: u64,
    stale: u64,
}

impl Restore {
    /// Starts from `snapshot`, or from nothing.
    #[must_use]
    pub fn begin(id: u16, snapshot: Option<Snapshot>) -> Self {
        let (partition, snapshot) = match snapshot {
            Some(mut snapshot) => (snapshot.take_partition(), Some(snapshot)),
            None => (Partition::new(id), None),
        };
        let last = snapshot.as_ref().map_or(0, Snapshot::position);
        Self { partition, snapshot, last, foreign: 0, stale: 0 }
    }

    /// The sequence of the first message to apply: the one behind the snapshot.
    #[must_use]
    pub const fn next_sequence(&self) -> u64 {
        self.last + 1
    }

    /// Takes the journal message at `sequence`; they are told in order, gaps are foreign messages
    /// that the bus dropped.
    ///
    /// # Errors
    /// [`RestoreError`]: the journal is damaged or newer than this program.
    pub fn apply(&mut self, sequence: u64, bytes: &[u8]) -> Result<Applied, RestoreError> {
        let start = self.snapshot.as_ref().map_or(0, Snapshot::position);
        if sequence <= start {
            return Ok(Applied::Covered);
        }
        if sequence <= self.last {
            return Err(RestoreError::Order { sequence, last: self.last });
        }
        let corrupt = |reason: String| RestoreError::Corrupt { sequence, reason };
        let opened = frame::open(bytes).map_err(|source| match source {
            DecodeError::NewerVersion { .. } => RestoreError::NewerVersion { sequence, source },
            DecodeError::Short(_) | DecodeError::Invalid(_) | DecodeError::Trailing(_) => {
                corrupt(source.to_string())
            }
        })?;
        self.last = sequence;
        let Opened::Frame(head, items) = opened else {
            self.foreign += 1;
            return Ok(Applied::Foreign);
        };
        let id = self.partition.id;
        if head.partition != id {
            return Err(corrupt(format!("it is of partition {}, not {id}", head.partition)));
        }
        let chain = Chain::of(bytes);
        if head.epoch < self.partition.epoch || chain == self.partition.chain {
            self.stale += 1;
            return Ok(Applied::Stale);
        }
        self.follow(head).map_err(corrupt)?;
        if !head.opens {
            self.items(sequence, head, items).map_err(|error| corrupt(error.to_string()))?;
            self.partition.recorded_at = head.at;
            self.partition.clock = self.partition.clock.max(head.at);
        }
        self.partition.epoch = head.epoch;
        self.partition.chain = chain;
        Ok(Applied::Frame)
    }

    /// Does the frame follow the last one? Else, why not.
    fn follow(&self, head: Head) -> Result<(), String> {
        let epoch = self.partition.epoch;
        if head.opens && head.epoch == epoch {
            return Err(format!("it opens epoch {epoch}, which is open"));
        }
        if !head.opens && head.epoch > epoch {
            return Err(format!("no frame opened its epoch {}; the last is {epoch}", head.epoch));
        }
        if head.previous != self.partition.chain {
            return Err("it names another frame as the one before it".to_owned());
        }
        Ok(())
    }

    fn items(&mut self, sequence: u64, head: Head, items: &[u8]) -> Result<(), DecodeError> {
        let mut from = Reader::new(items);
        let snapshot = self.snapshot.as_ref();
        while !from.rest().is_empty() {
            let item = Item::read(&mut from)?;
            self.partition.apply(item, head.at, &|key| {
                snapshot.is_some_and(|snapshot| sequence <= snapshot.covered(key))
            })?;
        }
        Ok(())
    }

    /// Journal messages that were not frames.
    #[must_use]
    pub const fn foreign(&self) -> u64 {
        self.foreign
    }

    /// Frames of replaced owners that were skipped.
    #[must_use]
    pub const fn stale(&self) -> u64 {
        self.stale
    }

    /// The partition, when all messages were told.
    #[must_use]
    pub fn finish(self) -> Partition {
        self.partition
    }
}
