//! [`Bucket`]: a key-value stream, written raw where a key expires.

use crate::local::KeyOp;
use crate::nats::KeyWatch;
use crate::{Error, Swapped, Value};

/// A handle to a bucket.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {}

impl Bucket {
    pub(crate) async fn get(&self, _key: &str) -> Result<Option<Value>, Error> {
        todo!()
    }

    pub(crate) async fn write(&self, _key: &str, _op: KeyOp) -> Result<Swapped, Error> {
        todo!()
    }

    pub(crate) async fn keys(&self, _prefix: &str) -> Result<Vec<String>, Error> {
        todo!()
    }

    pub(crate) async fn head(&self) -> Result<u64, Error> {
        todo!()
    }

    pub(crate) async fn watch(&self, _prefix: &str) -> Result<KeyWatch, Error> {
        todo!()
    }
}
