//! One request and its first reply, over whichever connection there is.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::live::Outgoing;
use super::traffic::{Shared, Waiting};
use crate::local::{lock, timed_out};
use crate::{Error, ErrorKind};

/// A request that was sent.
struct Sent<'a> {
    entry: Entry<'a>,
    reply: oneshot::Receiver<async_nats::Message>,
    /// How long the reply may take.
    left: Duration,
}

/// Takes the entry of a request away that ended without its reply.
struct Entry<'a> {
    shared: &'a Shared,
    token: u64,
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        lock(&self.shared.waiting).remove(&self.token);
    }
}

impl Shared {
    /// Asks and waits for the first reply. What had come when the time was over counts, though
    /// nobody of this process had a turn to read it.
    pub(super) async fn exchange(
        &self,
        outgoing: Outgoing<'_>,
        timeout: Duration,
    ) -> Result<async_nats::Message, Error> {
        let begun = Box::pin(self.begin(outgoing, timeout)).await?;
        let Sent { entry: _entry, mut reply, left } = begun;
        match tokio::time::timeout(left, &mut reply).await {
            Ok(reply) => reply.map_err(|_taken_away| ErrorKind::Closed.into()),
            Err(_elapsed) => {
                // Rare, so its room is not part of every request.
                Box::pin(self.hear_out()).await;
                reply.try_recv().map_err(|_nothing| timed_out(timeout))
            }
        }
    }

    /// [`Shared::exchange`] that ends with its time.
    pub(super) async fn exchange_once(
        &self,
        outgoing: Outgoing<'_>,
        timeout: Duration,
    ) -> Result<async_nats::Message, Error> {
        let Sent { entry: _entry, reply, left } = self.begin(outgoing, timeout).await?;
        match tokio::time::timeout(left, reply).await {
            Ok(reply) => reply.map_err(|_taken_away| ErrorKind::Closed.into()),
            Err(_elapsed) => Err(timed_out(timeout)),
        }
    }

    /// Returns once what had come is handed out, or where nobody knows what has.
    pub(super) async fn hear_out(&self) {
        if self.is_connected()
            && let Err(error) = self.round_trip().await
        {
            tracing::debug!(%error, "it is not known whether a reply came in time");
        }
    }

    async fn begin(&self, outgoing: Outgoing<'_>, timeout: Duration) -> Result<Sent<'_>, Error> {
        let began = Instant::now();
        let (sender, reply) = oneshot::channel();
        let (token, reply_to) = self.enter(Waiting::Request(sender, outgoing.asked.cloned()));
        let entry = Entry { shared: self, token };
        // Asked after the entry was made: closing takes all entries away.
        self.lifecycle.check()?;
        let sending = async {
            if !self.is_connected() {
                Box::pin(self.connected()).await;
            }
            self.send(outgoing, Some(&reply_to)).await
        };
        match tokio::time::timeout(timeout, sending).await {
            Ok(sent) => sent?,
            Err(elapsed) => return Err(Error::new(ErrorKind::Disconnected, elapsed)),
        }
        Ok(Sent { entry, reply, left: timeout.saturating_sub(began.elapsed()) })
    }
}
