//! [`Store`]: the connections, and the streams behind every primitive.

use std::time::Duration;

use super::connection::Link;
use super::lane::Lane;
use super::publishing::{Acknowledged, Publisher};
use super::traffic::Traffic;
use crate::local::Lifecycle;
use crate::nats::{Blobs, Bucket, Inbox, Log, NatsOptions, Requests, ServerReport, Subscribed};
use crate::{Error, ErrorKind, Message, Subject, SubjectPattern};

/// How long closing waits until everything is sent.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// How long closing may take where the connection is lost.
const LOST_MAX: Duration = Duration::from_millis(100);

/// The connections, shared by all handles: one for what is stored, one for requests (strangers
/// can end it), one for reading what strangers stored.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(super) client: async_nats::Client,
    pub(super) lifecycle: Lifecycle,
    pub(super) link: Link,
    pub(super) traffic: Traffic,
    pub(super) publisher: Publisher,
    pub(super) lane: Lane,
}

impl Store {
    pub(crate) async fn connect(
        options: &NatsOptions,
        lifecycle: Lifecycle,
    ) -> Result<Self, Error> {
        let link = Link::connect(options, lifecycle.clone()).await?;
        let client = link.client.clone();
        let traffic = Traffic::start(options, lifecycle.clone()).await?;
        let publisher = Publisher::new(traffic.clone(), link.clone());
        let lane = Lane::new(options, lifecycle.clone());
        Ok(Self { client, lifecycle, link, traffic, publisher, lane })
    }

    pub(crate) async fn report(&self) -> Result<ServerReport, Error> {
        self.link.report().await
    }

    pub(crate) async fn log(&self, name: &str) -> Result<Log, Error> {
        Log::open(&self.link, name).await
    }

    pub(crate) async fn inbox(&self, name: &str) -> Result<Inbox, Error> {
        Inbox::open(&self.publisher, &self.lane, &self.link, name).await
    }

    pub(crate) async fn foreign_inbox(
        &self,
        stream: &str,
        patterns: &[SubjectPattern],
    ) -> Result<Inbox, Error> {
        Inbox::foreign(&self.publisher, &self.lane, &self.link, stream, patterns).await
    }

    pub(crate) async fn bucket(
        &self,
        name: &str,
        bytes_max: Option<usize>,
    ) -> Result<Bucket, Error> {
        Bucket::open(&self.link, name, bytes_max).await
    }

    pub(crate) async fn blobs(&self, name: &str) -> Result<Blobs, Error> {
        Blobs::open(&self.link, name).await
    }

    pub(crate) fn requests(&self) -> Requests {
        Requests::new(self.traffic.clone())
    }

    pub(crate) async fn publish(&self, message: Message) -> Result<(), Error> {
        self.publisher.publish(&message).await
    }

    pub(crate) async fn deliver(&self, message: &Message) -> Result<(), Error> {
        self.lifecycle.check()?;
        match self.publisher.store(message, None).await? {
            Acknowledged::Stored { .. } => Ok(()),
            Acknowledged::Nowhere => {
                Err(ErrorKind::NotCaptured { subject: message.subject.to_string() }.into())
            }
        }
    }

    pub(crate) fn is_heard(&self, subject: &Subject) -> bool {
        self.traffic.is_heard(subject)
    }

    pub(crate) fn notify(&self, message: Message) -> Result<(), Error> {
        self.traffic.notify(&message)
    }

    pub(crate) async fn subscribe(&self, pattern: &SubjectPattern) -> Result<Subscribed, Error> {
        Subscribed::open(&self.traffic, pattern).await
    }

    /// Sends what waits to be sent; then every handle answers `Closed`.
    pub(crate) async fn close(&self) -> Result<(), Error> {
        if self.lifecycle.check().is_err() {
            return Ok(());
        }
        let flushed = tokio::time::timeout(FLUSH_MAX, async {
            tokio::join!(self.flush(), self.traffic.flush())
        });
        let flushed = flushed.await;
        self.lifecycle.close();
        // Ends the subscriptions; a server that takes nothing is not told. Without a connection
        // there is nothing to end, and the client hears of it only when it has one.
        let draining = async { tokio::join!(self.client.drain(), self.traffic.drain()) };
        let limit = if self.link.is_up() { FLUSH_MAX } else { LOST_MAX };
        drop(tokio::time::timeout(limit, draining).await);
        match flushed {
            Ok((stored, asked)) => stored.and(asked),
            Err(_elapsed) => Err(ErrorKind::Disconnected.into()),
        }
    }

    async fn flush(&self) -> Result<(), Error> {
        if !self.link.is_up() {
            return Ok(());
        }
        self.client.flush().await.map_err(|error| Error::new(ErrorKind::Disconnected, error))
    }
}
