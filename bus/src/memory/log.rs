//! [`Log`] in memory.

use std::sync::Arc;

use bytes::Bytes;

use super::Store;
use super::sequence::Sequence;
use crate::{Appended, Entry, Error, Tail};

/// A handle to a log of a [`Store`].
#[derive(Debug, Clone)]
pub(crate) struct Log {
    store: Store,
    name: String,
    frames: Arc<Sequence<Bytes>>,
}

impl Log {
    pub(super) const fn new(store: Store, name: String, frames: Arc<Sequence<Bytes>>) -> Self {
        Self { store, name, frames }
    }

    pub(crate) fn append(&self, expected: u64, frame: Bytes) -> Result<Appended, Error> {
        self.store.lifecycle().check()?;
        self.frames.append(Some(expected), frame)
    }

    pub(crate) fn read_from(&self, sequence: u64, max_bytes: usize) -> Result<Vec<Entry>, Error> {
        self.store.lifecycle().check()?;
        let mut bytes = 0;
        let mut count = 0;
        let entries = self.frames.read_from(sequence, |frame| {
            bytes += frame.len();
            count += 1;
            count == 1 || bytes <= max_bytes
        })?;
        Ok(entries.into_iter().map(|(sequence, frame)| Entry { sequence, frame }).collect())
    }

    pub(crate) fn tail(&self) -> Result<Tail, Error> {
        self.store.lifecycle().check()?;
        self.frames.tail()
    }

    pub(crate) fn trim(&self, before: u64) -> Result<(), Error> {
        self.store.lifecycle().check()?;
        self.frames.trim(before)
    }

    pub(crate) fn destroy(&self) -> Result<(), Error> {
        self.store.lifecycle().check()?;
        self.frames.destroy()?;
        self.store.forget_log(&self.name);
        Ok(())
    }
}
