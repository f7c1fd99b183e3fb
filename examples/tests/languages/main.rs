//! Plugins in other languages: one workflow served by all of them, and the Python package.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod booking;
mod effects;
mod load;
mod long_work;
mod package;
mod served;
mod world;
