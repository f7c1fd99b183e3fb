//! Value: what JSON, MessagePack and expressions share; the most used type.
//!
//! Cloning is cheap: strings, lists and maps are shared. Maps keep their keys sorted, so that
//! serialised bytes and comprehensions never depend on insertion order (02 §7, E5).

mod json;
mod map;
mod serde_impl;

pub use json::JsonError;
pub use map::Map;
pub(crate) use serde_impl::present;

use std::sync::Arc;

/// One value of a payload, a variable or an expression result.
///
/// Numbers follow E1 of the expression dialect: an integer that fits `i64` is [`Value::Int`],
/// else one that fits `u64` is [`Value::Uint`], everything else is [`Value::Double`].
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// JSON `null`.
    #[default]
    Null,
    /// A truth value.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    /// A finite binary floating point number.
    Double(f64),
    /// Text.
    String(Arc<str>),
    /// A sequence.
    List(Arc<Vec<Self>>),
    /// Keys and values, sorted by key.
    Map(Arc<Map>),
}

impl PartialEq for Value {
    /// Doubles are finite, so what is shared is equal without being looked into: a decision
    /// compares its instance with the one before, and most of both is the same.
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(own), Self::Bool(other)) => own == other,
            (Self::Int(own), Self::Int(other)) => own == other,
            (Self::Uint(own), Self::Uint(other)) => own == other,
            (Self::Double(own), Self::Double(other)) => own == other,
            (Self::String(own), Self::String(other)) => own == other,
            (Self::List(own), Self::List(other)) => Arc::ptr_eq(own, other) || own == other,
            (Self::Map(own), Self::Map(other)) => Arc::ptr_eq(own, other) || own == other,
            (_, _) => false,
        }
    }
}

impl Value {
    /// The deepest nesting that decoders accept.
    pub const DEPTH_MAX: usize = 64;

    /// An empty map.
    #[must_use]
    pub fn empty_map() -> Self {
        Self::Map(Arc::new(Map::new()))
    }

    /// Text, shared.
    #[must_use]
    pub fn string(text: impl Into<Arc<str>>) -> Self {
        Self::String(text.into())
    }

    /// A list.
    #[must_use]
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(Arc::new(items))
    }

    /// The text, where this is text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The map, where this is one.
    #[must_use]
    pub fn as_map(&self) -> Option<&Map> {
        if let Self::Map(map) = self { Some(map) } else { None }
    }

    /// The list, where this is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    /// The member `name`, where this is a map that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_map()?.get(name)
    }

    /// Is this `null`?
    #[must_use]
    pub const fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The name of the type, as expressions call it.
    #[must_use]
    pub const fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }

    /// Bytes this value occupies, roughly as its JSON text would; cheap, for limits.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 4,
            Self::Int(_) | Self::Uint(_) | Self::Double(_) => 8,
            Self::String(text) => text.len() + 2,
            Self::List(items) => 2 + items.iter().map(|item| item.weight() + 1).sum::<usize>(),
            Self::Map(map) => {
                2 + map.iter().map(|(name, value)| name.len() + 4 + value.weight()).sum::<usize>()
            }
        }
    }

    /// A copy with the member at `path` set; every parent on the path must be a map.
    ///
    /// # Errors
    /// The first path segment whose parent is not a map (rule 23).
    pub fn with_path(&self, path: &[Arc<str>], value: Self) -> Result<Self, Arc<str>> {
        let Some((first, rest)) = path.split_first() else { return Ok(value) };
        let Self::Map(map) = self else { return Err(Arc::clone(first)) };
        let member = if rest.is_empty() {
            value
        } else {
            let parent = map.get(first).ok_or_else(|| Arc::clone(first))?;
            parent.with_path(rest, value)?
        };
        let mut copy = Map::clone(map);
        copy.insert(Arc::clone(first), member);
        Ok(Self::Map(Arc::new(copy)))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        i64::try_from(value).map_or(Self::Uint(value), Self::Int)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<Map> for Value {
    fn from(value: Map) -> Self {
        Self::Map(Arc::new(value))
    }
}
