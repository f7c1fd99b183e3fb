//! Intake: where bus messages become inputs: decode → who listens → correlate → partition.
//!
//! Every engine reads every source and keeps what is for the partitions that it serves.

mod capture;
mod cursors;
mod decode;
mod deploy;
mod gaps;
mod health;
mod misses;
mod names;
mod parcel;
mod places;
mod plan;
mod reader;
mod route;
mod settle;
mod sources;
mod stands;
mod supervise;
mod undeploy;

pub(crate) use decode::{BODY_MAX, check_id, from_msgpack};
pub use decode::{Incoming, IntakeError, decode};
pub use health::IntakeHealth;
pub(crate) use misses::Target;
pub(crate) use plan::Intake;
pub use route::Targets;
pub(crate) use route::route;
pub(crate) use stands::look as look_served;
pub(crate) use supervise::start;
