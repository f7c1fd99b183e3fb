//! Text → tree with spans: YAML and JSON, scalars as text, mappings in document order.

mod canonical;
mod json;
mod scalar;
mod text;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use canonical::canonical;
pub(crate) use scalar::{Plain, plain};
pub use text::decode;
pub(crate) use text::parse;
pub(crate) use tree::{Flaw, Key, Kind, Node, Scalar, path_at};
