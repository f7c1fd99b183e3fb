//! The backend whose content goes with its last handle.

mod blobs;
mod bucket;
mod inbox;
mod log;
mod sequence;
mod store;

pub(crate) use blobs::Blobs;
pub(crate) use bucket::Bucket;
pub(crate) use inbox::Inbox;
pub(crate) use log::Log;
pub(crate) use store::Store;
