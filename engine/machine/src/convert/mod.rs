//! Other formats → the text of definitions.

mod long_form;
mod retold;
mod rewrite;
mod scxml;
#[cfg(test)]
mod tests;
mod yaml;

pub use long_form::{from_long_form, is_long_form};
pub use rewrite::to_yaml;
pub use scxml::{Converted, from_scxml};
pub(crate) use yaml::Yaml;
