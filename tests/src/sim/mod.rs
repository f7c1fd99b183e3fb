//! The first simulator: one partition, its journal, and everything that can happen between them.
//!
//! A hand-driven loop over the pure [`Partition`](gearshift_machine::partition::Partition): every
//! step is one thing that may happen next (an event, a batch, an append that is lost, a crash in
//! between, a takeover, a zombie, a late reply …), chosen by a seed. What must always hold is
//! checked after every step that could break it; totals are checked after each episode.

mod charts;
mod check;
mod inputs;
mod journal;
mod owner;
mod post;
mod random;
mod report;
mod world;

pub use charts::Charts;
pub use report::Report;
pub use world::{EPISODE_STEPS, run};
