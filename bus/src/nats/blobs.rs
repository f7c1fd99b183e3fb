//! [`Blobs`]: an object store.

use bytes::Bytes;

use crate::{Digest, Error};

/// A handle to a blob store.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {}

impl Blobs {
    pub(crate) async fn put(&self, _bytes: Bytes) -> Result<Digest, Error> {
        todo!()
    }

    pub(crate) async fn get(&self, _digest: &Digest) -> Result<Option<Bytes>, Error> {
        todo!()
    }

    pub(crate) async fn delete(&self, _digest: &Digest) -> Result<(), Error> {
        todo!()
    }

    pub(crate) async fn list(&self) -> Result<Vec<Digest>, Error> {
        todo!()
    }
}
