//! What may leak: tasks, open files and memory of a process, and what a server keeps for it.

mod server;
mod sizes;

pub use server::Served;
pub use sizes::{Sizes, Told};

/// The plugin whose instances are many, and the name of their connections.
pub const CROWD: &str = "crowd";

/// Where the process of the crowd is told what to do.
pub const TOLD: &str = "crowd.told";

/// Where the definition is, from the folder of this package.
pub const DEFINITION: &str = "definitions/leaks/crowd.workflow.yaml";
