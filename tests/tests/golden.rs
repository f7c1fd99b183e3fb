//! Old bytes still open: journals and snapshots of every released format, byte for byte.
//!
//! `GEARSHIFT_GOLDEN=write` writes the files of the current format; do that once per format.

use std::path::PathBuf;
use std::sync::Arc;

use gearshift_machine::definition::model::Early;
use gearshift_machine::definition::{Format, load};
use gearshift_machine::machine::{Event, InstanceKey, Timestamp};
use gearshift_machine::partition::{
    Definitions, Manifest, Partition, PartitionInput, Position, Restore, Snapshot, Stamped,
};
use gearshift_machine::value::Value;

const FLOW: &str = "
workflow: golden
version: 1
correlate: data.id
events: { opened: { start: true }, noted: {}, closed: {} }
vars: { notes: 0, last: null }
states:
  open:
    on:
      noted:
        do: [ { set: { notes: vars.notes + 1, last: data } }, { publish: bell.rung } ]
      closed: shut
    after: { 1h: shut }
  shut: { final: true }
";

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/v1")
}

fn deliver(key: &str, name: &str, early: Early, sequence: u64) -> PartitionInput {
    let data = Value::from_json(b"{\"id\": \"a\", \"text\": \"\xc3\xa9\", \"n\": [1, 2.5, null]}");
    PartitionInput::Deliver {
        key: InstanceKey::new("golden", key).unwrap_or_else(|error| panic!("{error}")),
        event: Event { name: name.into(), data: data.ok(), ..Event::default() },
        early,
        source: Some(Position { source: 0, sequence }),
    }
}

/// The fixed story: its journal, and the partition at its end.
fn story() -> (Vec<Vec<u8>>, Partition) {
    let loaded = load(FLOW, "golden.yaml", Format::Yaml).unwrap_or_else(|all| panic!("{all:#?}"));
    let mut definitions = Definitions::default();
    assert!(definitions.insert(Arc::new(loaded.definition)).is_ok());
    let mut partition = Partition::new(2);
    let mut journal = vec![partition.epoch_frame(1, "first")];
    let steps = [
        deliver("early", "noted", Early::Buffer { ttl_ms: 60_000 }, 1),
        deliver("a", "opened", Early::Start, 2),
        deliver("a", "noted", Early::DeadLetter, 3),
        deliver("b", "opened", Early::Start, 4),
        deliver("b", "closed", Early::DeadLetter, 5),
        deliver("nobody", "noted", Early::DeadLetter, 6),
        PartitionInput::Advance { source: 0, sequence: 9 },
    ];
    for (step, input) in (0..).zip(steps) {
        let at = Timestamp(1_750_000_000_000 + step * 1_000);
        journal.extend(partition.decide(&definitions, vec![Stamped { input, at }]).frame);
    }
    journal.push(partition.epoch_frame(2, "second"));
    (journal, partition)
}

/// Files are lists of blobs, each behind its length in four bytes.
fn pack(blobs: &[Vec<u8>]) -> Vec<u8> {
    let length = |blob: &Vec<u8>| u32::try_from(blob.len()).unwrap_or(u32::MAX).to_le_bytes();
    blobs.iter().flat_map(|blob| [length(blob).to_vec(), blob.clone()].concat()).collect()
}

fn unpack(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut blobs = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let (blob, rest) = rest.split_at_checked(length).unwrap_or((rest, &[]));
        blobs.push(blob.to_vec());
        bytes = rest;
    }
    blobs
}

fn golden(name: &str, made: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let path = folder().join(name);
    if std::env::var_os("GEARSHIFT_GOLDEN").is_some_and(|word| word == "write") {
        std::fs::create_dir_all(folder()).unwrap_or_else(|error| panic!("{error}"));
        std::fs::write(&path, pack(made)).unwrap_or_else(|error| panic!("{error}"));
    }
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    unpack(&bytes)
}

#[test]
fn the_journal_of_format_1_is_written_and_read_as_ever() {
    let (journal, partition) = story();
    let stored = golden("journal.bin", &journal);
    let mut restore = Restore::begin(2, None);
    for (sequence, frame) in (1..).zip(&stored) {
        if let Err(error) = restore.apply(sequence, frame) {
            panic!("{error}");
        }
    }
    let restored = restore.finish();
    assert_eq!(restored.counts(), partition.counts());
    assert!(restored.state_bytes() == partition.state_bytes());
    // A change of these bytes is a new format: raise the version and keep these files.
    assert!(stored == journal, "the same story gives other bytes");
}

#[test]
fn the_snapshot_of_format_1_is_written_and_read_as_ever() {
    let (journal, partition) = story();
    let mut run = partition.snapshot_begin();
    let mut slices = Vec::new();
    while let Some(slice) = run.next_slice(&partition, journal.len() as u64) {
        slices.push(slice);
    }
    let names: Vec<_> = (0..slices.len()).map(|number| format!("slice-{number}")).collect();
    let made = [vec![run.manifest(&names)], slices].concat();
    let stored = golden("snapshot.bin", &made);
    let Some((manifest, slices)) = stored.split_first() else { panic!("an empty file") };
    assert_eq!(Manifest::decode(manifest).map(|manifest| manifest.names), Ok(names));
    let snapshot = match Snapshot::open(manifest, slices) {
        Ok(snapshot) => snapshot,
        Err(error) => panic!("{error}"),
    };
    let restored = Restore::begin(2, Some(snapshot)).finish();
    assert!(restored.state_bytes() == partition.state_bytes());
    assert!(stored == made, "the same story gives other bytes");
}
