//! Data and templates → expressions.

use super::element::Element;
use crate::definition::expr::{Template, TextPart};
use crate::value::Value;

/// The expression that gives a value: JSON is one, but for whole numbers above 63 bits.
pub(super) fn literal(value: &Value) -> String {
    match value {
        Value::Uint(number) => format!("{number}u"),
        Value::List(items) => {
            let items: Vec<_> = items.iter().map(literal).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Map(map) => {
            let entry = |(key, value): &(std::sync::Arc<str>, Value)| {
                format!("{}: {}", text(key), literal(value))
            };
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
            let entry = |(key, value): &(std::sync::Arc<str>, Template)| {
                format!("{}: {}", text(key), expression(value))
            };
            let entries: Vec<_> = entries.iter().map(entry).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

/// What goes along: a parameter for each member of a mapping, else the whole as content.
pub(super) fn payload(with: Option<&Template>) -> Vec<Element> {
    let param =
        |(key, value): (&str, String)| Element::new("param").with("name", key).with("expr", value);
    match with {
        None => Vec::new(),
        Some(Template::Map(entries)) if !entries.is_empty() => {
            entries.iter().map(|(key, value)| param((key, expression(value)))).collect()
        }
        Some(Template::Const(Value::Map(map))) if map.iter().next().is_some() => {
            map.iter().map(|(key, value)| param((key, literal(value)))).collect()
        }
        Some(other) => vec![Element::new("content").with("expr", expression(other))],
    }
}

/// The expression with the name of a loop's item as a variable, which it is there.
pub(super) fn as_variable(source: &str, local: &str) -> String {
    replaced(source, local, &format!("vars.{local}"))
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
