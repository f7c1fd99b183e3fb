//! [`Inbox`] whose publishes may end in `Unknown`.

use super::faults::{Dice, Fate};
use crate::{Delivered, Error, ErrorKind, Message, SubjectPattern, Tail, memory};

/// A handle to an inbox of a simulated bus.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    inner: memory::Inbox,
    dice: Dice,
}

impl Inbox {
    pub(super) const fn new(inner: memory::Inbox, dice: Dice) -> Self {
        Self { inner, dice }
    }

    pub(crate) fn capture(&self, patterns: &[SubjectPattern]) -> Result<(), Error> {
        self.inner.capture(patterns)
    }

    pub(crate) async fn publish(&self, message: &Message) -> Result<u64, Error> {
        let fate = self.dice.inbox();
        self.dice.delay().await;
        let outcome = match fate {
            Fate::Told => self.inner.publish(message),
            Fate::LandedUntold => {
                self.inner.publish(message)?;
                Err(ErrorKind::Unknown.into())
            }
            Fate::Lost => Err(ErrorKind::Unknown.into()),
        };
        self.dice.delay().await;
        outcome
    }

    pub(crate) async fn read_from(&self, cursor: u64, max: usize) -> Result<Vec<Delivered>, Error> {
        self.dice.delay().await;
        self.inner.read_from(cursor, max)
    }

    pub(crate) async fn wait_beyond(&self, sequence: u64) -> Result<u64, Error> {
        self.inner.wait_beyond(sequence).await
    }

    pub(crate) fn tail(&self) -> Result<Tail, Error> {
        self.inner.tail()
    }

    pub(crate) fn trim(&self, before: u64) -> Result<(), Error> {
        self.inner.trim(before)
    }
}
