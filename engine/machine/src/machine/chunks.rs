//! Chunks: a long list whose copies share what did not change.
//!
//! A decision copies its instance, and a journal frame holds what differs between the copies: with
//! lists of ten thousand items both must cost what changed, not what there is.

use std::sync::Arc;

/// Items of one chunk.
const CHUNK: usize = 32;

/// Items that a chunk has room for at first where nobody knows how many come.
const FEW: usize = 4;

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
    #[must_use]
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The items from the one at `from` on.
    pub fn tail(&self, from: usize) -> impl Iterator<Item = &T> {
        let chunks = self.chunks.get(from / CHUNK..).unwrap_or_default();
        chunks.iter().flat_map(|chunk| chunk.iter()).skip(from % CHUNK)
    }

    /// Drops all items from the one at `len` on.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        self.len = len;
        self.chunks.truncate(len.div_ceil(CHUNK));
        if !len.is_multiple_of(CHUNK)
            && let Some(last) = self.chunks.last_mut()
        {
            Arc::make_mut(last).truncate(len % CHUNK);
        }
    }

    /// Removes the last item that is meant; the nearer it is to the end, the less that costs.
    pub fn remove_last(&mut self, meant: impl Fn(&T) -> bool) -> Option<T> {
        let behind = self.iter().rev().position(meant)?;
        let at = self.len - 1 - behind;
        let found = self.get(at).cloned();
        let behind: Vec<T> = self.tail(at + 1).cloned().collect();
        self.truncate(at);
        behind.into_iter().for_each(|item| self.push(item));
        found
    }

    /// So many items at the front are the same in `old`; chunks that both share are not looked
    /// into.
    pub(crate) fn same_front(&self, old: &Self) -> usize {
        let mut same = 0;
        for (own, other) in self.chunks.iter().zip(&old.chunks) {
            let pairs = || own.iter().zip(other.iter());
            let equal = match Arc::ptr_eq(own, other) {
                true => own.len(),
                false => pairs().take_while(|(own, other)| own == other).count(),
            };
            same += equal;
            if equal < CHUNK {
                break;
            }
        }
        same
    }

    /// Appends one.
    pub fn push(&mut self, item: T) {
        self.push_of(item, FEW);
    }

    /// Appends one, the first of about so many.
    pub(crate) fn push_of(&mut self, item: T, many: usize) {
        match self.chunks.last_mut() {
            Some(last) if last.len() < CHUNK => Arc::make_mut(last).push(item),
            Some(_) | None => {
                let mut chunk = Vec::with_capacity(many.clamp(1, CHUNK));
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

#[cfg(test)]
impl<T> Chunks<T> {
    /// Chunks that are no part of `old`.
    pub(crate) fn copied(&self, old: &Self) -> usize {
        let shared = |at: usize, own| old.chunks.get(at).is_some_and(|it| Arc::ptr_eq(it, own));
        self.chunks.iter().enumerate().filter(|(at, own)| !shared(*at, own)).count()
    }
}

impl<T: Clone + PartialEq> FromIterator<T> for Chunks<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut chunks = Self::default();
        let mut items = items.into_iter();
        while let Some(item) = items.next() {
            chunks.push_of(item, items.size_hint().0 + 1);
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

    #[test]
    fn the_end_is_dropped_and_the_front_stays_shared() {
        let old: Chunks<u32> = (0..100).collect();
        let mut new = old.clone();
        assert_eq!(new.remove_last(|item| *item == 99), Some(99));
        assert_eq!((new.len(), new.same_front(&old), old.same_front(&new)), (99, 99, 99));
        assert_eq!(new.remove_last(|item| *item == 96), Some(96));
        assert_eq!((new.len(), new.same_front(&old)), (98, 96));
        assert_eq!(new.tail(95).copied().collect::<Vec<_>>(), [95, 97, 98]);
        assert_eq!(new.remove_last(|item| *item == 500), None);
        new.truncate(64);
        assert_eq!((new.len(), new.same_front(&old), new.get(64)), (64, 64, None));
        new.push(64);
        assert_eq!((new.same_front(&old), new.iter().next_back()), (65, Some(&64)));
        new.truncate(0);
        assert!(new.is_empty() && new.same_front(&old) == 0 && new.remove_last(|_| true).is_none());
    }
}
