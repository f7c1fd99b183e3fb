//! Whether the bus can be reached at all.

use std::time::Duration;

use super::{Backend, Bus};

impl Bus {
    /// Why nothing reaches the bus now; `None` while it can be reached, as far as is known.
    #[must_use]
    pub fn absence(&self) -> Option<String> {
        if let Backend::Nats(store) = &self.backend { store.absence() } else { None }
    }

    /// Ends with the reason once the bus could not be reached for `limit` without a break: its
    /// connections were lost, or nothing at all came over them although the servers were asked.
    /// What this process stood still itself does not count. Without servers it never ends.
    pub async fn away_for(&self, limit: Duration) -> String {
        match &self.backend {
            Backend::Memory(_) | Backend::Embedded(_) | Backend::Simulated(_) => {
                std::future::pending().await
            }
            Backend::Nats(store) => store.away_for(limit).await,
        }
    }
}
