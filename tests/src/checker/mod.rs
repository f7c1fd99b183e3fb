//! A judge of histories: what clients were told against what the engine exports.
//!
//! It shares no code with the engine: histories, exports and call logs are lines of JSON.

mod check;
mod record;
mod rules;

pub use check::{Finding, Report, check};
pub(crate) use record::open_lines;
pub use record::{
    Called, Invocation, Kind, Line, Operation, Phase, Run, Settings, append, read_lines,
};
