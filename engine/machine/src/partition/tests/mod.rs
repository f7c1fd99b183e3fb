//! Tests of the partition: every test restores from the journal and compares.
#![expect(clippy::unwrap_used, reason = "tests")]

mod duplicates;
mod frames;
mod limits;
mod routing;
mod snapshots;
mod stuck;
mod waiting;
mod world;
