//! Arrivals: what has come for a partition is decided before a clock that ran out meanwhile.
//!
//! An engine that stood still finds a deadline over and the answer that came before it unread, and
//! nothing says which of them it sees first. So a timer of an instance that waits for answers is
//! decided only once all is told that had come when it was due (decision 0037).

use std::sync::Arc;
use std::time::Duration;

use gearshift_bus::ErrorKind;
use gearshift_machine::machine::{InstanceKey, Timestamp};

use super::asks::{Ask, Heard};
use super::clock::monotonic;
use super::shared::Shared;

/// How long a clock that ran out waits for a bus that does not say what has come.
const HEAR_MAX: Duration = Duration::from_secs(5);

/// What one drive knows of what has come.
pub(crate) struct Arrivals {
    shared: Arc<Shared>,
    partition: u16,
    session: u64,
    /// What had come by then is told.
    heard: Timestamp,
    /// Until when it is being heard now.
    asked: Option<Timestamp>,
    /// Over which connection answers came when this was looked at last.
    connection: u64,
}

impl Arrivals {
    pub(super) fn new(shared: Arc<Shared>, partition: u16, session: u64) -> Self {
        let connection = shared.bus.requests().connection();
        let heard = Timestamp(i64::MIN);
        Self { shared, partition, session, heard, asked: None, connection }
    }

    /// May an answer to this instance have come before `due` that is not told?
    pub(super) fn may_hold(&self, due: Timestamp, key: &InstanceKey) -> bool {
        due > self.heard || self.shared.seat(self.partition).in_hand.has(key)
    }

    /// Is it only a matter of hearing?
    pub(super) fn is_unheard(&self, due: Timestamp) -> bool {
        due > self.heard && self.asked.is_none()
    }

    /// The queue came to a mark; true where the connection was lost since the one before, and maybe
    /// answers with it.
    pub(super) fn reached(&mut self, heard: Heard) -> bool {
        if heard.session != self.session {
            return false;
        }
        self.heard = self.heard.max(heard.until);
        self.asked = None;
        std::mem::replace(&mut self.connection, heard.connection) != heard.connection
    }

    /// Has a mark put behind all that has come by now; with results that were promised, where
    /// some are waited for.
    pub(super) fn hear(
        &mut self,
        now: Timestamp,
        with_results: bool,
    ) -> impl Future<Output = ()> + Send + use<> {
        self.asked = Some(now);
        let (shared, partition) = (Arc::clone(&self.shared), self.partition);
        let session = self.session;
        async move {
            all_told(&shared, with_results).await;
            let connection = shared.bus.requests().connection();
            let heard = Heard { session, until: now, connection };
            // Behind what was told, and behind what waits for room.
            drop(shared.seat(partition).asks.send(Ask::Heard(heard)).await);
        }
    }
}

/// Returns once all partitions are told, or are about to be, what had come before: replies and,
/// where they matter, results in the inbox; after a while also where the bus does not say.
pub(in crate::runtime) async fn all_told(shared: &Shared, with_results: bool) {
    let began = monotonic();
    while let Err(error) = shared.bus.requests().heard().await {
        let is_silent = matches!(error.kind(), ErrorKind::Timeout { .. });
        if !is_silent || began.elapsed() >= HEAR_MAX {
            tracing::debug!(%error, "it is not known what has come");
            return;
        }
    }
    if with_results {
        let left = HEAR_MAX.saturating_sub(began.elapsed());
        match tokio::time::timeout(left, shared.inbox_taken()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "it is not known which results have come"),
            Err(_) => tracing::debug!("the inbox is not read to its end in time"),
        }
    }
}
