//! SCXML → definitions: one for the document, one for each child it holds.

mod actions;
mod carried;
mod conditions;
mod data;
mod document;
mod expression;
mod ids;
mod invoke;
mod known;
mod made;
mod meaning;
mod methods;
mod send;
mod source;
mod states;
mod together;

pub use document::{Converted, from_scxml};
