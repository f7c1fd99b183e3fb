//! YAML → trees, over the parser's events: serde would lose order, quotes and places.

use std::collections::BTreeMap;
use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError};

use super::text::Documents;
use super::tree::{DEPTH_MAX, Flaw, Key, Kind, Node, Scalar};
use crate::definition::codes;
use crate::definition::problem::{Span, quoted};

/// How many nodes all aliases of a text together may stand for (row D3).
const ALIAS_NODES_MAX: usize = 10_000;

/// Reads all documents of `text`.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum is open")]
pub(super) fn read(text: &str, documents: &mut Documents) -> Result<(), Flaw> {
    let mut builder = Builder { documents, open: Vec::new(), anchors: BTreeMap::new(), aliased: 0 };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| syntax(text, &error))?;
        let tag = span.tag_span().and_then(|tag| tag.byte_range());
        let range = span.byte_range().unwrap_or_default();
        let span = Span::new(range.start, range.end);
        let Some(tag) = tag else {
            builder.event(event, span)?;
            continue;
        };
        // What was meant stands in the tree, so that the tag is the only problem here.
        let tag = Span::new(tag.start, tag.end);
        let meant = builder.tag(text, tag, &event);
        match event {
            Event::Scalar(_, _, anchor, tag) => {
                let style = ScalarStyle::DoubleQuoted;
                builder.event(Event::Scalar(meant.into(), style, anchor, tag), span)?;
            }
            other => builder.event(other, span)?,
        }
    }
    Ok(())
}

/// A collection that is not closed yet.
struct Open {
    start: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, seen: BTreeMap<Arc<str>, Span>, key: Option<Key> },
}

/// A finished node that aliases may repeat.
struct Anchored {
    node: Node,
    count: usize,
    depth: usize,
}

struct Builder<'a> {
    documents: &'a mut Documents,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Anchored>,
    aliased: usize,
}

impl Builder<'_> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum is open")]
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Flaw> {
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let quoted = style != ScalarStyle::Plain;
                let text = if span.start == span.end && !quoted { "" } else { &*text };
                let scalar = Scalar { text: text.into(), quoted };
                self.finish(Node { span, kind: Kind::Scalar(scalar) }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(span, anchor, Content::List(Vec::new()))
            }
            Event::MappingStart(_, anchor, _) => {
                let (entries, seen) = (Vec::new(), BTreeMap::new());
                self.begin(span, anchor, Content::Map { entries, seen, key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(span),
            Event::Alias(id) => self.alias(id, span),
            // Markers of stream and document; comments and anchors are off.
            _ => Ok(()),
        }
    }

    fn begin(&mut self, span: Span, anchor: usize, content: Content) -> Result<(), Flaw> {
        if self.open.len() >= DEPTH_MAX {
            return Err(too_deep(span));
        }
        self.open.push(Open { start: span.start, anchor, content });
        Ok(())
    }

    fn end(&mut self, span: Span) -> Result<(), Flaw> {
        let Some(Open { start, anchor, content }) = self.open.pop() else { return Ok(()) };
        // A block ends where its last child does; a flow collection ends with its bracket.
        let closed = |last: Option<usize>| {
            if span.end > span.start { span.end } else { last.unwrap_or(span.end).max(start) }
        };
        let node = match content {
            Content::List(items) => {
                let end = closed(items.last().map(|item| item.span.end));
                Node { span: Span::new(start, end), kind: Kind::List(items) }
            }
            Content::Map { entries, .. } => {
                let last = entries.last().map(|(key, value)| value.span.end.max(key.span.end));
                Node { span: Span::new(start, closed(last)), kind: Kind::Map(entries) }
            }
        };
        self.finish(node, anchor)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<(), Flaw> {
        let Some(anchored) = self.anchors.get(&id) else {
            let flaw = Flaw::new(codes::ALIAS_BUDGET, span, "this alias is inside its own anchor");
            return Err(flaw.help("write the content out, or name an action"));
        };
        self.aliased += anchored.count;
        if self.aliased > ALIAS_NODES_MAX {
            let message = format!("aliases expand to more than {ALIAS_NODES_MAX} nodes");
            return Err(Flaw::new(codes::ALIAS_BUDGET, span, message));
        }
        if self.open.len() + anchored.depth > DEPTH_MAX {
            return Err(too_deep(span));
        }
        let node = Node { span, kind: anchored.node.kind.clone() };
        self.finish(node, 0)
    }

    /// Puts a complete node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) -> Result<(), Flaw> {
        if anchor != 0 {
            let (count, depth) = node.size();
            self.anchors.insert(anchor, Anchored { node: node.clone(), count, depth });
        }
        let Some(open) = self.open.last_mut() else {
            if !node.is_null() {
                self.documents.roots.push(node);
            }
            return Ok(());
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, seen, key } => match key.take() {
                // Of a key that occurs again nothing but that is told.
                Some(key) if seen.get(&key.text) != Some(&key.span) => {}
                Some(key) => entries.push((key, node)),
                None => {
                    let Kind::Scalar(scalar) = node.kind else {
                        let message = "a key must be text";
                        return Err(Flaw::new(codes::SYNTAX, node.span, message));
                    };
                    let first = *seen.entry(Arc::clone(&scalar.text)).or_insert(node.span);
                    if first != node.span {
                        let message = format!("key {} occurs again", quoted(&scalar.text));
                        let mut flaw = Flaw::new(codes::DUPLICATE_KEY, node.span, message);
                        flaw.also = Some((first, "first here".to_owned()));
                        self.documents.flaws.push(flaw);
                    }
                    *key = Some(Key { text: scalar.text, span: node.span });
                }
            },
        }
        Ok(())
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum is open")]
    fn tag(&mut self, text: &str, span: Span, event: &Event<'_>) -> String {
        let tag = text.get(span.start..span.end).unwrap_or_default();
        let value = match event {
            Event::Scalar(value, ..) if value != "~" => value,
            _ => "",
        };
        let whole = [tag, value].join(if value.is_empty() { "" } else { " " });
        let message = format!("{} is a YAML tag", quoted(tag));
        let help = format!("put the text in quotes: `\"{}\"`", whole.replace('"', "'"));
        self.documents.flaws.push(Flaw::new(codes::TAG, span, message).help(help));
        whole
    }
}

fn too_deep(span: Span) -> Flaw {
    let message = format!("nesting exceeds the limit of {DEPTH_MAX} levels");
    Flaw::new(codes::TOO_DEEP, span, message)
}

/// What the parser says, with advice for the traps that authors of workflows fall into.
#[expect(clippy::wildcard_enum_match_arm, reason = "the parser's enum is open")]
fn syntax(text: &str, error: &ScanError) -> Flaw {
    let at = error.marker().byte_offset().unwrap_or(0).min(text.len());
    let width = text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    let span = Span::new(at, at + width);
    if *error.kind() == ErrorKind::RecursionLimitExceeded {
        return too_deep(span);
    }
    let info = error.info();
    let start = text.get(..at).unwrap_or_default().rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..).unwrap_or_default().lines().next().unwrap_or_default();
    let before = text.get(start..at).unwrap_or_default();
    if info.contains("urrogate") {
        let message = format!("lone surrogate in the quoted text at byte {at}");
        return Flaw::new(codes::ENCODING, span, message);
    }
    let flaw = Flaw::new(codes::SYNTAX, span, info.replace('\n', " "));
    if before.contains('{') && line.contains("${") && !line.contains("\"${") {
        return flaw.help("inside `{ }` a text with `${ … }` must be quoted: `\"${ … }\"`");
    }
    match error.kind() {
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => {
            flaw.help("inside `{ }` and `[ ]` a text with `: `, `{` or `[` must be quoted")
        }
        ErrorKind::MappingValueNotAllowed => {
            flaw.help("a text with `: ` must be quoted, or stand on a line of its own after `|`")
        }
        _ if before.contains('\t') || line.starts_with('\t') => {
            flaw.help("indent with spaces; YAML does not allow tabs there")
        }
        _ => flaw,
    }
}
