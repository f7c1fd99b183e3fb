//! [`Subscription`]: messages as they are published, some of them lost.

use crate::Message;
use crate::local::Listener;

/// Messages published after it was made; see [`Bus::subscribe`](crate::Bus::subscribe).
///
/// Holds 1,024 messages; beyond that the oldest is dropped and counted. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription(Listener);

impl Subscription {
    pub(crate) const fn new(listener: Listener) -> Self {
        Self(listener)
    }

    /// The next message, or `None` once the bus is closed and the queue is empty.
    ///
    /// Dropping the future loses no message.
    pub async fn next(&mut self) -> Option<Message> {
        self.0.next().await
    }

    /// How many messages were dropped because this subscriber was too slow.
    #[must_use]
    pub fn lagged(&self) -> u64 {
        self.0.lagged()
    }
}
