//! [`Bus`]: in memory, embedded or simulated; opens the primitives.

use std::path::Path;
use std::sync::Arc;

mod away;

use crate::local::{Exchange, Lifecycle};
use crate::{
    Blobs, Breakpoint, Bucket, Clock, Error, ErrorKind, Faults, Inbox, Log, Message, NatsOptions,
    Requests, ServerReport, Subject, SubjectPattern, Subscription, embedded, memory, nats,
    simulated,
};

/// Longest name of a log, inbox, bucket or blob store, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// The way to everything else; a clone is another handle to the same bus.
///
/// Logs, inboxes, buckets and blobs have a name of 1 to 64 characters `A-Z a-z 0-9 - _`. A
/// name is created when it is opened first; names of different primitives are independent.
#[derive(Debug, Clone)]
pub struct Bus {
    backend: Backend,
    exchange: Exchange,
    lifecycle: Lifecycle,
    breakpoint: Option<Breakpoint>,
}

#[derive(Debug, Clone)]
enum Backend {
    Memory(memory::Store),
    Embedded(embedded::Store),
    Simulated(simulated::Store),
    Nats(Arc<nats::Store>),
}

/// Which backend a [`Bus`] has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendKind {
    /// Nothing outlives the process.
    Memory,
    /// A directory of this machine, for one process at a time.
    Embedded,
    /// In memory, with seeded faults, for tests.
    Simulated,
    /// NATS servers, shared with other processes and machines.
    Nats,
}

impl Bus {
    /// A bus whose content goes with its last handle.
    #[must_use]
    pub fn in_memory() -> Self {
        Self::in_memory_with_clock(Clock::system())
    }

    /// [`Bus::in_memory`] with another clock.
    #[must_use]
    pub fn in_memory_with_clock(clock: Clock) -> Self {
        let lifecycle = Lifecycle::default();
        let store = memory::Store::new(clock, lifecycle.clone());
        Self::new(Backend::Memory(store), lifecycle)
    }

    /// A bus stored in `dir`, which is created if it does not exist.
    ///
    /// What the bus puts there only its owner can read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Locked`] naming the directory while another bus has it open,
    /// [`ErrorKind::Corrupt`] if what is stored there is damaged, [`ErrorKind::Io`] and
    /// [`ErrorKind::DiskFull`].
    pub async fn embedded(dir: &Path) -> Result<Self, Error> {
        Self::embedded_with_clock(dir, Clock::system()).await
    }

    /// [`Bus::embedded`] with another clock.
    ///
    /// # Errors
    ///
    /// Those of [`Bus::embedded`].
    pub async fn embedded_with_clock(dir: &Path, clock: Clock) -> Result<Self, Error> {
        let lifecycle = Lifecycle::default();
        let store = embedded::Store::open(dir, clock, lifecycle.clone()).await?;
        Ok(Self::new(Backend::Embedded(store), lifecycle))
    }

    /// A bus in memory whose operations fail as `faults` says, the same way for every `seed`.
    #[must_use]
    pub fn simulated(seed: u64, faults: Faults) -> Self {
        Self::simulated_with_clock(seed, faults, Clock::system())
    }

    /// [`Bus::simulated`] with another clock.
    #[must_use]
    pub fn simulated_with_clock(seed: u64, faults: Faults, clock: Clock) -> Self {
        let lifecycle = Lifecycle::default();
        let store = simulated::Store::new(seed, faults, clock, lifecycle.clone());
        Self::new(Backend::Simulated(store), lifecycle)
    }

    /// A bus kept by NATS servers; other processes with the same servers share it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Disconnected`] naming the server if it cannot be reached,
    /// [`ErrorKind::Refused`] if it does not let us in or has no JetStream.
    pub async fn connect(options: &NatsOptions) -> Result<Self, Error> {
        let lifecycle = Lifecycle::default();
        let store = nats::Store::connect(options, lifecycle.clone()).await?;
        Ok(Self::new(Backend::Nats(Arc::new(store)), lifecycle))
    }

    /// What the connected server is and can do; `None` where there is no server.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn server(&self) -> Result<Option<ServerReport>, Error> {
        match &self.backend {
            Backend::Memory(_) | Backend::Embedded(_) | Backend::Simulated(_) => Ok(None),
            Backend::Nats(store) => store.report().await.map(Some),
        }
    }

    fn new(backend: Backend, lifecycle: Lifecycle) -> Self {
        Self { backend, exchange: Exchange::new(lifecycle.clone()), lifecycle, breakpoint: None }
    }

    /// The same bus, for a test: appends to the logs it opens from now on pass `breakpoint`.
    #[must_use]
    pub fn with_breakpoint(mut self, breakpoint: Breakpoint) -> Self {
        self.breakpoint = Some(breakpoint);
        self
    }

    /// Opens or creates a log.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if `name` is not one.
    pub async fn log(&self, name: &str) -> Result<Log, Error> {
        self.check(name)?;
        let log = match &self.backend {
            Backend::Memory(store) => Log::memory(store.log(name)),
            Backend::Embedded(store) => Log::embedded(store.log(name).await?),
            Backend::Simulated(store) => Log::simulated(store.log(name)),
            Backend::Nats(store) => Log::nats(store.log(name).await?),
        };
        Ok(log.with_breakpoint(self.breakpoint.clone()))
    }

    /// Opens or creates an inbox; a new one captures nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if `name` is not one.
    pub async fn inbox(&self, name: &str) -> Result<Inbox, Error> {
        self.check(name)?;
        match &self.backend {
            Backend::Memory(store) => Ok(Inbox::memory(store.inbox(name))),
            Backend::Embedded(store) => Ok(Inbox::embedded(store.inbox(name).await?)),
            Backend::Simulated(store) => Ok(Inbox::simulated(store.inbox(name))),
            Backend::Nats(store) => Ok(Inbox::nats(store.inbox(name).await?)),
        }
    }

    /// Reads what somebody else's stream holds of the subjects that match `patterns`.
    ///
    /// Its sequences are those of that stream, so there are gaps between them; it captures,
    /// publishes and trims nothing.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`] if there is no such stream.
    pub async fn foreign_inbox(
        &self,
        stream: &str,
        patterns: &[SubjectPattern],
    ) -> Result<Inbox, Error> {
        self.lifecycle.check()?;
        match &self.backend {
            Backend::Memory(_) | Backend::Embedded(_) | Backend::Simulated(_) => {
                Err(ErrorKind::NotFound { name: stream.to_owned() }.into())
            }
            Backend::Nats(store) => Ok(Inbox::nats(store.foreign_inbox(stream, patterns).await?)),
        }
    }

    /// Opens or creates a bucket.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if `name` is not one.
    pub async fn bucket(&self, name: &str) -> Result<Bucket, Error> {
        self.open_bucket(name, None).await
    }

    /// [`Bus::bucket`] of about so many bytes, the same for all and more than any value has: a
    /// write that finds no room takes out what was written longest ago.
    ///
    /// # Errors
    /// Those of [`Bus::bucket`].
    pub async fn bucket_within(&self, name: &str, bytes_max: usize) -> Result<Bucket, Error> {
        self.open_bucket(name, Some(bytes_max)).await
    }

    async fn open_bucket(&self, name: &str, bytes_max: Option<usize>) -> Result<Bucket, Error> {
        self.check(name)?;
        let local = |store: &memory::Store| Ok(Bucket::memory(store.bucket(name, bytes_max)?));
        match &self.backend {
            Backend::Memory(store) => local(store),
            Backend::Embedded(store) => Ok(Bucket::embedded(store.bucket(name, bytes_max).await?)),
            Backend::Simulated(store) => local(store.memory()),
            Backend::Nats(store) => Ok(Bucket::nats(store.bucket(name, bytes_max).await?)),
        }
    }

    /// Opens or creates a blob store.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if `name` is not one.
    pub async fn blobs(&self, name: &str) -> Result<Blobs, Error> {
        self.check(name)?;
        match &self.backend {
            Backend::Memory(store) => Ok(Blobs::memory(store.blobs(name))),
            Backend::Embedded(store) => Ok(Blobs::embedded(store.blobs(name).await?)),
            Backend::Simulated(store) => Ok(Blobs::memory(store.memory().blobs(name))),
            Backend::Nats(store) => Ok(Blobs::nats(store.blobs(name).await?)),
        }
    }

    /// Requests and replies over this bus.
    #[must_use]
    pub fn requests(&self) -> Requests {
        match &self.backend {
            Backend::Memory(_) | Backend::Embedded(_) => Requests::local(self.exchange.clone()),
            Backend::Simulated(store) => Requests::simulated(store.requests(self.exchange.clone())),
            Backend::Nats(store) => Requests::nats(store.requests()),
        }
    }

    /// Publishes to whoever subscribes now; a message may be lost.
    ///
    /// It also lands in the [`Inbox`] that captures its subject, if there is one, and is
    /// durable there before the answer.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] above 1 MiB, and those of [`Inbox::publish`];
    /// [`ErrorKind::NoResponders`] where a login that may not ask which stream captures the
    /// subject reached nobody.
    pub async fn publish(&self, message: Message) -> Result<(), Error> {
        self.lifecycle.check()?;
        message.check_size()?;
        match &self.backend {
            Backend::Memory(store) => store.capture(&message).map(|_captured| ())?,
            Backend::Embedded(store) => store.capture(&message).await.map(|_captured| ())?,
            Backend::Simulated(store) => {
                store.capture(&message).await?;
                if store.loses_notice() {
                    return Ok(());
                }
            }
            Backend::Nats(store) => return store.publish(message).await,
        }
        self.exchange.publish(&message);
        Ok(())
    }

    /// Publishes what must not be lost: answers once the inbox that captures its subject has it
    /// durably. It is told to whoever subscribes as well.
    ///
    /// A message may be stored although this fails; who repeats it gives it an id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotCaptured`] if nothing captures the subject, [`ErrorKind::TooLarge`] above
    /// 1 MiB, and those of [`Inbox::publish`].
    pub async fn deliver(&self, message: Message) -> Result<(), Error> {
        self.lifecycle.check()?;
        message.check_size()?;
        let captured = match &self.backend {
            Backend::Memory(store) => store.capture(&message)?,
            Backend::Embedded(store) => store.capture(&message).await?,
            Backend::Simulated(store) => store.capture(&message).await?,
            Backend::Nats(store) => return store.deliver(&message).await,
        };
        self.exchange.publish(&message);
        if captured {
            return Ok(());
        }
        Err(ErrorKind::NotCaptured { subject: message.subject.to_string() }.into())
    }

    /// Whether [`Bus::notify`] would send anything under this subject now; who makes notices asks
    /// before, so that nothing is made for nobody.
    #[must_use]
    pub fn is_heard(&self, subject: &Subject) -> bool {
        match &self.backend {
            Backend::Memory(_) | Backend::Embedded(_) | Backend::Simulated(_) => {
                self.exchange.is_heard(subject)
            }
            Backend::Nats(store) => store.is_heard(subject),
        }
    }

    /// Tells whoever subscribes now, and nobody else: it lands in no inbox, it may be lost, and
    /// where nobody subscribed a moment ago it may not be sent at all.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] above 1 MiB, [`ErrorKind::Closed`] after the bus was closed.
    pub fn notify(&self, message: Message) -> Result<(), Error> {
        self.lifecycle.check()?;
        message.check_size()?;
        match &self.backend {
            Backend::Memory(_) | Backend::Embedded(_) => {}
            Backend::Simulated(store) => {
                if store.loses_notice() {
                    return Ok(());
                }
            }
            Backend::Nats(store) => return store.notify(message),
        }
        self.exchange.publish(&message);
        Ok(())
    }

    /// Subscribes to what is published from now on under subjects that match `pattern`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`] after the bus was closed.
    pub async fn subscribe(&self, pattern: &SubjectPattern) -> Result<Subscription, Error> {
        if let Backend::Nats(store) = &self.backend {
            return Ok(Subscription::nats(store.subscribe(pattern).await?));
        }
        Ok(Subscription::local(self.exchange.subscribe(pattern)?))
    }

    /// Finishes what was begun, makes it durable and gives the directory free.
    ///
    /// Every later call through any handle answers [`ErrorKind::Closed`], and what waits ends.
    /// Closing twice is no error.
    ///
    /// # Errors
    ///
    /// What the backend meets; the bus is closed all the same.
    pub async fn close(&self) -> Result<(), Error> {
        match &self.backend {
            Backend::Memory(_) | Backend::Simulated(_) => {
                self.lifecycle.close();
                Ok(())
            }
            Backend::Embedded(store) => store.close().await,
            Backend::Nats(store) => store.close().await,
        }
    }

    /// Which backend this is.
    #[must_use]
    pub const fn kind(&self) -> BackendKind {
        match &self.backend {
            Backend::Memory(_) => BackendKind::Memory,
            Backend::Embedded(_) => BackendKind::Embedded,
            Backend::Simulated(_) => BackendKind::Simulated,
            Backend::Nats(_) => BackendKind::Nats,
        }
    }

    /// What the bus takes on this machine's disk, in bytes; 0 in memory.
    pub async fn disk_bytes(&self) -> u64 {
        match &self.backend {
            Backend::Memory(_) | Backend::Simulated(_) | Backend::Nats(_) => 0,
            Backend::Embedded(store) => store.disk_bytes().await,
        }
    }

    fn check(&self, name: &str) -> Result<(), Error> {
        self.lifecycle.check()?;
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_valid) {
            let reason = "a name is 1 to 64 characters `A-Z a-z 0-9 - _`";
            return Err(ErrorKind::InvalidName { text: name.to_owned(), reason }.into());
        }
        Ok(())
    }
}
