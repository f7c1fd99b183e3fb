//! Who was told as there: kept on the bus, so that whoever has partition 0 next misses one that was
//! killed meanwhile (decision 0053).

use std::collections::BTreeMap;

use bytes::Bytes;
use gearshift_bus::Error as BusError;
use serde::{Deserialize, Serialize};

use super::registry::Providers;

/// The key in the bucket of plugins; those of operations have dots.
const KEY: &str = "told";
/// So many are kept, that a value of the bus has room for all of them.
const KEPT_MAX: usize = 4_096;

/// The instances that were told as there, by service id.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told(pub(super) BTreeMap<String, Who>);

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Who {
    pub(super) plugin: String,
    pub(super) version: String,
}

impl Providers {
    /// Whom the engine that told last knew; `None`: none ever did.
    pub(super) async fn told(&self) -> Result<Option<Told>, BusError> {
        let Some(kept) = self.bucket().await?.get(KEY).await? else { return Ok(None) };
        match serde_json::from_slice(&kept.value) {
            Ok(told) => Ok(Some(told)),
            Err(error) => {
                tracing::warn!(%error, "it is not readable which plugins were told as there");
                Ok(None)
            }
        }
    }

    /// Keeps whom this engine knows.
    pub(super) async fn keep_told(&self, told: &Told) -> Result<(), BusError> {
        let some = Told(told.0.clone().into_iter().take(KEPT_MAX).collect());
        let value = Bytes::from(serde_json::to_vec(&some).unwrap_or_default());
        self.bucket().await?.put(KEY, value).await.map(drop)
    }
}
