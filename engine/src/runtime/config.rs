//! `EngineConfig`: each bound with its unit and reason.

use std::path::PathBuf;
use std::time::Duration;

use super::clock::Clock;

/// How an engine runs.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// The engine's name in epoch frames and health.
    pub name: String,
    /// Number of partitions; fixed for the life of a data directory (01 §5: default 4).
    pub partitions: u16,
    /// Where high-water marks are kept, outside the bus; `None` keeps none.
    pub data: Option<PathBuf>,
    /// Where time comes from.
    pub clock: Clock,
    /// Inputs waiting per partition before askers are told `busy`.
    pub queue_limit: usize,
    /// Inputs per frame (01 §4: 256, no artificial delay).
    pub batch_limit: usize,
    /// Plugin calls under way at once; more wait in state, not in memory of tasks.
    pub calls_in_flight_limit: usize,
    /// Journal bytes after which a partition is snapshotted: bounds replay at a restart.
    pub snapshot_every_bytes: u64,
    /// Notices a slow subscriber may lag behind before it loses the oldest.
    pub notice_buffer: usize,
    /// How long a shutdown may take (01 §10, 05 §1: 25 s).
    pub shutdown_limit: Duration,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            name: "gearshift".to_owned(),
            partitions: 4,
            data: None,
            clock: Clock::System,
            queue_limit: 8_192,
            batch_limit: 256,
            calls_in_flight_limit: 1_024,
            snapshot_every_bytes: 32 * 1_024 * 1_024,
            notice_buffer: 4_096,
            shutdown_limit: Duration::from_secs(25),
        }
    }
}
