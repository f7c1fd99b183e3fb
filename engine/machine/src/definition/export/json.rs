//! Json: a document in the making, whose members keep their order.

use crate::value::Value;

/// A piece of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Json {
    /// As it is written: a number, a truth value, a piece of a definition.
    Raw(String),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Self>),
    /// An object.
    Object(Vec<(String, Self)>),
}

impl Json {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn of(value: &Value) -> Self {
        Self::Raw(value.to_json())
    }

    /// An object of the members that have a value.
    pub(super) fn object<const N: usize>(members: [(&str, Option<Self>); N]) -> Self {
        let present = |(name, value): (&str, Option<Self>)| Some((name.to_owned(), value?));
        Self::Object(members.into_iter().filter_map(present).collect())
    }

    /// The same, if there is something in it.
    pub(super) fn filled(self) -> Option<Self> {
        match &self {
            Self::List(items) if items.is_empty() => None,
            Self::Object(members) if members.is_empty() => None,
            Self::Raw(_) | Self::Text(_) | Self::List(_) | Self::Object(_) => Some(self),
        }
    }

    /// The only one, or all of them.
    pub(super) fn one_or_all(mut items: Vec<Self>) -> Self {
        match (items.pop(), items.is_empty()) {
            (Some(only), true) => only,
            (last, _) => {
                items.extend(last);
                Self::List(items)
            }
        }
    }

    /// The text, on lines of their own from here on.
    pub(super) fn write(&self, level: usize, out: &mut String) {
        let lines = |out: &mut String, level: usize| {
            out.push('\n');
            out.push_str(&"  ".repeat(level));
        };
        match self {
            Self::Raw(text) => out.push_str(text),
            Self::Text(text) => out.push_str(&Value::from(text.as_str()).to_json()),
            Self::List(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    lines(out, level + 1);
                    item.write(level + 1, out);
                }
                lines(out, level);
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (at, (name, value)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    lines(out, level + 1);
                    out.push_str(&Value::from(name.as_str()).to_json());
                    out.push_str(": ");
                    value.write(level + 1, out);
                }
                lines(out, level);
                out.push('}');
            }
        }
    }
}
