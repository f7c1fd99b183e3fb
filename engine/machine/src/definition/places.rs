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

/// A document as it is written; a text may have several.
#[derive(Clone, Debug, PartialEq)]
pub struct WrittenDocument {
    /// The name that it gives its workflow.
    pub workflow: String,
    /// The version that it says, as text.
    pub version: Option<String>,
    /// Where it stands.
    pub span: Span,
    /// Its calls, in its order.
    pub calls: Vec<WrittenCall>,
}

/// The documents of a text, in its order; none where it cannot be read.
#[must_use]
pub fn written_documents(text: &str, format: Format) -> Vec<WrittenDocument> {
    let roots = parsed_all(text, "definition", format).unwrap_or_default();
    let of = |root: &Node, name| Some(root.get(name)?.scalar()?.text.to_string());
    let document = |root: &Node| {
        let mut calls = Vec::new();
        collect(root, &mut calls);
        let workflow = of(root, "workflow").unwrap_or_default();
        WrittenDocument { workflow, version: of(root, "version"), span: root.span, calls }
    };
    roots.iter().map(document).collect()
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
