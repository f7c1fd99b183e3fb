//! Instances that go on under another version: what is carried over, what refuses, what replays.

mod approvals;
mod calls;
mod children;
mod extend;
mod kept;
mod steps;
mod timers;

use super::family::{Family, at};
use super::world::{World, definition, deliver, event, key, principal, publishes};
use crate::machine::{Command, Outcome, Status};
use crate::partition::{Done, PartitionInput};
use crate::value::Value;

/// `open` is called `ready`, waits longer, has a timer more, and counts another thing too.
const NEWER: &str = "
workflow: flow
version: 2
correlate: data.id
events:
  opened: { start: true }
  noted: { buffer: 10m }
  closed: {}
  asked: {}
vars: { seen: 7, notes: 0 }
initial: ready
states:
  ready:
    on:
      noted: { do: [ { set: { notes: vars.notes + 10 } } ] }
      asked: { do: [ { call: oracle.ask } ], to: answered }
      closed: { to: shut }
    after:
      3h: { do: [ { publish: bell.late } ], to: shut }
      4h: { do: [ { publish: bell.added } ] }
  answered: { on: { closed: shut } }
  shut: { final: true }
";

fn migrate(states: &[(&str, &str)]) -> PartitionInput {
    let states = states.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
    PartitionInput::Command {
        key: key("k"),
        command: Command::Migrate { version: 2, states },
        by: principal("ops"),
        reason: "INC-1".into(),
    }
}

/// Lets `instance` go on under another version, which is deployed for it.
fn moved(family: &mut Family, instance: &str, newer: &str, states: &[(&str, &str)]) -> Done {
    let newer = definition(newer);
    let version = newer.version;
    family.world.definitions.insert(newer).unwrap();
    moved_to(family, instance, version, states)
}

/// The same under a version that is there.
fn moved_to(family: &mut Family, instance: &str, version: u32, states: &[(&str, &str)]) -> Done {
    let states = states.iter().map(|(old, new)| ((*old).into(), (*new).into())).collect();
    family.tell(PartitionInput::Command {
        key: at(instance),
        command: Command::Migrate { version, states },
        by: principal("ops"),
        reason: "".into(),
    })
}

/// What the history says of a migration that was done.
#[track_caller]
fn note(done: &Done) -> String {
    assert_eq!(done.outcome, Outcome::Done);
    done.trace.as_ref().unwrap().note.as_ref().unwrap().to_string()
}

#[track_caller]
fn holds(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

fn started() -> World {
    let mut world = World::new();
    world.tell(deliver("k", event("opened", r#"{"id": "k"}"#)));
    world.tell(deliver("k", event("noted", r#"{"id": "k"}"#)));
    world.settle();
    world.definitions.insert(definition(NEWER)).unwrap();
    world
}

#[track_caller]
fn refused(done: &Done, reason: &str) {
    let Outcome::Rejected { reason: found, .. } = &done.outcome else {
        panic!("not refused: {:?}", done.outcome)
    };
    assert!(found.contains(reason), "{found}");
    assert!(done.trace.is_none(), "what is refused is not recorded");
}

#[test]
fn a_live_state_without_a_mapping_refuses_and_records_nothing() {
    let mut world = started();
    let (before, frames) = (world.partition.state_bytes(), world.journal.len());
    let done = world.tell(migrate(&[]));
    refused(&done, "state `open` has no counterpart in `flow@2`");
    refused(&world.tell(migrate(&[("open", "nowhere")])), "`flow@2` has no state `nowhere`");
    refused(&world.tell(migrate(&[("closed", "ready")])), "`flow@1` has no state `closed`");
    refused(&world.tell(migrate(&[("open", "shut")])), "`shut`, in place of `open`");
    assert_eq!((world.partition.state_bytes(), world.journal.len()), (before, frames));
}

#[test]
fn a_mapped_state_carries_variables_timers_and_the_key_over() {
    let mut world = started();
    let due = world.partition.instance(&key("k")).unwrap().timers[0].due;
    world.now += 60_000;
    let done = world.tell(migrate(&[("open", "ready")]));
    assert_eq!(done.outcome, Outcome::Done);
    let note = done.trace.unwrap().note.unwrap();
    assert!(note.starts_with("flow@1 → flow@2; INC-1; "), "{note}");
    assert!(note.contains("variable `last` is dropped"), "{note}");
    let now = world.partition.instance(&key("k")).unwrap();
    assert_eq!((now.pin.version, now.status), (2, Status::Running));
    assert_eq!(now.vars, [Value::Int(7), Value::Int(1)], "by name, new ones as written");
    assert_eq!(now.timers[0].due, due, "a timer goes on");
    assert_eq!(now.timers.len(), 2, "a timer more begins");
    let lines = world.partition.trace(&key("k"));
    let before: Vec<_> = lines.iter().map(|line| line.before).collect();
    assert_eq!(
        before,
        [None, None, Some(1)],
        "the history goes on, and says whose states it names"
    );
    assert_eq!(world.restored().trace(&key("k")), lines, "after a replay, too");
    // It runs the new version from now on.
    world.tell(deliver("k", event("noted", r#"{"id": "k"}"#)));
    assert_eq!(world.partition.instance(&key("k")).unwrap().vars[1], Value::Int(11));
    world.now += 60 * 60_000;
    let late: Vec<_> = world.settle().iter().flat_map(publishes).collect();
    assert_eq!(late, ["bell.late"]);
}

#[test]
fn an_instance_with_a_call_under_way_goes_on_waiting_for_it() {
    let mut world = started();
    let asked = world.tell(deliver("k", event("asked", r#"{"id": "k"}"#)));
    let call = asked.effects.iter().find_map(|effect| match effect {
        crate::machine::Effect::Call(call) => Some(call.clone()),
        crate::machine::Effect::CancelCall { .. }
        | crate::machine::Effect::WithdrawCall { .. }
        | crate::machine::Effect::Publish { .. }
        | crate::machine::Effect::SendSelf { .. }
        | crate::machine::Effect::DeadLetter { .. }
        | crate::machine::Effect::Letter(_)
        | crate::machine::Effect::Keep { .. }
        | crate::machine::Effect::Log { .. }
        | crate::machine::Effect::Notice(_) => None,
    });
    let call = call.unwrap();
    assert_eq!(world.tell(migrate(&[])).outcome, Outcome::Done);
    let outcome = crate::machine::CallOutcome::Success(Value::empty_map());
    let (id, attempt) = (call.call, call.attempt);
    world.tell(PartitionInput::CallReply { key: key("k"), call: id, attempt, outcome });
    let now = world.partition.instance(&key("k")).unwrap();
    let newer = world.definitions.get("flow", 2).unwrap();
    let names: Vec<_> = newer.leaves(&now.active).map(|id| &*newer.state(id).id).collect();
    assert_eq!(names, ["answered"]);
}

#[test]
fn what_has_ended_or_runs_that_version_is_not_migrated() {
    let mut world = started();
    let other = PartitionInput::Command {
        key: key("k"),
        command: Command::Migrate { version: 3, states: Vec::new() },
        by: principal("ops"),
        reason: "".into(),
    };
    refused(&world.tell(other), "`flow@3` is not deployed");
    world.tell(migrate(&[("open", "ready")]));
    refused(&world.tell(migrate(&[])), "runs `flow@2` already");
    world.tell(deliver("k", event("closed", r#"{"id": "k"}"#)));
    refused(&world.tell(migrate(&[])), "the instance has ended");
}
