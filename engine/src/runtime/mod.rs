//! How the engine touches the world: one loop per partition, effects after the frame is durable.

mod asks;
mod clock;
mod cluster;
mod config;
mod definitions;
mod dispatch;
mod drive;
mod engine;
mod error;
mod handle;
mod intake;
mod journal;
mod marks;
mod notices;
mod owner;
mod providers;
mod remote;
mod seat;
mod shared;
mod snapshots;
mod telemetry;
mod waiters;

pub use clock::{Clock, VirtualTime, monotonic};
pub use cluster::EngineInfo;
pub use config::{ClusterConfig, EngineConfig};
pub use definitions::{DefinitionStore, Deployed};
pub use engine::Engine;
pub use error::Error;
pub use handle::{AskError, Handle, Verdicts};
pub(crate) use intake::BODY_MAX;
pub use intake::{Incoming, IntakeError, IntakeHealth, Targets, decode};
pub use notices::NoticeMessage;
pub use remote::{DeadLetterFilter, InstanceWaiter, Standing};
pub use seat::PartitionHealth;
pub use telemetry::{LogFormat, init_tracing};
