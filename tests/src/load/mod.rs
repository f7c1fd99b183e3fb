//! Load for engines that are killed: definitions, a recording plugin, clients, the killing.

mod client;
mod export;
mod killing;
mod operation;
mod recorder;

pub use client::Load;
pub(crate) use client::{Work, work};
pub(crate) use export::{export_raw, write_lines};
pub use killing::{Plan, run};
pub(crate) use operation::{Desk, wall_ms};
pub use recorder::recorder;

/// Where the definitions under load are, from the folder of this package.
pub const DEFINITIONS: &str = "definitions/crash";
