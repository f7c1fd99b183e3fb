//! Data: what stands in a definition as it is, mappings in the order they are written.

use crate::convert::Yaml;
use crate::value::Value;

/// Data of a definition: `with:`, first values of variables, outputs. In its texts `${ … }` is
/// evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct Data(pub(super) Yaml);

impl Data {
    /// `null`.
    #[must_use]
    pub fn null() -> Self {
        Self(Yaml::Literal("null".to_owned()))
    }

    /// A mapping, in this order.
    #[must_use]
    pub fn map<K: Into<String>, V: Into<Self>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        let entries = entries.into_iter();
        Self(Yaml::Map(entries.map(|(key, value)| (key.into(), value.into().0)).collect()))
    }

    /// A list.
    #[must_use]
    pub fn list<V: Into<Self>>(items: impl IntoIterator<Item = V>) -> Self {
        Self(Yaml::List(items.into_iter().map(|item| item.into().0).collect()))
    }
}

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self(Yaml::text(text))
    }
}

impl From<String> for Data {
    fn from(text: String) -> Self {
        Self(Yaml::text(text))
    }
}

impl From<bool> for Data {
    fn from(value: bool) -> Self {
        Self(Yaml::Literal(value.to_string()))
    }
}

impl From<i64> for Data {
    fn from(number: i64) -> Self {
        Self(Yaml::Literal(number.to_string()))
    }
}

impl From<i32> for Data {
    fn from(number: i32) -> Self {
        Self::from(i64::from(number))
    }
}

impl From<u32> for Data {
    fn from(number: u32) -> Self {
        Self::from(i64::from(number))
    }
}

/// A number that is not finite has no place in a definition, and becomes `null`.
impl From<f64> for Data {
    fn from(number: f64) -> Self {
        if number.is_finite() {
            Self(Yaml::Literal(Value::Double(number).to_json()))
        } else {
            Self::null()
        }
    }
}

impl From<Value> for Data {
    fn from(value: Value) -> Self {
        match value {
            Value::String(text) => Self::from(&*text),
            Value::List(items) => Self::list(items.iter().cloned()),
            Value::Map(map) => {
                Self::map(map.iter().map(|(key, value)| (key.to_string(), value.clone())))
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) => {
                Self(Yaml::Literal(value.to_json()))
            }
        }
    }
}

impl<T: Into<Self>> From<Vec<T>> for Data {
    fn from(items: Vec<T>) -> Self {
        Self::list(items)
    }
}

impl<K: Into<String>, V: Into<Self>, const N: usize> From<[(K, V); N]> for Data {
    fn from(entries: [(K, V); N]) -> Self {
        Self::map(entries)
    }
}
