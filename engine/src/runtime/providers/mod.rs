//! Plugins as the engine sees them: who runs, where it is asked, and what its answer means.

mod ask;
mod breaker;
mod breakers;
mod catalogue;
mod counts;
mod gate;
mod holds;
mod instances;
mod instead;
mod limits;
mod look;
mod notices;
mod picking;
mod prefer;
mod presence;
mod promised;
mod registry;
mod reply;
mod request;
mod signs;

pub(crate) use ask::{Asked, Attempt, Sending};
pub use breaker::Tripped;
pub(crate) use breakers::Pass;
pub(crate) use catalogue::{Instance as ProviderInstance, is_once};
pub use holds::{Held, Hold};
pub(crate) use look::Looked;
pub(crate) use notices::hear;
pub(crate) use picking::picking;
pub(crate) use promised::Promised;
pub(crate) use registry::{Providers, Route};
pub(crate) use reply::{failure, read_reply, read_reply_within};
pub(crate) use request::with_trace;
