//! Tests of the partition: every test restores from the journal and compares.

mod duplicates;
mod frames;
mod limits;
mod routing;
mod sizes;
mod snapshots;
mod stuck;
mod waiting;
mod world;
