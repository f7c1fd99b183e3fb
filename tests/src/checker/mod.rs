//! A judge of histories: what clients were told against what the engine exports.
//!
//! It shares no code with the engine: histories, exports and call logs are lines of JSON, and raw
//! journals are read by [`crate::journal`].

mod check;
mod faults;
mod jobs;
mod raw;
mod record;
mod rules;

pub use check::{Finding, Report, check};
pub use jobs::JOBS;
pub use record::{
    Called, Exited, Invocation, Kind, Line, Made, Operation, Phase, Run, Settings, append,
    read_lines,
};
pub(crate) use record::{journal_file, open_lines};
