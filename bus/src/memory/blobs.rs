//! [`Blobs`] in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use crate::local::{Lifecycle, lock};
use crate::{Digest, Error};

/// A handle to a blob store.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    held: Arc<Mutex<BTreeMap<Digest, Bytes>>>,
    lifecycle: Lifecycle,
}

impl Blobs {
    pub(super) fn new(lifecycle: Lifecycle) -> Self {
        Self { held: Arc::default(), lifecycle }
    }

    pub(crate) fn put(&self, bytes: Bytes) -> Result<Digest, Error> {
        self.lifecycle.check()?;
        let digest = Digest::of(&bytes);
        lock(&self.held).insert(digest.clone(), bytes);
        Ok(digest)
    }

    pub(crate) fn get(&self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        self.lifecycle.check()?;
        Ok(lock(&self.held).get(digest).cloned())
    }

    pub(crate) fn delete(&self, digest: &Digest) -> Result<(), Error> {
        self.lifecycle.check()?;
        lock(&self.held).remove(digest);
        Ok(())
    }

    pub(crate) fn list(&self) -> Result<Vec<Digest>, Error> {
        self.lifecycle.check()?;
        Ok(lock(&self.held).keys().cloned().collect())
    }
}
