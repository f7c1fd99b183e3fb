//! The backend in memory that fails on purpose, the same way for every seed.

mod faults;
mod inbox;
mod log;
mod requests;
mod store;

pub use faults::Faults;
pub(crate) use inbox::Inbox;
pub(crate) use log::Log;
pub(crate) use requests::SimulatedRequests;
pub(crate) use store::Store;
