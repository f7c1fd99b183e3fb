//! Reading the long form: members by name, lists and mappings, problems with their place.

use std::cell::RefCell;

use crate::definition::codes::{self, Code};
use crate::definition::{Key, Kind, Node, Plain, plain};
use crate::definition::{Problem, Severity, Span};

/// A text and the problems found in it.
pub(super) struct Reader<'a> {
    text: &'a str,
    origin: &'a str,
    problems: RefCell<Vec<Problem>>,
}

/// A mapping whose members are taken by name.
pub(super) struct Members<'r, 'a> {
    reader: &'r Reader<'a>,
    node: &'r Node,
    what: String,
}

impl<'a> Reader<'a> {
    pub(super) const fn new(text: &'a str, origin: &'a str) -> Self {
        Self { text, origin, problems: RefCell::new(Vec::new()) }
    }

    pub(super) fn add(&self, code: Code, span: Span, message: impl Into<String>) {
        let problem = Problem::new(code, self.origin, message).at(self.text, span);
        self.problems.borrow_mut().push(problem);
    }

    /// There is nothing to convert it to.
    pub(super) fn refuse(&self, span: Span, message: impl Into<String>) {
        self.add(codes::NOT_CONVERTIBLE, span, message);
    }

    /// It was converted, but somebody should look at it.
    pub(super) fn warn(&self, span: Span, message: impl Into<String>) {
        let mut problem =
            Problem::new(codes::NOT_CONVERTIBLE, self.origin, message).at(self.text, span);
        problem.severity = Severity::Warning;
        self.problems.borrow_mut().push(problem);
    }

    /// Errors, then warnings, each in the order of the text.
    pub(super) fn into_problems(self) -> (Vec<Problem>, Vec<Problem>) {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.span, problem.code));
        problems.into_iter().partition(Problem::is_error)
    }

    /// A mapping with these members; others are problems.
    pub(super) fn members<'r>(
        &'r self,
        node: &'r Node,
        what: impl Into<String>,
        known: &[&str],
    ) -> Option<Members<'r, 'a>> {
        let what = what.into();
        let Some(entries) = node.entries() else {
            self.add(codes::TYPE, node.span, format!("{what} is not a mapping"));
            return None;
        };
        for (key, _) in entries.iter().filter(|(key, _)| !known.contains(&&*key.text)) {
            let message = format!("`{}` of {what} has no equivalent", key.text);
            self.refuse(key.span, message);
        }
        Some(Members { reader: self, node, what })
    }

    /// The things of a list or mapping, with their names: in a list each says its own.
    pub(super) fn named<'r>(&self, node: &'r Node, what: &str) -> Vec<(String, Span, &'r Node)> {
        let of_key = |(key, value): &'r (Key, Node)| (key.text.to_string(), key.span, value);
        match &node.kind {
            Kind::Map(entries) => entries.iter().map(of_key).collect(),
            Kind::List(items) => {
                let mut all = Vec::new();
                for item in items {
                    match item.get("name").or_else(|| item.get("id")).and_then(Node::scalar) {
                        Some(name) => all.push((name.text.to_string(), item.span, item)),
                        None => {
                            let message = format!("this {what} has no `name`");
                            self.add(codes::MISSING_FIELD, item.span, message);
                        }
                    }
                }
                all
            }
            Kind::Scalar(_) if node.is_null() => Vec::new(),
            Kind::Scalar(_) => {
                let message = format!("{what}s are neither a list nor a mapping");
                self.add(codes::TYPE, node.span, message);
                Vec::new()
            }
        }
    }

    /// Texts of a list; one text is a list of one.
    pub(super) fn texts(&self, node: &Node, what: &str) -> Vec<(String, Span)> {
        let one = |node: &Node| match node.scalar() {
            Some(scalar) => Some((scalar.text.to_string(), node.span)),
            None => {
                self.add(codes::TYPE, node.span, format!("{what} is not text"));
                None
            }
        };
        match &node.kind {
            Kind::List(items) => items.iter().filter_map(one).collect(),
            Kind::Scalar(_) if node.is_null() => Vec::new(),
            Kind::Scalar(_) | Kind::Map(_) => one(node).into_iter().collect(),
        }
    }

    /// A span of time in words of ours: a text as it is, a number in `unit`.
    pub(super) fn delay(&self, node: &Node, unit: &str) -> Option<String> {
        let scalar = node.scalar();
        let text = scalar.map(|scalar| match plain(scalar) {
            Plain::Number(_, json) => format!("{json}{unit}"),
            Plain::Null | Plain::Bool(_) | Plain::OutOfRange | Plain::Text => {
                scalar.text.to_string()
            }
        });
        let Some(text) = text else {
            self.add(codes::TYPE, node.span, "a duration is text or a number");
            return None;
        };
        match crate::definition::duration::parse(&text) {
            Ok(ms) => Some(crate::definition::duration::format(ms)),
            Err(reason) => {
                self.add(codes::DURATION_RANGE, node.span, reason);
                None
            }
        }
    }
}

impl<'r> Members<'r, '_> {
    /// The member that has one of these names; nothing where it is `null`.
    pub(super) fn get(&self, names: &[&str]) -> Option<&'r Node> {
        names.iter().find_map(|name| self.node.get(name)).filter(|node| !node.is_null())
    }

    /// A text that may be absent or empty.
    pub(super) fn text(&self, names: &[&str]) -> Option<(String, Span)> {
        let node = self.get(names)?;
        let Some(scalar) = node.scalar() else {
            let name = names.first().copied().unwrap_or_default();
            let message = format!("`{name}` of {} is not text", self.what);
            self.reader.add(codes::TYPE, node.span, message);
            return None;
        };
        let text = scalar.text.trim();
        (!text.is_empty()).then(|| (text.to_owned(), node.span))
    }

    /// A text that must be there.
    pub(super) fn needed(&self, names: &[&str]) -> Option<(String, Span)> {
        let found = self.text(names);
        if found.is_none() {
            let name = names.first().copied().unwrap_or_default();
            let message = format!("{} has no `{name}`", self.what);
            self.reader.add(codes::MISSING_FIELD, self.node.span, message);
        }
        found
    }

    pub(super) const fn span(&self) -> Span {
        self.node.span
    }
}
