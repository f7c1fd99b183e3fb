//! The readers: limits, encodings, and that nothing makes them panic.

mod json;
mod limits;
mod properties;
