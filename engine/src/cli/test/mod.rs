//! `test`: scenario files, played on the real machine under a clock of their own.

mod coverage;
mod differences;
mod expectation;
mod file;
mod reading;
mod report;
mod run;
mod steps;

pub(super) use report::{TestArgs, test};
