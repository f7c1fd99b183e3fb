//! Requests, services and subscriptions over core NATS.

use std::time::Duration;

use crate::local::Lifecycle;
use crate::{Error, Message, Request, ServiceInfo, SubjectPattern};

/// Requests over one connection.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    _client: async_nats::Client,
    _lifecycle: Lifecycle,
}

/// A server's subscription.
#[derive(Debug)]
pub(crate) struct Served {}

/// A running service.
#[derive(Debug)]
pub(crate) struct Offered {}

/// Where a reply goes.
#[derive(Debug)]
pub(crate) struct Replier {}

/// A subscription.
#[derive(Debug)]
pub(crate) struct Subscribed {}

impl Requests {
    pub(crate) const fn new(client: async_nats::Client, lifecycle: Lifecycle) -> Self {
        Self { _client: client, _lifecycle: lifecycle }
    }

    pub(crate) async fn request(
        &self,
        _message: Message,
        _timeout: Duration,
    ) -> Result<Message, Error> {
        todo!()
    }

    pub(crate) async fn serve(
        &self,
        _pattern: &SubjectPattern,
        _group: &str,
    ) -> Result<Served, Error> {
        todo!()
    }

    pub(crate) async fn offer(
        &self,
        _info: ServiceInfo,
        _group: &str,
    ) -> Result<(Offered, Vec<Served>), Error> {
        todo!()
    }

    pub(crate) async fn discover(&self) -> Result<Vec<ServiceInfo>, Error> {
        todo!()
    }
}

impl Served {
    pub(crate) async fn next(&mut self) -> Option<Request> {
        todo!()
    }
}

impl Replier {
    pub(crate) async fn respond(self, _reply: Message) -> Result<(), Error> {
        todo!()
    }
}

impl Subscribed {
    pub(crate) async fn next(&mut self) -> Option<Message> {
        todo!()
    }

    pub(crate) fn lagged(&self) -> u64 {
        todo!()
    }
}
