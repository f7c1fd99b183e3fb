//! Events from instance to instance, exactly once and in order (rules 22, 26).

use super::family::{Family, at};
use crate::machine::{Letter, LetterBody, Outcome};
use crate::partition::{Partition, PartitionInput, Restore};

/// Sends to whom it is told, and answers who asks.
const PEER: &str = "
workflow: peer
vars: { heard: [], failed: null }
on_error: ignore
states:
  s:
    on:
      tell: { do: { send: { event: note, id: x, with: \"${ data }\", to: { instance: \"${ data.to }\" } } } }
      later: { do: { send: { event: note, with: \"${ data }\", after: 5s, to: { instance: \"${ data.to }\" } } } }
      ask: { do: { send: { event: question, to: { instance: \"${ data.to }\" } } } }
      question: { do: { send: { event: answer, with: { by: \"${ key }\" }, to: \"${ event.origin }\" } } }
      answer: { do: { set: { heard: 'vars.heard + [data.by]' } } }
      note: { do: { set: { heard: 'vars.heard + [data.n]' } } }
      error: { do: { set: { failed: '[event.name, event.?sendid.orValue(null)]' } } }
      stop: e
  e: { final: true }
";

fn peers() -> Family {
    let mut family = Family::new(&[PEER]);
    family.start("peer/a", "null");
    family.start("peer/b", "null");
    family
}

#[test]
fn rule_26_an_event_reaches_a_named_instance() {
    let mut family = peers();
    family.event("peer/a", "tell", r#"{"to": "peer/b", "n": 1}"#);
    family.event("peer/a", "tell", r#"{"to": "peer/b", "n": 2}"#);
    assert_eq!(family.var("peer/b", 0), "[1,2]");
    assert_eq!(family.var("peer/a", 0), "[]");
}

#[test]
fn rule_39_the_origin_of_an_event_is_an_address_to_answer_to() {
    let mut family = peers();
    family.event("peer/a", "ask", r#"{"to": "peer/b"}"#);
    assert_eq!(family.var("peer/a", 0), r#"["b"]"#);
}

#[test]
fn rule_26_to_oneself_by_name_is_to_oneself() {
    let mut family = peers();
    let done = family.event("peer/a", "tell", r#"{"to": "peer/a", "n": 1}"#);
    assert_eq!(done.trace.unwrap().effects, ["send note".into()]);
    assert_eq!(family.var("peer/a", 0), "[1]");
}

#[test]
fn rule_26_nobody_there_is_a_communication_error_with_the_id_of_the_send() {
    let mut family = peers();
    for to in ["peer/c", "nothing/c"] {
        family.event("peer/a", "tell", &format!(r#"{{"to": "{to}", "n": 1}}"#));
        assert_eq!(family.var("peer/a", 1), r#"["error.communication.send","x"]"#);
    }
    assert_eq!(family.world.partition.counts().pending, 0);
    assert_eq!(family.world.partition.counts().dead_letters, 0);
}

#[test]
fn rule_26_a_malformed_address_is_an_error() {
    let mut family = peers();
    for to in ["nowhere", "parent", "invoke.x", "/", "peer/"] {
        family.event("peer/a", "tell", &format!(r#"{{"to": "{to}", "n": 1}}"#));
        assert_eq!(family.var("peer/a", 1), r#"["error.execution.send","x"]"#, "{to}");
    }
}

#[test]
fn rule_46_an_ended_instance_ignores_what_it_is_sent() {
    let mut family = peers();
    family.event("peer/b", "stop", "null");
    family.event("peer/a", "tell", r#"{"to": "peer/b", "n": 1}"#);
    assert_eq!(family.var("peer/a", 1), "null");
    assert!(family.told.iter().any(|line| line == "peer/b: note →  (ended)"));
}

#[test]
fn rule_31_a_delayed_event_leaves_when_it_is_due() {
    let mut family = peers();
    family.event("peer/a", "later", r#"{"to": "peer/b", "n": 7}"#);
    assert_eq!(family.var("peer/b", 0), "[]");
    family.world.now += 5_000;
    family.settle();
    assert_eq!(family.var("peer/b", 0), "[7]");
}

#[test]
fn rule_44_a_refused_letter_is_a_dead_letter() {
    let strict = "workflow: strict\nunhandled: reject\nstates: { s: { on: { x: s } } }\n";
    let mut family = Family::new(&[PEER, strict]);
    family.start("peer/a", "null");
    family.start("strict/b", "null");
    family.event("peer/a", "tell", r#"{"to": "strict/b", "n": 1}"#);
    let letters: Vec<_> = family.world.partition.dead_letters().map(|it| it.1.clone()).collect();
    assert_eq!(letters.len(), 1);
    assert_eq!(&*letters[0].reason, "unhandled");
}

#[test]
fn a_letter_told_again_is_a_duplicate_and_records_nothing() {
    let mut family = peers();
    let event = super::world::event("tell", r#"{"to": "peer/b", "n": 1}"#);
    let early = crate::definition::model::Early::DeadLetter;
    family.one(PartitionInput::Deliver { key: at("peer/a"), event, early, source: None });
    let letter = family.next_letter().unwrap();
    family.tell(letter.clone());
    let batch = family.world.batch(vec![letter]);
    assert_eq!(batch.results[0].outcome, Outcome::Duplicate { at: 0 });
    assert_eq!(batch.frame, None);
    assert_eq!(family.var("peer/b", 0), "[1]");
}

#[test]
fn letters_of_another_partition_are_taken_in_the_order_of_their_numbers() {
    let mut family = peers();
    let letter = |after: u64, number: u64| {
        let event = super::world::event("note", &format!(r#"{{"n": {number}}}"#));
        let body = LetterBody::Event { event, forwarded: false };
        let id = crate::machine::EffectId([u8::try_from(number).unwrap(); 16]);
        let letter = Letter { id, number, to: at("peer/b"), body };
        PartitionInput::Letter { from: 9, after, sender: at("peer/z"), letter }
    };
    assert!(!busy(&family.tell(letter(0, 3)).outcome));
    // 5 is between them: 8 has to wait, whatever the way was.
    assert!(busy(&family.tell(letter(5, 8)).outcome));
    family.tell(letter(3, 5));
    family.tell(letter(5, 8));
    assert_eq!(family.tell(letter(3, 5)).outcome, Outcome::Duplicate { at: 0 });
    assert_eq!(family.var("peer/b", 0), "[3,5,8]");
    // The sender's partition forgets them when it hears so; this one has nothing to forget.
    assert_eq!(family.world.partition.counts().pending, 0);
}

fn busy(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Busy { .. })
}

#[test]
fn what_was_delivered_is_part_of_a_snapshot() {
    let mut family = peers();
    let event = super::world::event("note", r#"{"n": 1}"#);
    let body = LetterBody::Event { event, forwarded: false };
    let id = crate::machine::EffectId([1; 16]);
    let letter = Letter { id, number: 4, to: at("peer/b"), body };
    let letter = PartitionInput::Letter { from: 9, after: 0, sender: at("peer/z"), letter };
    family.tell(letter.clone());
    let partition = &family.world.partition;
    let position = family.world.journal.len() as u64;
    let mut run = partition.snapshot_begin();
    let mut slices = Vec::new();
    while let Some(slice) = run.next_slice(partition, position) {
        slices.push(slice);
    }
    let names: Vec<String> = (0..slices.len()).map(|at| at.to_string()).collect();
    let snapshot = crate::partition::Snapshot::open(&run.manifest(&names), &slices).unwrap();
    let restored: Partition = Restore::begin(3, Some(snapshot)).finish();
    assert_eq!(restored.state_bytes(), partition.state_bytes());
    family.world.partition = restored;
    assert_eq!(family.tell(letter).outcome, Outcome::Duplicate { at: 0 });
}

/// The same story, with a crash before every input in turn, has the same end.
#[test]
fn a_crash_at_any_frame_changes_nothing_of_what_letters_do() {
    let story = |crash_at: usize| {
        let mut family = Family::new(&[PEER, PARENT, CHILD]);
        let mut steps = 0;
        for (key, event, data) in [
            ("peer/a", "", ""),
            ("peer/b", "", ""),
            ("parent/p", "", ""),
            ("peer/a", "tell", r#"{"to": "peer/b", "n": 1}"#),
            ("peer/a", "tell", r#"{"to": "peer/c", "n": 2}"#),
            ("peer/a", "ask", r#"{"to": "peer/b"}"#),
            ("parent/p", "go", "null"),
            ("child/parent.p.k.1", "finish", "null"),
        ] {
            let input = if event.is_empty() {
                let (input, by) = (crate::value::Value::Null, super::world::principal("ann"));
                PartitionInput::Start {
                    key: at(key),
                    version: None,
                    input,
                    by,
                    id: None,
                    trace_context: None,
                }
            } else {
                let event = super::world::event(event, data);
                let early = crate::definition::model::Early::DeadLetter;
                PartitionInput::Deliver { key: at(key), event, early, source: None }
            };
            let mut next = Some(input);
            while let Some(input) = next {
                family.one(input);
                steps += 1;
                if steps == crash_at {
                    family.crash();
                }
                next = family.next_letter();
            }
            family.settle();
        }
        let ends: Vec<_> = family.keys().iter().map(|key| family.stands(key)).collect();
        let vars = (family.var("peer/a", 0), family.var("peer/a", 1), family.var("peer/b", 0));
        assert_eq!(family.world.partition.counts().pending, 0);
        (steps, family.keys(), ends, vars)
    };
    let (steps, keys, ends, vars) = story(0);
    assert_eq!(vars.0, r#"["b"]"#);
    assert_eq!(keys.len(), 4);
    for at in 1..=steps {
        let crashed = story(at);
        assert_eq!((&crashed.1, &crashed.2, &crashed.3), (&keys, &ends, &vars), "crash at {at}");
    }
}

const PARENT: &str = "
workflow: parent
states:
  idle: { on: { go: work } }
  work: { invoke: { id: k, workflow: child }, on: { done.invoke.k: e } }
  e: { final: true }
";

const CHILD: &str = "
workflow: child
states:
  busy: { entry: { send: { event: hello, to: parent } }, on: { finish: e } }
  e: { final: true }
";
