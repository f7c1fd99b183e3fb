//! Pictures of a definition: Mermaid and DOT.

mod dot;
mod label;
mod mermaid;
mod picture;

#[cfg(test)]
mod tests;

pub use dot::dot;
pub use mermaid::mermaid;
