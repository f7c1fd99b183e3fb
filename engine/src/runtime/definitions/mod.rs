//! Deployed definitions: immutable, kept in a bucket, indexed by the events they listen to.

mod derived;
mod index;
mod listens;
mod missing;
mod store;

pub(crate) use derived::keep_derived;
pub(crate) use index::{Index, Listener};
pub(crate) use listens::Froms;
pub use store::{DefinitionStore, Deployed};
