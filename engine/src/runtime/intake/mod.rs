//! Intake: where bus messages become inputs: decode → who listens → correlate → partition.

mod decode;
mod reader;
mod route;

pub(crate) use decode::{BODY_MAX, from_msgpack};
pub use decode::{Incoming, IntakeError, decode};
pub(crate) use reader::read_inbox;
pub use route::Targets;
pub(crate) use route::route;
