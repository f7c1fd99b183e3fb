//! The client against an engine of the test, over a bus and over HTTP: every check runs on both.
#![expect(clippy::unwrap_used, reason = "tests")]

mod again;
mod checks;
mod control;
mod failures;
mod http_only;
mod world;
