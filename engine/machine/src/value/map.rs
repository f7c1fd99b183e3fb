//! Map: keys and values, sorted by key, in one vector.

use std::sync::Arc;

use super::Value;

/// A sorted map with shared keys; small maps are the common case, so it is one vector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map(Vec<(Arc<str>, Value)>);

impl Map {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let at = self.0.binary_search_by(|(key, _)| (**key).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Does the map have `name`?
    #[must_use]
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Puts `value` at `name`; returns what stood there.
    pub fn insert(&mut self, name: impl Into<Arc<str>>, value: Value) -> Option<Value> {
        let name = name.into();
        match self.0.binary_search_by(|(key, _)| key.cmp(&name)) {
            Ok(at) => self.0.get_mut(at).map(|slot| std::mem::replace(&mut slot.1, value)),
            Err(at) => {
                self.0.insert(at, (name, value));
                None
            }
        }
    }

    /// Takes `name` out.
    pub fn remove(&mut self, name: &str) -> Option<Value> {
        let at = self.0.binary_search_by(|(key, _)| (**key).cmp(name)).ok()?;
        Some(self.0.remove(at).1)
    }

    /// Entries in key order.
    pub fn iter(&self) -> std::slice::Iter<'_, (Arc<str>, Value)> {
        self.0.iter()
    }

    /// Number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Has the map no entry?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A map of entries in any order.
    ///
    /// # Errors
    /// The key that occurs twice.
    pub fn from_entries(mut entries: Vec<(Arc<str>, Value)>) -> Result<Self, Arc<str>> {
        if !entries.is_sorted_by(|left, right| left.0 < right.0) {
            entries.sort_by(|left, right| left.0.cmp(&right.0));
            for pair in entries.windows(2) {
                if let [left, right] = pair
                    && left.0 == right.0
                {
                    return Err(Arc::clone(&left.0));
                }
            }
        }
        Ok(Self(entries))
    }
}

impl<K: Into<Arc<str>>> FromIterator<(K, Value)> for Map {
    /// Collects entries; the last one of a repeated key wins.
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        let entries = entries.into_iter();
        let (least, most) = entries.size_hint();
        // Filters know only how many there are at most: few maps have many entries.
        let mut map = Self(Vec::with_capacity(least.max(most.unwrap_or(0).min(4))));
        for (name, value) in entries {
            map.insert(name, value);
        }
        map
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a (Arc<str>, Value);
    type IntoIter = std::slice::Iter<'a, (Arc<str>, Value)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
