//! What a document became, and where in the text its parts were written.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use roxmltree::{Document as Xml, Node};

use super::super::yaml::Yaml;
use super::source::{Source, name, text};
use crate::definition::{Problem, Span};

/// One definition.
pub(super) struct Made {
    pub(super) workflow: String,
    pub(super) definition: Yaml,
    /// The byte at which its `scxml` begins.
    pub(super) root: usize,
    /// The bytes at which its states begin, by the names that they have here.
    pub(super) states: BTreeMap<Arc<str>, usize>,
}

/// Where in the document the thing stands that a problem of the definitions is about; `texts` are
/// the definitions of `made` as they stand behind each other in `yaml`.
pub(super) fn place(
    problem: &Problem,
    source: &Source<'_>,
    xml: &Xml<'_>,
    made: &[Made],
    texts: &[String],
    yaml: &str,
) -> Option<Span> {
    let span = problem.span?;
    let mut end = 0;
    let (made, _) = made.iter().zip(texts).find(|(_, text)| {
        end += text.len() + "---\n".len();
        span.start < end
    })?;
    let starting =
        |at: usize| xml.descendants().find(|it| it.is_element() && it.range().start == at);
    let element = match state_of(&problem.path) {
        Some(state) => starting(*made.states.get(state)?)?,
        None => variable(starting(made.root)?, problem.path.strip_prefix("vars.")?)?,
    };
    let written = yaml.get(span.start..span.end).unwrap_or_default().trim_matches('"');
    let range =
        attribute(element, written, &problem.path).unwrap_or_else(|| source.start_tag(element));
    Some(Span::new(range.start, range.end))
}

/// The innermost state on a path of a definition: `b` of `states.a.states.b.entry[0].raise`.
fn state_of(path: &str) -> Option<&str> {
    let mut parts = path.split('.');
    let mut state = None;
    while let Some("states" | "parallel") = parts.next() {
        let Some(part) = parts.next() else { break };
        state = Some(part.split('[').next().unwrap_or(part));
    }
    state
}

fn variable<'d, 'i>(root: Node<'d, 'i>, path: &str) -> Option<Node<'d, 'i>> {
    let id = path.split(['.', '[']).next()?;
    let of_root = |it: &Node<'_, '_>| {
        let document = it.ancestors().find(|it| name(*it) == Some("scxml"));
        document.is_some_and(|document| document.id() == root.id())
    };
    root.descendants()
        .find(|it| name(*it) == Some("data") && text(*it, "id") == Some(id) && of_root(it))
}

/// The attribute of an element, or of what belongs to it and to no state inside it, whose value is
/// `written`: the first one of those that `path` may mean, else the only one.
fn attribute(element: Node<'_, '_>, written: &str, path: &str) -> Option<Range<usize>> {
    let is_place = |it: &Node<'_, '_>| {
        matches!(name(*it), Some("state" | "parallel" | "final" | "history" | "scxml" | "data"))
    };
    let own = element
        .descendants()
        .filter(|it| it.ancestors().find(is_place).is_some_and(|it| it.id() == element.id()));
    let own: Vec<Node<'_, '_>> = own.collect();
    if let Some((kind, key)) = meant(path) {
        let of_kind = own.iter().filter(|it| name(**it) == Some(kind));
        let mut values = of_kind.filter_map(|it| super::source::attribute(*it, key));
        if let Some(attribute) = values.find(|it| says(it.value(), written)) {
            return Some(attribute.range_value());
        }
    }
    let mut found = own
        .iter()
        .flat_map(|it| it.attributes())
        .filter(|it| !written.is_empty() && it.value().trim() == written)
        .map(|it| it.range_value());
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

/// The element and its attribute that the end of a path of a definition comes from.
fn meant(path: &str) -> Option<(&'static str, &'static str)> {
    let mut parts = path.rsplit('.').map(|part| part.split('[').next().unwrap_or(part));
    Some(match (parts.next()?, parts.next()?) {
        ("raise", _) => ("raise", "event"),
        ("event", "send") => ("send", "event"),
        ("to", "send") => ("send", "target"),
        ("to", _) => ("transition", "target"),
        ("event", "on") => ("transition", "event"),
        _ => return None,
    })
}

/// Is a value of SCXML what stands in the definition: one text, a list, or the address of a child?
fn says(value: &str, written: &str) -> bool {
    let value = value.trim();
    let list = written.split(|c: char| c.is_whitespace() || "[],".contains(c));
    let parts = list.filter(|part| !part.is_empty());
    let address = value.strip_prefix("#_");
    let same = !value.is_empty() && value.split_whitespace().eq(parts);
    same || address.is_some_and(|child| written.strip_prefix("invoke.") == Some(child))
}
