//! The canonical text of a definition: its tree as compact JSON, keys in document order.

use super::scalar::{Plain, plain};
use super::tree::{Kind, Node};

/// The JSON text of the tree. Reading it gives a tree with the same text again; comments, quotes
/// and layout of the file are gone, the order of keys is not.
pub(crate) fn canonical(node: &Node) -> String {
    let mut out = String::new();
    write(node, &mut out);
    out
}

fn write(node: &Node, out: &mut String) {
    match &node.kind {
        Kind::Scalar(scalar) => match plain(scalar) {
            Plain::Null => out.push_str("null"),
            Plain::Bool(value) => out.push_str(if value { "true" } else { "false" }),
            Plain::Number(_, json) => out.push_str(&json),
            Plain::Text | Plain::OutOfRange => write_text(&scalar.text, out),
        },
        Kind::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Kind::Map(entries) => {
            out.push('{');
            for (at, (key, value)) in entries.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write_text(&key.text, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
    }
}

fn write_text(text: &str, out: &mut String) {
    // A string always has a JSON form.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}
