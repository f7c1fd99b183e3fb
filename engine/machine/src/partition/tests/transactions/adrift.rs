//! Calls of members that were cut off while under way (decision 0056).

use super::town::{ORDER, Town};
use crate::machine::Status;

/// The first item that fails stops the others, and the member.
const FAN: &str = "
workflow: fan
on_error: fail
vars: { list: [1, 2, 3] }
steps:
  all:
    foreach: { in: vars.list, as: it, max_parallel: 3, collect: first_error }
    call: bank.charge
    undo: bank.refund
";

/// It may be left, and done, while its call is under way.
const LEFT: &str = "
workflow: left
initial: a
states:
  a: { entry: [ { call: bank.charge, undo: bank.refund } ], on: { go: b } }
  b: { final: true }
";

fn count(town: &Town, what: &str) -> usize {
    town.asked.iter().filter(|it| **it == what).count()
}

#[test]
fn tx_items_behind_a_first_error_are_waited_for_and_taken_back() {
    for crashes in [false, true] {
        let mut town = Town::new(&[FAN, &ORDER.replace("order", "other")]);
        town.begin("t");
        town.start_in("other/bb", "t");
        town.answer_all();
        town.start_in("fan/a", "t");
        town.fail("fan/a", "bank.charge");
        assert_eq!(town.status("fan/a"), Status::Compensating, "{}", town.trace());
        if crashes {
            town.crash();
            town.settle();
            assert_eq!(town.waiting(), ["fan/a bank.charge"; 2], "{}", town.trace());
        }
        town.answer_cancelled("fan/a", "bank.charge");
        assert_eq!(count(&town, "other/bb bank.refund"), 0, "one is under way: {}", town.trace());
        town.fail("fan/a", "bank.charge");
        town.answer_all();
        assert_eq!(count(&town, "fan/a bank.refund"), 1, "{}", town.trace());
        assert_eq!(count(&town, "other/bb bank.refund"), 1, "{}", town.trace());
        assert_eq!(town.status("fan/a"), Status::Failed);
        assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
        assert_eq!(town.pending(), 0);
    }
}

/// A member that is done, but for the call of a state that it left.
fn left() -> Town {
    let mut town = Town::new(&[LEFT]);
    town.begin("t");
    town.start_in("left/a", "t");
    town.event("left/a", "go");
    assert_eq!(town.status("left/a"), Status::Compensating, "{}", town.trace());
    town
}

#[test]
fn tx_a_member_that_is_done_is_heard_until_its_last_call_is_answered() {
    let mut town = left();
    town.answer_cancelled("left/a", "bank.charge");
    assert_eq!(town.stands("left/a"), "b (done)", "{}", town.trace());
    town.roll_back("t");
    town.answer_all();
    assert_eq!(count(&town, "left/a bank.refund"), 1, "{}", town.trace());
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");

    let mut town = left();
    town.roll_back("t");
    assert_eq!(town.stands("transaction/t"), "rolling_back (running)");
    town.answer_cancelled("left/a", "bank.charge");
    town.answer_all();
    assert_eq!(count(&town, "left/a bank.refund"), 1, "{}", town.trace());
    assert_eq!(town.stands("left/a"), "b (done)");
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    assert_eq!(town.pending(), 0);
}

#[test]
fn tx_behind_the_commit_nobody_waits_for_the_call_of_a_member_that_is_done() {
    let mut town = left();
    town.commit("t");
    assert_eq!(town.stands("transaction/t"), "committed (done)", "{}", town.trace());
    assert_eq!(town.stands("left/a"), "b (done)");
    town.answer_cancelled("left/a", "bank.charge");
    assert_eq!(count(&town, "left/a bank.refund"), 0);
    assert_eq!(town.pending(), 0);
}
