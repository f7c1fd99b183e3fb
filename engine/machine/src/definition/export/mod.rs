//! Definitions in other notations: Mermaid and DOT for pictures, SCXML and XState for other tools.

mod dot;
mod graph;
mod json;
mod label;
mod mermaid;
mod picture;
mod place;
mod scxml;
mod xstate;

#[cfg(test)]
mod tests;

pub use dot::dot;
pub use mermaid::mermaid;
pub use place::SourceText;
pub(crate) use scxml::NAMESPACE as SCXML_NAMESPACE;
pub use scxml::{Scxml, scxml};
pub use xstate::xstate;
