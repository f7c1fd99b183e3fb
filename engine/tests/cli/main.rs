//! The built binary from outside: what it prints, what it leaves, how it ends.
#![expect(clippy::unwrap_used, reason = "tests")]

mod author;
mod away;
mod check;
mod conformance;
mod control;
mod convert;
mod damaged;
mod decisions;
mod dev;
mod diff;
mod drive;
mod further;
mod longwork;
mod migrate;
mod migrate_nats;
mod nats;
mod pasted;
mod plugins;
mod refused;
mod roles;
mod roles_plugin;
mod run;
mod scenarios;
mod schedule;
mod server;
mod stepping;
mod support;
mod transactions;
mod usage;
mod versions;
mod waiting;
mod words;
