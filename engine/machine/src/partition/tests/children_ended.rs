//! Children that a person ends, and what their parents hear of it (rules 20, 36).

use super::children::{CHILD, KID, PARENT, family};
use super::family::{Family, at};
use crate::machine::{Command, Principal, Status};
use crate::partition::PartitionInput;

/// A person ends the child.
fn ended_by_hand(command: Command) -> PartitionInput {
    let by = Principal { user: "ann".into(), roles: Vec::new() };
    PartitionInput::Command { key: at(KID), command, by, reason: "no money".into() }
}

#[test]
fn rule_20_the_parent_hears_that_a_person_ended_its_child_and_nothing_of_its_exit() {
    for (command, words) in [
        (Command::Cancel, "child was cancelled by `ann`: no money"),
        (Command::Kill, "child was killed by `ann`: no money"),
    ] {
        let mut family = family();
        family.tell(ended_by_hand(command));
        assert_eq!(family.stands(KID), "busy (cancelled)");
        assert_eq!(family.stands("parent/p"), "sad");
        assert_eq!(family.var("parent/p", 2), format!("{words:?}"));
        // What its exit action sent did not come.
        assert_eq!(family.var("parent/p", 1), "1");
        assert_eq!(family.world.partition.counts().pending, 0);
    }
}

#[test]
fn rule_20_a_child_ended_by_a_person_is_a_failure_with_a_code_for_the_sugar_too() {
    let parent = "
workflow: parent
vars: { why: null }
states:
  s:
    invoke: { id: kid, workflow: child, with: { n: 1 } }
    done: e
    failed: { do: { set: { why: '[error.kind, error.code]' } }, to: f }
  e: { final: true }
  f: { final: true }
";
    let mut family = Family::new(&[parent, CHILD]);
    family.start("parent/p", "null");
    family.tell(ended_by_hand(Command::Cancel));
    assert_eq!(family.stands("parent/p"), "f (done)");
    assert_eq!(family.var("parent/p", 0), r#"["child_failed","cancelled"]"#);
}

#[test]
fn rule_20_where_nobody_handles_it_the_parent_is_stuck_with_the_reason() {
    let parent = PARENT.replace("error.", "nothing.");
    let mut family = Family::new(&[&parent, CHILD]);
    family.start("parent/p", "null");
    family.event("parent/p", "go", r#"{"n": 4}"#);
    family.tell(ended_by_hand(Command::Cancel));
    let stands = family.stands("parent/p");
    assert!(stands.starts_with("work (stuck)") && stands.contains("no money"), "{stands}");
}

#[test]
fn rule_20_a_child_killed_without_its_definition_tells_its_parent_too() {
    let mut family = family();
    family.world.definitions = crate::partition::Definitions::default();
    family.world.definitions.insert(super::world::definition(PARENT)).unwrap();
    family.tell(ended_by_hand(Command::Kill));
    assert_eq!(family.instance(KID).status, Status::Cancelled);
    assert_eq!(family.stands("parent/p"), "sad");
}

#[test]
fn rule_36_a_parent_that_left_before_does_not_care_who_ended_its_child() {
    let mut family = family();
    family.one(ended_by_hand(Command::Cancel));
    family.event("parent/p", "stop", "null");
    assert_eq!(
        (family.stands("parent/p"), family.stands(KID)),
        ("idle".into(), "busy (cancelled)".into())
    );
    let late = "parent/p: reply kid →  (late_reply)";
    assert!(family.told.iter().any(|line| line == late), "{:#?}", family.told);
}
