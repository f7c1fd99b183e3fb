//! [`Store`]: one connection, and the streams behind every primitive.

use crate::local::Lifecycle;
use crate::nats::{Blobs, Bucket, Inbox, Log, NatsOptions, Requests, Subscribed};
use crate::{Error, Message, SubjectPattern};

/// The connection, shared by all handles.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(super) client: async_nats::Client,
    pub(super) jetstream: async_nats::jetstream::Context,
    pub(super) lifecycle: Lifecycle,
}

/// What the connected server is and can do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerReport {
    /// Its id, unique per start.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version, such as `2.15.1`.
    pub version: String,
    /// The host it was reached at.
    pub host: String,
    /// The name of its cluster, if it is in one.
    pub cluster: Option<String>,
    /// The largest message it takes, in bytes.
    pub max_payload: usize,
    /// Copies that new streams get.
    pub replicas: usize,
    /// What it lacks and what that costs, one sentence each.
    pub missing: Vec<String>,
}

/// Whether the server syncs to its disk before it acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// `sync_interval: always`.
    Always,
    /// At an interval: a power cut may take what was acknowledged since.
    Interval {
        /// The interval, in milliseconds.
        millis: u64,
    },
    /// The server does not tell.
    Unknown,
}

impl Store {
    pub(crate) async fn connect(
        options: &NatsOptions,
        lifecycle: Lifecycle,
    ) -> Result<Self, Error> {
        let client = async_nats::ConnectOptions::new()
            .name(&options.name)
            .connect(options.servers.as_str())
            .await
            .map_err(|error| Error::new(crate::ErrorKind::Disconnected, error))?;
        let jetstream = async_nats::jetstream::new(client.clone());
        Ok(Self { client, jetstream, lifecycle })
    }

    pub(crate) async fn report(&self) -> Result<ServerReport, Error> {
        todo!()
    }

    pub(crate) async fn log(&self, _name: &str) -> Result<Log, Error> {
        todo!()
    }

    pub(crate) async fn inbox(&self, _name: &str) -> Result<Inbox, Error> {
        todo!()
    }

    pub(crate) async fn foreign_inbox(
        &self,
        _stream: &str,
        _patterns: &[SubjectPattern],
    ) -> Result<Inbox, Error> {
        todo!()
    }

    pub(crate) async fn bucket(&self, _name: &str) -> Result<Bucket, Error> {
        todo!()
    }

    pub(crate) async fn blobs(&self, _name: &str) -> Result<Blobs, Error> {
        todo!()
    }

    pub(crate) fn requests(&self) -> Requests {
        Requests::new(self.client.clone(), self.lifecycle.clone())
    }

    pub(crate) async fn publish(&self, _message: Message) -> Result<(), Error> {
        todo!()
    }

    pub(crate) fn notify(&self, _message: Message) -> Result<(), Error> {
        todo!()
    }

    pub(crate) async fn subscribe(&self, _pattern: &SubjectPattern) -> Result<Subscribed, Error> {
        todo!()
    }

    pub(crate) async fn close(&self) -> Result<(), Error> {
        todo!()
    }
}
