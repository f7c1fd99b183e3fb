//! The checker's own reader of journals agrees with the engine's, and finds each fault.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use gearshift_machine::definition::model::Early;
use gearshift_machine::definition::{Format, load};
use gearshift_machine::machine::{Event, InstanceKey, Timestamp};
use gearshift_machine::partition::{Definitions, Partition, PartitionInput, Position, Stamped};
use gearshift_machine::value::Value;
use gearshift_tests::journal::{Message, Replayed, replay};
use serde_json::json;

const FLOW: &str = "
workflow: raw
version: 1
correlate: data.id
events: { opened: { start: true }, noted: {}, closed: {} }
vars: { applied: [] }
states:
  open:
    on:
      noted: { do: [ { set: { applied: 'vars.applied + [data.op]' } }, { publish: bell.rung } ] }
      closed: shut
    after: { 1h: shut }
  shut: { final: true }
";

fn deliver(key: &str, name: &str, sequence: u64) -> PartitionInput {
    let data = json!({ "id": key, "op": format!("op{sequence}"), "n": [1, -2, 2.5, null, true] });
    PartitionInput::Deliver {
        key: InstanceKey::new("raw", key).unwrap(),
        event: Event {
            name: name.into(),
            data: Value::from_json(data.to_string().as_bytes()).ok(),
            id: Some(format!("m{sequence}").into()),
            ..Event::default()
        },
        early: if name == "opened" { Early::Start } else { Early::DeadLetter },
        source: Some(Position { source: 0, sequence }),
    }
}

/// A journal of two owners.
fn story() -> Vec<Message> {
    let loaded = load(FLOW, "raw.yaml", Format::Yaml).unwrap();
    let mut definitions = Definitions::default();
    definitions.insert(Arc::new(loaded.definition)).unwrap();
    let mut partition = Partition::new(3);
    let mut frames = vec![partition.epoch_frame(1, "first")];
    let steps = [("a", "opened"), ("b", "opened"), ("a", "noted"), ("x", "noted"), ("a", "noted")];
    for (sequence, (key, name)) in (1..).zip(steps) {
        if sequence == 4 {
            frames.push(partition.epoch_frame(2, "second"));
        }
        let input = deliver(key, name, sequence);
        let at = Timestamp(1_750_000_000_000 + i64::try_from(sequence).unwrap());
        frames.extend(partition.decide(&definitions, vec![Stamped { input, at }]).frame);
    }
    let message = |(sequence, frame)| Message { sequence, time_ms: 1_750_000_000_009, frame };
    (1..).zip(frames).map(message).collect()
}

fn rules(replayed: &Replayed) -> Vec<&'static str> {
    replayed.faults.iter().map(|fault| fault.rule).collect()
}

/// The first rule that a forged journal breaks.
fn broken(forge: impl FnOnce(&mut Vec<Message>)) -> &'static str {
    let mut journal = story();
    forge(&mut journal);
    let replayed = replay(3, &journal);
    rules(&replayed).first().copied().unwrap_or("")
}

#[test]
fn a_good_journal_is_read_as_the_engine_wrote_it() {
    let replayed = replay(3, &story());
    assert_eq!(replayed.faults, []);
    assert_eq!((replayed.frames, replayed.epoch, replayed.stale, replayed.foreign), (7, 2, 0, 0));
    let life = &replayed.lives["raw/a"];
    assert_eq!((life.step, life.generation), (3, 1));
    assert_eq!(life.vars, [json!(["op3", "op5"])]);
    assert_eq!((life.began_at, life.changed_at), (1_750_000_000_001, 1_750_000_000_005));
    assert_eq!(life.stored_at, 1_750_000_000_009);
    assert_eq!(replayed.lives["raw/b"].step, 1);
    let letters: Vec<_> = replayed.letters.iter().map(|one| &one.data["op"]).collect();
    assert_eq!(letters, ["op4"]);
}

#[test]
fn e14_each_flipped_bit_of_a_frame_is_found() {
    let size = story()[3].frame.len();
    for bit in 0..size * 8 {
        let flip = |journal: &mut Vec<Message>| journal[3].frame[bit / 8] ^= 1 << (bit % 8);
        // A damaged magic makes a stranger's message of it; then the next frame does not follow.
        let found = broken(flip);
        assert!(["damaged", "fork", "epoch"].contains(&found), "bit {bit}: `{found}`");
    }
}

#[test]
fn a_journal_with_a_hole_a_fork_or_a_stolen_epoch_is_found() {
    assert_eq!(broken(|journal| drop(journal.remove(2))), "hole");
    let renumbered = |journal: &mut Vec<Message>| {
        journal.remove(2);
        (1..).zip(journal).for_each(|(sequence, message)| message.sequence = sequence);
    };
    assert_eq!(broken(renumbered), "fork");
    let without_epoch = |journal: &mut Vec<Message>| {
        journal.remove(4);
        (1..).zip(journal).for_each(|(sequence, message)| message.sequence = sequence);
    };
    assert_eq!(broken(without_epoch), "epoch");
    let forked = |journal: &mut Vec<Message>| {
        let mut other = replaced(journal);
        other.sequence = 4;
        journal.insert(3, other);
        (1..).zip(journal).for_each(|(sequence, message)| message.sequence = sequence);
    };
    assert_eq!(broken(forked), "fork");
}

/// The third frame with another time: a second decision over the same state.
fn replaced(journal: &[Message]) -> Message {
    let mut message = journal[2].clone();
    message.frame[32] ^= 1;
    let end = message.frame.len() - 4;
    let sum = crc32c::crc32c(&message.frame[..end]).to_le_bytes();
    message.frame[end..].copy_from_slice(&sum);
    message
}

#[test]
fn the_last_frame_once_more_a_late_one_and_a_stranger_are_counted_and_harmless() {
    let mut journal = story();
    let again = journal[3].clone();
    journal.insert(4, again.clone());
    journal.insert(6, again);
    journal.insert(6, Message { frame: b"not ours".to_vec(), ..journal[0].clone() });
    (1..).zip(&mut journal).for_each(|(sequence, message)| message.sequence = sequence);
    let replayed = replay(3, &journal);
    assert_eq!(replayed.faults, []);
    assert_eq!((replayed.stale, replayed.foreign, replayed.frames), (2, 1, 7));
}

#[test]
fn a_frame_of_another_partition_is_found() {
    assert_eq!(rules(&replay(4, &story())).first(), Some(&"foreign_partition"));
}

#[test]
fn messages_are_kept_as_lines_of_text() {
    let journal = story();
    let text = serde_json::to_string(&journal).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Message>>(&text).unwrap(), journal);
}
