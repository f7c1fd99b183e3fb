//! Members that fail, are cancelled, are stuck, or are still at work when it is rolled back.

use super::town::{ORDER, Town, refusal};
use crate::machine::{Command, Standing, Status, StuckKind};

#[test]
fn tx_a_cancelled_member_rolls_all_back() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.start_in("order/bb", "t");
    town.answer("order/a", "stock.reserve");
    town.answer("order/a", "bank.charge");
    town.answer("order/bb", "stock.reserve");
    town.asked.clear();
    town.order("order/bb", Command::Cancel);
    // It ends when it knows whether the charge under way is done.
    assert_eq!(town.status("order/bb"), Status::Compensating);
    assert_eq!(town.stands("transaction/t"), "rolling_back (running)");
    town.answer("order/bb", "bank.charge");
    town.answer_all();
    assert_eq!(
        town.asked,
        [
            "order/bb bank.refund",
            "order/bb stock.release",
            "order/a bank.refund",
            "order/a stock.release"
        ]
    );
    assert_eq!(town.status("order/bb"), Status::Cancelled);
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
}

#[test]
fn tx_a_killed_member_is_taken_back_too() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer("order/a", "stock.reserve");
    town.order("order/a", Command::Kill);
    town.answer_all();
    assert_eq!(town.asked.last().unwrap(), "order/a stock.release");
    assert_eq!(town.status("order/a"), Status::Cancelled);
}

#[test]
fn tx_a_member_that_fails_rolls_all_back() {
    let fails = format!("{ORDER}on_failure: rollback\non_error: fail\n");
    let mut town = Town::new(&[&fails, &ORDER.replace("order", "other")]);
    town.begin("t");
    town.start_in("other/bb", "t");
    town.answer_all();
    town.start_in("order/a", "t");
    town.answer("order/a", "stock.reserve");
    town.asked.clear();
    town.fail("order/a", "bank.charge");
    town.answer_all();
    // What its own graph takes back is not taken back again.
    assert_eq!(
        town.asked,
        ["order/a stock.release", "other/bb bank.refund", "other/bb stock.release"]
    );
    assert_eq!(town.status("order/a"), Status::Failed);
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    assert_eq!(town.pending(), 0);
}

#[test]
fn tx_a_call_under_way_is_waited_for_and_taken_back() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer("order/a", "stock.reserve");
    town.roll_back("t");
    // Nobody knows yet whether the charge happened: nothing is taken back before.
    assert_eq!(town.waiting(), ["order/a bank.charge"]);
    assert_eq!(town.instance("order/a").membership().unwrap().standing, Standing::Holding);
    town.answer("order/a", "bank.charge");
    town.answer_all();
    assert_eq!(
        town.asked,
        [
            "order/a stock.reserve",
            "order/a bank.charge",
            "order/a bank.refund",
            "order/a stock.release",
        ]
    );
    assert_eq!(town.status("order/a"), Status::Failed);
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
}

#[test]
fn tx_a_call_under_way_that_fails_or_is_never_answered_is_not_taken_back() {
    for answers in [true, false] {
        let mut town = Town::new(&[ORDER]);
        town.begin("t");
        town.start_in("order/a", "t");
        town.answer("order/a", "stock.reserve");
        town.roll_back("t");
        if answers {
            town.fail("order/a", "bank.charge");
        } else {
            town.pass(24 * 60 * 60 * 1_000);
            town.crash();
        }
        town.answer_all();
        assert_eq!(town.asked.last().unwrap(), "order/a stock.release", "{answers}");
        assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    }
}

#[test]
fn tx_an_undo_that_fails_waits_for_a_person_and_the_transaction_shows_why() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.start_in("order/bb", "t");
    town.answer_all();
    town.roll_back("t");
    town.fail("order/bb", "bank.refund");
    let stuck = town.instance("order/bb").stuck.unwrap();
    assert_eq!(stuck.kind, StuckKind::UndoFailed);
    let scope = town.instance("transaction/t").transaction_scope().unwrap().clone();
    let trouble = scope.trouble.unwrap();
    assert!(trouble.contains("order/bb") && trouble.contains("bank.refund"), "{trouble}");
    assert_eq!(town.waiting(), [""; 0], "nothing older is taken back before");
    // It ends with its transaction only.
    refusal(&town.order("order/bb", Command::Kill));
    town.crash();
    town.order("order/bb", Command::Retry);
    assert_eq!(town.waiting(), ["order/bb bank.refund"]);
    town.fail("order/bb", "bank.refund");
    town.order("order/bb", Command::Skip);
    town.answer_all();
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    assert_eq!(town.status("order/bb"), Status::Done);
    let scope = town.instance("transaction/t").transaction_scope().unwrap().clone();
    assert_eq!(scope.trouble, None);
}

#[test]
fn tx_a_paused_member_and_one_that_is_stuck_are_taken_back() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.start_in("order/bb", "t");
    town.answer("order/a", "stock.reserve");
    town.answer("order/bb", "stock.reserve");
    town.fail("order/a", "bank.charge");
    assert_eq!(town.status("order/a"), Status::Stuck);
    let clocks = crate::machine::Clocks::Freeze;
    town.order("order/bb", Command::Pause { clocks });
    town.answer("order/bb", "bank.charge");
    assert_eq!(town.status("order/bb"), Status::Paused);
    town.asked.clear();
    town.roll_back("t");
    town.answer_all();
    // What succeeded while it was paused was done, whoever kept the answer.
    assert_eq!(
        town.asked,
        ["order/bb bank.refund", "order/bb stock.release", "order/a stock.release"]
    );
    assert_eq!(town.status("order/a"), Status::Failed);
    assert_eq!(town.status("order/bb"), Status::Failed);
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
}

#[test]
fn tx_an_ended_member_begins_no_other_life_before_the_end() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer_all();
    let reason = refusal(&town.start("order/a"));
    assert_eq!(reason, "its last life belongs to the transaction `t`, which is open");
    town.commit("t");
    town.start("order/a");
    assert_eq!(town.instance("order/a").generation.0, 2);
    assert!(town.instance("order/a").membership().is_none());
}

#[test]
fn tx_finally_runs_when_a_member_is_taken_back() {
    let text = format!("{ORDER}finally: {{ call: log.write }}\n");
    let mut town = Town::new(&[&text]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer("order/a", "stock.reserve");
    town.roll_back("t");
    town.fail("order/a", "bank.charge");
    town.answer_all();
    assert_eq!(town.asked.last().unwrap(), "order/a log.write");
    assert_eq!(town.status("order/a"), Status::Failed);
}

/// How a member's life ended, in words.
fn end(town: &Town, key: &str) -> String {
    town.instance(key).end().map(|end| end.words()).unwrap_or_default()
}

#[test]
fn tx_the_end_of_a_member_says_why_its_transaction_was_rolled_back() {
    // By hand, and by whom.
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.roll_back("t");
    town.answer_all();
    assert_eq!(end(&town, "order/a"), "failed: transaction `t` was rolled back: by ann");
    // Its time was over; one that had ended knows it too, behind a crash as well.
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.start_in("order/bb", "t");
    for operation in ["stock.reserve", "bank.charge"] {
        town.answer("order/bb", operation);
    }
    assert_eq!(town.status("order/bb"), Status::Done);
    town.pass(60_000);
    town.crash();
    town.answer_all();
    // Nobody had answered the first call of that one: it is asked once more.
    town.pass(1_000);
    town.answer_all();
    let why = "it was open for 1m, its timeout";
    let told = format!("failed: transaction `t` was rolled back: {why}");
    assert_eq!(end(&town, "order/a"), told);
    town.crash();
    let done = town.instance("order/bb");
    assert_eq!((done.status, done.end()), (Status::Done, None));
    assert_eq!(&*done.membership().unwrap().reason, why);
    // Another member failed, or was killed.
    for (order, words) in [(Command::Kill, "killed by ann"), (Command::Cancel, "cancelled by ann")]
    {
        let mut town = Town::new(&[ORDER]);
        town.begin("t");
        town.start_in("order/a", "t");
        town.start_in("order/bb", "t");
        town.answer("order/a", "stock.reserve");
        town.fail("order/bb", "stock.reserve");
        town.order("order/bb", order);
        town.answer_all();
        let told = format!("failed: transaction `t` was rolled back: `order/bb` {words}");
        assert_eq!(end(&town, "order/a"), told);
    }
    let fails = format!("{ORDER}on_failure: rollback\non_error: fail\n");
    let mut town = Town::new(&[&fails, &ORDER.replace("order", "other")]);
    town.begin("t");
    town.start_in("other/bb", "t");
    town.start_in("order/a", "t");
    town.fail("order/a", "stock.reserve");
    town.answer_all();
    let told = end(&town, "other/bb");
    let why = "rolled back: `order/a` failed: step `reserve`: permanent";
    assert!(told.starts_with(&format!("failed: transaction `t` was {why}")), "{told}");
}
