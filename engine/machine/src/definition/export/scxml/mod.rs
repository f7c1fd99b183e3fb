//! SCXML: the standard's own notation, with our expressions in it (`datamodel="cel"`). What it has
//! no word for stands in it as it is written, in a namespace that other tools ignore.

mod actions;
mod document;
mod element;
mod invokes;
mod send;
mod states;
mod timers;
mod transitions;
mod values;
mod variables;

pub(crate) use document::NAMESPACE;
pub use document::{Scxml, scxml};
pub(super) use values::expression;
