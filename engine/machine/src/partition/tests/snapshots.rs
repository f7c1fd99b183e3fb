//! Snapshots: fuzzy slices and the tail give what the whole journal gives.

use super::world::{World, deliver, event, key, principal};
use crate::machine::Command;
use crate::partition::{Manifest, PartitionInput, Restore, Snapshot, SnapshotError};

/// A world with instances whose slices are too many for one.
fn large() -> World {
    let mut world = World::new();
    let body = format!("{{\"text\": \"{}\"}}", "x".repeat(10_000));
    for n in 0..120 {
        world.tell(deliver(&format!("i{n:03}"), event("opened", &body)));
    }
    world
}

fn names(slices: &[Vec<u8>]) -> Vec<String> {
    (0..slices.len()).map(|n| format!("slice-{n}")).collect()
}

fn position(world: &World) -> u64 {
    world.journal.len() as u64
}

/// Takes a snapshot while `between` goes on deciding between its slices.
fn snapshot(
    world: &mut World,
    mut between: impl FnMut(&mut World, usize),
) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut run = world.partition.snapshot_begin();
    let mut slices = Vec::new();
    while let Some(slice) = run.next_slice(&world.partition, position(world)) {
        slices.push(slice);
        between(world, slices.len());
    }
    (run.manifest(&names(&slices)), slices)
}

fn restore(world: &World, snapshot: Snapshot) -> Vec<u8> {
    let mut restore = Restore::begin(3, Some(snapshot));
    for (sequence, frame) in (1..).zip(&world.journal) {
        if sequence >= restore.next_sequence() {
            restore.apply(sequence, frame).unwrap();
        }
    }
    restore.finish().state_bytes()
}

#[test]
fn a_snapshot_and_its_tail_are_the_full_replay() {
    let mut world = large();
    let (manifest, slices) = snapshot(&mut world, |world, number| {
        // Changes before, in and behind the range that is covered so far; births and deaths too.
        for name in ["i000", "i060", "i119"] {
            world.tell(deliver(name, event("noted", &format!("{{\"n\": {number}}}"))));
            world.tell(deliver(name, event("poked", "{}")));
        }
        world.tell(deliver(&format!("a{number}"), event("opened", "{}")));
        world.tell(deliver(&format!("z{number}"), event("opened", "{}")));
        let command = Command::Cancel;
        world.tell(PartitionInput::Command {
            key: key(&format!("i{:03}", number * 7)),
            command,
            by: principal("ann"),
            reason: "".into(),
        });
        world.now += 4 * 24 * 3_600_000;
        world.settle();
    });
    assert!(slices.len() > 3, "{}", slices.len());
    assert!(slices.iter().all(|slice| slice.len() <= 512 * 1_024));
    let decoded = Manifest::decode(&manifest).unwrap();
    assert_eq!((decoded.partition, decoded.names), (3, names(&slices)));
    let snapshot = Snapshot::open(&manifest, &slices).unwrap();
    assert_eq!(snapshot.position(), decoded.position);
    assert_eq!(restore(&world, snapshot), world.partition.state_bytes());
    world.check();
}

#[test]
fn an_empty_partition_has_a_snapshot_too() {
    let mut world = World::new();
    let (manifest, slices) = snapshot(&mut world, |_, _| {});
    assert_eq!(slices.len(), 2);
    let snapshot = Snapshot::open(&manifest, &slices).unwrap();
    assert_eq!(restore(&world, snapshot), world.partition.state_bytes());
}

#[test]
fn damaged_missing_and_mixed_parts_are_refused() {
    let mut world = large();
    let (manifest, slices) = snapshot(&mut world, |_, _| {});
    for part in 0..=slices.len() {
        let mut parts: Vec<Vec<u8>> = [vec![manifest.clone()], slices.clone()].concat();
        let middle = parts[part].len() / 2;
        parts[part][middle] ^= 1;
        let error = Snapshot::open(&parts[0], &parts[1..]).unwrap_err();
        assert!(matches!(error, SnapshotError::Part { part: at, .. } if at == part), "{error}");
    }
    let mut swapped = slices.clone();
    swapped.swap(1, 2);
    assert!(matches!(Snapshot::open(&manifest, &swapped), Err(SnapshotError::Mixed(_))));
    let few = &slices[..slices.len() - 1];
    assert!(matches!(Snapshot::open(&manifest, few), Err(SnapshotError::Mixed(_))));
    let mut run = world.partition.snapshot_begin();
    let position = position(&world);
    let begun: Vec<_> = (0..2).filter_map(|_| run.next_slice(&world.partition, position)).collect();
    let manifest = run.manifest(&names(&begun));
    assert!(matches!(Snapshot::open(&manifest, &begun), Err(SnapshotError::Mixed(_))));
}

#[test]
fn a_newer_format_is_refused() {
    let mut world = World::new();
    let (mut manifest, slices) = snapshot(&mut world, |_, _| {});
    manifest[4] = 3;
    let error = Snapshot::open(&manifest, &slices).unwrap_err();
    assert!(error.to_string().contains("version 3 is newer"), "{error}");
}
