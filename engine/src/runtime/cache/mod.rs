//! The result cache: what calls gave, kept in a bucket of the bus for the same calls again
//! (decision 0034).

mod entry;
mod results;

pub(crate) use results::{Results, ToKeep, Wanted};
