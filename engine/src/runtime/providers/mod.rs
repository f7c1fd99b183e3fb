//! Plugins as the engine sees them: who runs, where it is asked, and what its answer means.

mod ask;
mod catalogue;
mod registry;
mod reply;

pub(crate) use ask::Attempt;
pub(crate) use registry::Providers;
