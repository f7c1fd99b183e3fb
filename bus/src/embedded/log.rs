//! [`Log`] in a directory.

use std::sync::Arc;

use bytes::Bytes;
use fjall::{Database, Keyspace};

use super::Store;
use super::failure::from_fjall;
use super::records::Record;
use super::sequence::{Kind, Sequence, segment_options};
use super::store::blocking;
use crate::{Appended, Entry, Error, Tail};

/// A handle to a log of a [`Store`].
#[derive(Debug, Clone)]
pub(crate) struct Log {
    store: Store,
    frames: Arc<Sequence>,
}

impl Log {
    pub(super) const fn new(store: Store, frames: Arc<Sequence>) -> Self {
        Self { store, frames }
    }

    pub(crate) async fn append(&self, expected: u64, frame: Bytes) -> Result<Appended, Error> {
        let record = Record::frame(&frame);
        self.store.queue()?.append(&self.frames, Some(expected), record).await
    }

    pub(crate) async fn read_from(
        &self,
        sequence: u64,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, Error> {
        self.store.lifecycle().check()?;
        let frames = Arc::clone(&self.frames);
        let mut bytes = 0;
        let mut count = 0;
        let take = move |frame_bytes| {
            bytes += frame_bytes;
            count += 1;
            count == 1 || bytes <= max_bytes
        };
        let entries = blocking(move || frames.read_from(sequence, take)).await?;
        Ok(entries.into_iter().map(|(sequence, frame)| Entry { sequence, frame }).collect())
    }

    pub(crate) fn tail(&self) -> Result<Tail, Error> {
        self.store.lifecycle().check()?;
        self.frames.tail()
    }

    pub(crate) async fn trim(&self, before: u64) -> Result<(), Error> {
        trim(&self.store, &self.frames, before).await
    }

    pub(crate) async fn destroy(&self) -> Result<(), Error> {
        let (frames, marks) = (Arc::clone(&self.frames), self.store.marks()?);
        let names = Arc::clone(self.store.names());
        let destroy = move |database: &Database| {
            frames.tail()?;
            marks.remove(database, Kind::Log, frames.name())?;
            names.remove_log(frames.name());
            drop_segments(database, frames.destroy())
        };
        self.store.queue()?.work(destroy).await
    }
}

/// Trims a log or an inbox.
pub(super) async fn trim(
    store: &Store,
    sequence: &Arc<Sequence>,
    before: u64,
) -> Result<(), Error> {
    let (sequence, marks) = (Arc::clone(sequence), store.marks()?);
    let trim = move |database: &Database| {
        let Some(mark) = sequence.trimmed(before)? else { return Ok(()) };
        marks.write(database, sequence.kind(), sequence.name(), &mark)?;
        drop_segments(database, sequence.apply(mark))
    };
    store.queue()?.work(trim).await
}

fn drop_segments(database: &Database, segments: Vec<Keyspace>) -> Result<(), Error> {
    if segments.is_empty() {
        return Ok(());
    }
    for segment in segments {
        database.delete_keyspace(segment).map_err(from_fjall)?;
    }
    // The engine keeps a dropped keyspace on the disk as long as one of its own journals
    // mentions it, and a journal as long as anything in it was not written to a table.
    for name in database.list_keyspace_names() {
        let keyspace = database.keyspace(&name, segment_options).map_err(from_fjall)?;
        keyspace.rotate_memtable().map_err(from_fjall)?;
    }
    Ok(())
}
