//! Children of instances, from their start to their last word (rules 5, 20, 35-37).

use super::family::{Family, at};
use crate::machine::{Command, Parent, Principal, Status};
use crate::partition::PartitionInput;

/// Waits for a child, which waits for a word.
pub(super) const PARENT: &str = "
workflow: parent
vars: { got: null, heard: 0, failed: null }
initial: idle
states:
  idle: { on: { go: work } }
  work:
    invoke:
      - { id: kid, workflow: child, with: { n: \"${ data.n }\" }, set: { got: output.total } }
    on:
      done.invoke.kid: happy
      error.platform.invoke.kid: { do: { set: { failed: data.message } }, to: sad }
      error.communication.invoke.kid: { do: { set: { failed: data.kind } }, to: sad }
      progress: { do: { set: { heard: vars.heard + data.step } } }
      stop: idle
      poke: { do: { send: { event: poked, to: invoke.kid } } }
  happy: { final: true, output: { got: \"${ vars.got }\" } }
  sad: {}
";

pub(super) const CHILD: &str = "
workflow: child
vars: { n: \"${ input.n }\" }
initial: busy
on_error: fail
states:
  busy:
    entry: { send: { event: progress, with: { step: 1 }, to: parent } }
    exit: { send: { event: progress, with: { step: 100 }, to: parent } }
    on:
      finish: ended
      break: { do: { set: { n: vars.n / 0 } }, to: busy }
      poked: { do: { send: { event: progress, with: { step: 10 }, to: parent } } }
  ended: { final: true, output: { total: \"${ vars.n * 2 }\" } }
";

/// The child's key in the parent's first life.
pub(super) const KID: &str = "child/parent.p.kid.1";

pub(super) fn family() -> Family {
    let mut family = Family::new(&[PARENT, CHILD]);
    family.start("parent/p", "null");
    family.event("parent/p", "go", r#"{"n": 21}"#);
    family
}

#[test]
fn rule_35_a_child_starts_and_its_end_is_done_invoke() {
    let mut family = family();
    assert_eq!(family.stands("parent/p"), "work");
    assert_eq!(family.stands(KID), "busy");
    assert_eq!(family.instance(KID).initiator.as_deref(), Some("ann"));
    assert_eq!(family.var("parent/p", 1), "1");
    family.event(KID, "finish", "null");
    assert_eq!(family.stands(KID), "ended (done)");
    assert_eq!(family.stands("parent/p"), "happy (done)");
    assert_eq!(family.instance("parent/p").output.to_json(), r#"{"got":42}"#);
    assert_eq!(family.world.partition.counts().pending, 0);
}

#[test]
fn rule_37_done_is_the_last_that_a_child_says() {
    let mut family = family();
    family.event(KID, "finish", "null");
    // What its exit action sent came before.
    assert_eq!(family.var("parent/p", 1), "101");
    let said: Vec<_> = family.told.iter().filter(|line| line.starts_with("parent/p")).collect();
    let last: Vec<_> = said.iter().rev().take(2).rev().map(|line| line.as_str()).collect();
    assert_eq!(last, ["parent/p: progress → ", "parent/p: reply child → "]);
}

#[test]
fn rule_36_leaving_the_state_cancels_the_child_and_nothing_of_it_is_heard() {
    let mut family = family();
    family.event("parent/p", "stop", "null");
    assert_eq!(family.stands("parent/p"), "idle");
    assert_eq!(family.stands(KID), "busy (cancelled)");
    // Its exit action ran, and did not reach the parent.
    assert_eq!(family.var("parent/p", 1), "1");
    let cancelled = family.told.iter().find(|line| line.contains("command cancel")).unwrap();
    assert!(cancelled.contains("progress does not reach the parent"), "{cancelled}");
}

#[test]
fn rule_36_what_a_left_child_said_before_is_late_and_offered_to_nobody() {
    let mut family = family();
    // The child says something while the parent leaves.
    let poke = super::world::event("poked", "null");
    let early = crate::definition::model::Early::DeadLetter;
    family.one(PartitionInput::Deliver { key: at(KID), event: poke, early, source: None });
    family.one(PartitionInput::Deliver {
        key: at("parent/p"),
        event: super::world::event("stop", "null"),
        early,
        source: None,
    });
    family.settle();
    assert_eq!(family.var("parent/p", 1), "1");
    assert!(family.told.iter().any(|line| line == "parent/p: progress →  (late_ignored)"));
    assert_eq!(family.stands(KID), "busy (cancelled)");
    // Another entry is another child, which is heard.
    family.event("parent/p", "go", r#"{"n": 1}"#);
    assert_eq!(family.keys(), [KID, "child/parent.p.kid.2", "parent/p"]);
    assert_eq!(family.var("parent/p", 1), "2");
}

#[test]
fn rule_37_a_child_that_ended_before_it_was_left_has_said_so() {
    // It is an event like others then, without what was to be kept of it.
    let parent =
        PARENT.replace("idle: { on: { go: work } }", "idle: { on: { go: work, done: happy } }");
    let mut family = Family::new(&[&parent, CHILD]);
    family.start("parent/p", "null");
    family.event("parent/p", "go", r#"{"n": 4}"#);
    end_and_leave(&mut family);
    assert_eq!(family.stands("parent/p"), "happy (done)");
    assert_eq!(family.instance("parent/p").output.to_json(), r#"{"got":null}"#);
    // A child that has ended is not cancelled any more.
    assert_eq!(family.stands(KID), "ended (done)");
}

#[test]
fn rule_36_the_end_of_a_child_is_late_where_its_state_was_entered_again() {
    let parent = PARENT.replace("      stop: idle", "      stop: work");
    let mut family = Family::new(&[&parent, CHILD]);
    family.start("parent/p", "null");
    family.event("parent/p", "go", r#"{"n": 4}"#);
    end_and_leave(&mut family);
    assert_eq!(family.stands("parent/p"), "work");
    let late = family.told.iter().find(|line| line.contains("late_reply")).unwrap();
    assert_eq!(late, "parent/p: reply kid →  (late_reply)");
    // The end of the other one counts.
    family.event("child/parent.p.kid.2", "finish", "null");
    assert_eq!(family.stands("parent/p"), "happy (done)");
}

#[test]
fn rule_36_a_failure_that_came_too_late_is_recorded_and_ignored() {
    let mut family = family();
    let early = crate::definition::model::Early::DeadLetter;
    for (key, name) in [(KID, "break"), ("parent/p", "stop")] {
        let event = super::world::event(name, "null");
        family.one(PartitionInput::Deliver { key: at(key), event, early, source: None });
    }
    family.settle();
    assert_eq!(family.stands("parent/p"), "idle");
    assert!(family.told.iter().any(|line| line == "parent/p: reply kid →  (late_reply)"));
}

/// The child ends, and the parent leaves its state before it hears so.
fn end_and_leave(family: &mut Family) {
    let early = crate::definition::model::Early::DeadLetter;
    for (key, name) in [(KID, "finish"), ("parent/p", "stop")] {
        let event = super::world::event(name, r#"{"n": 1}"#);
        family.one(PartitionInput::Deliver { key: at(key), event, early, source: None });
    }
    family.settle();
}

#[test]
fn rule_20_cancel_and_kill_reach_the_children() {
    for (command, exits) in [(Command::Cancel, true), (Command::Kill, false)] {
        let mut family = family();
        family.tell(PartitionInput::Command {
            key: at("parent/p"),
            command,
            by: Principal::default(),
            reason: "".into(),
        });
        assert_eq!(family.instance(KID).status, Status::Cancelled);
        let ran = family.told.iter().any(|line| line.contains("does not reach the parent"));
        assert_eq!(ran, exits, "{:#?}", family.told);
        assert_eq!(family.world.partition.counts().pending, 0);
    }
}

#[test]
fn rule_35_a_child_that_fails_is_a_platform_error() {
    let mut family = family();
    family.event(KID, "break", "null");
    assert_eq!(family.instance(KID).status, Status::Failed);
    assert_eq!(family.stands("parent/p"), "sad");
    assert!(family.var("parent/p", 2).contains("divi"), "{}", family.var("parent/p", 2));
}

#[test]
fn rule_35_a_child_that_cannot_be_started_is_a_communication_error() {
    let mut family = Family::new(&[PARENT]);
    family.start("parent/p", "null");
    family.event("parent/p", "go", r#"{"n": 1}"#);
    assert_eq!(family.stands("parent/p"), "sad");
    assert_eq!(family.var("parent/p", 2), r#""not_started""#);
    assert_eq!(family.keys(), ["parent/p"]);
}

#[test]
fn rule_35_a_key_that_is_taken_starts_no_child() {
    let child = CHILD.replace("on_error: fail", "on_error: ignore");
    let mut family = Family::new(&[PARENT, &child]);
    family.start(KID, r#"{"n": 1}"#);
    family.start("parent/p", "null");
    family.event("parent/p", "go", r#"{"n": 2}"#);
    assert_eq!(family.stands("parent/p"), "sad");
    // The other one goes on, and has no parent.
    assert_eq!((family.stands(KID), family.var(KID, 0)), ("busy".into(), "1".into()));
    assert!(family.instance(KID).parent.is_none());
}

#[test]
fn rule_38_a_failed_child_that_nobody_handles_is_started_again_by_retry() {
    let parent = PARENT.replace("error.", "nothing.");
    let mut family = Family::new(&[&parent, CHILD]);
    family.start("parent/p", "null");
    family.event("parent/p", "go", r#"{"n": 4}"#);
    family.event(KID, "break", "null");
    assert!(family.stands("parent/p").starts_with("work (stuck)"));
    let (by, reason) = (Principal::default(), "".into());
    let retry =
        PartitionInput::Command { key: at("parent/p"), command: Command::Retry, by, reason };
    family.tell(retry);
    assert_eq!((family.stands("parent/p"), family.stands(KID)), ("work".into(), "busy".into()));
    family.event(KID, "finish", "null");
    assert_eq!(family.instance("parent/p").output.to_json(), r#"{"got":8}"#);
}

#[test]
fn rule_35_a_stuck_parent_keeps_the_end_of_its_child() {
    let parent = PARENT.replace("      stop: idle", "      stop: { do: { raise: error.mine } }");
    let parent = parent.replace("raise: error.mine", "set: { heard: 1 / 0 }");
    let mut family = Family::new(&[&parent, CHILD]);
    family.start("parent/p", "null");
    family.event("parent/p", "go", r#"{"n": 4}"#);
    family.event("parent/p", "stop", "null");
    assert!(family.stands("parent/p").starts_with("work (stuck)"));
    family.event(KID, "finish", "null");
    assert!(family.stands("parent/p").starts_with("work (stuck)"));
    let (by, reason) = (Principal::default(), "".into());
    let skip = PartitionInput::Command { key: at("parent/p"), command: Command::Skip, by, reason };
    family.tell(skip);
    assert_eq!(family.stands("parent/p"), "happy (done)");
}

#[test]
fn rule_35_children_of_children_end_at_a_depth() {
    let nested = "
workflow: nested
vars: { why: null }
states:
  s:
    run: nested
    failed: { do: { set: { why: error.message } }, to: bottom }
    done: top
  bottom: { final: true }
  top: { final: true }
";
    let mut family = Family::new(&[nested]);
    family.start("nested/n", "null");
    let all = family.world.partition.instances_from(None, 1_000);
    assert_eq!(all.len(), usize::from(Parent::DEPTH_MAX) + 1);
    assert!(all.iter().all(|instance| instance.status == Status::Done));
    assert!(all.iter().all(|instance| instance.key.key().len() <= 128));
    let deepest = all.iter().filter(|instance| !instance.vars[0].is_null());
    let words: Vec<_> = deepest.map(|instance| instance.vars[0].to_json()).collect();
    assert_eq!(words, ["\"a child of depth 33 exceeds the limit of 32\""]);
    assert_eq!(family.stands("nested/n"), "top (done)");
}

#[test]
fn rule_05_forwarded_events_reach_the_child_as_they_were() {
    let parent = "
workflow: parent
states:
  s:
    invoke: { id: kid, workflow: child, forward: true }
    on: { done.invoke.kid: e }
  e: { final: true }
";
    let child = "
workflow: child
vars: { seen: [] }
states:
  s:
    on:
      last: e
      '*': { do: { set: { seen: 'vars.seen + [event.name, data]' } } }
  e: { final: true }
";
    let mut family = Family::new(&[parent, child]);
    family.start("parent/p", "null");
    family.event("parent/p", "one", "1");
    family.event("parent/p", "two.three", r#"{"a": 2}"#);
    assert_eq!(family.var("child/parent.p.kid.1", 0), r#"["one",1,"two.three",{"a":2}]"#);
    family.event("parent/p", "last", "null");
    assert_eq!(family.stands("parent/p"), "e (done)");
}

#[test]
fn rule_05_children_start_only_in_states_still_active_at_the_end() {
    let parent = "
workflow: parent
states:
  s: { run: child, always: t }
  t: { run: child, done: e }
  e: { final: true }
";
    let child = "workflow: child\nstates: { s: { final: true } }\n";
    let mut family = Family::new(&[parent, child]);
    family.start("parent/p", "null");
    assert_eq!(family.keys(), ["child/parent.p.t.0.1", "parent/p"]);
    assert_eq!(family.stands("parent/p"), "e (done)");
}

#[test]
fn rule_36_a_child_whose_parent_is_killed_without_its_definition_ends_too() {
    let mut family = family();
    family.world.definitions = crate::partition::Definitions::default();
    family.world.definitions.insert(super::world::definition(CHILD)).unwrap();
    let (by, reason) = (Principal::default(), "".into());
    let kill = PartitionInput::Command { key: at("parent/p"), command: Command::Kill, by, reason };
    family.tell(kill);
    assert_eq!(family.instance(KID).status, Status::Cancelled);
}
