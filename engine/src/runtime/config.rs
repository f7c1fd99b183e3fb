//! `EngineConfig`: each bound with its unit and reason.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use super::clock::Clock;
use super::mocked::Mocked;

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
    /// Calls of each operation of a plugin under way at once; more wait unsent, and are not
    /// attempts. No operation waits for another one's. As many as a plugin queues.
    pub calls_in_flight_limit: usize,
    /// Journal bytes after which a partition is snapshotted: bounds replay at a restart.
    pub snapshot_every_bytes: u64,
    /// Notices a slow subscriber may lag behind before it loses the oldest.
    pub notice_buffer: usize,
    /// How long a shutdown may take (01 §10, 05 §1: 25 s).
    pub shutdown_limit: Duration,
    /// How long an asker waits for a partition that nobody serves at the moment, because its owner
    /// changes or restarts (01 §9: a takeover takes at most 4 s).
    pub owner_wait: Duration,
    /// How long another engine may take to decide what it was asked; beyond that the asker is told
    /// that the outcome is unknown.
    pub owner_reply: Duration,
    /// How long the fate of a frame is looked for before the bus counts as failed and the partition
    /// is rebuilt: an election takes up to 10 s.
    pub frame_wait: Duration,
    /// How long a large body stays after it was stored or taken last: a result may wait so long for
    /// an engine. All engines of a bus say the same; plugins store for a day.
    pub bodies_kept: Duration,
    /// How partitions are shared with other engines of the bus; `None`: this one has them all.
    pub cluster: Option<ClusterConfig>,
    /// Partitions whose journals a person accepts as they are, although they are shorter than what
    /// was confirmed, or were made anew (row E16): what is missing is lost.
    pub accept_lost: BTreeSet<u16>,
    /// A person accepts that a stream of events is not the one it was: it is read as a new source.
    pub accept_new_inbox: bool,
    /// What mocks answer to this engine, and to no other one.
    pub mocked: Mocked,
    /// Known weaknesses of what the engine stands on, one sentence each; health tells them.
    pub warnings: Vec<String>,
}

/// How an engine shares the partitions of a bus with others.
#[derive(Clone, Debug)]
pub struct ClusterConfig {
    /// Names this engine among those of the bus: 1 to 64 characters `A-Z a-z 0-9 - _`.
    pub node: String,
    /// How long the others wait for a sign of life before they take over, and how long this one
    /// answers reads without a confirmation. A sign is given every third of it.
    pub lease: Duration,
}

impl ClusterConfig {
    /// A node that nobody else is, named after the engine.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let plain = name.chars().map(|c| if is_plain(c) { c } else { '-' });
        let unique = uuid::Uuid::new_v4().simple().to_string();
        let unique = unique.get(..8).unwrap_or_default();
        let node = format!("{}-{unique}", plain.take(48).collect::<String>());
        Self { node, lease: Duration::from_secs(2) }
    }
}

impl EngineConfig {
    /// Does a mock answer the operation?
    #[must_use]
    pub fn is_mocked(&self, plugin: &str, operation: &str) -> bool {
        self.mocked.answers(plugin, operation)
    }

    /// Do mocks answer operations of the plugin?
    #[must_use]
    pub(crate) fn mocks_of(&self, plugin: &str) -> bool {
        self.mocked.has_of(plugin)
    }
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
            calls_in_flight_limit: gearshift_bus::QUEUE_REQUESTS_MAX,
            snapshot_every_bytes: 32 * 1_024 * 1_024,
            notice_buffer: 4_096,
            shutdown_limit: Duration::from_secs(25),
            owner_wait: Duration::from_secs(5),
            owner_reply: Duration::from_secs(5),
            frame_wait: Duration::from_secs(12),
            bodies_kept: Duration::from_secs(24 * 3_600),
            cluster: None,
            accept_lost: BTreeSet::new(),
            accept_new_inbox: false,
            mocked: Mocked::default(),
            warnings: Vec::new(),
        }
    }
}
