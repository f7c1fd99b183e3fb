//! [`Log`] whose appends may end in `Unknown`.

use bytes::Bytes;

use super::faults::{Dice, Fate};
use crate::{Appended, Entry, Error, Tail, memory};

/// A handle to a log of a simulated bus.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    inner: memory::Log,
    dice: Dice,
}

impl Log {
    pub(super) const fn new(inner: memory::Log, dice: Dice) -> Self {
        Self { inner, dice }
    }

    pub(crate) async fn append(&self, expected: u64, frame: Bytes) -> Result<Appended, Error> {
        let fate = self.dice.append();
        self.dice.delay().await;
        let outcome = match fate {
            Fate::Told => self.inner.append(expected, frame)?,
            Fate::LandedUntold => {
                // Whether it was fenced is as unknown as whether it landed.
                self.inner.append(expected, frame)?;
                Appended::Unknown
            }
            Fate::Lost => Appended::Unknown,
        };
        self.dice.delay().await;
        Ok(outcome)
    }

    pub(crate) async fn read_from(
        &self,
        sequence: u64,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.dice.delay().await;
        self.inner.read_from(sequence, max_bytes)
    }

    pub(crate) fn tail(&self) -> Result<Tail, Error> {
        self.inner.tail()
    }

    pub(crate) fn trim(&self, before: u64) -> Result<(), Error> {
        self.inner.trim(before)
    }

    pub(crate) fn destroy(&self) -> Result<(), Error> {
        self.inner.destroy()
    }
}
