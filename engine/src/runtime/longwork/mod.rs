//! Long work: calls that plugins took and answer later, through the inbox.

mod beats;
mod bodies;
mod inputs;
mod kept;
mod overtaking;
mod result;
mod watched;

pub(crate) use beats::{heartbeat_ms, keep_hearing, keep_missing};
pub(crate) use bodies::{BUCKET, content_of, object_of, read_object, read_object_by};
pub(crate) use inputs::too_large;
pub(crate) use kept::{Bodies, keep_bodies};
pub(crate) use result::{Late, Said, compared, late_result, redeem, settle};
pub use watched::CallProgress;
pub(crate) use watched::{Longwork, Watched};
