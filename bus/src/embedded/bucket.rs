//! [`Bucket`] in a directory: kept in memory, every write made durable first.

use std::sync::Arc;

use super::Store;
use crate::local::{KeyOp, Keys};
use crate::{Error, Swapped};

/// A handle to a bucket of a [`Store`].
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    store: Store,
    name: Arc<str>,
    keys: Keys,
}

impl Bucket {
    pub(super) fn new(store: Store, name: &str, keys: Keys) -> Self {
        Self { store, name: name.into(), keys }
    }

    pub(crate) fn keys(&self) -> Result<&Keys, Error> {
        self.store.lifecycle().check()?;
        Ok(&self.keys)
    }

    pub(crate) async fn write(&self, key: &str, op: KeyOp) -> Result<Swapped, Error> {
        self.store.queue()?.write_key(&self.name, &self.keys, key, op).await
    }
}
