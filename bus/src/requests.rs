//! [`Requests`]: ask one responder, serve in a group, discover services.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::local::{Exchange, Served};
use crate::simulated::SimulatedRequests;
use crate::{Error, Message, Registration, ServiceInfo, SubjectPattern};

/// Requests and replies; nothing of them is stored.
#[derive(Debug, Clone)]
pub struct Requests(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Local(Exchange),
    Simulated(SimulatedRequests),
}

/// Takes requests; made by [`Requests::serve`]. Dropping it unregisters it.
#[derive(Debug)]
pub struct Server(Served);

/// One request as delivered.
///
/// Dropped without an answer, it leaves the requester waiting until its deadline.
#[derive(Debug)]
pub struct Request {
    /// What is asked.
    pub message: Message,
    reply: mpsc::Sender<Message>,
}

impl Requests {
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
    /// [`ErrorKind::Full`](crate::ErrorKind::Full) if every server's queue is full.
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) above 1 MiB.
    pub async fn request(&self, message: Message, timeout: Duration) -> Result<Message, Error> {
        message.check_size()?;
        match &self.0 {
            Backend::Local(exchange) => exchange.request(message, timeout).await,
            Backend::Simulated(requests) => requests.request(message, timeout).await,
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
    #[expect(clippy::unused_async, reason = "a remote backend asks its server")]
    pub async fn serve(&self, pattern: &SubjectPattern, group: &str) -> Result<Server, Error> {
        Ok(Server(self.exchange().serve(pattern, group)?))
    }

    /// Makes a service discoverable until the registration is dropped.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) after the bus was closed.
    #[expect(clippy::unused_async, reason = "a remote backend asks its server")]
    pub async fn register(&self, info: ServiceInfo) -> Result<Registration, Error> {
        Ok(Registration::new(self.exchange().register(info)?))
    }

    /// What the registered services tell about themselves, in order of name and id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) after the bus was closed.
    #[expect(clippy::unused_async, reason = "a remote backend asks its server")]
    pub async fn discover(&self) -> Result<Vec<ServiceInfo>, Error> {
        self.exchange().discover()
    }

    const fn exchange(&self) -> &Exchange {
        match &self.0 {
            Backend::Local(exchange) => exchange,
            Backend::Simulated(requests) => requests.exchange(),
        }
    }
}

impl Server {
    /// The next request, or `None` once the bus is closed and the queue is empty.
    ///
    /// Dropping the future loses no request.
    pub async fn next(&mut self) -> Option<Request> {
        self.0.next().await
    }
}

impl Request {
    pub(crate) const fn new(message: Message, reply: mpsc::Sender<Message>) -> Self {
        Self { message, reply }
    }

    /// Answers. A requester that does not wait any more is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) above 1 MiB; the requester then
    /// waits until its deadline.
    #[expect(clippy::unused_async, reason = "a remote backend sends to its server")]
    pub async fn respond(self, reply: Message) -> Result<(), Error> {
        reply.check_size()?;
        // The requester is gone or has its reply already: either way it needs none.
        self.reply.try_send(reply).unwrap_or_default();
        Ok(())
    }
}
