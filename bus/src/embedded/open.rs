//! Opening a directory: what is there, and whether it is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use fjall::{Database, Keyspace, KeyspaceCreateOptions};

use super::blobs::clean;
use super::failure::from_fjall;
use super::files::{create_private_dir, read_tails, remove_temporary};
use super::names::Names;
use super::records::{Mark, decode_revision, decode_value};
use super::sequence::{Kind, Segment, Sequence, parse_segment_name, segment_options};
use crate::local::{KeyEntry, Keys, Lifecycle, lock};
use crate::{Clock, Error, ErrorKind};

/// Blocks of tables kept in memory: 16 MiB.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// What the engine's own journals may take before older tables are written: 64 MiB.
const JOURNAL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Open files kept for reading.
const FILES_MAX: usize = 128;

/// Size at which the memory tables of marks and values are written out: 2 MiB.
const MEMTABLE_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// What the directory held.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) marks: Keyspace,
    pub(super) values: Keyspace,
    pub(super) names: Names,
}

/// Segments by kind, name and incarnation.
type Segments = BTreeMap<(&'static str, String, u128), Vec<Segment>>;

pub(super) fn open(dir: &Path, clock: &Clock, lifecycle: &Lifecycle) -> Result<Opened, Error> {
    let store = dir.join("store");
    create_private_dir(&store)?;
    remove_temporary(dir)?;
    clean(&dir.join("blobs"))?;
    let database = Database::builder(&store)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(JOURNAL_BYTES_MAX)
        .max_cached_files(Some(FILES_MAX))
        .manual_journal_persist(true)
        .worker_threads(1)
        .open()
        .map_err(from_fjall)?;
    let options = || {
        KeyspaceCreateOptions::default()
            .max_memtable_size(MEMTABLE_BYTES_MAX)
            .manual_journal_persist(true)
    };
    let marks = database.keyspace("marks", options).map_err(from_fjall)?;
    let values = database.keyspace("values", options).map_err(from_fjall)?;
    let names = Names::default();
    open_sequences(&database, &marks, &names)?;
    open_buckets(&marks, &values, &names, clock, lifecycle)?;
    check_tails(dir, &names)?;
    Ok(Opened { database, marks, values, names })
}

fn open_sequences(database: &Database, marks: &Keyspace, names: &Names) -> Result<(), Error> {
    let mut segments = open_segments(database)?;
    for kind in [Kind::Log, Kind::Inbox] {
        let prefix = format!("{}/", kind.word());
        for item in marks.prefix(&prefix) {
            let (key, stored) = item.into_inner().map_err(from_fjall)?;
            let name = text(key.get(prefix.len()..))?;
            let mark = Mark::decode(&stored).ok_or_else(corrupt)?;
            let key = (kind.word(), name.clone(), mark.incarnation);
            let own = segments.remove(&key).unwrap_or_default();
            if kind == Kind::Inbox {
                lock(names.captures()).set(&name, mark.patterns.clone());
            }
            let sequence = open_sequence(kind, &name, mark, own)?;
            names.add_sequence(Arc::new(sequence));
        }
    }
    // Nobody refers to what is left: a trim or destroy was interrupted before its last step.
    for segment in segments.into_values().flatten() {
        database.delete_keyspace(segment.keyspace).map_err(from_fjall)?;
    }
    Ok(())
}

fn open_segments(database: &Database) -> Result<Segments, Error> {
    let mut segments = Segments::new();
    // Names sort by first sequence within one log or inbox.
    let keyspaces: BTreeSet<String> =
        database.list_keyspace_names().iter().map(ToString::to_string).collect();
    for keyspace_name in keyspaces {
        let Some((kind, name, incarnation, start)) = parse_segment_name(&keyspace_name) else {
            continue;
        };
        let keyspace = database.keyspace(&keyspace_name, segment_options).map_err(from_fjall)?;
        // What is in memory yet is not counted, so a segment may grow by one memory table more.
        let bytes = keyspace.disk_space();
        let key = (kind.word(), name.to_owned(), incarnation);
        segments.entry(key).or_default().push(Segment { start, bytes, keyspace });
    }
    Ok(segments)
}

fn open_sequence(
    kind: Kind,
    name: &str,
    mut mark: Mark,
    segments: Vec<Segment>,
) -> Result<Sequence, Error> {
    for segment in segments.iter().rev() {
        if let Some(item) = segment.keyspace.last_key_value() {
            let key = item.key().map_err(from_fjall)?;
            let key: [u8; 8] = (*key).try_into().map_err(|_| corrupt())?;
            mark.last = mark.last.max(u64::from_be_bytes(key));
            break;
        }
    }
    Ok(Sequence::new(kind, name, mark, segments))
}

fn open_buckets(
    marks: &Keyspace,
    values: &Keyspace,
    names: &Names,
    clock: &Clock,
    lifecycle: &Lifecycle,
) -> Result<(), Error> {
    let prefix = "bucket/";
    for item in marks.prefix(prefix) {
        let (key, stored) = item.into_inner().map_err(from_fjall)?;
        let name = text(key.get(prefix.len()..))?;
        let revision = decode_revision(&stored).ok_or_else(corrupt)?;
        let entries = open_bucket(values, &name)?;
        let keys = Keys::new(revision, entries, clock.clone(), lifecycle.clone());
        names.add_bucket(&name, keys);
    }
    Ok(())
}

fn open_bucket(values: &Keyspace, name: &str) -> Result<BTreeMap<String, KeyEntry>, Error> {
    let prefix = format!("{name}\0");
    let mut entries = BTreeMap::new();
    for item in values.prefix(&prefix) {
        let (key, stored) = item.into_inner().map_err(from_fjall)?;
        let entry = decode_value(&stored).ok_or_else(corrupt)?;
        entries.insert(text(key.get(prefix.len()..))?, entry);
    }
    Ok(entries)
}

/// A journal damaged in the wrong place comes back shorter without saying so.
fn check_tails(dir: &Path, names: &Names) -> Result<(), Error> {
    for (word, name, incarnation, last) in read_tails(dir)? {
        let kind = if word == Kind::Log.word() { Kind::Log } else { Kind::Inbox };
        let Some(sequence) = names.sequence(kind, &name) else { continue };
        let tail = sequence.tail()?;
        if tail.incarnation == incarnation && tail.last < last {
            return Err(ErrorKind::Corrupt { sequence: Some(tail.last + 1) }.into());
        }
    }
    Ok(())
}

fn text(bytes: Option<&[u8]>) -> Result<String, Error> {
    bytes.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).ok_or_else(corrupt)
}

fn corrupt() -> Error {
    ErrorKind::Corrupt { sequence: None }.into()
}
