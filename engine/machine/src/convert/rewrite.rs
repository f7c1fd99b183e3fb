//! Definitions as YAML, whatever they were written in.

use super::yaml::Yaml;
use crate::definition::{Format, Kind, Node, Plain, Problem, load_all, parsed_all, plain};

/// The definitions of a text as YAML, in their order; comments and layout are those of the writer.
///
/// # Errors
/// Every problem of the definitions.
pub fn to_yaml(text: &str, origin: &str, format: Format) -> Result<String, Vec<Problem>> {
    load_all(text, origin, format)?;
    let roots = parsed_all(text, origin, format)?;
    let texts: Vec<_> = roots.iter().map(|root| written(root).write()).collect();
    Ok(texts.join("---\n"))
}

/// A piece of a definition as it is written.
pub(super) fn written(node: &Node) -> Yaml {
    match &node.kind {
        Kind::Scalar(scalar) => match plain(scalar) {
            Plain::Null => Yaml::Literal("null".to_owned()),
            Plain::Bool(value) => Yaml::Literal(value.to_string()),
            Plain::Number(_, json) => Yaml::Literal(json),
            Plain::OutOfRange | Plain::Text => Yaml::text(&*scalar.text),
        },
        Kind::List(items) => Yaml::List(items.iter().map(written).collect()),
        Kind::Map(entries) => {
            let entries = entries.iter();
            Yaml::Map(entries.map(|(key, value)| (key.text.to_string(), written(value))).collect())
        }
    }
}
