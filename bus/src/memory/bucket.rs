//! [`Bucket`] in memory.

use std::sync::{Arc, Mutex};

use crate::local::{KeyOp, Keys, Lifecycle};
use crate::{Error, Swapped};

/// A handle to a bucket.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    keys: Keys,
    turn: Arc<Mutex<()>>,
    lifecycle: Lifecycle,
}

impl Bucket {
    pub(super) fn new(keys: Keys, lifecycle: Lifecycle) -> Self {
        Self { keys, turn: Arc::default(), lifecycle }
    }

    pub(crate) fn keys(&self) -> Result<&Keys, Error> {
        self.lifecycle.check()?;
        Ok(&self.keys)
    }

    pub(crate) fn write(&self, key: &str, op: &KeyOp) -> Result<Swapped, Error> {
        self.lifecycle.check()?;
        Ok(self.keys.write(key, op, &self.turn))
    }
}
