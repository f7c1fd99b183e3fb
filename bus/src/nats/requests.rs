//! [`Requests`]: ask, serve, offer, discover over core NATS.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::live::Outgoing;
use super::service_counts::Counts;
use super::traffic::Traffic;
use super::{discovery, wire};
use crate::local::Lifecycle;
use crate::nats::{Offered, Served};
use crate::requests::OnReply;
use crate::second::Hearing;
use crate::{Error, ErrorKind, Message, Offer, ServiceInfo, ServiceStats, SubjectPattern};

/// A server's word that its queue is full, with the limit; other clients read the 503 beside it.
pub(super) const FULL: &str = "Gearshift-Full";

/// The number a service gives its failure.
pub(crate) const ERROR_CODE: &str = "Nats-Service-Error-Code";

/// What a service says about its failure.
pub(crate) const ERROR_TEXT: &str = "Nats-Service-Error";

/// How often a request is handed to a group whose members are full: the server picks a member
/// blindly, and another one may have room.
pub(super) const ATTEMPTS_MAX: usize = 4;

/// Requests over one connection.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    traffic: Traffic,
}

/// Where a reply goes.
#[derive(Debug)]
pub(crate) struct Replier {
    traffic: Traffic,
    reply: async_nats::Subject,
    counts: Option<Arc<Counts>>,
}

impl Requests {
    pub(super) const fn new(traffic: Traffic) -> Self {
        Self { traffic }
    }

    pub(crate) async fn request(
        &self,
        message: Message,
        timeout: Duration,
    ) -> Result<Message, Error> {
        for attempt in 1..=ATTEMPTS_MAX {
            let reply = wire::inbound(self.traffic.ask(&message, timeout).await?);
            match reply.headers.get(FULL).map(str::parse) {
                None => return Ok(reply),
                Some(limit) if attempt == ATTEMPTS_MAX => {
                    let limit = limit.unwrap_or(crate::QUEUE_REQUESTS_MAX);
                    return Err(ErrorKind::Full { limit }.into());
                }
                Some(_) => {}
            }
        }
        Err(ErrorKind::Full { limit: crate::QUEUE_REQUESTS_MAX }.into())
    }

    /// Like [`Requests::request`], and ends as soon as the server refuses it.
    pub(crate) async fn request_checked(
        &self,
        message: Message,
        timeout: Duration,
    ) -> Result<Message, Error> {
        let live = self.traffic.shared().live();
        let refusal = live.refusal(message.subject.as_str());
        tokio::select! {
            biased;
            reply = self.request(message, timeout) => reply,
            refusal = refusal => Err(refusal),
        }
    }

    /// Sends a request at once, or gives it back; `then` is told its outcome.
    pub(crate) fn tell_of(
        &self,
        message: Message,
        timeout: Duration,
        then: OnReply,
    ) -> Result<(), (Message, OnReply)> {
        self.traffic.tell_of(message, timeout, then)
    }

    /// Who hears of second replies.
    pub(crate) fn hearing(&self) -> &Hearing {
        &self.traffic.shared().hearing
    }

    pub(crate) fn connection(&self) -> u64 {
        self.traffic.shared().live().number()
    }

    pub(crate) async fn heard(&self) -> Result<(), Error> {
        self.lifecycle().check()?;
        self.traffic.round_trip_told().await
    }

    pub(crate) async fn serve(
        &self,
        pattern: &SubjectPattern,
        group: &str,
    ) -> Result<Served, Error> {
        self.lifecycle().check()?;
        let served = Served::open(&self.traffic, pattern, group, None).await?;
        self.traffic.subscribed([pattern.as_str()]).await?;
        Ok(served)
    }

    pub(crate) async fn serve_at_once(
        &self,
        pattern: &SubjectPattern,
        group: &str,
    ) -> Result<Served, Error> {
        self.lifecycle().check()?;
        let served = Served::open_direct(&self.traffic, pattern, group).await?;
        self.traffic.subscribed([pattern.as_str()]).await?;
        Ok(served)
    }

    pub(crate) async fn offer(
        &self,
        info: ServiceInfo,
        offer: Offer,
    ) -> Result<(Offered, Vec<Served>), Error> {
        self.lifecycle().check()?;
        let (offered, served) = super::service::offer(&self.traffic, info, offer).await?;
        self.traffic.subscribed(offered.subjects().iter().map(String::as_str)).await?;
        Ok((offered, served))
    }

    pub(crate) async fn discover(&self) -> Result<Vec<ServiceInfo>, Error> {
        self.lifecycle().check()?;
        tokio::select! {
            biased;
            found = discovery::discover(&self.traffic) => found,
            () = self.lifecycle().closed() => Err(ErrorKind::Closed.into()),
        }
    }

    pub(crate) async fn stats(&self) -> Result<Vec<ServiceStats>, Error> {
        self.lifecycle().check()?;
        tokio::select! {
            biased;
            found = discovery::stats(&self.traffic) => found,
            () = self.lifecycle().closed() => Err(ErrorKind::Closed.into()),
        }
    }

    fn lifecycle(&self) -> &Lifecycle {
        &self.traffic.shared().lifecycle
    }
}

/// What it means that there is no subscription.
pub(super) fn not_subscribed(pattern: &str, error: async_nats::SubscribeError) -> Error {
    use async_nats::client::SubscribeErrorKind;
    let kind = match error.kind() {
        SubscribeErrorKind::InvalidSubject => ErrorKind::InvalidSubject {
            text: pattern.to_owned(),
            reason: "the client does not subscribe to it",
        },
        SubscribeErrorKind::InvalidQueueName => ErrorKind::InvalidName {
            text: pattern.to_owned(),
            reason: "the group's name is empty or holds a space",
        },
        SubscribeErrorKind::Other => ErrorKind::Disconnected,
    };
    Error::new(kind, error)
}

impl Replier {
    pub(super) const fn new(
        traffic: Traffic,
        reply: async_nats::Subject,
        counts: Option<Arc<Counts>>,
    ) -> Self {
        Self { traffic, reply, counts }
    }

    /// Answers what was asked at `arrived`.
    pub(crate) async fn respond(self, reply: Message, arrived: Instant) -> Result<(), Error> {
        self.count(&reply, arrived);
        self.traffic.tell(self.outgoing(&reply)).await
    }

    /// Answers, with what `instead` makes where the servers do not carry the reply.
    pub(crate) async fn respond_or(
        self,
        reply: Message,
        instead: impl FnOnce(usize, usize) -> Message,
        arrived: Instant,
    ) -> Result<(), Error> {
        let Err(error) = self.traffic.tell(self.outgoing(&reply)).await else {
            self.count(&reply, arrived);
            return Ok(());
        };
        let ErrorKind::TooLarge { size, limit } = *error.kind() else {
            self.count(&reply, arrived);
            return Err(error);
        };
        // What the client could not send is not smaller than it is.
        self.respond(instead(reply.payload.len().max(size), limit), arrived).await
    }

    /// Answers without waiting, or gives both back.
    pub(crate) fn respond_at_once(
        self,
        reply: Message,
        arrived: Instant,
    ) -> Result<(), Box<(Self, Message)>> {
        if !self.traffic.tell_at_once(self.outgoing(&reply)) {
            return Err(Box::new((self, reply)));
        }
        self.count(&reply, arrived);
        Ok(())
    }

    fn outgoing<'a>(&'a self, reply: &'a Message) -> Outgoing<'a> {
        Outgoing { to: Some(&self.reply), ..Outgoing::from(reply) }
    }

    fn count(&self, reply: &Message, arrived: Instant) {
        if let Some(counts) = &self.counts {
            counts.add(reply, arrived.elapsed());
        }
    }

    /// Answers that the queue is full.
    pub(crate) async fn refuse(self, limit: usize, arrived: Instant) -> Result<(), Error> {
        let subject = crate::Subject::parse("full")?;
        let refusal = Message::new(subject, "")
            .with_header(FULL, &limit.to_string())?
            .with_header(ERROR_CODE, "503")?
            .with_header(ERROR_TEXT, &ErrorKind::Full { limit }.to_string())?;
        self.respond(refusal, arrived).await
    }
}
