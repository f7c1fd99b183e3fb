//! Node: a piece of the document with its place; nothing is interpreted yet.

use std::sync::Arc;

use crate::definition::codes::Code;
use crate::definition::problem::Span;

/// The deepest nesting of mappings and lists (row D2).
pub(super) const DEPTH_MAX: usize = 64;

/// A scalar, a list or a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it stands; a collection reaches from its first to behind its last child.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) kind: Kind,
}

/// Kinds of nodes.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// Text, a number, a truth value, null: which one depends on where it stands.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping in document order; its keys are unique.
    Map(Vec<(Key, Node)>),
}

/// A scalar as written.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// Its text, quotes and escapes resolved.
    pub(crate) text: Arc<str>,
    /// Was it quoted, or a block of text? Then it is text whatever it looks like.
    pub(crate) quoted: bool,
}

/// A key of a mapping.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Its text.
    pub(crate) text: Arc<str>,
    /// Where it stands.
    pub(crate) span: Span,
}

/// Something wrong that the reader found; it becomes a problem.
#[derive(Clone, Debug)]
pub(crate) struct Flaw {
    /// The code.
    pub(crate) code: Code,
    /// Where.
    pub(crate) span: Span,
    /// What.
    pub(crate) message: String,
    /// Advice.
    pub(crate) help: Option<String>,
    /// Another place that matters.
    pub(crate) also: Option<(Span, String)>,
}

impl Flaw {
    /// A flaw without advice.
    pub(super) fn new(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self { code, span, message: message.into(), help: None, also: None }
    }

    /// The same with advice.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Node {
    /// The entries, where this is a mapping.
    pub(crate) fn entries(&self) -> Option<&[(Key, Self)]> {
        if let Kind::Map(entries) = &self.kind { Some(entries) } else { None }
    }

    /// The value of `name`, where this is a mapping that has it.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        let (_, value) = self.entries()?.iter().find(|(key, _)| &*key.text == name)?;
        Some(value)
    }

    /// The scalar, where this is one.
    pub(crate) fn scalar(&self) -> Option<&Scalar> {
        if let Kind::Scalar(scalar) = &self.kind { Some(scalar) } else { None }
    }

    /// Is nothing written here, as in `done:`, or `null`?
    pub(crate) fn is_null(&self) -> bool {
        self.scalar().is_some_and(|scalar| {
            matches!(super::scalar::plain(scalar), super::scalar::Plain::Null)
        })
    }

    /// The number of nodes, keys included, and the levels below this one.
    pub(super) fn size(&self) -> (usize, usize) {
        let children: Vec<&Self> = match &self.kind {
            Kind::Scalar(_) => return (1, 0),
            Kind::List(items) => items.iter().collect(),
            Kind::Map(entries) => entries.iter().map(|(_, value)| value).collect(),
        };
        let sizes = children.into_iter().map(Self::size);
        let (count, depth) = sizes
            .fold((1, 0), |(count, deepest), (more, depth)| (count + more + 1, depth.max(deepest)));
        (count, depth + 1)
    }
}

/// The path to the innermost node or key that covers `span`: `states.review.on[0].to`.
pub(crate) fn path_at(root: &Node, span: Span) -> String {
    let mut path = String::new();
    let mut node = root;
    loop {
        match &node.kind {
            Kind::Scalar(_) => return path,
            Kind::List(items) => {
                let Some((at, item)) =
                    items.iter().enumerate().find(|(_, item)| item.span.contains(span))
                else {
                    return path;
                };
                path.push_str(&format!("[{at}]"));
                node = item;
            }
            Kind::Map(entries) => {
                let covers = |key: &Key, value: &Node| {
                    key.span.contains(span)
                        || value.span.contains(span)
                        || Span::new(key.span.start, value.span.end).contains(span)
                };
                let Some((key, value)) = entries.iter().find(|(key, value)| covers(key, value))
                else {
                    return path;
                };
                push_key(&mut path, &key.text);
                if key.span.contains(span) {
                    return path;
                }
                node = value;
            }
        }
    }
}

fn push_key(path: &mut String, key: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(plain) {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        path.push_str(&format!("[\"{}\"]", key.escape_debug()));
    }
}
