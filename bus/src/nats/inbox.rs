//! [`Inbox`]: one stream that captures the subjects, or somebody else's stream, read only.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use super::api::{PATIENCE, Tries};
use super::capture;
use super::connection::Link;
use super::inbox_reader::InboxReader;
use super::inbox_source::Source;
use super::lane::Lane;
use super::publishing::{Acknowledged, Publisher, no_leader};
use super::stream::Stream;
use crate::local::{Lifecycle, lock, minimal};
use crate::{Delivered, Error, ErrorKind, Held, Message, SubjectPattern, Tail};

/// Pauses between attempts of a wait while the server is away.
const RETRY_PAUSES_MS: [u64; 5] = [50, 100, 250, 500, 1_000];

/// A handle to an inbox, with a place of its own that it reads ahead from.
#[derive(Debug)]
pub(crate) struct Inbox {
    inner: Arc<Inner>,
    reader: tokio::sync::Mutex<InboxReader>,
    /// Makes whoever waits with the reader let others through.
    interrupt: Notify,
    /// Held by the one that waits with the reader.
    waits: tokio::sync::Mutex<()>,
}

/// What all handles share.
#[derive(Debug)]
struct Inner {
    publisher: Publisher,
    lifecycle: Lifecycle,
    source: Source,
    /// Its name among our inboxes, or the patterns read of somebody else's stream.
    kind: Kind,
}

impl Clone for Inbox {
    /// Whoever has another handle reads elsewhere: the two do not disturb each other.
    fn clone(&self) -> Self {
        Self::at(Arc::clone(&self.inner))
    }
}

#[derive(Debug)]
enum Kind {
    Own { name: String, captured: Mutex<Vec<SubjectPattern>> },
    Foreign,
}

impl Inbox {
    pub(super) async fn open(
        publisher: &Publisher,
        lane: &Lane,
        link: &Link,
        name: &str,
    ) -> Result<Self, Error> {
        let stream = capture::open(link, name).await?;
        let kind = Kind::Own { name: name.to_owned(), captured: Mutex::default() };
        Self::new(publisher, lane, stream, kind, Vec::new()).await
    }

    /// Somebody else's stream.
    pub(super) async fn foreign(
        publisher: &Publisher,
        lane: &Lane,
        link: &Link,
        stream: &str,
        patterns: &[SubjectPattern],
    ) -> Result<Self, Error> {
        let filters = minimal(stream, patterns)?;
        let filters = filters.iter().map(ToString::to_string).collect();
        Self::new(publisher, lane, capture::foreign(link, stream), Kind::Foreign, filters).await
    }

    async fn new(
        publisher: &Publisher,
        lane: &Lane,
        stream: Stream,
        kind: Kind,
        filters: Vec<String>,
    ) -> Result<Self, Error> {
        let info = stream.info().await?;
        if let Kind::Own { name, captured } = &kind {
            *lock(captured) = capture::captured(name, &info.config);
        }
        let retention = info.config.get("retention").and_then(Value::as_str);
        let source = Source {
            incarnation: info.incarnation(),
            one_by_one: retention.is_some_and(|retention| retention != "limits"),
            stream: stream.clone(),
            lane: lane.clone(),
            filters,
        };
        Ok(Self::at(Arc::new(Inner {
            publisher: publisher.clone(),
            lifecycle: stream.link.lifecycle.clone(),
            source,
            kind,
        })))
    }

    fn at(inner: Arc<Inner>) -> Self {
        let reader = tokio::sync::Mutex::new(InboxReader::new(inner.source.clone()));
        Self { inner, reader, interrupt: Notify::new(), waits: tokio::sync::Mutex::default() }
    }

    pub(crate) async fn capture(&self, patterns: &[SubjectPattern]) -> Result<Vec<Held>, Error> {
        self.inner.lifecycle.check()?;
        let Kind::Own { name, captured } = &self.inner.kind else {
            let stream = &self.inner.source.stream.name;
            let held = |pattern: &SubjectPattern| Held {
                pattern: pattern.clone(),
                stream: stream.clone(),
            };
            return Ok(patterns.iter().map(held).collect());
        };
        let patterns = minimal(name, patterns)?;
        let (patterns, held) = capture::set(&self.inner.source.stream, name, patterns).await?;
        *lock(captured) = patterns;
        self.inner.publisher.forget();
        Ok(held)
    }

    pub(crate) async fn publish(&self, message: &Message) -> Result<u64, Error> {
        self.inner.lifecycle.check()?;
        let stream = &self.inner.source.stream.name;
        let mut tries = Tries::new(PATIENCE);
        loop {
            if !self.captures(message).await? {
                let subject = message.subject.to_string();
                return Err(ErrorKind::NotCaptured { subject }.into());
            }
            match self.inner.publisher.store(message, Some(stream)).await? {
                Acknowledged::Stored { sequence } => return Ok(sequence),
                Acknowledged::Nowhere => {}
            }
            // The pattern is captured no more, or the stream has no leader now.
            self.forget_captured();
            if !tries.again().await {
                return Err(no_leader(message.subject.as_str()));
            }
        }
    }

    fn forget_captured(&self) {
        if let Kind::Own { captured, .. } = &self.inner.kind {
            lock(captured).clear();
        }
    }

    /// Whether the stream captures the message's subject, looked up again before a no.
    async fn captures(&self, message: &Message) -> Result<bool, Error> {
        let Kind::Own { name, captured } = &self.inner.kind else { return Ok(false) };
        let matches = |patterns: &[SubjectPattern]| {
            patterns.iter().any(|pattern| pattern.matches(&message.subject))
        };
        if matches(&lock(captured)) {
            return Ok(true);
        }
        let info = self.inner.source.stream.info().await?;
        let patterns = capture::captured(name, &info.config);
        let is_captured = matches(&patterns);
        *lock(captured) = patterns;
        Ok(is_captured)
    }

    pub(crate) async fn read_from(
        &self,
        cursor: u64,
        max_messages: usize,
    ) -> Result<Vec<Delivered>, Error> {
        self.inner.lifecycle.check()?;
        if max_messages == 0 {
            return Ok(Vec::new());
        }
        self.interrupt.notify_one();
        let reading = async { self.reader.lock().await.read(cursor, max_messages).await };
        tokio::select! {
            biased;
            () = self.inner.lifecycle.closed() => Err(ErrorKind::Closed.into()),
            read = reading => read,
        }
    }

    pub(crate) async fn wait_beyond(&self, sequence: u64) -> Result<u64, Error> {
        let Ok(_waits) = self.waits.try_lock() else {
            // Another one waits with the reader of this handle, perhaps for far less or far more.
            return Box::pin(self.clone().wait_beyond(sequence)).await;
        };
        let mut failures = RETRY_PAUSES_MS.iter();
        loop {
            self.inner.lifecycle.check()?;
            let mut reader = self.reader.lock().await;
            let outcome = tokio::select! {
                biased;
                () = self.inner.lifecycle.closed() => return Err(ErrorKind::Closed.into()),
                () = self.interrupt.notified() => None,
                last = reader.wait_beyond(sequence) => Some(last),
            };
            drop(reader);
            match outcome {
                Some(Err(error)) if passes(&error) => {
                    tracing::debug!(%error, "waiting for messages goes on");
                    let last = RETRY_PAUSES_MS.last().copied().unwrap_or_default();
                    let pause = failures.next().copied().unwrap_or(last);
                    tokio::time::sleep(Duration::from_millis(pause)).await;
                }
                Some(last) => return last,
                // The reader's lock is fair: who interrupted comes first.
                None => tokio::task::yield_now().await,
            }
        }
    }

    pub(crate) async fn tail(&self) -> Result<Tail, Error> {
        self.inner.lifecycle.check()?;
        self.inner.source.stream.tail().await
    }

    pub(crate) fn is_foreign(&self) -> bool {
        matches!(self.inner.kind, Kind::Foreign)
    }

    /// The first sequence beyond `sequence` that the filters let through.
    pub(crate) async fn next_beyond(&self, sequence: u64) -> Result<Option<u64>, Error> {
        self.inner.lifecycle.check()?;
        Ok(self.inner.source.fetch(sequence + 1).await?.map(|found| found.sequence))
    }

    pub(crate) fn connects(&self) -> u64 {
        // Of the main connection: the one that is read over also ends over strange messages.
        let client = &self.inner.source.stream.link.client;
        let is_away = client.connection_state() != async_nats::connection::State::Connected;
        client.statistics().connects.load(Ordering::Relaxed) * 2 + u64::from(is_away)
    }

    pub(crate) async fn trim(&self, before: u64) -> Result<(), Error> {
        self.inner.lifecycle.check()?;
        let Kind::Own { .. } = &self.inner.kind else { return Ok(()) };
        let source = &self.inner.source;
        let tail = source.tail().await?;
        // A purge beyond the end would carry the last sequence with it.
        let before = before.min(tail.last + 1);
        if before <= tail.first {
            return Ok(());
        }
        source.stream.purge(before).await
    }
}

/// Whether what failed may be over in a moment.
const fn passes(error: &Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Disconnected
            | ErrorKind::Timeout { .. }
            | ErrorKind::NoResponders { .. }
            | ErrorKind::Unknown
    )
}
