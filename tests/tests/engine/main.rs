//! The engine in this process, on every backend: anomalies, bad input, restarts.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod anomalies;
mod bad_input;
mod dead_letters;
mod doors;
mod ends;
mod flows;
mod frozen;
mod holding;
mod kept;
mod reached;
mod remedies;
mod restart;
mod steps;
mod told;
mod traces;
mod words;
