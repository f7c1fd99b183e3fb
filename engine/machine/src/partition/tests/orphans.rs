//! Children that nobody waits for any more take back what they did (decision 0028).

use super::family::Family;
use crate::machine::{Command, Status, StuckKind};

/// Runs a child in a state that may be left, that has a deadline, and beside a call.
const PARENT: &str = "
workflow: parent
initial: work
states:
  work:
    invoke: { id: kid, workflow: child }
    on: { stop: idle }
    after: { 1h: idle }
    done: end
  idle: {}
  end: { final: true }
";

const CHILD: &str = "
workflow: child
mode: sequential
steps:
  book: { call: hotel.book, undo: hotel.cancel }
  pay: { call: bank.pay, undo: bank.refund }
  wait: { wait: go }
";

/// Steps that are taken back when one of them fails.
const STEPS: &str = "
workflow: trip
on_failure: rollback
on_error: fail
steps:
  own: { call: own.do, undo: own.undo }
  sub: { run: child }
  last: { call: own.last, needs: [own] }
";

const KID: &str = "child/parent.p.kid.2";
const SUB: &str = "child/trip.t.steps.sub.4";

/// The child has booked, and pays.
fn family() -> Family {
    let mut family = Family::new(&[PARENT, CHILD]);
    family.start("parent/p", "null");
    family.answer("hotel.book");
    assert_eq!(family.waiting(), [format!("{KID} bank.pay")]);
    family
}

/// Nothing is left on its way, and nothing was lost.
#[track_caller]
fn all_quiet(family: &Family) {
    let dead: Vec<_> = family.world.partition.dead_letters().collect();
    assert!(dead.is_empty(), "{dead:#?}");
    let open = (family.world.partition.counts().pending, family.waiting());
    assert_eq!(open, (0, Vec::new()));
}

#[test]
fn rule_20_a_child_of_a_cancelled_parent_takes_back_what_it_did() {
    for crashes in [false, true] {
        let mut family = family();
        family.answer("bank.pay");
        family.order("parent/p", Command::Cancel);
        assert_eq!(family.instance("parent/p").status, Status::Cancelled, "it does not wait");
        assert_eq!(family.instance(KID).status, Status::Compensating);
        for operation in ["bank.refund", "hotel.cancel"] {
            if crashes {
                family.crash();
            }
            assert_eq!(family.waiting(), [format!("{KID} {operation}")]);
            family.answer(operation);
        }
        assert_eq!(family.instance(KID).status, Status::Cancelled);
        all_quiet(&family);
    }
}

#[test]
fn rule_36_a_child_whose_state_is_left_or_late_takes_back_what_it_did() {
    for late in [false, true] {
        let mut family = family();
        if late {
            family.world.now += 3_600_000;
            family.settle();
        } else {
            family.event("parent/p", "stop", "null");
        }
        assert_eq!(family.stands("parent/p"), "idle");
        // The payment is under way, and its deadline is long over in one case only.
        if !late {
            assert_eq!(family.waiting(), [format!("{KID} bank.pay")]);
            family.answer("bank.pay");
            family.answer("bank.refund");
        } else {
            // It may be done all the same: it is asked once more, and nobody answers.
            for passed in [1_000, 30_000] {
                assert_eq!(family.instance(KID).status, Status::Compensating);
                family.world.now += passed;
                family.settle();
            }
            let told = "step `pay`: `bank.pay` was sent and not answered: if it is done, it stays";
            let left_out = family.instance(KID).left_out().to_vec();
            assert_eq!(left_out, [told.into()]);
        }
        family.answer("hotel.cancel");
        assert_eq!(family.instance(KID).status, Status::Cancelled);
        assert_eq!(family.stands("parent/p"), "idle");
        all_quiet(&family);
    }
}

#[test]
fn a_child_of_steps_that_are_rolled_back_takes_back_what_it_did() {
    let mut family = Family::new(&[STEPS, CHILD]);
    family.start("trip/t", "null");
    family.answer("own.do");
    family.answer("hotel.book");
    family.fail("own.last");
    assert_eq!(family.instance("trip/t").status, Status::Compensating);
    assert_eq!(family.instance(SUB).status, Status::Compensating);
    family.answer("own.undo");
    assert_eq!(family.instance("trip/t").status, Status::Failed, "it does not wait");
    family.fail("bank.pay");
    family.answer("hotel.cancel");
    assert_eq!(family.instance(SUB).status, Status::Cancelled);
    all_quiet(&family);
}

#[test]
fn a_child_that_ended_while_its_parent_rolls_back_is_no_dead_letter() {
    let mut family = Family::new(&[STEPS, CHILD]);
    family.start("trip/t", "null");
    for operation in ["own.do", "hotel.book", "bank.pay"] {
        family.answer(operation);
    }
    // It is done before it hears that nobody waits.
    let early = crate::definition::model::Early::DeadLetter;
    let go = super::world::event("go", "null");
    let key = super::family::at(SUB);
    family.one(crate::partition::PartitionInput::Deliver { key, event: go, early, source: None });
    family.fail("own.last");
    family.event("trip/t", "go", "null");
    family.answer("own.undo");
    assert_eq!(family.instance("trip/t").status, Status::Failed);
    // What it did stays: only a transaction takes that back.
    assert_eq!(family.instance(SUB).status, Status::Done);
    let dead = family.world.partition.dead_letters();
    let names: Vec<_> = dead.map(|(_, letter)| letter.event.name.to_string()).collect();
    assert_eq!(names, ["go"], "what somebody sent is kept");
}

#[test]
fn a_failing_undo_of_an_orphan_waits_for_a_person_and_the_parent_for_nobody() {
    let mut family = family();
    family.order("parent/p", Command::Cancel);
    family.fail("bank.pay");
    family.fail("hotel.cancel");
    let kid = family.instance(KID);
    assert_eq!(kid.stuck.unwrap().kind, StuckKind::UndoFailed);
    assert_eq!(family.instance("parent/p").status, Status::Cancelled);
    family.crash();
    family.order(KID, Command::Retry);
    family.answer("hotel.cancel");
    assert_eq!(family.instance(KID).status, Status::Cancelled);
    all_quiet(&family);
}

#[test]
fn kill_of_a_parent_kills_and_takes_nothing_back() {
    let mut family = family();
    family.order("parent/p", Command::Kill);
    assert_eq!(family.instance(KID).status, Status::Cancelled);
    all_quiet(&family);
}

#[test]
fn kill_of_an_orphan_breaks_off_what_it_takes_back() {
    let mut family = family();
    family.order("parent/p", Command::Cancel);
    assert_eq!(family.instance(KID).status, Status::Compensating);
    family.order(KID, Command::Kill);
    assert_eq!(family.instance(KID).status, Status::Cancelled);
    all_quiet(&family);
}

#[test]
fn an_orphan_that_rolls_back_already_ends_with_that() {
    let child = format!("{CHILD}on_failure: rollback\non_error: suspend\n");
    for by_hand in [false, true] {
        let mut family = Family::new(&[PARENT, &child]);
        family.start("parent/p", "null");
        family.answer("hotel.book");
        if by_hand {
            family.answer("bank.pay");
            family.order(KID, Command::RollBack { from: Some("pay".into()) });
        } else {
            family.fail("bank.pay");
        }
        assert_eq!(family.instance(KID).status, Status::Compensating);
        family.order("parent/p", Command::Cancel);
        if by_hand {
            family.answer("bank.refund");
        }
        family.answer("hotel.cancel");
        assert_eq!(family.instance(KID).status, Status::Cancelled, "{by_hand}");
        all_quiet(&family);
    }
}

#[test]
fn an_orphan_that_a_person_paused_or_that_is_stuck_takes_back_too() {
    let clocks = crate::machine::Clocks::Freeze;
    for paused in [false, true] {
        let mut family = family();
        if paused {
            family.order(KID, Command::Pause { clocks });
        } else {
            family.fail("bank.pay");
            assert_eq!(family.instance(KID).status, Status::Stuck);
        }
        family.order("parent/p", Command::Cancel);
        if paused {
            family.answer("bank.pay");
            family.answer("bank.refund");
        }
        family.answer("hotel.cancel");
        assert_eq!(family.instance(KID).status, Status::Cancelled);
        assert!(family.instance(KID).paused().is_none());
        all_quiet(&family);
    }
}

#[test]
fn another_life_of_the_parent_does_not_meet_the_child_of_the_one_before() {
    let mut family = family();
    family.order("parent/p", Command::Cancel);
    assert_eq!(family.instance(KID).status, Status::Compensating);
    family.start("parent/p", "null");
    assert_eq!(family.stands("parent/p"), "work");
    let again = "child/parent.p.kid.2-2";
    assert_eq!(family.instance(again).status, Status::Running);
    family.answer("bank.pay");
    family.answer("bank.refund");
    family.answer("hotel.cancel");
    assert_eq!(family.instance(KID).status, Status::Cancelled);
    assert_eq!((family.stands("parent/p"), family.waiting()), {
        ("work".into(), vec![format!("{again} hotel.book")])
    });
}

/// Two regions: steps that are taken back, and a call beside them.
const REGIONS: &str = "
workflow: child
states:
  both:
    parallel:
      left:
        states:
          work:
            on_failure: rollback
            steps:
              one: { call: l.one, undo: l.un_one }
              two: { call: l.two, needs: [one] }
            failed: broken
          broken: {}
      right:
        states:
          ask: { entry: [ { call: r.ask, undo: r.un_ask } ], done: over }
          over: {}
";

#[test]
fn an_orphan_takes_back_one_at_a_time_what_was_under_way_beside_its_rollback() {
    for fails in [false, true] {
        let mut family = Family::new(&[PARENT, REGIONS]);
        family.start("parent/p", "null");
        family.answer("l.one");
        family.fail("l.two");
        assert_eq!(family.waiting(), [format!("{KID} r.ask"), format!("{KID} l.un_one")]);
        if fails {
            family.fail("l.un_one");
        }
        family.order("parent/p", Command::Cancel);
        family.crash();
        family.answer("r.ask");
        if fails {
            assert_eq!(family.instance(KID).stuck.unwrap().kind, StuckKind::UndoFailed);
            assert_eq!(family.waiting(), [""; 0]);
            family.order(KID, Command::Retry);
        }
        assert_eq!(family.waiting(), [format!("{KID} l.un_one")]);
        family.answer("l.un_one");
        assert_eq!(family.waiting(), [format!("{KID} r.un_ask")]);
        family.answer("r.un_ask");
        assert_eq!(family.instance(KID).status, Status::Cancelled, "{fails}");
        all_quiet(&family);
    }
}
