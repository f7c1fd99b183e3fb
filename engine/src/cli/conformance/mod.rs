//! Conformance: does a plugin, in whatever language, keep what the protocol promises?

mod calls;
mod command;
mod declared;
mod desk;
mod long;
mod samples;
mod targets;

pub(super) use command::{CheckArgs, check};
