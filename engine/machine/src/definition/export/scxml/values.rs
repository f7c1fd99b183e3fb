//! Data and templates → expressions.

use std::sync::Arc;

use super::actions::Locals;
use super::document::Export;
use super::element::Element;
use crate::definition::expr::{Template, TextPart};
use crate::definition::parse::{Node, canonical};
use crate::value::Value;

impl Export<'_> {
    /// The data at a node.
    pub(super) fn template(&self, node: &Node, locals: &Locals) -> Option<Template> {
        let value = Value::from_json(canonical(node).as_bytes()).ok()?;
        Template::compile(&value, &self.names(locals)).ok()
    }

    /// What goes along: a parameter for each member of a mapping, else the whole as content. None
    /// where an expression would say something else, or be too large.
    pub(super) fn payload(&self, node: &Node, locals: &Locals) -> Option<Vec<Element>> {
        let nice = |key: &Arc<str>| !key.is_empty() && key.trim() == &**key;
        match self.template(node, locals)? {
            Template::Map(entries) if entries.iter().all(|(key, _)| nice(key)) => {
                let param = |(key, value): &(Arc<str>, Template)| {
                    self.said(Element::new("param").with("name", &**key), value, locals)
                };
                entries.iter().map(param).collect()
            }
            Template::Const(Value::Map(map))
                if map.iter().next().is_some() && map.iter().all(|(key, _)| nice(key)) =>
            {
                let param = |(key, value): &(Arc<str>, Value)| {
                    let value = Template::Const(value.clone());
                    self.said(Element::new("param").with("name", &**key), &value, locals)
                };
                map.iter().map(param).collect()
            }
            Template::Const(value) => Some(vec![Element::new("content").saying(value.to_json())]),
            other @ (Template::Expr(_)
            | Template::Text(_)
            | Template::List(_)
            | Template::Map(_)) => {
                Some(vec![self.said(Element::new("content"), &other, locals)?])
            }
        }
    }

    /// The element with an expression for the data at a node.
    pub(super) fn value(&self, element: Element, node: &Node, locals: &Locals) -> Option<Element> {
        self.said(element, &self.template(node, locals)?, locals)
    }

    /// The element with an expression that gives what the template gives. Data with expressions
    /// inside is marked: it is not one expression here.
    pub(super) fn said(
        &self,
        element: Element,
        template: &Template,
        locals: &Locals,
    ) -> Option<Element> {
        let (source, marked) = match template {
            // JSON is an expression too, and can be told from one that computes something.
            Template::Const(value @ (Value::List(_) | Value::Map(_))) => (value.to_json(), false),
            Template::Const(_) | Template::Expr(_) => (expression(template), false),
            Template::Text(_) | Template::List(_) | Template::Map(_) => (data(template), true),
        };
        if !self.compiles(&source, locals) {
            return None;
        }
        let element = element.with("expr", source);
        Some(if marked { element.with("gearshift:form", "data") } else { element })
    }
}

/// Data as an expression from which it can be read again: expressions in it that look like data
/// stand in brackets.
fn data(template: &Template) -> String {
    match template {
        Template::Expr(expr) => {
            let source = expr.source().trim();
            let like = source.starts_with(['{', '[', '(', '\'', '"']) || source.contains('+');
            let plain = Value::from_json(source.as_bytes()).is_ok();
            if like || plain { format!("({source})") } else { source.to_owned() }
        }
        Template::List(items) => {
            format!("[{}]", items.iter().map(data).collect::<Vec<_>>().join(", "))
        }
        Template::Map(entries) => {
            let entry =
                |(key, value): &(Arc<str>, Template)| format!("{}: {}", text(key), data(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Template::Const(value) => literal(value),
        Template::Text(_) => expression(template),
    }
}

/// May SCXML name this place: a variable, or a member of one?
pub(super) fn is_location(path: &str) -> bool {
    path.split('.').all(|part| {
        part.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

/// The expression that gives a value: JSON is one, but for whole numbers above 63 bits.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Uint(number) => format!("{number}u"),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entry =
                |(key, value): &(Arc<str>, Value)| format!("{}: {}", text(key), literal(value));
            let entries: Vec<_> = map.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
        Value::String(written) => text(written),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Double(_) => value.to_json(),
    }
}

/// A text as an expression, in single quotes where that needs no escape.
fn text(written: &str) -> String {
    let plain = written.chars().all(|c| !c.is_control() && c != '\'' && c != '\\');
    if plain { format!("'{written}'") } else { Value::from(written).to_json() }
}

/// The expression that gives what a template gives.
pub(in super::super) fn expression(template: &Template) -> String {
    match template {
        Template::Const(value) => literal(value),
        Template::Expr(expr) => expr.source().trim().to_owned(),
        Template::Text(parts) => {
            let part = |part: &TextPart| match part {
                TextPart::Text(written) => text(written),
                TextPart::Expr(expr) => format!("string({})", expr.source().trim()),
            };
            parts.iter().map(part).collect::<Vec<_>>().join(" + ")
        }
        Template::List(items) => {
            let items: Vec<_> = items.iter().map(expression).collect();
            format!("[{}]", items.join(", "))
        }
        Template::Map(entries) => {
            let entry = |(key, value): &(Arc<str>, Template)| {
                format!("{}: {}", text(key), expression(value))
            };
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// Does the expression use a name?
pub(super) fn mentions(source: &str, name: &str) -> bool {
    replaced(source, name, "") != source
}

/// The expression with what a child says called as SCXML calls it: the event's data.
pub(super) fn as_event_data(source: &str) -> String {
    replaced(source, "output", "event.data")
}

/// The expression with a name as something else.
fn replaced(source: &str, name: &str, with: &str) -> String {
    let mut out = String::with_capacity(source.len() + 8);
    let mut rest = source;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        let length = if first == '\'' || first == '"' {
            quoted(rest, first)
        } else if part(first) {
            rest.find(|c| !part(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, behind) = rest.split_at(length);
        // A member, a function or the key of a map is something else.
        let is_name = word == name && before != '.' && !behind.trim_start().starts_with('(');
        out.push_str(if is_name { with } else { word });
        before = word.chars().next_back().filter(|c| !c.is_whitespace()).unwrap_or(before);
        rest = behind;
    }
    out
}

/// The length of the text in quotes that `rest` begins with.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        if letter == quote && !escaped {
            return at + letter.len_utf8();
        }
        escaped = letter == '\\' && !escaped;
    }
    rest.len()
}
