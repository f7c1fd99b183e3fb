//! Capture: the inbox holds exactly the subjects that definitions name, whoever deploys.
//!
//! A server cannot compare before it changes what a stream captures, so engines take turns: a late
//! writer would take subjects away that another one just added, and messages would be lost.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{ErrorKind, Swapped};
use gearshift_machine::definition::model::Definition;

use super::plan::INBOX;
use crate::runtime::clock::monotonic;
use crate::runtime::error::Error;
use crate::runtime::shared::Shared;

/// The key of whose turn it is.
const TURN: &str = "turn";
/// How long a turn may take; a dead engine's ends by itself.
const TURN_MAX: Duration = Duration::from_secs(10);
/// How long an engine waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// Wait before it is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// This engine's turn to change what is captured.
pub(super) struct Turn<'a> {
    shared: &'a Shared,
    is_taken: bool,
}

impl<'a> Turn<'a> {
    pub(super) async fn wait(shared: &'a Shared) -> Result<Self, Error> {
        if !shared.definitions.is_shared() {
            return Ok(Self { shared, is_taken: false });
        }
        let name = Bytes::from(shared.config.name.clone());
        let end = monotonic() + WAIT_MAX;
        loop {
            let bucket = &shared.intake.bucket;
            let swapped = bucket.compare_and_set_expiring(TURN, 0, name.clone(), TURN_MAX).await?;
            if let Swapped::Stored(_) = swapped {
                return Ok(Self { shared, is_taken: true });
            }
            if monotonic() > end {
                let reason = "another engine is deploying and does not come to an end; try again";
                return Err(Error::Unavailable(reason.to_owned()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub(super) async fn end(self) {
        if self.is_taken
            && let Err(error) = self.shared.intake.bucket.delete(TURN).await
        {
            tracing::warn!(%error, "the turn to capture subjects ends late");
        }
    }
}

/// Captures what all known definitions name, and what `also` will; only in this engine's turn.
///
/// # Errors
/// [`Error::SubjectHeld`] where a subject cannot be captured; nothing was changed then.
pub(super) async fn capture(shared: &Shared, also: Option<&Arc<Definition>>) -> Result<(), Error> {
    let inbox = shared.bus.inbox(INBOX).await?;
    loop {
        shared.definitions.refresh().await?;
        let patterns = shared.definitions.index().captured(also)?;
        let held = inbox.capture(&patterns).await.map_err(refused)?;
        shared.agree_on_plan(held).await?;
        // Not only in turns: an engine that took too long for its own may have been overtaken.
        if !shared.definitions.refresh().await? {
            return Ok(());
        }
    }
}

fn refused(error: gearshift_bus::Error) -> Error {
    use ErrorKind::{InvalidSubject, Overlap};
    if matches!(error.kind(), Overlap { .. } | InvalidSubject { .. }) {
        return Error::SubjectHeld(error.to_string());
    }
    Error::Bus(error)
}
