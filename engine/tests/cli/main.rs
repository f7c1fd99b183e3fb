//! The built binary from outside: what it prints, what it leaves, how it ends.
#![expect(clippy::unwrap_used, reason = "tests")]

mod author;
mod away;
mod check;
mod control;
mod dev;
mod drive;
mod nats;
mod pasted;
mod refused;
mod roles;
mod run;
mod server;
mod support;
mod usage;
mod versions;
