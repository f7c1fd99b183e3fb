//! The text that is converted, and what is wrong with it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;

use roxmltree::{Attribute, Node};

use crate::definition::codes::{self, Code};
use crate::definition::{Problem, Span};

/// The namespace of SCXML; elements without a namespace are taken for it.
const NAMESPACE: &str = "http://www.w3.org/2005/07/scxml";

/// The namespace of what SCXML has no word for, as our own export writes it.
const OURS: &str = crate::definition::export::SCXML_NAMESPACE;

/// A text and the problems found in it.
pub(super) struct Source<'s> {
    pub(super) text: &'s str,
    pub(super) origin: &'s str,
    problems: RefCell<Vec<Problem>>,
    /// What the author should know although it was converted: the line, and the words.
    notes: RefCell<Vec<(usize, String)>>,
    /// Expressions of ECMAScript that may mean something else here: what differs, the line, and
    /// the expression.
    differing: RefCell<Vec<(&'static str, usize, String)>>,
}

impl<'s> Source<'s> {
    pub(super) const fn new(text: &'s str, origin: &'s str) -> Self {
        Self {
            text,
            origin,
            problems: RefCell::new(Vec::new()),
            notes: RefCell::new(Vec::new()),
            differing: RefCell::new(Vec::new()),
        }
    }

    /// Notes a problem at a place of the text.
    pub(super) fn add(&self, code: Code, range: Range<usize>, message: impl Into<String>) {
        let span = Span::new(range.start, range.end);
        let problem = Problem::new(code, self.origin, message).at(self.text, span);
        self.problems.borrow_mut().push(problem);
    }

    /// There is nothing to convert an element to.
    pub(super) fn refuse(&self, node: Node<'_, '_>, message: impl Into<String>) {
        self.add(codes::NOT_CONVERTIBLE, self.start_tag(node), message);
    }

    /// There is nothing to convert an attribute to.
    pub(super) fn refuse_value(&self, attribute: &Attribute<'_, '_>, message: impl Into<String>) {
        self.add(codes::NOT_CONVERTIBLE, attribute.range_value(), message);
    }

    /// An element lacks something it must have.
    pub(super) fn missing(&self, node: Node<'_, '_>, message: impl Into<String>) {
        self.add(codes::MISSING_FIELD, self.start_tag(node), message);
    }

    /// It was converted, but not word by word.
    pub(super) fn note(&self, at: usize, message: impl Into<String>) {
        self.notes.borrow_mut().push((self.line(at), message.into()));
    }

    /// An expression was converted, and may mean something else here.
    pub(super) fn differs(&self, what: &'static str, at: usize, expression: &str) {
        let one = (what, self.line(at), expression.to_owned());
        self.differing.borrow_mut().push(one);
    }

    /// The line of a byte, from 1.
    pub(super) fn line(&self, at: usize) -> usize {
        let before = self.text.get(..at).unwrap_or(self.text);
        before.bytes().filter(|byte| *byte == b'\n').count() + 1
    }

    /// Where an element begins: `<name`.
    pub(super) fn start_tag(&self, node: Node<'_, '_>) -> Range<usize> {
        let start = node.range().start;
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.find(|c: char| c.is_whitespace() || c == '>' || c == '/');
        start..start + length.unwrap_or(rest.len())
    }

    /// What the author should know, a line each: a warning of each difference between the
    /// languages, then the notes.
    pub(super) fn told(&self) -> Vec<String> {
        let differing = self.differing.borrow();
        let kinds: BTreeSet<&str> = differing.iter().map(|(what, ..)| *what).collect();
        let warnings = kinds.into_iter().filter_map(|kind| {
            let of_kind = differing.iter().filter(|(what, ..)| *what == kind);
            let list: Vec<_> = of_kind.map(|(_, line, text)| (*line, text.clone())).collect();
            Some(format!("warning: {}: {kind}: {}", self.origin, listed(&list)?))
        });
        let mut told: Vec<String> = warnings.collect();
        let mut notes = self.notes.borrow().clone();
        notes.sort();
        notes.dedup();
        let one = |(line, note): &(usize, String)| format!("note: {}:{line}: {note}", self.origin);
        told.extend(notes.iter().map(one));
        told
    }

    pub(super) fn is_clean(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.span, problem.code));
        problems
    }
}

/// The first texts of a list with their lines; none of an empty one.
fn listed(all: &[(usize, String)]) -> Option<String> {
    const SHOWN: usize = 5;
    let shown = all.iter().take(SHOWN);
    let mut list: Vec<String> =
        shown.map(|(line, text)| format!("`{}`, line {line}", short(text))).collect();
    if let Some(more) = all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        list.push(format!("and {more} more"));
    }
    (!list.is_empty()).then(|| list.join("; "))
}

/// A text on one line, and not too long for it.
fn short(text: &str) -> String {
    const SHOWN: usize = 60;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = line.chars().filter(|letter| !letter.is_control());
    let mut short: String = letters.by_ref().take(SHOWN).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}

/// The name of an element of SCXML; other elements have none.
pub(super) fn name<'d>(node: Node<'d, '_>) -> Option<&'d str> {
    let tag = node.tag_name();
    let ours = tag.namespace().is_none_or(|namespace| namespace == NAMESPACE);
    (node.is_element() && ours).then(|| tag.name())
}

/// The children of an element that are elements of SCXML, each with its name.
pub(super) fn children<'d, 'i>(
    node: Node<'d, 'i>,
) -> impl Iterator<Item = (&'d str, Node<'d, 'i>)> {
    node.children().filter_map(|child| Some((name(child)?, child)))
}

/// The children of an element with this name.
pub(super) fn named<'d, 'i>(
    node: Node<'d, 'i>,
    wanted: &'static str,
) -> impl Iterator<Item = Node<'d, 'i>> {
    children(node).filter(move |(name, _)| *name == wanted).map(|(_, child)| child)
}

/// An attribute of SCXML, with surrounding space removed by [`text`].
pub(super) fn attribute<'d, 'i>(node: Node<'d, 'i>, wanted: &str) -> Option<Attribute<'d, 'i>> {
    node.attributes().find(|it| it.namespace().is_none() && it.name() == wanted)
}

/// The text of an attribute without the space around it; none where it is empty.
pub(super) fn text<'d>(node: Node<'d, '_>, wanted: &str) -> Option<&'d str> {
    let attribute = attribute(node, wanted)?;
    let text = attribute.value().trim();
    (!text.is_empty()).then_some(text)
}

/// The name of an element of our own namespace.
pub(super) fn own_name<'d>(node: Node<'d, '_>) -> Option<&'d str> {
    let tag = node.tag_name();
    (node.is_element() && tag.namespace() == Some(OURS)).then(|| tag.name())
}

/// An attribute of our own namespace.
pub(super) fn own_attribute<'d>(node: Node<'d, '_>, wanted: &str) -> Option<&'d str> {
    let ours = node.attributes().find(|it| it.namespace() == Some(OURS) && it.name() == wanted);
    ours.map(|attribute| attribute.value())
}

/// All text inside an element.
pub(super) fn inner_text(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|child| child.text()).collect()
}

/// The element inside another one, of whatever namespace.
pub(super) fn inner_element<'d, 'i>(node: Node<'d, 'i>) -> Option<Node<'d, 'i>> {
    node.children().find(Node::is_element)
}
