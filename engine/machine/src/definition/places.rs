//! Where calls are written in a text: what a definition does not keep, for those who tell of them.

use serde_json::Value;

use super::load::{Format, parsed_all};
use super::parse::{Kind, Node, canonical};
use super::problem::Span;

/// A call as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenCall {
    /// `plugin.operation`.
    pub operation: String,
    /// Where the operation stands.
    pub span: Span,
    /// `with:`, expressions as text.
    pub with: Option<Value>,
}

/// The calls of a text, in its order; none where it cannot be read.
#[must_use]
pub fn written_calls(text: &str, format: Format) -> Vec<WrittenCall> {
    let mut found = Vec::new();
    let roots = parsed_all(text, "definition", format).unwrap_or_default();
    roots.iter().for_each(|root| collect(root, &mut found));
    found
}

fn collect(node: &Node, found: &mut Vec<WrittenCall>) {
    match &node.kind {
        Kind::Scalar(_) => {}
        Kind::List(items) => items.iter().for_each(|item| collect(item, found)),
        Kind::Map(entries) => {
            let call = node.get("call").or_else(|| node.get("tell"));
            if let Some((call, scalar)) = call.and_then(|call| Some((call, call.scalar()?))) {
                let with = node.get("with").map(canonical);
                found.push(WrittenCall {
                    operation: scalar.text.to_string(),
                    span: call.span,
                    with: with.and_then(|json| serde_json::from_str(&json).ok()),
                });
            }
            entries.iter().for_each(|(_, value)| collect(value, found));
        }
    }
}
