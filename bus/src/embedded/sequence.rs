//! [`Sequence`]: numbered entries in segments, beneath a log or an inbox.
//!
//! A segment is one keyspace of the storage engine, because only dropping a keyspace as a whole
//! gives disk space back. The writer thread alone changes a sequence.

use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use fjall::compaction::Leveled;
use fjall::{Database, Guard, Iter, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, UserValue};
use tokio::sync::watch;

use super::failure::from_fjall;
use super::records::{Mark, Record, open_entry};
use crate::local::lock;
use crate::{Error, ErrorKind, SubjectPattern, Tail};

/// A segment takes no further entry once it holds this much: 32 MiB.
const SEGMENT_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// A segment whose entries were all trimmed is dropped from this size on: 4 MiB. Below, its
/// entries have not left the memory table, so that a new keyspace would cost more.
const DROP_BYTES_MIN: u64 = 4 * 1024 * 1024;

/// Size at which the memory table of a segment is written out: 1 MiB; there is one per journal.
const MEMTABLE_BYTES_MAX: u64 = 1024 * 1024;

/// A segment is never compacted: its tables are disjoint and few, and it goes as a whole.
const COMPACTION_TABLES_MIN: u8 = 200;

/// What the entries are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Log,
    Inbox,
}

/// Numbered entries and their marks.
pub(super) struct Sequence {
    kind: Kind,
    name: String,
    incarnation: u128,
    held: Mutex<Held>,
    last: watch::Sender<u64>,
}

#[derive(Default)]
struct Held {
    first: u64,
    /// The last durable sequence.
    last: u64,
    /// The last sequence put into the batch that is being built.
    staged: u64,
    patterns: Vec<SubjectPattern>,
    segments: Vec<Segment>,
    destroyed: bool,
}

#[derive(Clone)]
pub(super) struct Segment {
    pub(super) start: u64,
    pub(super) bytes: u64,
    pub(super) keyspace: Keyspace,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Inbox => "inbox",
        }
    }
}

impl Sequence {
    pub(super) fn new(kind: Kind, name: &str, mark: Mark, segments: Vec<Segment>) -> Self {
        let Mark { incarnation, first, last, patterns } = mark;
        let held = Held { first, last, staged: last, patterns, segments, destroyed: false };
        let last = watch::Sender::new(last);
        Self { kind, name: name.to_owned(), incarnation, held: Mutex::new(held), last }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) const fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn tail(&self) -> Result<Tail, Error> {
        let held = lock(&self.held);
        self.check(&held)?;
        Ok(Tail { first: held.first, last: held.last, incarnation: self.incarnation })
    }

    pub(super) fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Durable entries from `sequence` on, as long as `take` wants more.
    pub(super) fn read_from(
        &self,
        sequence: u64,
        mut take: impl FnMut(usize) -> bool,
    ) -> Result<Vec<(u64, Bytes)>, Error> {
        let (last, segments) = self.readable(sequence)?;
        let ends = segments.iter().skip(1).map(|segment| segment.start - 1).chain([last]);
        let mut next = sequence;
        let mut entries = Vec::new();
        for (segment, end) in segments.iter().zip(ends) {
            let mut scan = Scan::new(&segment.keyspace, next, end);
            while next <= end {
                let entry = match scan.stored(next).and_then(|stored| open_entry(next, &stored)) {
                    Ok(entry) => entry,
                    Err(error) if entries.is_empty() => return Err(error),
                    // What lies before the damage is given first; the next read tells of it.
                    Err(_) => return Ok(entries),
                };
                if !take(entry.len()) {
                    return Ok(entries);
                }
                entries.push((next, entry));
                next += 1;
            }
        }
        Ok(entries)
    }

    /// The last durable sequence, and the segments that hold `sequence` and what follows.
    fn readable(&self, sequence: u64) -> Result<(u64, Vec<Segment>), Error> {
        let held = lock(&self.held);
        self.check(&held)?;
        if sequence < held.first {
            return Err(ErrorKind::Trimmed { first: held.first }.into());
        }
        if sequence > held.last {
            return Ok((held.last, Vec::new()));
        }
        let after = held.segments.partition_point(|segment| segment.start <= sequence);
        let segments = held.segments.iter().skip(after.saturating_sub(1)).cloned().collect();
        Ok((held.last, segments))
    }

    /// The last sequence as the writer thread sees it.
    pub(super) fn staged(&self) -> Result<u64, Error> {
        let held = lock(&self.held);
        self.check(&held)?;
        Ok(held.staged)
    }

    /// Puts the entry into the batch; it counts once [`Sequence::commit`] is told.
    pub(super) fn stage(
        &self,
        database: &Database,
        batch: &mut OwnedWriteBatch,
        record: Record,
    ) -> Result<u64, Error> {
        let sequence = self.staged()? + 1;
        let full = lock(&self.held).segments.last().is_none_or(|last| last.is_full());
        if full {
            self.begin_segment(database, sequence)?;
        }
        let mut held = lock(&self.held);
        held.staged = sequence;
        if let Some(segment) = held.segments.last_mut() {
            segment.bytes += record.len() as u64;
            batch.insert(&segment.keyspace, sequence.to_be_bytes(), record.seal(sequence));
        }
        Ok(sequence)
    }

    fn begin_segment(&self, database: &Database, start: u64) -> Result<(), Error> {
        let name = segment_name(self.kind, &self.name, self.incarnation, start);
        let keyspace = database.keyspace(&name, segment_options).map_err(from_fjall)?;
        let mut held = lock(&self.held);
        let full = held.segments.last().map(|segment| segment.keyspace.clone());
        held.segments.push(Segment { start, bytes: 0, keyspace });
        drop(held);
        if let Some(full) = full {
            // Nothing will be added to it, so it need not stay in memory.
            full.rotate_memtable().map_err(from_fjall)?;
        }
        Ok(())
    }

    /// The entries up to `sequence` are durable.
    pub(super) fn commit(&self, sequence: u64) {
        lock(&self.held).last = sequence;
        self.last.send_replace(sequence);
    }

    /// What to remember if the entries before `before` go; `None` if none would.
    pub(super) fn trimmed(&self, before: u64) -> Result<Option<Mark>, Error> {
        let held = lock(&self.held);
        self.check(&held)?;
        let first = before.min(held.last + 1);
        Ok((first > held.first).then(|| Mark { first, ..self.mark(&held) }))
    }

    /// What to remember if the patterns are these.
    pub(super) fn capturing(&self, patterns: Vec<SubjectPattern>) -> Result<Mark, Error> {
        let held = lock(&self.held);
        self.check(&held)?;
        Ok(Mark { patterns, ..self.mark(&held) })
    }

    /// Takes over a mark that is durable; gives the segments nobody can read any more.
    pub(super) fn apply(&self, mark: Mark) -> Vec<Keyspace> {
        let mut held = lock(&self.held);
        held.first = mark.first;
        held.patterns = mark.patterns;
        let unread = held.unread();
        held.segments.drain(..unread).map(|segment| segment.keyspace).collect()
    }

    /// Marks it as destroyed; gives its segments.
    pub(super) fn destroy(&self) -> Vec<Keyspace> {
        let mut held = lock(&self.held);
        held.destroyed = true;
        held.segments.drain(..).map(|segment| segment.keyspace).collect()
    }

    /// Lets go of the files.
    pub(super) fn release(&self) {
        lock(&self.held).segments = Vec::new();
    }

    fn mark(&self, held: &Held) -> Mark {
        let patterns = held.patterns.clone();
        Mark { incarnation: self.incarnation, first: held.first, last: held.last, patterns }
    }

    fn check(&self, held: &Held) -> Result<(), Error> {
        if held.destroyed {
            return Err(ErrorKind::NotFound { name: self.name.clone() }.into());
        }
        Ok(())
    }
}

impl Held {
    /// How many segments at the start hold trimmed entries only.
    fn unread(&self) -> usize {
        let starts = self.segments.iter().skip(1).map(|segment| segment.start);
        let passed = starts.take_while(|start| *start <= self.first).count();
        let all_trimmed = self.first > self.last && passed + 1 == self.segments.len();
        let is_large = |segment: &Segment| segment.bytes >= DROP_BYTES_MIN;
        if all_trimmed && self.segments.last().is_some_and(is_large) {
            self.segments.len()
        } else {
            passed
        }
    }
}

impl Segment {
    const fn is_full(&self) -> bool {
        self.bytes >= SEGMENT_BYTES_MAX
    }
}

/// Reads the entries of one segment in order.
///
/// A scan opens every table of the segment at once, so one damaged block stops it early. Then
/// each entry is asked for by itself: only the damaged one is lost, and it can be named.
struct Scan<'a> {
    keyspace: &'a Keyspace,
    items: Option<Iter>,
}

impl<'a> Scan<'a> {
    fn new(keyspace: &'a Keyspace, first: u64, last: u64) -> Self {
        let items = keyspace.range(first.to_be_bytes()..=last.to_be_bytes());
        Self { keyspace, items: Some(items) }
    }

    fn stored(&mut self, sequence: u64) -> Result<UserValue, Error> {
        if let Some(Ok((key, stored))) =
            self.items.as_mut().and_then(Iterator::next).map(Guard::into_inner)
            && *key == sequence.to_be_bytes()
        {
            return Ok(stored);
        }
        self.items = None;
        match self.keyspace.get(sequence.to_be_bytes()) {
            Ok(Some(stored)) => Ok(stored),
            Ok(None) => Err(ErrorKind::Corrupt { sequence: Some(sequence) }.into()),
            Err(error) => Err(damaged(sequence, error)),
        }
    }
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequence").field("kind", &self.kind).field("name", &self.name).finish()
    }
}

/// `log.<name>.<incarnation>.<first sequence>`; names hold no dot.
fn segment_name(kind: Kind, name: &str, incarnation: u128, start: u64) -> String {
    format!("{}.{name}.{incarnation:032x}.{start:020}", kind.word())
}

/// Kind, name, incarnation and first sequence of the segment with this name.
pub(super) fn parse_segment_name(text: &str) -> Option<(Kind, &str, u128, u64)> {
    let mut parts = text.split('.');
    let kind = match parts.next()? {
        "log" => Kind::Log,
        "inbox" => Kind::Inbox,
        _ => return None,
    };
    let name = parts.next()?;
    let incarnation = u128::from_str_radix(parts.next()?, 16).ok()?;
    Some((kind, name, incarnation, parts.next()?.parse().ok()?))
}

pub(super) fn segment_options() -> KeyspaceCreateOptions {
    KeyspaceCreateOptions::default()
        .max_memtable_size(MEMTABLE_BYTES_MAX)
        .compaction_strategy(Arc::new(Leveled::default().with_l0_threshold(COMPACTION_TABLES_MIN)))
        .expect_point_read_hits(true)
        .manual_journal_persist(true)
}

/// An unreadable entry is a corrupt one unless the operating system refused to read it.
fn damaged(sequence: u64, error: fjall::Error) -> Error {
    let error = from_fjall(error);
    if matches!(error.kind(), ErrorKind::Corrupt { .. }) {
        return Error::new(ErrorKind::Corrupt { sequence: Some(sequence) }, error);
    }
    error
}
