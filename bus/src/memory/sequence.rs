//! [`Sequence`]: numbered entries in memory, beneath a log or an inbox.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::watch;

use crate::local::lock;
use crate::{Appended, Error, ErrorKind, Tail};

/// Entries numbered from 1 without gaps.
#[derive(Debug)]
pub(super) struct Sequence<T> {
    name: String,
    incarnation: u128,
    held: Mutex<Held<T>>,
    last: watch::Sender<u64>,
}

#[derive(Debug)]
struct Held<T> {
    last: u64,
    entries: VecDeque<T>,
    destroyed: bool,
}

impl<T> Held<T> {
    fn first(&self) -> u64 {
        self.last + 1 - self.entries.len() as u64
    }
}

impl<T: Clone> Sequence<T> {
    pub(super) fn new(name: &str, incarnation: u128) -> Self {
        let held = Held { last: 0, entries: VecDeque::new(), destroyed: false };
        Self {
            name: name.to_owned(),
            incarnation,
            held: Mutex::new(held),
            last: watch::Sender::new(0),
        }
    }

    /// Appends at the end if that is where `expected` says it is; `None` always fits.
    pub(super) fn append(&self, expected: Option<u64>, entry: T) -> Result<Appended, Error> {
        let mut held = lock(&self.held);
        self.check(&held)?;
        let actual = held.last;
        if expected.is_some_and(|expected| expected != actual) {
            return Ok(Appended::Fenced { actual });
        }
        held.entries.push_back(entry);
        held.last += 1;
        self.last.send_replace(held.last);
        Ok(Appended::Stored(held.last))
    }

    /// Entries from `sequence` on, as long as `take` wants more.
    pub(super) fn read_from(
        &self,
        sequence: u64,
        mut take: impl FnMut(&T) -> bool,
    ) -> Result<Vec<(u64, T)>, Error> {
        let held = lock(&self.held);
        self.check(&held)?;
        let first = held.first();
        if sequence < first {
            return Err(ErrorKind::Trimmed { first }.into());
        }
        if sequence > held.last {
            return Ok(Vec::new());
        }
        let skipped = usize::try_from(sequence - first).unwrap_or(usize::MAX);
        Ok((sequence..)
            .zip(held.entries.iter().skip(skipped))
            .take_while(|(_, entry)| take(entry))
            .map(|(sequence, entry)| (sequence, entry.clone()))
            .collect())
    }

    pub(super) fn tail(&self) -> Result<Tail, Error> {
        let held = lock(&self.held);
        self.check(&held)?;
        Ok(Tail { first: held.first(), last: held.last, incarnation: self.incarnation })
    }

    pub(super) fn trim(&self, before: u64) -> Result<(), Error> {
        let mut held = lock(&self.held);
        self.check(&held)?;
        while held.first() < before && held.entries.pop_front().is_some() {}
        Ok(())
    }

    pub(super) fn destroy(&self) -> Result<(), Error> {
        let mut held = lock(&self.held);
        self.check(&held)?;
        held.destroyed = true;
        held.entries = VecDeque::new();
        Ok(())
    }

    pub(super) fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    fn check(&self, held: &Held<T>) -> Result<(), Error> {
        if held.destroyed {
            return Err(ErrorKind::NotFound { name: self.name.clone() }.into());
        }
        Ok(())
    }
}
