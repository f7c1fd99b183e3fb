//! The stage that `test` and `play` run definitions on: the real partition and routing, a clock of
//! its own, and prepared answers instead of plugins.

mod answers;
mod world;

pub(super) use answers::{Answer, Answers, Kind, Prepared, given, value_of};
pub(super) use world::{Happened, Stage, Told};
