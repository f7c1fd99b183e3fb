//! Servers that are away: their connection is lost, or it stands and nothing comes over it.
//!
//! The client itself takes a silent connection for lost after two pings, some 10 s. Who cannot wait
//! so long asks, and listens whether anything comes.

use std::time::Duration;

use tokio::time::Instant;

use super::Store;

/// How often is looked whether anything came.
const LOOK: Duration = Duration::from_millis(50);

/// What one look counts for at most: where this process stood still, nothing says that the servers
/// were silent meanwhile.
const LOOK_MAX: Duration = Duration::from_millis(200);

/// Pause between two questions to the server.
const ASK_EVERY: Duration = Duration::from_millis(500);

impl Store {
    pub(crate) fn absence(&self) -> Option<String> {
        self.link.absence().or_else(|| self.traffic.shared().live().absence())
    }

    /// Ends with the reason once the servers were away or silent for `limit` without a break.
    pub(crate) async fn away_for(&self, limit: Duration) -> String {
        tokio::select! {
            biased;
            reason = self.unheard_for(limit) => reason,
            () = self.keep_asking() => std::future::pending().await,
        }
    }

    async fn unheard_for(&self, limit: Duration) -> String {
        let (mut heard, mut looked, mut away) = (self.heard(), Instant::now(), Duration::ZERO);
        loop {
            tokio::time::sleep(LOOK).await;
            let now = Instant::now();
            away += now.duration_since(looked).min(LOOK_MAX);
            looked = now;
            let absence = self.absence();
            let before = std::mem::replace(&mut heard, self.heard());
            if absence.is_none() && heard != before {
                away = Duration::ZERO;
            } else if away >= limit {
                return absence.unwrap_or_else(|| {
                    format!("the server at `{}` is silent", self.link.address())
                });
            }
        }
    }

    /// What was heard over all connections. They may lead to several servers of a cluster: while
    /// one of those answers, the connection to a silent one is on its way there.
    fn heard(&self) -> u64 {
        self.link.heard().wrapping_add(self.traffic.shared().live().heard())
    }

    /// The answers are counted where they arrive; whatever else becomes of a question says nothing.
    async fn keep_asking(&self) {
        loop {
            if let Err(error) = self.traffic.round_trip_told().await {
                tracing::debug!(%error, "the server did not answer");
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}
