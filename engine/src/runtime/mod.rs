//! How the engine touches the world: one loop per partition, effects after the frame is durable.

mod arrivals;
mod asking;
mod asks;
mod awaiting;
mod cache;
mod clock;
mod cluster;
mod config;
mod definitions;
mod dispatch;
mod drive;
mod engine;
mod error;
mod handle;
mod held;
mod in_hand;
mod intake;
mod journal;
mod letters;
mod loading;
mod longwork;
mod marks;
mod mocked;
mod notices;
mod outage;
mod owner;
mod providers;
mod remote;
mod schedules;
mod seat;
mod shared;
mod snapshots;
mod telemetry;
mod under_way;
mod unsent;
mod waiters;

pub(crate) use asks::{Ended, Replied, Replies};
pub(crate) use awaiting::Wish;
pub(crate) use cache::Wanted;
pub use clock::{Clock, VirtualTime, monotonic};
pub use cluster::EngineInfo;
pub use config::{ClusterConfig, EngineConfig};
pub(crate) use definitions::Index;
pub use definitions::{DefinitionStore, Deployed};
pub use engine::{Engine, Stopped};
pub use error::Error;
pub use handle::{AskError, Handle, Verdicts};
pub(crate) use intake::{BODY_MAX, check_id, route};
pub use intake::{Incoming, IntakeError, IntakeHealth, Targets, decode};
pub use loading::Loading;
pub use longwork::CallProgress;
pub(crate) use longwork::{BUCKET as BODIES, content_of, object_of};
pub use mocked::Mocked;
pub use notices::NoticeMessage;
pub use providers::{Held, Hold, Tripped};
pub(crate) use providers::{
    Looked, ProviderInstance, SCHEMA_BYTES_MAX, is_once, not_spoken, picking, read_reply_within,
    silent, silent_words,
};
pub use remote::{DeadLetterFilter, InstanceWaiter, Standing};
pub use schedules::load_all;
pub(crate) use schedules::upcoming;
pub use seat::PartitionHealth;
pub(crate) use seat::is_moved;
pub use telemetry::{LogFormat, init_tracing};
pub(crate) use waiters::Reached;
