//! Old bytes still open: journals and snapshots of every released format, byte for byte.
//!
//! `GEARSHIFT_GOLDEN=write` writes the files of the current format; do that once per format.

use std::path::PathBuf;
use std::sync::Arc;

use gearshift_machine::definition::model::Early;
use gearshift_machine::definition::{Format, load};
use gearshift_machine::machine::{
    CallOutcome, CallRequest, Command, Effect, EffectId, Event, Generation, InstanceKey, Letter,
    LetterBody, Principal, Timestamp,
};
use gearshift_machine::partition::{
    Definitions, Manifest, Partition, PartitionInput, Position, Restore, Snapshot, Stamped,
};
use gearshift_machine::value::Value;

#[path = "golden/adrift.rs"]
mod adrift;
#[path = "golden/older.rs"]
mod older;
#[path = "golden/schedules.rs"]
mod schedules;

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
    if std::env::var_os("GEARSHIFT_GOLDEN").is_some_and(|word| word == "write") {
        std::fs::create_dir_all(folder()).unwrap_or_else(|error| panic!("{error}"));
        let path = folder().join(name);
        std::fs::write(path, pack(made)).unwrap_or_else(|error| panic!("{error}"));
    }
    read(name)
}

fn read(name: &str) -> Vec<Vec<u8>> {
    let path = folder().join(name);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    unpack(&bytes)
}

/// Restores the stored journal, and holds it against what the story gives today.
fn journal_is_as_ever(name: &str, (journal, partition): &(Vec<Vec<u8>>, Partition)) {
    let stored = golden(name, journal);
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
    assert!(stored == *journal, "the same story gives other bytes");
}

/// The same for the snapshot of its end.
fn snapshot_is_as_ever(name: &str, (journal, partition): &(Vec<Vec<u8>>, Partition)) {
    let mut run = partition.snapshot_begin();
    let mut slices = Vec::new();
    while let Some(slice) = run.next_slice(partition, journal.len() as u64) {
        slices.push(slice);
    }
    let names: Vec<_> = (0..slices.len()).map(|number| format!("slice-{number}")).collect();
    let made = [vec![run.manifest(&names)], slices].concat();
    let stored = golden(name, &made);
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

#[test]
fn the_journal_of_format_1_is_written_and_read_as_ever() {
    journal_is_as_ever("journal.bin", &story());
}

#[test]
fn the_snapshot_of_format_1_is_written_and_read_as_ever() {
    snapshot_is_as_ever("snapshot.bin", &story());
}

/// A parent that hears its child, sends it something and another instance too, and leaves it.
const HOUSE: &str = "
workflow: house
version: 1
vars: { heard: [], rings: null }
states:
  open:
    invoke:
      { id: kid, workflow: porter, with: { n: 2 }, forward: true, set: { rings: output.rings } }
    on:
      said: { do: { set: { heard: 'vars.heard + [data.n]' } } }
      rung:
        do:
          - { send: { event: rung, to: invoke.kid } }
          - { send: { event: noted, with: { heard: '${ vars.heard }' }, to: porter/far } }
      left: empty
    done: closed
  empty: { on: { back: open } }
  closed: { final: true, output: '${ vars.rings }' }
";
const PORTER: &str = "
workflow: porter
version: 1
vars: { rings: 0 }
states:
  busy:
    entry: { send: { event: said, with: { n: '${ input.n }' }, to: parent } }
    on:
      rung: { do: { set: { rings: vars.rings + 1 } } }
      enough: ended
  ended: { final: true, output: { rings: '${ vars.rings }' } }
";

/// One who decides, and keeps what is under way between instances.
struct Post {
    definitions: Definitions,
    partition: Partition,
    journal: Vec<Vec<u8>>,
    under_way: Vec<(InstanceKey, Letter)>,
    calls: Vec<(InstanceKey, CallRequest)>,
    at: i64,
}

impl Post {
    fn tell(&mut self, input: PartitionInput) {
        self.at += 1_000;
        let mut inputs = vec![Stamped { input, at: Timestamp(self.at) }];
        while !inputs.is_empty() {
            let batch = self.partition.decide(&self.definitions, inputs);
            self.journal.extend(batch.frame);
            for done in batch.results {
                let Some(key) = &done.key else { continue };
                for effect in done.effects {
                    if let Effect::Letter(letter) = effect {
                        self.under_way.push((key.clone(), letter));
                    } else if let Effect::Call(call) = effect {
                        self.calls.push((key.clone(), call));
                    }
                }
            }
            inputs = batch.left;
        }
    }

    /// Carries all letters in order, but those to another partition: they stay under way.
    fn carry(&mut self) {
        let here = |(_, letter): &(_, Letter)| letter.to.key() != "far";
        while let Some(at) = self.under_way.iter().position(here) {
            let (sender, letter) = self.under_way.remove(at);
            self.tell(PartitionInput::Letter { from: 2, after: 0, sender, letter });
        }
    }
}

fn told(key: &str, name: &str) -> PartitionInput {
    let key = InstanceKey::parse(key).unwrap_or_else(|error| panic!("{error}"));
    let event = Event { name: name.into(), ..Event::default() };
    PartitionInput::Deliver { key, event, early: Early::DeadLetter, source: None }
}

/// The story of letters: taken, answered, refused, and some under way in the end.
fn letters() -> (Vec<Vec<u8>>, Partition) {
    let mut definitions = Definitions::default();
    for text in [HOUSE, PORTER] {
        let loaded = load(text, "golden.yaml", Format::Yaml);
        let loaded = loaded.unwrap_or_else(|all| panic!("{all:#?}"));
        assert!(definitions.insert(Arc::new(loaded.definition)).is_ok());
    }
    let mut partition = Partition::new(2);
    let journal = vec![partition.epoch_frame(1, "first")];
    let at = 1_750_000_000_000;
    let (under_way, calls) = (Vec::new(), Vec::new());
    let mut post = Post { definitions, partition, journal, under_way, calls, at };
    let key = |text: &str| InstanceKey::parse(text).unwrap_or_else(|error| panic!("{error}"));
    for house in ["house/a", "house/b", "house/c"] {
        let (input, by) = (Value::Null, Principal { user: "ann".into(), roles: Vec::new() });
        post.tell(PartitionInput::Start {
            key: key(house),
            version: None,
            input,
            by,
            id: None,
            trace_context: None,
        });
        post.carry();
        post.tell(told(house, "rung"));
    }
    // The house leaves: its child ends; the other child ends by itself, and a third is cancelled
    // by a person.
    post.carry();
    post.tell(told("house/a", "left"));
    post.tell(told("porter/house.b.kid.1", "enough"));
    let by = Principal { user: "ann".into(), roles: vec!["operator".into()] };
    let (command, reason) = (Command::Cancel, "enough".into());
    let command = PartitionInput::Command { key: key("porter/house.c.kid.1"), command, by, reason };
    post.tell(command);
    post.carry();
    // From another partition: one that is taken, and one that was taken before.
    for _ in 0..2 {
        let event = Event { name: "left".into(), ..Event::default() };
        let body = LetterBody::Event { event, forwarded: false };
        let id = EffectId::new(&key("house/far"), Generation(1), 3, 0);
        let letter = Letter { id, number: 9, to: key("house/a"), body };
        let sender = key("house/far");
        post.tell(PartitionInput::Letter { from: 5, after: 0, sender, letter });
    }
    // It enters again: what this sends is still under way.
    post.tell(told("house/a", "back"));
    assert!(post.under_way.len() >= 2, "{:#?}", post.under_way);
    (post.journal, post.partition)
}

#[test]
fn the_journal_of_format_1_with_letters_is_written_and_read_as_ever() {
    journal_is_as_ever("letters-ended-journal.bin", &letters());
}

#[test]
fn the_snapshot_of_format_1_with_letters_is_written_and_read_as_ever() {
    snapshot_is_as_ever("letters-ended-snapshot.bin", &letters());
}

/// Two calls that can be taken back.
const DEAL: &str = "
workflow: deal
version: 1
steps:
  one: { call: desk.sign, with: { n: 1 }, undo: desk.tear }
  two: { call: desk.sign, with: { n: 2 }, needs: [one], undo: desk.tear }
";

fn start_in(transaction: &str) -> Command {
    let (transaction, input) = (transaction.into(), Value::Null);
    Command::StartIn { version: None, input, transaction, id: None, trace_context: None }
}

/// The story of transactions: one that is committed, and one in the middle of its rollback.
fn transactions() -> (Vec<Vec<u8>>, Partition) {
    let mut definitions = Definitions::default();
    let loaded = load(DEAL, "golden.yaml", Format::Yaml);
    let loaded = loaded.unwrap_or_else(|all| panic!("{all:#?}"));
    assert!(definitions.insert(Arc::new(loaded.definition)).is_ok());
    let mut partition = Partition::new(2);
    let journal = vec![partition.epoch_frame(1, "first")];
    let at = 1_750_000_000_000;
    let (under_way, calls) = (Vec::new(), Vec::new());
    let mut post = Post { definitions, partition, journal, under_way, calls, at };
    let key = |text: &str| InstanceKey::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let order = |post: &mut Post, to: &str, command: Command| {
        let by = Principal { user: "ann".into(), roles: vec!["*".into()] };
        post.tell(PartitionInput::Command { key: key(to), command, by, reason: "".into() });
        post.carry();
    };
    let answer = |post: &mut Post| {
        let (key, CallRequest { call, attempt, .. }) = post.calls.remove(0);
        let outcome = CallOutcome::Success(Value::from("signed"));
        post.tell(PartitionInput::CallReply { key, call, attempt, outcome });
        post.carry();
    };
    for (transaction, deals) in [("transaction/kept", ["a", "b"]), ("transaction/torn", ["c", "d"])]
    {
        order(&mut post, transaction, Command::Begin { timeout_ms: 60_000 });
        for deal in deals {
            order(&mut post, &format!("deal/{deal}"), start_in(key(transaction).key()));
        }
        for _ in 0..4 {
            answer(&mut post);
        }
    }
    order(&mut post, "transaction/kept", Command::Commit);
    order(&mut post, "transaction/torn", Command::RollBack { from: None });
    answer(&mut post);
    assert_eq!(post.calls.len(), 1, "the second undo is under way");
    // One asks to belong to a transaction of another partition: that is under way.
    let start = start_in("far");
    order(&mut post, "deal/e", start);
    assert_eq!(post.under_way.len(), 1, "{:#?}", post.under_way);
    (post.journal, post.partition)
}

#[test]
fn the_journal_with_transactions_is_written_and_read_as_ever() {
    journal_is_as_ever("transactions-final-journal.bin", &transactions());
}

#[test]
fn the_snapshot_with_transactions_is_written_and_read_as_ever() {
    snapshot_is_as_ever("transactions-final-snapshot.bin", &transactions());
}
