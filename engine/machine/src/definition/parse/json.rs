//! JSON → tree: strict RFC 8259, with places, which serde_json does not give.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::text::Documents;
use super::tree::{DEPTH_MAX, Flaw, Key, Kind, Node, Scalar};
use crate::definition::codes;
use crate::definition::problem::{Span, quoted};

/// Reads the one document of `text`.
pub(super) fn read(text: &str, documents: &mut Documents) -> Result<(), Flaw> {
    let mut reader = Reader { text, at: 0, flaws: Vec::new() };
    reader.space();
    if reader.at == text.len() {
        return Ok(());
    }
    let root = reader.value(0);
    documents.flaws.append(&mut reader.flaws);
    documents.roots.push(root?);
    reader.space();
    if reader.at < text.len() {
        let span = Span::new(reader.at, text.len());
        let message = format!("text goes on at byte {}", reader.at);
        return Err(Flaw::new(codes::TRAILING_CONTENT, span, message));
    }
    Ok(())
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    flaws: Vec<Flaw>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn unexpected(&self, due: &str) -> Flaw {
        let next = self.text.get(self.at..).and_then(|rest| rest.chars().next());
        let (found, width) = next.map_or_else(
            || ("the end of the text".to_owned(), 0),
            |letter| (quoted(letter.encode_utf8(&mut [0; 4])), letter.len_utf8()),
        );
        let message = format!("expected {due}, found {found}");
        Flaw::new(codes::SYNTAX, Span::new(self.at, self.at + width), message)
    }

    fn value(&mut self, depth: usize) -> Result<Node, Flaw> {
        match self.peek() {
            Some(b'{' | b'[') if depth >= DEPTH_MAX => {
                let message = format!("nesting exceeds the limit of {DEPTH_MAX} levels");
                Err(Flaw::new(codes::TOO_DEEP, Span::new(self.at, self.at + 1), message))
            }
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => {
                let start = self.at;
                let text = self.string()?;
                Ok(scalar(Span::new(start, self.at), &text, true))
            }
            _ => self.literal(),
        }
    }

    fn literal(&mut self) -> Result<Node, Flaw> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        {
            self.at += 1;
        }
        let word = self.text.get(start..self.at).unwrap_or_default();
        // Only the grammar is checked: a number that does not fit is a matter of types.
        if serde_json::from_str::<serde::de::IgnoredAny>(word).is_ok() {
            return Ok(scalar(Span::new(start, self.at), word, false));
        }
        self.at = start;
        Err(self.unexpected("a JSON value"))
    }

    fn array(&mut self, depth: usize) -> Result<Node, Flaw> {
        let start = self.at;
        self.at += 1;
        let mut items = Vec::new();
        self.space();
        if self.peek() != Some(b']') {
            loop {
                self.space();
                items.push(self.value(depth)?);
                self.space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b']') => break,
                    _ => return Err(self.unexpected("`,` or `]`")),
                }
            }
        }
        self.at += 1;
        Ok(Node { span: Span::new(start, self.at), kind: Kind::List(items) })
    }

    fn object(&mut self, depth: usize) -> Result<Node, Flaw> {
        let start = self.at;
        self.at += 1;
        let mut entries = Vec::new();
        let mut seen = BTreeMap::new();
        self.space();
        if self.peek() != Some(b'}') {
            loop {
                self.space();
                let key = self.key(&mut seen)?;
                self.space();
                if self.peek() != Some(b':') {
                    return Err(self.unexpected("`:`"));
                }
                self.at += 1;
                self.space();
                let value = self.value(depth)?;
                // Of a key that occurs again nothing but that is told.
                if seen.get(&key.text) == Some(&key.span) {
                    entries.push((key, value));
                }
                self.space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(b'}') => break,
                    _ => return Err(self.unexpected("`,` or `}`")),
                }
            }
        }
        self.at += 1;
        Ok(Node { span: Span::new(start, self.at), kind: Kind::Map(entries) })
    }

    fn key(&mut self, seen: &mut BTreeMap<Arc<str>, Span>) -> Result<Key, Flaw> {
        if self.peek() != Some(b'"') {
            return Err(self.unexpected("a key in quotes"));
        }
        let start = self.at;
        let text: Arc<str> = self.string()?.into();
        let span = Span::new(start, self.at);
        let first = *seen.entry(Arc::clone(&text)).or_insert(span);
        if first != span {
            let message = format!("key {} occurs again", quoted(&text));
            let mut flaw = Flaw::new(codes::DUPLICATE_KEY, span, message);
            flaw.also = Some((first, "first here".to_owned()));
            self.flaws.push(flaw);
        }
        Ok(Key { text, span })
    }

    fn string(&mut self) -> Result<String, Flaw> {
        let start = self.at;
        let bytes = self.text.as_bytes();
        let mut end = start + 1;
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => end += 2,
                Some(_) => end += 1,
                None => {
                    let message = "quote is not closed";
                    return Err(Flaw::new(codes::SYNTAX, Span::new(start, start + 1), message));
                }
            }
        }
        let span = Span::new(start, end + 1);
        let literal = self.text.get(start..=end).unwrap_or_default();
        self.at = end + 1;
        serde_json::from_str::<String>(literal).map_err(|error| {
            if error.to_string().contains("surrogate") || error.to_string().contains("hex escape") {
                let message = format!("lone surrogate in the text at byte {start}");
                Flaw::new(codes::ENCODING, span, message)
            } else {
                let message = "text has a control character or an unknown escape";
                Flaw::new(codes::SYNTAX, span, message)
            }
        })
    }
}

fn scalar(span: Span, text: &str, quoted: bool) -> Node {
    Node { span, kind: Kind::Scalar(Scalar { text: text.into(), quoted }) }
}
