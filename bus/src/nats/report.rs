//! [`ServerReport`]: what the connected server is and can do.

use super::connection::Link;
use crate::Error;

/// What the connected server is and can do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerReport {
    /// Its id, unique per start.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its version, such as `2.15.1`.
    pub version: String,
    /// Where it was reached, without login; several addresses are separated by commas.
    pub host: String,
    /// The name of its cluster, if it is in one.
    pub cluster: Option<String>,
    /// The largest message it takes, in bytes.
    pub max_payload: usize,
    /// Copies that new streams get.
    pub replicas: usize,
    /// The level of its interface for streams; 0 where it does not tell.
    pub jetstream_api_level: u32,
    /// Its domain of streams, if it has one.
    pub domain: Option<String>,
    /// What streams of our account may take on disk, in bytes; `None` is without limit.
    pub storage_bytes_max: Option<u64>,
    /// What they take now, in bytes.
    pub storage_bytes: u64,
    /// Streams our account may have; `None` is without limit.
    pub streams_max: Option<u64>,
    /// What it lacks and what that costs, one sentence each.
    pub missing: Vec<String>,
}

/// Whether the server syncs to its disk before it acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// `sync_interval: always`.
    Always,
    /// At an interval: a power cut may take what was acknowledged since.
    Interval {
        /// The interval, in milliseconds.
        millis: u64,
    },
    /// The server does not tell.
    Unknown,
}

impl Link {
    pub(super) async fn report(&self) -> Result<ServerReport, Error> {
        self.lifecycle.check()?;
        let account = self.account().await?;
        let info = self.client.server_info();
        let version = self.version();
        let mut missing = version.missing();
        if let Some(limit) = positive(account.limits.max_storage) {
            let left = limit.saturating_sub(account.storage);
            missing.push(format!(
                "the account's streams may take {limit} bytes, {left} are left: beyond that \
                 nothing more is stored"
            ));
        }
        Ok(ServerReport {
            id: info.server_id,
            name: info.server_name,
            version: info.version,
            host: self.address().to_owned(),
            cluster: info.cluster.filter(|name| !name.is_empty()),
            max_payload: self.client.max_payload(),
            replicas: self.replicas(),
            jetstream_api_level: account.api.level,
            domain: account.domain,
            storage_bytes_max: positive(account.limits.max_storage),
            storage_bytes: account.storage,
            streams_max: positive(account.limits.max_streams),
            missing,
        })
    }
}

fn positive(limit: i64) -> Option<u64> {
    u64::try_from(limit).ok().filter(|limit| *limit > 0)
}
