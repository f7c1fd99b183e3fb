//! The journal's unit: what restore takes, skips and refuses.

use proptest::prelude::*;

use super::world::{World, deliver, event, key};
use crate::machine::{CallOutcome, DecodeError, Effect};
use crate::partition::{Applied, Partition, PartitionInput, Restore, RestoreError};
use crate::value::Value;

fn journal() -> (World, Vec<Vec<u8>>) {
    let mut world = World::new();
    for name in ["opened", "noted", "poked"] {
        world.tell(deliver("a", event(name, "{}")));
    }
    world.settle();
    let journal = world.journal.clone();
    (world, journal)
}

fn is_corrupt(result: &Result<Applied, RestoreError>, at: u64) -> bool {
    matches!(result, Err(RestoreError::Corrupt { sequence, .. }) if *sequence == at)
}

/// Applies all; the first error, or what became of the last one.
fn apply_all(frames: &[Vec<u8>]) -> (Restore, Result<Applied, RestoreError>) {
    let mut restore = Restore::begin(3, None);
    let mut last = Ok(Applied::Foreign);
    for (sequence, frame) in (1..).zip(frames) {
        last = restore.apply(sequence, frame);
        if last.is_err() {
            break;
        }
    }
    (restore, last)
}

#[test]
fn foreign_and_void_messages_are_skipped_and_counted() {
    let (world, mut frames) = journal();
    frames.insert(1, b"hello".to_vec());
    frames.insert(3, Vec::new());
    let (restore, last) = apply_all(&frames);
    assert_eq!((last, restore.foreign()), (Ok(Applied::Frame), 2));
    assert_eq!(restore.finish().state_bytes(), world.partition.state_bytes());
}

#[test]
fn any_flipped_bit_is_noticed() {
    let (_, frames) = journal();
    for at in 0..frames[1].len() {
        let mut damaged = frames.clone();
        damaged[1][at] ^= 0x10;
        let (_, last) = apply_all(&damaged);
        // Damage to the magic makes it foreign, and the next frame then misses it.
        let at = if at < 4 { 3 } else { 2 };
        let newer = matches!(last, Err(RestoreError::NewerVersion { sequence: 2, .. }));
        assert!(is_corrupt(&last, at) || newer, "byte {at}: {last:?}");
    }
}

#[test]
fn a_missing_cut_or_foreign_frame_in_the_middle_is_noticed() {
    let (_, frames) = journal();
    let mut hole = frames.clone();
    hole.remove(2);
    assert!(is_corrupt(&apply_all(&hole).1, 3));
    let mut cut = frames.clone();
    cut[2].pop();
    assert!(is_corrupt(&apply_all(&cut).1, 3));
    let mut other = Restore::begin(4, None);
    assert!(is_corrupt(&other.apply(1, &frames[0]), 1));
}

#[test]
fn frames_of_a_replaced_owner_are_skipped() {
    let (mut world, mut frames) = journal();
    let mut zombie = world.partition.clone();
    frames.push(world.partition.epoch_frame(2, "second"));
    world.journal = frames.clone();
    world.tell(deliver("b", event("opened", "{}")));
    // The first owner wakes up and appends behind the second one's frames.
    let at = crate::machine::Timestamp(world.now);
    let late = vec![crate::partition::Stamped { input: deliver("z", event("opened", "{}")), at }];
    let late = zombie.decide(&world.definitions, late).frame.unwrap();
    world.journal.push(late);
    world.tell(deliver("c", event("opened", "{}")));
    let (restore, last) = apply_all(&world.journal);
    assert_eq!((last, restore.stale()), (Ok(Applied::Frame), 1));
    assert_eq!(restore.finish().counts().instances, 3);
}

#[test]
fn an_epoch_nobody_opened_is_corrupt_and_an_epoch_opens_once() {
    let (mut world, frames) = journal();
    let mut rogue = world.partition.clone();
    let opened = rogue.epoch_frame(9, "rogue");
    let at = crate::machine::Timestamp(world.now);
    let input = vec![crate::partition::Stamped { input: deliver("z", event("opened", "{}")), at }];
    let decided = rogue.decide(&world.definitions, input).frame.unwrap();
    let mut unopened = frames.clone();
    unopened.push(decided);
    assert!(is_corrupt(&apply_all(&unopened).1, unopened.len() as u64));
    let mut twice = frames;
    twice.push(opened);
    twice.push(world.partition.epoch_frame(9, "other"));
    assert!(is_corrupt(&apply_all(&twice).1, twice.len() as u64));
}

#[test]
fn the_identical_frame_once_more_changes_nothing() {
    let (world, mut frames) = journal();
    frames.push(frames.last().unwrap().clone());
    let (restore, last) = apply_all(&frames);
    assert_eq!(last, Ok(Applied::Stale));
    assert_eq!(restore.finish().state_bytes(), world.partition.state_bytes());
}

#[test]
fn a_newer_format_is_refused_with_both_versions() {
    let mut frame = Partition::new(3).epoch_frame(1, "x");
    frame[4] = 3;
    let result = Restore::begin(3, None).apply(1, &frame);
    let source = DecodeError::NewerVersion { found: 3, known: 2 };
    assert_eq!(result, Err(RestoreError::NewerVersion { sequence: 1, source }));
}

#[test]
fn e15_frames_and_slices_say_where_older_programs_cannot_read_them() {
    let versions = |list: &[Vec<u8>]| list.iter().map(|part| part[4]).collect::<Vec<_>>();
    let slices = |world: &World| {
        let mut run = world.partition.snapshot_begin();
        let at = world.journal.len() as u64;
        std::iter::from_fn(|| run.next_slice(&world.partition, at)).collect::<Vec<_>>()
    };
    let mut world = World::new();
    world.tell(deliver("a", event("opened", "{}")));
    let done = world.tell(deliver("a", event("asked", "{\"q\": 1}")));
    let is_call = |effect: &Effect| {
        if let Effect::Call(request) = effect { Some(request.call) } else { None }
    };
    let call = done.effects.iter().find_map(is_call).unwrap();
    assert!(versions(&world.journal).iter().all(|version| *version == 1));
    assert_eq!(versions(&slices(&world)), [1, 1]);
    // A plugin that answers later is nothing that the first programs know.
    world.tell(PartitionInput::CallPending { key: key("a"), call, attempt: 1, heartbeat_ms: 10 });
    assert_eq!(world.journal.last().unwrap()[4], 2);
    assert_eq!(versions(&slices(&world)), [1, 2]);
    assert_eq!(world.restored().state_bytes(), world.partition.state_bytes());
    // Once that is over they can read what is written then.
    let outcome = CallOutcome::Success(Value::Null);
    world.tell(PartitionInput::CallReply { key: key("a"), call, attempt: 1, outcome });
    assert_eq!(world.journal.last().unwrap()[4], 1);
    assert_eq!(versions(&slices(&world)), [1, 1]);
}

proptest! {
    #[test]
    fn arbitrary_items_behind_a_good_checksum_never_panic(
        items in prop::collection::vec(any::<u8>(), 0..200),
        opens: bool,
    ) {
        use crate::partition::frame::{Chain, Head, seal};
        let head = Head {
            opens,
            partition: 3,
            epoch: u64::from(opens),
            previous: Chain::default(),
            at: crate::machine::Timestamp(0),
        };
        drop(Restore::begin(3, None).apply(1, &seal(head, &items, false)));
    }
}
