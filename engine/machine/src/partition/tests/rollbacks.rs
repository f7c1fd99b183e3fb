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
