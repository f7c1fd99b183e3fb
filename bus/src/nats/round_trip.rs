//! The server's word that it took what was sent before.

use std::time::Duration;

use bytes::Bytes;

use super::live::Outgoing;
use super::traffic::{Shared, Traffic};
use crate::{Error, ErrorKind, Headers};

/// Longest wait for it.
const ROUND_TRIP_MAX: Duration = Duration::from_secs(1);

static NO_HEADERS: Headers = Headers::new();

impl Traffic {
    /// Returns once the server has taken everything that was sent before.
    ///
    /// The client's flush ends at our socket. A request that nobody serves is answered by the
    /// server itself, after what went before on this connection. One of a login that may not
    /// publish to its own inbox is refused beside the connection, after what went before as well.
    /// A server that says nothing for a while counts as one that took it.
    pub(super) async fn round_trip(&self) -> Result<(), Error> {
        match self.round_trip_told().await {
            Err(error) if matches!(error.kind(), ErrorKind::Timeout { .. }) => {
                tracing::debug!("the server did not answer a round trip");
                Ok(())
            }
            told => told,
        }
    }

    /// Returns once the server has taken subscriptions to these patterns, sent before.
    ///
    /// The client tells what a server complains of on a task of its own, which may run behind the
    /// one that gets the answer to a round trip. Before the answer to a second one it has its turn.
    pub(super) async fn subscribed<'a>(
        &self,
        patterns: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Error> {
        self.round_trip().await?;
        self.round_trip().await?;
        let live = self.shared().live();
        patterns.into_iter().try_for_each(|pattern| live.check_subscription(pattern))
    }

    /// [`Traffic::round_trip`], with an error of [`ErrorKind::Timeout`] where the server says
    /// nothing.
    pub(super) async fn round_trip_told(&self) -> Result<(), Error> {
        self.shared().round_trip().await
    }
}

impl Shared {
    /// [`Traffic::round_trip_told`]: its answer comes the way of all replies, so those that came
    /// before were handed out before.
    pub(super) async fn round_trip(&self) -> Result<(), Error> {
        let live = self.live();
        let subject = &live.client.new_inbox();
        let refusal = live.refusal(subject);
        let payload = &Bytes::new();
        let (headers, to, stream, asked) = (&NO_HEADERS, None, None, None);
        let outgoing = Outgoing { subject, to, headers, stream, payload, asked };
        tokio::select! {
            biased;
            reply = self.exchange_once(outgoing, ROUND_TRIP_MAX) => reply.map(drop),
            _refused = refusal => Ok(()),
        }
    }
}
