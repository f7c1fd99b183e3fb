//! SCXML: the standard's own notation, with our expressions in it (`datamodel="cel"`).

mod actions;
mod document;
mod element;
mod values;
mod variables;

pub use document::scxml;
pub(super) use values::expression;
