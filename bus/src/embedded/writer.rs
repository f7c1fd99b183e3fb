//! [`Writer`]: the one thread that writes. It takes what is waiting, never waits for more.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use fjall::{Database, Keyspace, OwnedWriteBatch, PersistMode};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::failure::{Failure, again, from_fjall};
use super::files::write_tails;
use super::names::{Names, bucket_mark_key, value_key};
use super::queue::{Append, Command, KeyWrite};
use super::records::{encode_revision, encode_value};
use super::sequence::Sequence;
use crate::local::{Keys, Planned};
use crate::{Appended, Error, Swapped};

/// What one commit takes at most, in bytes: 16 MiB.
const COMMIT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What one commit takes at most, in writes.
const COMMIT_WRITES_MAX: usize = 4096;

/// Owns the database.
pub(super) struct Writer {
    pub(super) database: Database,
    pub(super) marks: Keyspace,
    pub(super) values: Keyspace,
    pub(super) names: Arc<Names>,
    pub(super) dir: PathBuf,
    pub(super) failure: Failure,
    pub(super) commands: mpsc::Receiver<Command>,
}

/// The writes of one commit.
struct Group {
    batch: OwnedWriteBatch,
    acks: Vec<Ack>,
    bytes: usize,
    buckets: BTreeSet<Arc<str>>,
    failed: Option<Error>,
}

/// Whom to tell what once the commit is durable.
enum Ack {
    Append {
        sequence: Arc<Sequence>,
        outcome: Result<Appended, Error>,
        reply: oneshot::Sender<Result<Appended, Error>>,
        permit: OwnedSemaphorePermit,
    },
    Key {
        keys: Keys,
        key: String,
        outcome: Result<Planned, Swapped>,
        reply: oneshot::Sender<Result<Swapped, Error>>,
        permit: OwnedSemaphorePermit,
    },
}

impl Writer {
    /// Works until it is told to close or everybody who could ask is gone.
    pub(super) fn run(self) {
        let mut backlog = None;
        let closer = loop {
            let Some(command) = backlog.take().or_else(|| self.commands.recv().ok()) else {
                break None;
            };
            match command {
                Command::Append(append) => {
                    let mut group = self.group();
                    self.stage_append(&mut group, append);
                    backlog = self.fill(&mut group);
                    self.commit(group);
                }
                Command::Key(write) => {
                    let mut group = self.group();
                    self.stage_key(&mut group, write);
                    backlog = self.fill(&mut group);
                    self.commit(group);
                }
                Command::Work(work) => {
                    (work.run)(&self.database, &self.failure);
                    drop(work.permit);
                }
                Command::Close(reply) => break Some(reply),
            }
        };
        let result = self.finish();
        if let Some(reply) = closer {
            // Whoever asked may have stopped waiting; the store is closed all the same.
            drop(reply.send(result));
        }
    }

    fn group(&self) -> Group {
        Group {
            batch: self.database.batch().durability(Some(PersistMode::SyncData)),
            acks: Vec::new(),
            bytes: 0,
            buckets: BTreeSet::new(),
            failed: self.failure.check().err(),
        }
    }

    /// Takes what is waiting; gives back the first command that has to wait for the next turn.
    fn fill(&self, group: &mut Group) -> Option<Command> {
        while group.has_room() {
            match self.commands.try_recv().ok()? {
                Command::Append(append) => self.stage_append(group, append),
                // The second write of a bucket has to see the first one's revision.
                Command::Key(write) if !group.buckets.contains(&write.bucket) => {
                    self.stage_key(group, write);
                }
                other @ (Command::Key(_) | Command::Work(_) | Command::Close(_)) => {
                    return Some(other);
                }
            }
        }
        None
    }

    fn stage_append(&self, group: &mut Group, append: Append) {
        let Append { sequence, expected, record, reply, permit } = append;
        group.bytes += record.len();
        let outcome = sequence.staged().and_then(|actual| {
            if expected.is_some_and(|expected| expected != actual) {
                return Ok(Appended::Fenced { actual });
            }
            if group.failed.is_some() {
                return Ok(Appended::Unknown);
            }
            match sequence.stage(&self.database, &mut group.batch, record) {
                Ok(stored) => Ok(Appended::Stored(stored)),
                Err(error) => {
                    let told = again(&error);
                    group.failed = Some(error);
                    Err(told)
                }
            }
        });
        group.acks.push(Ack::Append { sequence, outcome, reply, permit });
    }

    fn stage_key(&self, group: &mut Group, write: KeyWrite) {
        let KeyWrite { bucket, keys, key, op, reply, permit } = write;
        let outcome = keys.plan(&key, &op);
        if let Ok(planned) = &outcome {
            for gone in &planned.gone {
                group.batch.remove(&self.values, value_key(&bucket, gone));
            }
            let stored_key = value_key(&bucket, &key);
            match &planned.entry {
                Some(entry) => {
                    let stored = encode_value(entry);
                    group.bytes += stored.len();
                    group.batch.insert(&self.values, stored_key, stored);
                }
                None => group.batch.remove(&self.values, stored_key),
            }
            let revision = encode_revision(planned.revision);
            group.batch.insert(&self.marks, bucket_mark_key(&bucket), revision);
        }
        group.buckets.insert(bucket);
        group.acks.push(Ack::Key { keys, key, outcome, reply, permit });
    }

    fn commit(&self, group: Group) {
        let Group { batch, acks, failed, .. } = group;
        let failed = failed.or_else(|| batch.commit().map_err(from_fjall).err());
        if let Some(error) = &failed {
            self.failure.record(error);
        }
        for ack in acks {
            ack.tell(failed.as_ref());
        }
    }

    fn finish(self) -> Result<(), Error> {
        let persisted = match self.failure.check() {
            Ok(()) => self.database.persist(PersistMode::SyncAll).map_err(from_fjall),
            Err(error) => Err(error),
        };
        let written = persisted.and_then(|()| write_tails(&self.dir, &self.names.tails()));
        self.names.release();
        written
    }
}

impl Group {
    fn has_room(&self) -> bool {
        self.failed.is_none()
            && self.bytes < COMMIT_BYTES_MAX
            && self.acks.len() < COMMIT_WRITES_MAX
    }
}

impl Ack {
    /// Makes the write visible if it is durable, then tells whoever waits.
    fn tell(self, failed: Option<&Error>) {
        match self {
            Self::Append { sequence, outcome, reply, permit } => {
                let answer = match failed {
                    Some(error) => outcome.and_then(|_| Err(again(error))),
                    None => outcome,
                };
                if let Ok(Appended::Stored(stored)) = &answer {
                    sequence.commit(*stored);
                }
                drop(reply.send(answer));
                drop(permit);
            }
            Self::Key { keys, key, outcome, reply, permit } => {
                let answer = match (outcome, failed) {
                    (Ok(_), Some(error)) => Err(again(error)),
                    (Ok(planned), None) => Ok(keys.apply(&key, planned)),
                    (Err(conflict), _) => Ok(conflict),
                };
                drop(reply.send(answer));
                drop(permit);
            }
        }
    }
}
