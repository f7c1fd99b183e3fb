//! [`Queue`]: the bounded way to the writer thread.

use std::sync::{Arc, mpsc};

use fjall::Database;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::failure::Failure;
use super::records::Record;
use super::sequence::Sequence;
use crate::local::{KeyOp, Keys, Lifecycle};
use crate::{Appended, Error, ErrorKind, Swapped};

/// What may wait for the writer thread, in KiB: 64 MiB, and as many commands.
const QUEUE_KIB_MAX: u32 = 64 * 1024;

/// One thing the writer thread is asked to do.
pub(super) enum Command {
    Append(Append),
    Key(KeyWrite),
    Work(Work),
    Close(oneshot::Sender<Result<(), Error>>),
}

/// An entry for a log or an inbox.
pub(super) struct Append {
    pub(super) sequence: Arc<Sequence>,
    pub(super) expected: Option<u64>,
    pub(super) record: Record,
    pub(super) reply: oneshot::Sender<Result<Appended, Error>>,
    pub(super) permit: OwnedSemaphorePermit,
}

/// A write to a bucket.
pub(super) struct KeyWrite {
    pub(super) bucket: Arc<str>,
    pub(super) keys: Keys,
    pub(super) key: String,
    pub(super) op: KeyOp,
    pub(super) reply: oneshot::Sender<Result<Swapped, Error>>,
    pub(super) permit: OwnedSemaphorePermit,
}

type Run = Box<dyn FnOnce(&Database, &Failure) + Send>;

/// Something rare, done alone between two batches.
pub(super) struct Work {
    pub(super) run: Run,
    pub(super) permit: OwnedSemaphorePermit,
}

/// The senders' end.
#[derive(Debug)]
pub(super) struct Queue {
    commands: mpsc::Sender<Command>,
    room: Arc<Semaphore>,
    failure: Failure,
    lifecycle: Lifecycle,
}

impl Queue {
    pub(super) fn new(failure: Failure, lifecycle: Lifecycle) -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel();
        let room = Arc::new(Semaphore::new(QUEUE_KIB_MAX as usize));
        (Self { commands, room, failure, lifecycle }, receiver)
    }

    pub(super) async fn append(
        &self,
        sequence: &Arc<Sequence>,
        expected: Option<u64>,
        record: Record,
    ) -> Result<Appended, Error> {
        let permit = self.admit(record.len()).await?;
        let (reply, answer) = oneshot::channel();
        let sequence = Arc::clone(sequence);
        self.send(Command::Append(Append { sequence, expected, record, reply, permit }))?;
        self.answer(answer).await
    }

    pub(super) async fn write_key(
        &self,
        bucket: &Arc<str>,
        keys: &Keys,
        key: &str,
        op: KeyOp,
    ) -> Result<Swapped, Error> {
        let permit = self.admit(op.value.as_ref().map_or(0, bytes::Bytes::len)).await?;
        let (reply, answer) = oneshot::channel();
        let (bucket, keys, key) = (Arc::clone(bucket), keys.clone(), key.to_owned());
        self.send(Command::Key(KeyWrite { bucket, keys, key, op, reply, permit }))?;
        self.answer(answer).await
    }

    pub(super) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = self.admit(0).await?;
        let (reply, answer) = oneshot::channel();
        let run = Box::new(move |database: &Database, failure: &Failure| {
            let result = failure.check().and_then(|()| work(database));
            if let Err(error) = &result {
                failure.record(error);
            }
            // Whoever asked may have stopped waiting; the work is done all the same.
            drop(reply.send(result));
        });
        self.send(Command::Work(Work { run, permit }))?;
        self.answer(answer).await
    }

    /// Asks the writer thread to finish; everything sent before is done first.
    pub(super) async fn close(&self) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Close(reply))?;
        self.answer(answer).await
    }

    async fn admit(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Error> {
        self.lifecycle.check()?;
        self.failure.check()?;
        let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX).clamp(1, QUEUE_KIB_MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(kib).await;
        room.map_err(|_| ErrorKind::Closed.into())
    }

    fn send(&self, command: Command) -> Result<(), Error> {
        self.commands.send(command).map_err(|_| self.ended())
    }

    async fn answer<T>(&self, answer: oneshot::Receiver<Result<T, Error>>) -> Result<T, Error> {
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// Why the writer thread does not answer: it was closed, or it died of a failure.
    fn ended(&self) -> Error {
        self.failure.check().err().unwrap_or_else(|| ErrorKind::Closed.into())
    }
}
