//! Schedules: the calendar, and what the deployed definitions say to the partitions.

mod calendar;
#[cfg(test)]
mod calendar_tests;
mod checked;
mod planner;

pub use checked::load_all;
pub(super) use checked::unkept;
pub(super) use planner::Planner;
pub(crate) use planner::upcoming;
