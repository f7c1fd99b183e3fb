//! Tree: the keys of one mapping, in the order they are said.

use super::data::Data;
use crate::convert::Yaml;

/// A mapping under construction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Tree(Vec<(String, Yaml)>);

impl Tree {
    /// Says `key`; what was said of it before is replaced where it stands.
    pub(super) fn put(&mut self, key: &str, value: Yaml) {
        match self.slot(key) {
            Some(slot) => *slot = value,
            None => self.0.push((key.to_owned(), value)),
        }
    }

    pub(super) fn text(&mut self, key: &str, text: impl Into<String>) {
        self.put(key, Yaml::text(text));
    }

    /// A number, or a truth value.
    pub(super) fn literal(&mut self, key: &str, value: impl ToString) {
        self.put(key, Yaml::Literal(value.to_string()));
    }

    pub(super) fn data(&mut self, key: &str, data: impl Into<Data>) {
        self.put(key, data.into().0);
    }

    /// Adds `name: value` to the mapping `key`.
    pub(super) fn entry(&mut self, key: &str, name: &str, value: Yaml) {
        let mut inner = self.mapping(key);
        inner.put(name, value);
        self.put(key, inner.into());
    }

    /// The mapping that stands at `key`; empty where none does.
    pub(super) fn mapping(&mut self, key: &str) -> Self {
        match self.slot(key) {
            Some(Yaml::Map(entries)) => Self(entries.clone()),
            Some(Yaml::Literal(_) | Yaml::Text(_) | Yaml::List(_)) | None => Self::default(),
        }
    }

    /// Adds `value` at `key`: the first stands alone, more become a list.
    pub(super) fn more(&mut self, key: &str, value: Yaml) {
        match self.slot(key) {
            None => self.0.push((key.to_owned(), value)),
            Some(Yaml::List(items)) => items.push(value),
            Some(slot) => *slot = Yaml::List(vec![slot.clone(), value]),
        }
    }

    /// Adds `value` to the list `key`.
    pub(super) fn item(&mut self, key: &str, value: Yaml) {
        match self.slot(key) {
            None => self.0.push((key.to_owned(), Yaml::List(vec![value]))),
            Some(_) => self.more(key, value),
        }
    }

    /// The value of `key`, where nothing else is said.
    pub(super) fn only(&self, key: &str) -> Option<Yaml> {
        match self.0.as_slice() {
            [(known, value)] if known == key => Some(value.clone()),
            _ => None,
        }
    }

    fn slot(&mut self, key: &str) -> Option<&mut Yaml> {
        self.0.iter_mut().find(|(known, _)| known == key).map(|(_, value)| value)
    }
}

impl From<Tree> for Yaml {
    fn from(tree: Tree) -> Self {
        Self::Map(tree.0)
    }
}

/// A list of names.
pub(super) fn names<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Yaml {
    Yaml::List(names.into_iter().map(Yaml::text).collect())
}
