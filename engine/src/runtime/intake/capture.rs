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
/// What the key says where it is nobody's turn.
const FREE: &[u8] = b"-free-";
/// How long it says so, before it goes.
const FREE_MAX: Duration = Duration::from_secs(1);
/// How long a turn may take; a dead engine's ends by itself.
const TURN_MAX: Duration = Duration::from_secs(10);
/// How long an engine waits for its turn.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// Wait before it is looked again.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// This engine's turn to change what is captured.
pub(super) struct Turn<'a> {
    shared: &'a Shared,
    /// The write that took it; `None` where nobody else deploys.
    taken: Option<u64>,
}

impl<'a> Turn<'a> {
    pub(super) async fn wait(shared: &'a Shared) -> Result<Self, Error> {
        if !shared.definitions.is_shared() {
            return Ok(Self { shared, taken: None });
        }
        let name = Bytes::from(shared.config.name.clone());
        let end = monotonic() + WAIT_MAX;
        let mut met = (0, monotonic());
        loop {
            let bucket = &shared.intake.bucket;
            let expected = match bucket.get(TURN).await? {
                None => Some(0),
                Some(known) => {
                    if known.revision != met.0 {
                        met = (known.revision, monotonic());
                    }
                    // A server that was killed may forget that it was to expire.
                    let is_over = met.1.elapsed() > TURN_MAX;
                    (known.value == FREE || is_over).then_some(known.revision)
                }
            };
            if let Some(expected) = expected {
                let name = name.clone();
                let swapped = bucket.compare_and_set_expiring(TURN, expected, name, TURN_MAX);
                if let Swapped::Stored(revision) = swapped.await? {
                    return Ok(Self { shared, taken: Some(revision) });
                }
            }
            if monotonic() > end {
                let reason = "another engine is deploying and does not come to an end; try again";
                return Err(Error::Unavailable(reason.to_owned()));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    pub(super) async fn end(self) {
        let Some(revision) = self.taken else { return };
        let bucket = &self.shared.intake.bucket;
        // By comparison: one that took too long may be another engine's turn by now.
        let free = Bytes::from_static(FREE);
        match bucket.compare_and_set_expiring(TURN, revision, free, FREE_MAX).await {
            Ok(Swapped::Stored(_)) => {}
            Ok(Swapped::Conflict { .. }) => {
                tracing::warn!("the turn to capture subjects took too long");
            }
            Err(error) => tracing::warn!(%error, "the turn to capture subjects ends late"),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use gearshift_bus::{Bus, Swapped};

    use super::{TURN, Turn};
    use crate::runtime::{Engine, EngineConfig};

    #[tokio::test]
    async fn a_turn_that_took_too_long_does_not_end_the_turn_of_another()
    -> Result<(), Box<dyn std::error::Error>> {
        let bus = Bus::in_memory();
        let engine = Engine::start(bus.clone(), EngineConfig::default()).await?;
        let shared = Arc::clone(&engine.handle().0);
        let bucket = bus.bucket("sources").await?;
        for _ in 0..2 {
            let late = Turn::wait(&shared).await?;
            // It expires, and another engine is quick.
            bucket.delete(TURN).await?;
            let other = bucket.compare_and_set(TURN, 0, Bytes::from_static(b"other")).await?;
            assert!(matches!(other, Swapped::Stored(_)), "{other:?}");
            late.end().await;
            let known = bucket.get(TURN).await?.map(|known| known.value);
            assert_eq!(known.as_deref(), Some(&b"other"[..]));
            bucket.delete(TURN).await?;
            // One that ends in time makes room at once.
            Turn::wait(&shared).await?.end().await;
        }
        engine.stop().await;
        Ok(())
    }
}
