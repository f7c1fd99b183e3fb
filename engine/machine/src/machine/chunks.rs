//! Chunks: a long list whose copies share what did not change.
//!
//! A decision copies its instance, and a journal frame holds what differs between the copies: with
//! lists of ten thousand items both must cost what changed, not what there is.

use std::sync::Arc;

/// Items of one chunk.
const CHUNK: usize = 32;

/// A list in chunks; all but the last are full.
#[derive(Clone, Debug)]
pub struct Chunks<T> {
    chunks: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T: Clone + PartialEq> PartialEq for Chunks<T> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len
            && self
                .chunks
                .iter()
                .zip(&other.chunks)
                .all(|(own, other)| Arc::ptr_eq(own, other) || own == other)
    }
}

impl<T: Clone + PartialEq> Chunks<T> {
    /// `len` times the same.
    #[must_use]
    pub fn filled(item: T, len: usize) -> Self {
        std::iter::repeat_n(item, len).collect()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Are there none?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The item at `at`.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// The item at `at`, to be changed: its chunk is copied where it is shared.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        Arc::make_mut(self.chunks.get_mut(at / CHUNK)?).get_mut(at % CHUNK)
    }

    /// All items in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Appends one.
    pub fn push(&mut self, item: T) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => Arc::make_mut(last).push(item),
            Some(_) | None => {
                let mut chunk = Vec::with_capacity(CHUNK);
                chunk.push(item);
                self.chunks.push(Arc::new(chunk));
            }
        }
        self.len += 1;
    }

    /// The items of `self` that are not the same in `old`, with their places; chunks that both
    /// share are not looked into.
    pub(crate) fn changed<'a>(&'a self, old: &'a Self) -> impl Iterator<Item = (usize, &'a T)> {
        self.chunks.iter().enumerate().flat_map(move |(number, chunk)| {
            let before = old.chunks.get(number);
            let shared = before.is_some_and(|before| Arc::ptr_eq(before, chunk));
            let items = if shared { &[][..] } else { chunk.as_slice() };
            items.iter().enumerate().filter_map(move |(at, item)| {
                let same = before.and_then(|before| before.get(at)) == Some(item);
                (!same).then_some((number * CHUNK + at, item))
            })
        })
    }
}

impl<T: Clone + PartialEq> FromIterator<T> for Chunks<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut chunks = Self::default();
        for item in items {
            chunks.push(item);
        }
        chunks
    }
}

#[cfg(test)]
mod tests {
    use super::Chunks;

    #[test]
    fn what_changed_is_found_and_what_is_shared_is_not_looked_into() {
        let old: Chunks<u32> = (0..1_000).collect();
        let mut new = old.clone();
        assert!(old == new && new.changed(&old).next().is_none());
        if let Some(item) = new.get_mut(77) {
            *item = 5;
        }
        new.push(1_000);
        let changed: Vec<_> = new.changed(&old).map(|(at, item)| (at, *item)).collect();
        assert_eq!(changed, [(77, 5), (1_000, 1_000)]);
        assert_eq!((old.get(77), new.get(77), new.len()), (Some(&77), Some(&5), 1_001));
        assert!(old != new && new.iter().count() == 1_001);
    }
}
