//! Calls that were cut off and are heard (decision 0056), and attempts of a call that a person had
//! made again (decision 0057): marks that are written only where there are such calls.

use gearshift_machine::machine::ErrorKind;

use super::*;

/// Its first call may be left while it is under way; the second one fails, and is made again.
const FERRY: &str = "
workflow: ferry
version: 1
events: { go: {} }
states:
  boards: { entry: [ { call: desk.sign, with: { n: 1 }, undo: desk.tear } ], on: { go: sails } }
  sails: { entry: [ { call: desk.pay, retry: { attempts: 2 } } ], done: there }
  there: { final: true }
";

/// The story: one call is adrift, another one has its second attempt by a person's order.
fn adrift() -> (Vec<Vec<u8>>, Partition) {
    let mut definitions = Definitions::default();
    let loaded = load(FERRY, "golden.yaml", Format::Yaml);
    let loaded = loaded.unwrap_or_else(|all| panic!("{all:#?}"));
    assert!(definitions.insert(Arc::new(loaded.definition)).is_ok());
    let mut partition = Partition::new(2);
    let journal = vec![partition.epoch_frame(1, "first")];
    let at = 1_750_000_000_000;
    let (under_way, calls) = (Vec::new(), Vec::new());
    let mut post = Post { definitions, partition, journal, under_way, calls, at };
    let key = InstanceKey::parse("ferry/a").unwrap_or_else(|error| panic!("{error}"));
    let ann = || Principal { user: "ann".into(), roles: vec!["*".into()] };
    post.tell(PartitionInput::Start {
        key: key.clone(),
        version: None,
        input: Value::Null,
        by: ann(),
        id: None,
        trace_context: None,
    });
    post.tell(told("ferry/a", "go"));
    let (_, CallRequest { call, attempt, .. }) = post.calls.remove(1);
    let outcome = CallOutcome::Failure {
        kind: ErrorKind::Permanent,
        code: "broke".into(),
        message: "no money".into(),
        retry_after_ms: None,
    };
    post.tell(PartitionInput::CallReply { key: key.clone(), call, attempt, outcome });
    let (command, reason) = (Command::Retry, "paid in cash".into());
    post.tell(PartitionInput::Command { key: key.clone(), command, by: ann(), reason });
    let instance = post.partition.instance(&key).unwrap_or_else(|| panic!("it is gone"));
    let calls = instance.sequences.iter().filter_map(|running| running.call.as_ref());
    let calls: Vec<_> = calls.map(|call| (call.attempt, call.before)).collect();
    assert_eq!((instance.adrift().len(), calls), (1, vec![(2, 1)]));
    (post.journal, post.partition)
}

#[test]
fn the_journal_with_calls_adrift_is_written_and_read_as_ever() {
    journal_is_as_ever("adrift-journal.bin", &adrift());
}

#[test]
fn the_snapshot_with_calls_adrift_is_written_and_read_as_ever() {
    snapshot_is_as_ever("adrift-snapshot.bin", &adrift());
}
