//! [`Store`]: one directory, opened.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use super::failure::Failure;
use super::files::{create_private_dir, disk_bytes, lock_dir};
use super::names::{Marks, Names};
use super::open::{Opened, open};
use super::queue::Queue;
use super::records::Record;
use super::sequence::{Kind, Sequence};
use super::writer::Writer;
use super::{Blobs, Bucket, Inbox, Log};
use crate::local::{Keys, Lifecycle, lock};
use crate::{Appended, Clock, Error, ErrorKind, Message};

/// A handle to an opened directory; the last one that goes closes it.
#[derive(Clone)]
pub(crate) struct Store(Arc<Shared>);

struct Shared {
    dir: PathBuf,
    clock: Clock,
    lifecycle: Lifecycle,
    names: Arc<Names>,
    marks: Mutex<Option<Marks>>,
    /// `None` only while it is being dropped.
    queue: Option<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
    lock: Mutex<Option<File>>,
}

impl Store {
    pub(crate) async fn open(
        dir: &Path,
        clock: Clock,
        lifecycle: Lifecycle,
    ) -> Result<Self, Error> {
        let dir = std::path::absolute(dir)?;
        blocking(move || Self::open_now(dir, clock, lifecycle)).await
    }

    fn open_now(dir: PathBuf, clock: Clock, lifecycle: Lifecycle) -> Result<Self, Error> {
        create_private_dir(&dir)?;
        let lock = lock_dir(&dir)?;
        let Opened { database, marks, values, names } = open(&dir, &clock, &lifecycle)?;
        let names = Arc::new(names);
        let failure = Failure::default();
        let (queue, commands) = Queue::new(failure.clone(), lifecycle.clone());
        let writer = Writer {
            database,
            marks: marks.clone(),
            values,
            names: Arc::clone(&names),
            dir: dir.clone(),
            failure,
            commands,
        };
        let thread = std::thread::Builder::new()
            .name("bus-writer".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self(Arc::new(Shared {
            dir,
            clock,
            lifecycle,
            names,
            marks: Mutex::new(Some(Marks(marks))),
            queue: Some(queue),
            thread: Mutex::new(Some(thread)),
            lock: Mutex::new(Some(lock)),
        })))
    }

    pub(crate) async fn log(&self, name: &str) -> Result<Log, Error> {
        Ok(Log::new(self.clone(), self.sequence(Kind::Log, name).await?))
    }

    pub(crate) async fn inbox(&self, name: &str) -> Result<Inbox, Error> {
        Ok(Inbox::new(self.clone(), self.sequence(Kind::Inbox, name).await?))
    }

    async fn sequence(&self, kind: Kind, name: &str) -> Result<Arc<Sequence>, Error> {
        if let Some(sequence) = self.names().sequence(kind, name) {
            return Ok(sequence);
        }
        let (names, marks, name) = (Arc::clone(self.names()), self.marks()?, name.to_owned());
        let create = move |database: &_| names.create_sequence(database, &marks, kind, &name);
        self.queue()?.work(create).await
    }

    pub(crate) async fn bucket(
        &self,
        name: &str,
        bytes_max: Option<usize>,
    ) -> Result<Bucket, Error> {
        let keys = match self.names().bucket(name) {
            Some(keys) => keys,
            None => self.create_bucket(name).await?,
        };
        if bytes_max.is_some() {
            keys.keep_within(bytes_max);
        }
        Ok(Bucket::new(self.clone(), name, keys))
    }

    async fn create_bucket(&self, name: &str) -> Result<Keys, Error> {
        let (names, marks, owned) = (Arc::clone(self.names()), self.marks()?, name.to_owned());
        let parts = (self.0.clock.clone(), self.0.lifecycle.clone());
        let create = move |database: &_| names.create_bucket(database, &marks, &owned, parts);
        self.queue()?.work(create).await
    }

    pub(crate) async fn blobs(&self, name: &str) -> Result<Blobs, Error> {
        let blobs = Blobs::new(self.clone(), self.0.dir.join("blobs").join(name));
        let dir = blobs.dir().to_owned();
        blocking(move || {
            create_private_dir(&dir)?;
            Ok(())
        })
        .await?;
        Ok(blobs)
    }

    /// Stores the message in the inbox that captures its subject, if there is one.
    pub(crate) async fn capture(&self, message: &Message) -> Result<bool, Error> {
        let Some(sequence) = self.names().capturing(message) else { return Ok(false) };
        self.store_message(&sequence, message).await?;
        Ok(true)
    }

    pub(super) async fn store_message(
        &self,
        sequence: &Arc<Sequence>,
        message: &Message,
    ) -> Result<u64, Error> {
        let record = Record::message(message, self.0.clock.now_ms());
        match self.queue()?.append(sequence, None, record).await? {
            Appended::Stored(sequence) => Ok(sequence),
            // Nothing was expected, so nothing can differ from it.
            Appended::Fenced { .. } | Appended::Unknown => Err(ErrorKind::Unknown.into()),
        }
    }

    /// Finishes the queue, gives the files and the lock free. A second call does nothing.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        if self.0.lifecycle.check().is_err() {
            return Ok(());
        }
        self.0.lifecycle.close();
        lock(&self.0.marks).take();
        let finished = self.queue()?.close().await;
        let shared = Arc::clone(&self.0);
        let released = blocking(move || {
            shared.release();
            Ok(())
        })
        .await;
        finished.and(released)
    }

    pub(crate) async fn disk_bytes(&self) -> u64 {
        let dir = self.0.dir.clone();
        blocking(move || Ok(disk_bytes(&dir))).await.unwrap_or_default()
    }

    pub(super) fn names(&self) -> &Arc<Names> {
        &self.0.names
    }

    pub(super) fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    pub(super) fn marks(&self) -> Result<Marks, Error> {
        lock(&self.0.marks).clone().ok_or_else(|| ErrorKind::Closed.into())
    }

    pub(super) fn queue(&self) -> Result<&Queue, Error> {
        self.0.queue.as_ref().ok_or_else(|| ErrorKind::Closed.into())
    }
}

impl Shared {
    /// Waits for the writer thread, which is ending, and gives the directory free.
    fn release(&self) {
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the writer thread of the store panicked");
        }
        self.names.release();
        lock(&self.lock).take();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // Without senders the writer thread ends once it has done what was asked.
        self.queue = None;
        lock(&self.marks).take();
        self.release();
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("dir", &self.0.dir).finish()
    }
}

/// Runs what may wait for the disk where it holds up nobody else.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(Error::new(ErrorKind::Io, error)),
    }
}
