//! [`Names`]: the logs, inboxes and buckets of one directory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fjall::{Database, Keyspace, PersistMode};

use super::failure::from_fjall;
use super::records::{Mark, encode_revision};
use super::sequence::{Kind, Sequence};
use crate::local::{Captures, Keys, lock};
use crate::{Clock, Error, Message, local::Lifecycle};

/// Everything that has a name, except blobs, which are files.
#[derive(Debug, Default)]
pub(super) struct Names {
    table: Mutex<Table>,
    captures: Mutex<Captures>,
}

#[derive(Debug, Default)]
struct Table {
    logs: BTreeMap<String, Arc<Sequence>>,
    inboxes: BTreeMap<String, Arc<Sequence>>,
    buckets: BTreeMap<String, Keys>,
}

/// The keyspace of marks, as the writer thread uses it.
#[derive(Clone)]
pub(super) struct Marks(pub(super) Keyspace);

impl Table {
    const fn sequences(&mut self, kind: Kind) -> &mut BTreeMap<String, Arc<Sequence>> {
        match kind {
            Kind::Log => &mut self.logs,
            Kind::Inbox => &mut self.inboxes,
        }
    }
}

impl Names {
    pub(super) fn sequence(&self, kind: Kind, name: &str) -> Option<Arc<Sequence>> {
        lock(&self.table).sequences(kind).get(name).cloned()
    }

    pub(super) fn add_sequence(&self, sequence: Arc<Sequence>) {
        let (kind, name) = (sequence.kind(), sequence.name().to_owned());
        lock(&self.table).sequences(kind).insert(name, sequence);
    }

    pub(super) fn remove_log(&self, name: &str) {
        lock(&self.table).logs.remove(name);
    }

    pub(super) fn bucket(&self, name: &str) -> Option<Keys> {
        lock(&self.table).buckets.get(name).cloned()
    }

    pub(super) fn add_bucket(&self, name: &str, keys: Keys) {
        lock(&self.table).buckets.insert(name.to_owned(), keys);
    }

    pub(super) const fn captures(&self) -> &Mutex<Captures> {
        &self.captures
    }

    /// The inbox that captures the message's subject.
    pub(super) fn capturing(&self, message: &Message) -> Option<Arc<Sequence>> {
        let name = lock(&self.captures).find(&message.subject)?.to_owned();
        self.sequence(Kind::Inbox, &name)
    }

    /// One line for each log and inbox: kind, name, incarnation, last sequence.
    pub(super) fn tails(&self) -> String {
        let mut table = lock(&self.table);
        let mut lines = String::new();
        for kind in [Kind::Log, Kind::Inbox] {
            for (name, sequence) in table.sequences(kind) {
                if let Ok(tail) = sequence.tail() {
                    let (word, incarnation, last) = (kind.word(), tail.incarnation, tail.last);
                    lines.push_str(&format!("{word} {name} {incarnation:032x} {last}\n"));
                }
            }
        }
        lines
    }

    /// Lets go of the files.
    pub(super) fn release(&self) {
        let mut table = lock(&self.table);
        for kind in [Kind::Log, Kind::Inbox] {
            for sequence in table.sequences(kind).values() {
                sequence.release();
            }
        }
    }

    /// Opens or creates a log or inbox; runs on the writer thread.
    pub(super) fn create_sequence(
        &self,
        database: &Database,
        marks: &Marks,
        kind: Kind,
        name: &str,
    ) -> Result<Arc<Sequence>, Error> {
        if let Some(sequence) = self.sequence(kind, name) {
            return Ok(sequence);
        }
        let incarnation = fastrand::u128(..);
        let mark = Mark { incarnation, first: 1, last: 0, patterns: Vec::new() };
        marks.write(database, kind, name, &mark)?;
        let sequence = Arc::new(Sequence::new(kind, name, mark, Vec::new()));
        self.add_sequence(Arc::clone(&sequence));
        Ok(sequence)
    }

    /// Opens or creates a bucket; runs on the writer thread.
    pub(super) fn create_bucket(
        &self,
        database: &Database,
        marks: &Marks,
        name: &str,
        (clock, lifecycle): (Clock, Lifecycle),
    ) -> Result<Keys, Error> {
        if let Some(keys) = self.bucket(name) {
            return Ok(keys);
        }
        let mut batch = database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&marks.0, bucket_mark_key(name), encode_revision(0));
        batch.commit().map_err(from_fjall)?;
        let keys = Keys::new(0, BTreeMap::new(), clock, lifecycle);
        self.add_bucket(name, keys.clone());
        Ok(keys)
    }
}

impl Marks {
    pub(super) fn write(
        &self,
        database: &Database,
        kind: Kind,
        name: &str,
        mark: &Mark,
    ) -> Result<(), Error> {
        let mut batch = database.batch().durability(Some(PersistMode::SyncData));
        batch.insert(&self.0, sequence_mark_key(kind, name), mark.encode());
        batch.commit().map_err(from_fjall)
    }

    pub(super) fn remove(&self, database: &Database, kind: Kind, name: &str) -> Result<(), Error> {
        let mut batch = database.batch().durability(Some(PersistMode::SyncData));
        batch.remove(&self.0, sequence_mark_key(kind, name));
        batch.commit().map_err(from_fjall)
    }
}

fn sequence_mark_key(kind: Kind, name: &str) -> String {
    format!("{}/{name}", kind.word())
}

pub(super) fn bucket_mark_key(name: &str) -> String {
    format!("bucket/{name}")
}

/// Names hold no zero byte, so the bucket and the key can be told apart.
pub(super) fn value_key(bucket: &str, key: &str) -> String {
    format!("{bucket}\0{key}")
}
