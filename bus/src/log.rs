//! [`Log`]: append at an expected sequence, read from a sequence, tail, trim.

use bytes::Bytes;

use crate::{
    Breakpoint, Error, FRAME_BYTES_MAX, Stop, embedded, memory, message::check_size, nats,
    simulated,
};

/// An ordered list of frames that only grows at its end and is trimmed at its start.
///
/// Sequences count from 1 without gaps. Two writers cannot both win: an append names the
/// sequence of the last entry it knows of. A clone is another handle to the same log.
#[derive(Debug, Clone)]
pub struct Log {
    backend: Backend,
    breakpoint: Option<Breakpoint>,
}

#[derive(Debug, Clone)]
enum Backend {
    Memory(memory::Log),
    Embedded(embedded::Log),
    Simulated(simulated::Log),
    Nats(nats::Log),
}

/// How an append ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Appended {
    /// The frame is durable under this sequence.
    Stored(u64),
    /// The last entry is not the expected one; nothing was stored.
    Fenced {
        /// The sequence of the last entry.
        actual: u64,
    },
    /// The frame was stored or not: read the tail and find out.
    Unknown,
}

/// One frame as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 1.
    pub sequence: u64,
    /// The bytes appended.
    pub frame: Bytes,
}

/// What a log or an inbox holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// The first sequence that can be read; `last + 1` when nothing can.
    pub first: u64,
    /// The sequence of the last entry ever stored, trimmed or not; 0 before the first.
    pub last: u64,
    /// Drawn at random when it was created: one destroyed and created again has another.
    pub incarnation: u128,
}

impl Log {
    const fn new(backend: Backend) -> Self {
        Self { backend, breakpoint: None }
    }

    pub(crate) fn with_breakpoint(self, breakpoint: Option<Breakpoint>) -> Self {
        Self { breakpoint, ..self }
    }

    pub(crate) const fn memory(log: memory::Log) -> Self {
        Self::new(Backend::Memory(log))
    }

    pub(crate) const fn embedded(log: embedded::Log) -> Self {
        Self::new(Backend::Embedded(log))
    }

    pub(crate) const fn simulated(log: simulated::Log) -> Self {
        Self::new(Backend::Simulated(log))
    }

    pub(crate) const fn nats(log: nats::Log) -> Self {
        Self::new(Backend::Nats(log))
    }

    /// Appends `frame` if the last entry has the sequence `expected` (0 in a new log).
    ///
    /// Answers [`Appended::Stored`] only when the frame would survive a power cut. Dropping
    /// the future does not take the frame back: it may be stored all the same.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) above 8 MiB or the smaller limit of a
    /// server, [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) after [`Log::destroy`],
    /// [`ErrorKind::Disconnected`](crate::ErrorKind::Disconnected) if no server took the frame for
    /// 15 seconds, and what the backend meets: then nothing was acknowledged, and a store on a
    /// disk takes no more writes until it is opened again and its tail tells whether the frame is
    /// there.
    pub async fn append(&self, expected: u64, frame: Bytes) -> Result<Appended, Error> {
        check_size(frame.len(), FRAME_BYTES_MAX)?;
        let stop = self.breakpoint.as_ref().and_then(|it| Some((it, it.meet()?)));
        if let Some((breakpoint, side @ Stop::Before)) = stop {
            match breakpoint.hold(side).await {}
        }
        let appended = match &self.backend {
            Backend::Memory(log) => log.append(expected, frame),
            Backend::Embedded(log) => log.append(expected, frame).await,
            Backend::Simulated(log) => log.append(expected, frame).await,
            Backend::Nats(log) => log.append(expected, frame).await,
        };
        if let Some((breakpoint, side)) = stop {
            match breakpoint.hold(side).await {}
        }
        appended
    }

    /// Reads entries in order, from `sequence` on (0 means 1).
    ///
    /// Stops before the frames exceed `max_bytes`, but gives at least one entry if there is
    /// any. Beyond the last entry the answer is empty.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Trimmed`](crate::ErrorKind::Trimmed) if `sequence` lies before the first
    /// entry, [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the entry at `sequence` is
    /// damaged; reading stops before a damaged one further on.
    pub async fn read_from(&self, sequence: u64, max_bytes: usize) -> Result<Vec<Entry>, Error> {
        let sequence = sequence.max(1);
        match &self.backend {
            Backend::Memory(log) => log.read_from(sequence, max_bytes),
            Backend::Embedded(log) => log.read_from(sequence, max_bytes).await,
            Backend::Simulated(log) => log.read_from(sequence, max_bytes).await,
            Backend::Nats(log) => log.read_from(sequence, max_bytes).await,
        }
    }

    /// What the log holds now.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) after [`Log::destroy`].
    pub async fn tail(&self) -> Result<Tail, Error> {
        match &self.backend {
            Backend::Memory(log) => log.tail(),
            Backend::Embedded(log) => log.tail(),
            Backend::Simulated(log) => log.tail(),
            Backend::Nats(log) => log.tail().await,
        }
    }

    /// Removes the entries before `before`; one beyond the end removes all.
    ///
    /// The last sequence never goes back, also after the log is opened again.
    ///
    /// # Errors
    ///
    /// What the backend meets; the entries may then be gone or not.
    pub async fn trim(&self, before: u64) -> Result<(), Error> {
        match &self.backend {
            Backend::Memory(log) => log.trim(before),
            Backend::Embedded(log) => log.trim(before).await,
            Backend::Simulated(log) => log.trim(before),
            Backend::Nats(log) => log.trim(before).await,
        }
    }

    /// Removes the log and all its entries; other handles to it answer `NotFound`.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn destroy(self) -> Result<(), Error> {
        match &self.backend {
            Backend::Memory(log) => log.destroy(),
            Backend::Embedded(log) => log.destroy().await,
            Backend::Simulated(log) => log.destroy(),
            Backend::Nats(log) => log.destroy().await,
        }
    }
}
