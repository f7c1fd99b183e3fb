//! [`Log`]: one stream per log, one subject, every publish names the sequence it expects.

use bytes::Bytes;

use crate::{Appended, Entry, Error, Tail};

/// A handle to a log.
#[derive(Debug, Clone)]
pub(crate) struct Log {}

impl Log {
    pub(crate) async fn append(&self, _expected: u64, _frame: Bytes) -> Result<Appended, Error> {
        todo!()
    }

    pub(crate) async fn read_from(
        &self,
        _sequence: u64,
        _max_bytes: usize,
    ) -> Result<Vec<Entry>, Error> {
        todo!()
    }

    pub(crate) async fn tail(&self) -> Result<Tail, Error> {
        todo!()
    }

    pub(crate) async fn trim(&self, _before: u64) -> Result<(), Error> {
        todo!()
    }

    pub(crate) async fn destroy(&self) -> Result<(), Error> {
        todo!()
    }
}
