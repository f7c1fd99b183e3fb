//! [`Search`]: looking for whoever serves a partition.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::route::Way;
use crate::runtime::clock::span;
use crate::runtime::error::Error;
use crate::runtime::seat::SeatState;
use crate::runtime::shared::Shared;

/// Wait before an owner is looked for again; a change of the seat ends it at once.
pub(super) const TRY_AGAIN: Duration = Duration::from_millis(25);
/// The same for those who look for longer than most do: there may be many of them.
const TRY_LATER: Duration = Duration::from_secs(1);

/// A search for whoever serves a partition, bounded by [`EngineConfig::owner_wait`] for those who
/// do not say otherwise.
///
/// [`EngineConfig::owner_wait`]: crate::runtime::EngineConfig::owner_wait
pub(super) struct Search<'a> {
    shared: &'a Shared,
    partition: u16,
    changes: watch::Receiver<SeatState>,
    began: Instant,
    end: Instant,
}

impl<'a> Search<'a> {
    pub(super) fn begin(shared: &'a Shared, partition: u16) -> Self {
        Self::until(shared, partition, Instant::now() + shared.config.owner_wait)
    }

    /// The same for those who have until then.
    pub(super) fn until(shared: &'a Shared, partition: u16, end: Instant) -> Self {
        let changes = shared.seat(partition).subscribe();
        Self { shared, partition, changes, began: Instant::now(), end }
    }

    /// Waits until another try makes sense.
    ///
    /// # Errors
    /// [`Error::Unavailable`] once the time is up; nothing was done.
    pub(super) async fn again(&mut self) -> Result<(), Error> {
        let left = self.end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(self.given_up());
        }
        let is_long = self.began.elapsed() > self.shared.config.owner_wait;
        let pause = if is_long { TRY_LATER } else { TRY_AGAIN };
        // A change within the pause ends it; a seat outlives its searches.
        let changed = tokio::time::timeout(left.min(pause), self.changes.changed()).await;
        drop(changed);
        Ok(())
    }

    fn given_up(&self) -> Error {
        let partition = self.partition;
        let waited = span(self.shared.config.owner_wait);
        let reason = match self.shared.way(partition) {
            Way::Nowhere(reason) => reason,
            Way::Here | Way::There => "nobody serves it".to_owned(),
            Way::Never(error) => return error,
        };
        Error::Unavailable(format!(
            "partition {partition} was not served within {waited}: {reason}"
        ))
    }
}
