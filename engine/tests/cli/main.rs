//! The built binary from outside: what it prints, what it leaves, how it ends.
#![expect(clippy::unwrap_used, reason = "tests")]

mod check;
mod dev;
mod drive;
mod pasted;
mod run;
mod support;
mod usage;
