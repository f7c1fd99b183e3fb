//! A reader of raw journals with nothing of the engine in it.
//!
//! It takes frames apart by the documented layout, with code of its own, so that a mistake in the
//! engine's encoder or decoder cannot hide itself from the checker.

mod bytes;
mod frame;
mod replay;

pub use frame::{Change, Frame, Letter, Opened, Vars, open};
pub use replay::{Fault, Life, Message, Replayed, replay};
