//! [`Requests`]: ask one responder, serve in a group, discover services.

mod respond;

use std::time::Duration;

use tokio::time::Instant;

use crate::local::{Answer, Exchange, Served, Told};
use crate::second::OnSecond;
use crate::service::alone;
use crate::simulated::SimulatedRequests;
use crate::{Error, Message, Offer, Registration, ServiceInfo, ServiceStats, SubjectPattern, nats};

/// Requests and replies; nothing of them is stored.
#[derive(Debug, Clone)]
pub struct Requests(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Local(Exchange),
    Simulated(SimulatedRequests),
    Nats(nats::Requests),
}

/// Hears the outcome of a request, on a task of the bus: it must be quick and must not block.
pub type OnReply = Box<dyn FnOnce(Result<Message, Error>) + Send>;

/// Takes requests; made by [`Requests::serve`]. Dropping it unregisters it.
#[derive(Debug)]
pub struct Server(Serving);

#[derive(Debug)]
enum Serving {
    Local(Served),
    Nats(nats::Served),
}

/// One request as delivered.
///
/// Dropped without an answer, it leaves the requester waiting until its deadline.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub message: Message,
    reply: Replier,
    arrived: Instant,
}

#[derive(Debug)]
enum Replier {
    Local(Answer),
    Told(Told),
    Nats(nats::Replier),
}

impl Requests {
    pub(crate) const fn nats(requests: nats::Requests) -> Self {
        Self(Backend::Nats(requests))
    }

    pub(crate) const fn local(exchange: Exchange) -> Self {
        Self(Backend::Local(exchange))
    }

    pub(crate) const fn simulated(requests: SimulatedRequests) -> Self {
        Self(Backend::Simulated(requests))
    }

    /// Asks and waits for the first reply, at most `timeout`. The subject of a reply has no
    /// meaning.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NoResponders`](crate::ErrorKind::NoResponders) at once if nobody serves
    /// the subject: it was never delivered. [`ErrorKind::Timeout`](crate::ErrorKind::Timeout)
    /// if no reply came in time: whether it was handled is unknown.
    /// [`ErrorKind::Full`](crate::ErrorKind::Full) if the queues of the servers tried are full.
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) above 1 MiB.
    pub async fn request(&self, message: Message, timeout: Duration) -> Result<Message, Error> {
        message.check_size()?;
        match &self.0 {
            Backend::Local(exchange) => exchange.request(message, timeout).await,
            Backend::Simulated(requests) => requests.request(message, timeout).await,
            Backend::Nats(requests) => requests.request(message, timeout).await,
        }
    }

    /// [`Requests::request`] for those whose permissions may lack: where the server says that we
    /// may not ask there, or hear replies, it ends at once.
    ///
    /// A server answers no request that it does not let through, so without looking at what it
    /// complains of, a refusal is a timeout.
    ///
    /// # Errors
    ///
    /// Those of [`Requests::request`], and [`ErrorKind::Refused`](crate::ErrorKind::Refused).
    pub async fn request_checked(
        &self,
        message: Message,
        timeout: Duration,
    ) -> Result<Message, Error> {
        message.check_size()?;
        match &self.0 {
            Backend::Nats(requests) => requests.request_checked(message, timeout).await,
            Backend::Local(_) | Backend::Simulated(_) => self.request(message, timeout).await,
        }
    }

    /// Asks without a task that waits: `then` hears what [`Requests::request`] would return, at
    /// most 50 ms and a round trip after the deadline; dropped unheard, the bus was closed.
    ///
    /// # Errors
    ///
    /// Gives both back where the message does not leave at once: its sender's queue is full, there
    /// is no connection, or the backend has no quicker way than [`Requests::request`].
    pub fn request_told(
        &self,
        message: Message,
        timeout: Duration,
        then: OnReply,
    ) -> Result<(), (Message, OnReply)> {
        match &self.0 {
            Backend::Nats(requests) if message.check_size().is_ok() => {
                requests.tell_of(message, timeout, then)
            }
            Backend::Local(exchange) if message.check_size().is_ok() => {
                exchange.tell_of(message, timeout, then)
            }
            Backend::Nats(_) | Backend::Local(_) | Backend::Simulated(_) => Err((message, then)),
        }
    }

    /// Returns once every reply that had come before is with whoever asked: told where its request
    /// was told of, else ready to be taken.
    ///
    /// Whoever stood still meanwhile knows by it that what it has not heard has not come.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Disconnected`](crate::ErrorKind::Disconnected) and
    /// [`ErrorKind::Timeout`](crate::ErrorKind::Timeout) where the server does not say in a second
    /// that there is nothing more.
    pub async fn heard(&self) -> Result<(), Error> {
        match &self.0 {
            Backend::Nats(requests) => requests.heard().await,
            // Whoever answers hands the reply over itself.
            Backend::Local(_) | Backend::Simulated(_) => Ok(()),
        }
    }

    /// Tells `then` of each reply behind the first one to a request; whoever says so last is told.
    ///
    /// On NATS the token of its reply subject says which request a reply is to, and the last 8,192
    /// or so that were answered are remembered: a reply that comes later is not known. In one
    /// process only requests that went to several groups can have more than one reply.
    pub fn on_second_reply(&self, then: OnSecond) {
        let hearing = match &self.0 {
            Backend::Local(exchange) => exchange.hearing(),
            Backend::Simulated(requests) => requests.exchange().hearing(),
            Backend::Nats(requests) => requests.hearing(),
        };
        hearing.set(then);
    }

    /// Changes whenever the connection that replies come over is lost, and when it is made anew: of
    /// what was sent between two numbers some may be lost. Always 0 where there is none to lose.
    #[must_use]
    pub fn connection(&self) -> u64 {
        match &self.0 {
            Backend::Nats(requests) => requests.connection(),
            Backend::Local(_) | Backend::Simulated(_) => 0,
        }
    }

    /// Serves the subjects that match `pattern` as a member of `group`.
    ///
    /// Each request goes to one member of every group that serves its subject. A server holds
    /// 1,024 requests that were not taken yet.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) after the bus was closed.
    pub async fn serve(&self, pattern: &SubjectPattern, group: &str) -> Result<Server, Error> {
        let serving = match &self.0 {
            Backend::Local(exchange) => Serving::Local(exchange.serve(pattern, group)?),
            Backend::Simulated(requests) => {
                Serving::Local(requests.exchange().serve(pattern, group)?)
            }
            Backend::Nats(requests) => Serving::Nats(requests.serve(pattern, group).await?),
        };
        Ok(Server(serving))
    }

    /// [`Requests::serve`] for one who takes every request at once: on NATS the server holds no
    /// queue of its own, and what is not taken in time is lost without a word to the requester.
    ///
    /// # Errors
    ///
    /// Those of [`Requests::serve`].
    pub async fn serve_at_once(
        &self,
        pattern: &SubjectPattern,
        group: &str,
    ) -> Result<Server, Error> {
        match &self.0 {
            Backend::Nats(requests) => {
                Ok(Server(Serving::Nats(requests.serve_at_once(pattern, group).await?)))
            }
            Backend::Local(_) | Backend::Simulated(_) => self.serve(pattern, group).await,
        }
    }

    /// Serves the endpoints of a service as a member of `group`, one server each, in their
    /// order, and makes the service discoverable until the registration is dropped.
    ///
    /// On NATS the instance is a micro service; an id made for it replaces [`ServiceInfo::id`].
    /// Once the registration is dropped, servers yield what was delivered before, then end.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSubject`](crate::ErrorKind::InvalidSubject) if an endpoint's subject
    /// is none, [`ErrorKind::Closed`](crate::ErrorKind::Closed) after the bus was closed.
    pub async fn offer(
        &self,
        info: ServiceInfo,
        group: &str,
    ) -> Result<(Registration, Vec<Server>), Error> {
        self.offer_as(info, Offer::new(group)).await
    }

    /// [`Requests::offer`], told how: where each endpoint is also served by the instance alone,
    /// the servers for that follow the others, in the same order.
    ///
    /// # Errors
    ///
    /// Those of [`Requests::offer`], also where the id is no token of a subject and is to be one.
    pub async fn offer_as(
        &self,
        info: ServiceInfo,
        offer: Offer,
    ) -> Result<(Registration, Vec<Server>), Error> {
        let exchange = match &self.0 {
            Backend::Local(exchange) => exchange,
            Backend::Simulated(requests) => requests.exchange(),
            Backend::Nats(requests) => {
                let (offered, served) = requests.offer(info, offer).await?;
                let servers = served.into_iter().map(|served| Server(Serving::Nats(served)));
                return Ok((Registration::nats(offered), servers.collect()));
            }
        };
        let mut servers = Vec::with_capacity(info.endpoints.len());
        for endpoint in &info.endpoints {
            let pattern = SubjectPattern::parse(&endpoint.subject)?;
            servers.push(Server(Serving::Local(exchange.serve(&pattern, &offer.group)?)));
        }
        for endpoint in info.endpoints.iter().filter(|_| offer.alone) {
            let pattern = SubjectPattern::parse(&alone(&endpoint.subject, &info.id))?;
            servers.push(Server(Serving::Local(exchange.serve(&pattern, &info.id)?)));
        }
        let id = info.id.clone();
        Ok((Registration::local(id, exchange.register(info, offer.data)?), servers))
    }

    /// What the registered services tell about themselves, in order of name and id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) after the bus was closed.
    pub async fn discover(&self) -> Result<Vec<ServiceInfo>, Error> {
        match &self.0 {
            Backend::Local(exchange) => exchange.discover(),
            Backend::Simulated(requests) => requests.exchange().discover(),
            Backend::Nats(requests) => requests.discover().await,
        }
    }

    /// What the registered services tell about their requests, in order of name and id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) after the bus was closed.
    pub async fn stats(&self) -> Result<Vec<ServiceStats>, Error> {
        match &self.0 {
            Backend::Local(exchange) => exchange.stats(),
            Backend::Simulated(requests) => requests.exchange().stats(),
            Backend::Nats(requests) => requests.stats().await,
        }
    }
}

impl Server {
    /// The next request, or `None` once the bus is closed and the queue is empty.
    ///
    /// Dropping the future loses no request.
    pub async fn next(&mut self) -> Option<Request> {
        match &mut self.0 {
            Serving::Local(served) => served.next().await,
            Serving::Nats(served) => served.next().await,
        }
    }

    /// Waits for something else, as one who has no room for the next request does. Meanwhile
    /// requests are queued, and refused once the queue is full, however the service was offered.
    pub async fn hold<T>(&mut self, until: impl Future<Output = T>) -> T {
        match &mut self.0 {
            Serving::Local(_) => until.await,
            Serving::Nats(served) => served.hold(until).await,
        }
    }
}

impl Request {
    pub(crate) fn new(message: Message, reply: Answer) -> Self {
        Self { message, reply: Replier::Local(reply), arrived: Instant::now() }
    }

    pub(crate) fn told(message: Message, told: Told) -> Self {
        Self { message, reply: Replier::Told(told), arrived: Instant::now() }
    }

    /// How long it has waited for its answer since it came to this process.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.arrived.elapsed()
    }

    /// The message, and who is told what becomes of it, unless that was told.
    pub(crate) fn untold(self) -> (Message, Option<OnReply>) {
        let then = match &self.reply {
            Replier::Told(told) => told.take(),
            Replier::Local(_) | Replier::Nats(_) => None,
        };
        (self.message, then)
    }

    pub(crate) fn nats(message: Message, reply: nats::Replier) -> Self {
        Self { message, reply: Replier::Nats(reply), arrived: Instant::now() }
    }

    /// Answers a request that is delivered to a full queue.
    pub(crate) async fn refuse(self, limit: usize) -> Result<(), Error> {
        match self.reply {
            Replier::Local(_) | Replier::Told(_) => Ok(()),
            Replier::Nats(requester) => requester.refuse(limit, self.arrived).await,
        }
    }

    /// Answers. A requester that does not wait any more is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) above 1 MiB; the requester then
    /// waits until its deadline.
    pub async fn respond(self, reply: Message) -> Result<(), Error> {
        reply.check_size()?;
        match self.reply {
            Replier::Local(requester) => {
                requester.give(reply);
                Ok(())
            }
            Replier::Told(told) => {
                told.answer(reply);
                Ok(())
            }
            Replier::Nats(requester) => requester.respond(reply, self.arrived).await,
        }
    }

    /// [`Request::respond`] without waiting for anything.
    ///
    /// # Errors
    ///
    /// Gives both back where the answer does not leave at once: it is too large, the queue of the
    /// connection is full, or there is no connection.
    pub fn respond_at_once(self, reply: Message) -> Result<(), Box<(Self, Message)>> {
        if reply.check_size().is_err() {
            return Err(Box::new((self, reply)));
        }
        let Self { message, reply: to, arrived } = self;
        match to {
            Replier::Local(requester) => {
                requester.give(reply);
                Ok(())
            }
            Replier::Told(told) => {
                told.answer(reply);
                Ok(())
            }
            Replier::Nats(requester) => {
                requester.respond_at_once(reply, arrived).map_err(|unsent| {
                    let (requester, reply) = *unsent;
                    Box::new((Self { message, reply: Replier::Nats(requester), arrived }, reply))
                })
            }
        }
    }
}
