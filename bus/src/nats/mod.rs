//! The backend whose content a NATS server keeps.

mod blobs;
mod bucket;
mod connection;
mod inbox;
mod log;
mod options;
mod requests;
mod server;
mod store;
mod watch;

pub(crate) use blobs::Blobs;
pub(crate) use bucket::Bucket;
pub(crate) use inbox::Inbox;
pub(crate) use log::Log;
pub use options::NatsOptions;
pub(crate) use requests::{Offered, Replier, Requests, Served, Subscribed};
pub use server::{PrivateServer, ServerError, ServerOptions};
pub(crate) use store::Store;
pub use store::{Durability, ServerReport};
pub(crate) use watch::KeyWatch;
