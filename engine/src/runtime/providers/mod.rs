//! Plugins as the engine sees them: who runs, where it is asked, and what its answer means.

mod ask;
mod catalogue;
mod holds;
mod registry;
mod reply;

pub(crate) use ask::Attempt;
pub use holds::{Held, Hold};
pub(crate) use registry::Providers;
