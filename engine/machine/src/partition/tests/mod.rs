//! Tests of the partition: every test restores from the journal and compares.

mod children;
mod children_ended;
mod duplicates;
mod family;
mod frames;
mod letters;
mod limits;
mod migrate;
mod orphans;
mod rehearsals;
mod resting;
mod rollbacks;
mod routing;
mod schedule_orders;
mod schedules;
mod sizes;
mod snapshots;
mod stuck;
mod transactions;
mod undo_many;
mod waiting;
mod world;
