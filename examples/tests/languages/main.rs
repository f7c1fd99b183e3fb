//! Plugins in other languages: one workflow served by all of them, and the Python package.

#![expect(clippy::unwrap_used, reason = "tests")]

mod load;
mod package;
mod served;
mod world;
