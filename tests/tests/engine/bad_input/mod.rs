//! Rows of the bad-input catalogue (06 §4) that need a running engine.

mod data;
mod events;
mod plugins;
mod steps;
mod strangers;
