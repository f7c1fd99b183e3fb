//! [`Subscription`]: messages as they are published, some of them lost.

use crate::local::Listener;
use crate::{Message, nats};

/// Messages published after it was made; see [`Bus::subscribe`](crate::Bus::subscribe).
///
/// Holds 1,024 messages; beyond that the oldest is dropped and counted. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription(Source);

#[derive(Debug)]
enum Source {
    Local(Listener),
    Nats(nats::Subscribed),
}

impl Subscription {
    pub(crate) const fn local(listener: Listener) -> Self {
        Self(Source::Local(listener))
    }

    pub(crate) const fn nats(subscribed: nats::Subscribed) -> Self {
        Self(Source::Nats(subscribed))
    }

    /// The next message, or `None` once the bus is closed and the queue is empty.
    ///
    /// Dropping the future loses no message.
    pub async fn next(&mut self) -> Option<Message> {
        match &mut self.0 {
            Source::Local(listener) => listener.next().await,
            Source::Nats(subscribed) => subscribed.next().await,
        }
    }

    /// How many messages were dropped because this subscriber was too slow.
    #[must_use]
    pub fn lagged(&self) -> u64 {
        match &self.0 {
            Source::Local(listener) => listener.lagged(),
            Source::Nats(subscribed) => subscribed.lagged(),
        }
    }
}
