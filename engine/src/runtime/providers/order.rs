//! Order: the instances of a pool by how busy they are, so that the least busy one is known at
//! once.
//!
//! Who changes says so with one bit for each order that has it; whoever picks looks at those that
//! changed and at nobody else. Each is a way up a tree of winners, so that a pick costs the
//! logarithm of the instances, and the answer is exact.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Members in one word of marks.
const WORD: usize = u64::BITS as usize;

/// The members of an order that changed since it was asked last.
#[derive(Debug)]
pub(super) struct Stirred(Box<[AtomicU64]>);

impl Stirred {
    fn new(members: usize) -> Self {
        Self((0..members.div_ceil(WORD)).map(|_| AtomicU64::new(0)).collect())
    }

    /// This one changed.
    pub(super) fn mark(&self, at: usize) {
        if let Some(word) = self.0.get(at / WORD) {
            // Behind the change itself, so that whoever takes the mark sees it.
            word.fetch_or(1 << (at % WORD), Ordering::Release);
        }
    }

    /// Those that changed, once.
    fn take(&self, mut each: impl FnMut(usize)) {
        for (word, first) in self.0.iter().zip((0_usize..).step_by(WORD)) {
            if word.load(Ordering::Relaxed) == 0 {
                continue;
            }
            let mut marks = word.swap(0, Ordering::Acquire);
            while marks != 0 {
                each(first + marks.trailing_zeros() as usize);
                marks &= marks - 1;
            }
        }
    }
}

/// May a member be asked?
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// It has room.
    Room,
    /// It takes calls, and has more than enough of them.
    Full,
    /// It takes none.
    Nobody,
}

/// How good a member is, the best first: fit, place of its score, how busy.
pub(super) type Rank = (Fit, usize, u64);

/// The members by rank; of equal ones that which was asked longest ago.
#[derive(Debug)]
pub(super) struct Order {
    stirred: Arc<Stirred>,
    /// The node at `n` has the better of those at `2n` and `2n + 1`; the second half are the
    /// members themselves.
    tree: Vec<(Rank, u64, usize)>,
    /// When each was picked last, by the count of picks.
    turns: Vec<u64>,
    turn: u64,
}

impl Order {
    /// The order of so many members, which all have changed.
    pub(super) fn new(members: usize) -> Self {
        let stirred = Arc::new(Stirred::new(members));
        (0..members).for_each(|at| stirred.mark(at));
        let nobody = ((Fit::Nobody, usize::MAX, u64::MAX), 0, 0);
        Self { stirred, tree: vec![nobody; members * 2], turns: vec![0; members], turn: 0 }
    }

    /// Where members are marked that changed.
    pub(super) fn stirred(&self) -> &Arc<Stirred> {
        &self.stirred
    }

    /// The best one, whose rank is about to change for that.
    pub(super) fn next(&mut self, rank: impl Fn(usize) -> Rank) -> Option<usize> {
        let stirred = Arc::clone(&self.stirred);
        stirred.take(|at| self.set(at, rank(at)));
        let ((fit, ..), _, at) = *self.tree.get(1)?;
        if fit == Fit::Nobody {
            return None;
        }
        self.turn += 1;
        *self.turns.get_mut(at)? = self.turn;
        stirred.mark(at);
        Some(at)
    }

    fn set(&mut self, at: usize, rank: Rank) {
        let Some(turn) = self.turns.get(at).copied() else { return };
        let mut node = self.turns.len() + at;
        let mut best = (rank, turn, at);
        loop {
            let Some(place) = self.tree.get_mut(node) else { return };
            *place = best;
            if node <= 1 {
                return;
            }
            let Some(other) = self.tree.get(node ^ 1) else { return };
            best = best.min(*other);
            node /= 2;
        }
    }
}

#[cfg(test)]
#[path = "order_tests.rs"]
mod tests;
