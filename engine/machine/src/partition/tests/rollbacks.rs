//! What is taken back over crashes (decision 0028).

use super::family::Family;
use crate::machine::{Command, Status};

const BESIDE: &str = "
workflow: beside
on_failure: rollback
on_error: fail
steps:
  paid: { call: p.pay, undo: p.refund }
  last: { call: p.last }
";

#[test]
fn a_call_under_way_is_waited_for_over_a_crash() {
    let mut family = Family::new(&[BESIDE]);
    family.start("beside/b", "null");
    let call = |family: &Family| family.instance("beside/b").sequences[0].call.clone();
    let before = call(&family);
    family.fail("p.last");
    family.crash();
    assert_eq!(family.waiting(), ["beside/b p.pay"]);
    assert_eq!(call(&family), before, "the same call");
    family.answer("p.pay");
    family.crash();
    assert_eq!(family.waiting(), ["beside/b p.refund"]);
    family.answer("p.refund");
    assert_eq!(family.instance("beside/b").status, Status::Failed);
}

#[test]
fn a_wait_for_calls_under_way_is_broken_off_by_kill_after_a_crash() {
    let mut family = Family::new(&[BESIDE]);
    family.start("beside/b", "null");
    family.order("beside/b", Command::Cancel);
    family.crash();
    family.order("beside/b", Command::Kill);
    assert_eq!(family.instance("beside/b").status, Status::Cancelled);
    assert_eq!(family.waiting(), [""; 0]);
}

const WITH_CHILDREN: &str = "
workflow: trip
vars: { ids: [1, 2, 3] }
on_failure: rollback
on_error: fail
steps:
  own: { call: own.do, undo: own.undo }
  sub: { needs: [own], run: note }
  subs: { needs: [sub], foreach: { in: vars.ids, as: it, max_parallel: 1 }, run: note }
  last: { needs: [own], call: own.last }
";

const NOTE: &str = "
workflow: note
steps:
  write: { call: paper.write }
";

/// `own` is done, and as many children.
fn written(children: usize) -> Family {
    let mut family = Family::new(&[WITH_CHILDREN, NOTE]);
    family.start("trip/t", "null");
    family.answer("own.do");
    for _ in 0..children {
        family.answer("paper.write");
    }
    family
}

fn left_out(family: &Family) -> Vec<String> {
    family.instance("trip/t").left_out().iter().map(ToString::to_string).collect()
}

const SUB: &str = "step `sub` stays: its child `note` is done";
const SUBS: &str = "step `subs[0, 1]` stays: its children `note` are done";

#[test]
fn a_child_that_is_done_stays_when_its_parent_is_taken_back_and_that_is_told() {
    let mut family = written(3);
    family.fail("own.last");
    assert_eq!(left_out(&family), [SUB, SUBS]);
    family.answer("own.undo");
    let ended = family.instance("trip/t");
    assert_eq!(ended.status, Status::Failed);
    let reason = &ended.end().unwrap().reason;
    assert!(reason.contains(SUB) && reason.contains(SUBS), "{reason}");
    // Whatever takes it back says so, and only once.
    let mut family = written(1);
    family.order("trip/t", Command::RollBack { from: None });
    family.answer("own.undo");
    assert_eq!(left_out(&family), [SUB]);
    family.order("trip/t", Command::Cancel);
    assert_eq!(left_out(&family), [SUB]);
}

#[test]
fn what_takes_back_nothing_names_no_child() {
    let mut family = written(1);
    family.order("trip/t", Command::Kill);
    assert!(!left_out(&family).contains(&SUB.to_owned()), "{:?}", left_out(&family));
    let none = WITH_CHILDREN.replace(", undo: own.undo", "");
    let mut family = Family::new(&[&none, NOTE]);
    family.start("trip/t", "null");
    family.answer("own.do");
    family.answer("paper.write");
    family.order("trip/t", Command::Cancel);
    assert_eq!(left_out(&family), [""; 0]);
}
