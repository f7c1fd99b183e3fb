//! The long form (`transitions: [{ name, fromState, toState, triggerEvent, … }]`) → definitions.

mod actions;
mod document;
mod place;
mod reader;

pub use document::{from_long_form, is_long_form};
