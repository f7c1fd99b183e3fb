//! The names an expression may use where it stands (E7).

use std::sync::Arc;

/// What an expression may refer to; checked when it is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// The declared variables, in document order.
    pub vars: &'a [Arc<str>],
    /// The ids of all states, for `active('id')`.
    pub states: &'a [Arc<str>],
    /// The ids of all steps, in document order.
    pub steps: &'a [Arc<str>],
    /// Names that `each` binds here.
    pub locals: &'a [Arc<str>],
    /// The names of E7 that exist here.
    pub allowed: NameSet,
}

/// A set of the names of E7.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameSet(u16);

impl NameSet {
    /// No name at all.
    pub const NONE: Self = Self(0);
    /// `data`: the payload of the event in hand.
    pub const DATA: Self = Self(1);
    /// `event`: the event in hand.
    pub const EVENT: Self = Self(1 << 1);
    /// `vars`: the instance's variables.
    pub const VARS: Self = Self(1 << 2);
    /// `key`: the correlation key.
    pub const KEY: Self = Self(1 << 3);
    /// `instance`: `workflow/key`.
    pub const INSTANCE: Self = Self(1 << 4);
    /// `workflow`: the workflow's name.
    pub const WORKFLOW: Self = Self(1 << 5);
    /// `now`: when the input was stamped.
    pub const NOW: Self = Self(1 << 6);
    /// `input`: what the instance was started with.
    pub const INPUT: Self = Self(1 << 7);
    /// `output`: what the call gave.
    pub const OUTPUT: Self = Self(1 << 8);
    /// `error`: a map of `kind`, `code` and `message`.
    pub const ERROR: Self = Self(1 << 9);
    /// The function `active(id)`.
    pub const ACTIVE: Self = Self(1 << 10);
    /// `steps`: what the steps that completed gave.
    pub const STEPS: Self = Self(1 << 11);

    /// In `correlate`: there is no instance yet.
    pub const CORRELATE: Self = Self::DATA.and(Self::EVENT);
    /// In guards, actions and tasks.
    pub const ACTION: Self = Self::CORRELATE
        .and(Self::VARS)
        .and(Self::KEY)
        .and(Self::INSTANCE)
        .and(Self::WORKFLOW)
        .and(Self::NOW)
        .and(Self::INPUT)
        .and(Self::STEPS)
        .and(Self::ACTIVE);
    /// In a call's `set`.
    pub const CALL_SET: Self = Self::ACTION.and(Self::OUTPUT);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This set without `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// This set and `error`.
    #[must_use]
    pub const fn with_error(self) -> Self {
        self.and(Self::ERROR)
    }

    /// Are all of `other` in this set?
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The plain names of this set, in the order of E7.
    pub(super) fn words(self) -> impl Iterator<Item = &'static str> {
        WORDS.iter().filter(move |(_, set)| self.contains(*set)).map(|(word, _)| *word)
    }
}

/// Every name of E7 and the set it is.
pub(super) const WORDS: [(&str, NameSet); 11] = [
    ("vars", NameSet::VARS),
    ("data", NameSet::DATA),
    ("event", NameSet::EVENT),
    ("key", NameSet::KEY),
    ("instance", NameSet::INSTANCE),
    ("workflow", NameSet::WORKFLOW),
    ("now", NameSet::NOW),
    ("output", NameSet::OUTPUT),
    ("input", NameSet::INPUT),
    ("steps", NameSet::STEPS),
    ("error", NameSet::ERROR),
];

/// The known word nearest to `word`, if one is near enough to be meant.
pub(super) fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    known
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(far, near)| *far <= 1 + near.len() / 4 && *far < near.len())
        .min()
        .map(|(_, candidate)| candidate)
}

/// Letters to insert, delete or replace to make `left` of `right`.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, from) in left.chars().take(64).enumerate() {
        let mut diagonal = line;
        let mut before = line + 1;
        for (slot, to) in row.iter_mut().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(from.to_ascii_lowercase() != *to);
            diagonal = *slot;
            before = replaced.min(before + 1).min(diagonal + 1);
            *slot = before;
        }
        if let Some(first) = row.first_mut() {
            *first = line + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
