//! Yaml: a definition in the making, written as a person would.

use crate::value::Value;

/// The longest mapping or list that is written on one line, in bytes.
const LINE_MAX: usize = 88;

/// A piece of a definition; mappings keep their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Yaml {
    /// A number, `true`, `false` or `null`, as it is written.
    Literal(String),
    /// Text, quoted where it has to be.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// A mapping.
    Map(Vec<(String, Self)>),
}

impl Yaml {
    /// Text.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A mapping with the keys that have a value.
    pub(super) fn map<const N: usize>(entries: [(&str, Option<Self>); N]) -> Self {
        let present = |(key, value): (&str, Option<Self>)| Some((key.to_owned(), value?));
        Self::Map(entries.into_iter().filter_map(present).collect())
    }

    /// A value as data: what looks like `${` in it is no expression.
    pub(super) fn data(value: &Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text.replace("${", "$${")),
            Value::List(items) => Self::List(items.iter().map(Self::data).collect()),
            Value::Map(map) => {
                let entries = map.iter().map(|(key, value)| (key.to_string(), Self::data(value)));
                Self::Map(entries.collect())
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) => {
                Self::Literal(value.to_json())
            }
        }
    }

    /// The text of a document.
    pub(crate) fn write(&self) -> String {
        let mut out = String::new();
        self.block(&mut out, 0);
        out
    }

    /// On lines of their own, each indented by `indent`.
    fn block(&self, out: &mut String, indent: usize) {
        let lead = " ".repeat(indent);
        match self {
            Self::Map(entries) if !entries.is_empty() => {
                for (key, value) in entries {
                    out.push_str(&lead);
                    value.entry(key, out, indent);
                }
            }
            Self::List(items) if !items.is_empty() => {
                for item in items {
                    out.push_str(&lead);
                    out.push_str("- ");
                    item.item(out, indent + 2);
                }
            }
            Self::Literal(_) | Self::Text(_) | Self::Map(_) | Self::List(_) => {
                out.push_str(&lead);
                out.push_str(&self.flow());
                out.push('\n');
            }
        }
    }

    /// `key: value` and what belongs to it.
    fn entry(&self, key: &str, out: &mut String, indent: usize) {
        out.push_str(&scalar(key));
        out.push(':');
        let flow = self.flow();
        if self.fits(indent + key.len() + 2 + flow.len()) {
            out.push(' ');
            out.push_str(&flow);
            out.push('\n');
        } else {
            out.push('\n');
            self.block(out, indent + 2);
        }
    }

    /// What stands behind `- `.
    fn item(&self, out: &mut String, indent: usize) {
        let flow = self.flow();
        match self {
            Self::Map(entries) if !self.fits(indent + flow.len()) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    if at > 0 {
                        out.push_str(&" ".repeat(indent));
                    }
                    value.entry(key, out, indent);
                }
            }
            Self::List(items) if !self.fits(indent + flow.len()) => {
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push_str(&" ".repeat(indent));
                    }
                    out.push_str("- ");
                    item.item(out, indent + 2);
                }
            }
            Self::Literal(_) | Self::Text(_) | Self::Map(_) | Self::List(_) => {
                out.push_str(&flow);
                out.push('\n');
            }
        }
    }

    /// Is it written on one line, which is `length` long?
    fn fits(&self, length: usize) -> bool {
        match self {
            Self::Literal(_) | Self::Text(_) => true,
            Self::Map(entries) => entries.is_empty() || (length <= LINE_MAX && self.depth() <= 2),
            Self::List(items) => items.is_empty() || (length <= LINE_MAX && self.depth() <= 2),
        }
    }

    fn depth(&self) -> usize {
        match self {
            Self::Literal(_) | Self::Text(_) => 0,
            Self::List(items) => 1 + items.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(entries) => {
                1 + entries.iter().map(|(_, value)| value.depth()).max().unwrap_or(0)
            }
        }
    }

    /// On one line.
    fn flow(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(", ");
        match self {
            Self::Literal(text) => text.clone(),
            Self::Text(text) => scalar(text),
            Self::List(items) => format!("[{}]", joined(items.iter().map(Self::flow).collect())),
            Self::Map(entries) if entries.is_empty() => "{}".to_owned(),
            Self::Map(entries) => {
                let one =
                    |(key, value): &(String, Self)| format!("{}: {}", scalar(key), value.flow());
                format!("{{ {} }}", joined(entries.iter().map(one).collect()))
            }
        }
    }
}

/// Text that every reader of YAML takes for this text; those of YAML 1.1 take a bare `on` for
/// `true`.
fn scalar(text: &str) -> String {
    const WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    let rest = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let plain = text.starts_with(first)
        && text.chars().all(rest)
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { Value::from(text).to_json() }
}
