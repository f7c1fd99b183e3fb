//! The backend in a directory of this machine: one writer thread, group commit.

mod blobs;
mod bucket;
mod failure;
mod files;
mod inbox;
mod log;
mod names;
mod open;
mod queue;
mod records;
mod sequence;
mod store;
mod writer;

pub(crate) use blobs::Blobs;
pub(crate) use bucket::Bucket;
pub(crate) use inbox::Inbox;
pub(crate) use log::Log;
pub(crate) use store::Store;
