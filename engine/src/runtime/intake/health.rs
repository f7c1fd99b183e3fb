//! [`IntakeHealth`]: how far the sources are read, and why one is not.

use std::time::Duration;

use super::plan::INBOX;
use crate::runtime::error::Error;
use crate::runtime::handle::Handle;
use crate::runtime::shared::Shared;

/// Between two looks how far the inbox was read.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How a source of events is doing, for health reports.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IntakeHealth {
    /// Its number in cursors, 0 where it has none yet.
    pub source: u16,
    /// The stream: `events` is our own inbox.
    pub stream: String,
    /// Everything up to this sequence was taken by the partitions that this engine serves.
    pub position: u64,
    /// How many sequences lie between that and the stream's end when it was last looked at.
    pub lag: u64,
    /// Why nothing is read from it, with a code where only a person can help.
    pub reason: Option<String>,
}

impl Handle {
    /// How the sources of bare events are doing, as this engine reads them.
    #[must_use]
    pub fn intake(&self) -> Vec<IntakeHealth> {
        self.0.intake.health().values().cloned().collect()
    }
}

impl Shared {
    /// Changes what is said of a source.
    pub(super) fn note(&self, stream: Option<&str>, change: impl FnOnce(&mut IntakeHealth)) {
        let name = stream.unwrap_or(INBOX);
        // A foreign stream may have the inbox's name.
        let key = if stream.is_some() { format!("foreign {name}") } else { name.to_owned() };
        let mut health = self.intake.health();
        let entry = health.entry(key).or_default();
        if entry.stream.is_empty() {
            name.clone_into(&mut entry.stream);
        }
        change(entry);
    }

    /// Returns once the partitions of this engine have taken what the inbox holds now.
    pub(in crate::runtime) async fn inbox_taken(&self) -> Result<(), Error> {
        let last = self.inbox_of(None).await?.tail().await?.last;
        let taken = || self.intake.health().get(INBOX).map_or(0, |health| health.position);
        while taken() < last {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// A source is read no more.
    pub(super) fn forget(&self, stream: &str) {
        self.intake.health().remove(&format!("foreign {stream}"));
    }
}
