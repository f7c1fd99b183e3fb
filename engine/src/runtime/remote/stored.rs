//! Answers too large for one message: they travel through the blobs.

use std::time::Duration;

use gearshift_bus::Digest;

use super::look::Seen;
use super::wire::{decode, encode};
use crate::runtime::error::Error;
use crate::runtime::shared::Shared;

/// Where they lie.
const BLOBS: &str = "answers";
/// An answer that nobody took by then is removed; its asker has given up.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// Keeps `seen` for its asker; the digest names it.
///
/// # Errors
/// [`Error::Bus`].
pub(super) async fn keep(shared: &Shared, seen: &Seen) -> Result<String, Error> {
    let bytes = encode(seen).map_err(Error::Unavailable)?;
    let blobs = shared.bus.blobs(BLOBS).await?;
    let digest = blobs.put(bytes).await?;
    let (stop, kept) = (shared.stop.clone(), digest.clone());
    drop(shared.tasks.spawn(async move {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = tokio::time::sleep(KEPT_FOR) => {}
        }
        if let Err(error) = blobs.delete(&kept).await {
            tracing::debug!(%error, "an old answer was not removed");
        }
    }));
    Ok(digest.to_string())
}

/// Reads what [`keep`] kept; `None` where it is gone.
///
/// # Errors
/// [`Error::Bus`]; [`Error::Unavailable`] where it cannot be read.
pub(super) async fn read(shared: &Shared, digest: &str) -> Result<Option<Seen>, Error> {
    let digest = Digest::parse(digest)?;
    let blobs = shared.bus.blobs(BLOBS).await?;
    match blobs.get(&digest).await? {
        Some(bytes) => decode(&bytes).map(Some).map_err(Error::Unavailable),
        None => Ok(None),
    }
}
