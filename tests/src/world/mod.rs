//! Worlds of tests: an engine in this process that can crash, or one in a process of its own.

mod engine;
mod plugin;
mod process;
mod wait;

pub use engine::{Backend, World};
pub use plugin::{Answer, Recorded, Seen};
pub use process::{Dev, Launch, Ran};
pub use wait::{PATIENCE, eventually, eventually_async};
