//! Chaos: engines, plugins and servers in processes of their own, and faults on all of them.
//!
//! [`schedule`] draws the faults from a seed, `Stage` makes them happen, [`run`] puts load on the
//! whole, heals it in the end and records everything for the checker.

mod export;
mod node;
mod run;
mod schedule;
mod stage;

pub use node::{Node, Program};
pub use run::{Plan, run};
pub use schedule::{FaultKind, Step, schedule};

/// Where the definitions under load are, from the folder of this package.
pub const DEFINITIONS: &str = "definitions/chaos";
