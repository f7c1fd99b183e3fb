//! Members that are killed at work, or while they take back what they did: each undo is made once,
//! and what was done is taken back (decision 0048).

use super::town::{ORDER, Town, refusal};
use crate::machine::{Clocks, Command, InstanceKey, Outcome, Standing, Status, StepStatus};
use crate::partition::PartitionInput;
use crate::partition::tests::world::principal;

/// Takes back what it did by itself where a step fails.
fn takes_back() -> String {
    format!("{ORDER}on_failure: rollback\non_error: fail\n")
}

/// A member that takes back its first step, which is under way, and one that is done.
fn under_way() -> Town {
    let mut town = Town::new(&[&takes_back(), &ORDER.replace("order", "other")]);
    town.begin("t");
    town.start_in("other/bb", "t");
    town.answer_all();
    town.start_in("order/a", "t");
    town.answer("order/a", "stock.reserve");
    town.fail("order/a", "bank.charge");
    assert_eq!(town.waiting(), ["order/a stock.release"]);
    town
}

fn kill(key: &str) -> PartitionInput {
    let key = InstanceKey::parse(key).unwrap();
    let (by, reason) = (principal("ann"), "".into());
    PartitionInput::Command { key, command: Command::Kill, by, reason }
}

fn statuses(town: &Town, key: &str) -> Vec<StepStatus> {
    let instance = town.instance(key);
    let steps = instance.progress.as_deref().unwrap().graphs[0].steps.iter();
    steps.map(|step| step.status).collect()
}

fn left_out(town: &Town, key: &str) -> Vec<String> {
    town.instance(key).left_out().iter().map(ToString::to_string).collect()
}

fn end(town: &Town, key: &str) -> String {
    town.instance(key).end().map(|end| end.words()).unwrap_or_default()
}

/// How often each call was asked for that takes something back.
fn undone(town: &Town) -> Vec<&str> {
    let undo = |it: &&String| it.ends_with("release") || it.ends_with("refund");
    town.asked.iter().filter(undo).map(String::as_str).collect()
}

#[test]
fn tx_an_undo_of_its_own_that_is_under_way_goes_on_when_a_member_is_killed() {
    for crashes in [false, true] {
        let mut town = under_way();
        assert_eq!(town.order("order/a", Command::Kill), Outcome::Done);
        assert_eq!(town.waiting(), ["order/a stock.release"], "{}", town.trace());
        assert_eq!(town.status("order/a"), Status::Compensating);
        assert_eq!(end(&town, "order/a"), "killed by ann");
        let reason = refusal(&town.order("order/a", Command::Resume));
        assert_eq!(reason, "what was done is being taken back");
        assert_eq!(town.stands("transaction/t"), "rolling_back (running)");
        if crashes {
            town.crash();
            town.settle();
        }
        town.answer("order/a", "stock.release");
        assert_eq!(town.status("order/a"), Status::Cancelled);
        assert_eq!(town.waiting(), ["other/bb bank.refund"], "{}", town.trace());
        town.answer_all();
        assert_eq!(
            undone(&town),
            ["order/a stock.release", "other/bb bank.refund", "other/bb stock.release"]
        );
        assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
        assert_eq!(statuses(&town, "order/a")[0], StepStatus::Undone);
        assert_eq!(
            (end(&town, "order/a"), left_out(&town, "order/a")),
            ("killed by ann".into(), vec![])
        );
        let killed = town.instance("order/a");
        assert_eq!((killed.status, killed.timers.len()), (Status::Cancelled, 1));
        assert!(killed.sequences.is_empty() && !killed.is_revived());
        assert_eq!(town.pending(), 0);
    }
}

#[test]
fn tx_an_undo_that_failed_before_the_kill_waits_for_a_person_under_its_id() {
    for retries in [true, false] {
        let mut town = under_way();
        town.fail("order/a", "stock.release");
        assert_eq!(town.status("order/a"), Status::Stuck);
        let killed = town.order("order/a", Command::Kill);
        assert!(matches!(killed, Outcome::Stuck { .. }), "{killed:?}");
        assert_eq!((town.status("order/a"), town.waiting().len()), (Status::Stuck, 0));
        assert_eq!(end(&town, "order/a"), "killed by ann");
        // The transaction knows it, as soon as it wants the member to stand still.
        let scope = town.instance("transaction/t").transaction_scope().unwrap().clone();
        assert_eq!(scope.troubled().unwrap().key.to_string(), "order/a");
        assert!(scope.trouble.unwrap().contains("`stock.release` could not take back"));
        town.crash();
        if retries {
            town.order("order/a", Command::Retry);
            town.answer("order/a", "stock.release");
            let asked = town.asked.iter().zip(&town.ids);
            let asked: Vec<_> = asked.filter(|it| it.0.ends_with("a stock.release")).collect();
            assert_eq!((asked.len(), asked[0].1), (2, asked[1].1), "one id");
            assert_eq!(left_out(&town, "order/a"), [""; 0]);
        } else {
            town.order("order/a", Command::Skip);
            let told = "step `reserve` was not taken back: `stock.release` was skipped by ann";
            assert_eq!(left_out(&town, "order/a"), [told]);
        }
        let scope = town.instance("transaction/t").transaction_scope().unwrap().clone();
        assert_eq!(scope.trouble, None, "that is over");
        town.answer_all();
        assert_eq!(town.status("order/a"), Status::Cancelled);
        assert_eq!(town.stands("transaction/t"), "rolled_back (done)", "{}", town.trace());
        assert_eq!(town.pending(), 0);
    }
}

#[test]
fn tx_a_member_that_is_stuck_in_its_own_undo_says_so_when_it_is_told_to_stand_still() {
    let mut town = under_way();
    town.fail("order/a", "stock.release");
    town.roll_back("t");
    let scope = town.instance("transaction/t").transaction_scope().unwrap().clone();
    assert_eq!(scope.troubled().unwrap().key.to_string(), "order/a");
    assert!(scope.trouble.unwrap().contains("`stock.release` could not take back step `reserve`"));
    town.order("order/a", Command::Skip);
    let scope = town.instance("transaction/t").transaction_scope().unwrap().clone();
    assert_eq!(scope.trouble, None);
    town.answer_all();
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
}

#[test]
fn tx_a_call_under_way_of_a_killed_member_is_waited_for_and_taken_back() {
    for crashes in [false, true] {
        let mut town = Town::new(&[ORDER]);
        town.begin("t");
        town.start_in("order/a", "t");
        town.answer("order/a", "stock.reserve");
        town.order("order/a", Command::Kill);
        assert_eq!(town.waiting(), ["order/a bank.charge"], "{}", town.trace());
        assert_eq!(statuses(&town, "order/a")[1], StepStatus::Running);
        assert_eq!(town.instance("order/a").membership().unwrap().standing, Standing::Holding);
        refusal(&town.order("order/a", Command::Kill));
        if crashes {
            town.crash();
            town.settle();
        }
        town.answer("order/a", "bank.charge");
        assert_eq!(town.status("order/a"), Status::Compensating, "it is taken back");
        town.answer_all();
        assert_eq!(undone(&town), ["order/a bank.refund", "order/a stock.release"]);
        assert_eq!(statuses(&town, "order/a"), [StepStatus::Undone; 2]);
        assert_eq!(town.status("order/a"), Status::Cancelled);
        assert_eq!(left_out(&town, "order/a"), [""; 0]);
        assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
        assert_eq!(town.pending(), 0);
    }
}

#[test]
fn tx_a_call_under_way_of_a_killed_member_that_is_not_done_is_not_taken_back() {
    for how in ["fails", "is late", "was not sent"] {
        let mut town = Town::new(&[ORDER]);
        town.begin("t");
        town.start_in("order/a", "t");
        town.answer("order/a", "stock.reserve");
        town.order("order/a", Command::Kill);
        match how {
            "fails" => town.fail("order/a", "bank.charge"),
            "is late" => town.pass(24 * 60 * 60 * 1_000),
            _ => town.give_up(),
        }
        town.answer_all();
        assert_eq!(undone(&town), ["order/a stock.release"], "{how}");
        assert_eq!(statuses(&town, "order/a"), [StepStatus::Undone, StepStatus::Cancelled]);
        assert_eq!(town.status("order/a"), Status::Cancelled, "{how}");
        assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    }
}

#[test]
fn tx_calls_of_a_paused_killed_member_have_the_time_they_had_left() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.order("order/a", Command::Pause { clocks: Clocks::Freeze });
    town.pass(29_000);
    town.order("order/a", Command::Kill);
    town.pass(29_000);
    town.answer("order/a", "stock.reserve");
    town.answer_all();
    assert_eq!(undone(&town), ["order/a stock.release"], "{}", town.trace());
}

#[test]
fn tx_the_undo_of_a_killed_member_is_tried_as_often_as_it_says_under_one_id() {
    let text = takes_back()
        .replace("undo: stock.release", "undo: { call: stock.release, retry: { attempts: 3 } }");
    let mut town = Town::new(&[&text]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer("order/a", "stock.reserve");
    town.fail("order/a", "bank.charge");
    // No answer in time: the next attempt comes later.
    town.pass(30_000);
    assert_eq!(town.waiting().len(), 1, "{}", town.trace());
    town.order("order/a", Command::Kill);
    assert_eq!(town.status("order/a"), Status::Compensating);
    town.crash();
    town.pass(10_000);
    let ids = town.asked.iter().zip(&town.ids);
    let ids = ids.filter(|it| it.0.ends_with("release")).map(|it| it.1.to_string());
    let ids: std::collections::BTreeSet<_> = ids.collect();
    assert_eq!(ids.len(), 1, "{}", town.trace());
    town.answer("order/a", "stock.release");
    assert_eq!(town.status("order/a"), Status::Cancelled, "{}", town.trace());
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
}

#[test]
fn tx_a_killed_member_takes_no_orders_and_no_events() {
    let mut town = under_way();
    town.only(kill("order/a"));
    // Its transaction has not told it to stand still yet.
    assert_eq!(town.instance("order/a").membership().unwrap().standing, Standing::Open);
    for command in [Command::Kill, Command::Cancel] {
        let (by, reason) = (principal("ann"), "".into());
        let key = InstanceKey::parse("order/a").unwrap();
        let told = refusal(&town.only(PartitionInput::Command { key, command, by, reason }));
        assert_eq!(told, "it has ended, but for what is under way and can be taken back");
    }
    assert!(matches!(town.event("order/a", "go"), Outcome::Ignored { .. }));
    let pause = Command::Pause { clocks: Clocks::Freeze };
    refusal(&town.order("order/a", pause));
    town.answer_all();
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    assert!(town.instance("order/a").parked.is_empty());
}

#[test]
fn tx_a_killed_member_that_its_transaction_does_not_take_back_says_what_stays() {
    // The commit was there before the word of the kill.
    let mut town = under_way();
    town.only(kill("order/a"));
    town.commit("t");
    assert_eq!(town.stands("transaction/t"), "committed (done)");
    assert_eq!(town.status("order/a"), Status::Cancelled, "{}", town.trace());
    let told = "step `reserve` may not be taken back: `stock.release` was under way";
    assert_eq!(left_out(&town, "order/a"), [told]);
    assert_eq!(town.waiting(), [""; 0]);
    // It asked to belong to one that is not there.
    let text = "
workflow: guest
steps:
  join: { call: transaction.join, with: { name: u } }
  book: { call: hall.book, undo: hall.free }
";
    let mut town = Town::new(&[text]);
    let (key, by) = (InstanceKey::parse("guest/a").unwrap(), principal("ann"));
    let input = crate::value::Value::Null;
    town.only(PartitionInput::Start {
        key,
        version: None,
        input,
        by,
        id: None,
        trace_context: None,
    });
    town.only(kill("guest/a"));
    assert_eq!(town.status("guest/a"), Status::Compensating);
    town.settle();
    assert_eq!(town.status("guest/a"), Status::Cancelled, "{}", town.trace());
    let told = "step `book`: `hall.book` was under way: if it is done, it stays";
    assert_eq!(left_out(&town, "guest/a"), [told]);
    assert_eq!(town.instance("guest/a").timers.len(), 1, "it is forgotten in time");
    assert_eq!((town.waiting().len(), town.pending()), (0, 0));
}

#[test]
fn tx_what_a_killed_member_did_before_it_joined_is_left_and_told() {
    let text = "
workflow: guest
on_failure: rollback
mode: sequential
steps:
  before: { call: log.open, undo: log.close }
  join: { call: transaction.join, with: { name: t } }
  book: { call: hall.book, undo: hall.free }
  fails: { call: hall.pay }
";
    let mut town = Town::new(&[text]);
    town.begin("t");
    town.start("guest/a");
    town.answer("guest/a", "log.open");
    town.answer("guest/a", "hall.book");
    town.fail("guest/a", "hall.pay");
    assert_eq!(town.waiting(), ["guest/a hall.free"]);
    town.order("guest/a", Command::Kill);
    town.answer_all();
    let told = "step `before` was not taken back";
    assert_eq!(left_out(&town, "guest/a"), [told], "{}", town.trace());
    assert_eq!(end(&town, "guest/a"), format!("killed by ann: {told}"));
    assert_eq!(town.asked.iter().filter(|it| it.ends_with("hall.free")).count(), 1);
    assert!(!town.asked.iter().any(|it| it.ends_with("log.close")));
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
}

#[test]
fn tx_items_and_children_of_a_killed_member_are_taken_back() {
    let parent = "
workflow: parent
steps:
  all: { foreach: { in: '[1, 2, 3]', as: n }, call: shelf.fill, undo: shelf.clear }
  child: { run: order }
";
    let mut town = Town::new(&[parent, &takes_back()]);
    town.begin("t");
    town.start_in("parent/a", "t");
    let waiting = town.waiting();
    let child = waiting.iter().find(|it| it.contains("stock.reserve"));
    let child =
        child.unwrap_or_else(|| panic!("{waiting:?}")).split_once(' ').unwrap().0.to_owned();
    town.answer(&child, "stock.reserve");
    town.answer("parent/a", "shelf.fill");
    // Two items are under way, and the child takes back what it did.
    town.fail(&child, "bank.charge");
    town.order("parent/a", Command::Kill);
    let mut waiting = town.waiting();
    waiting.sort();
    let release = format!("{child} stock.release");
    assert_eq!(
        waiting,
        [&release, "parent/a shelf.fill", "parent/a shelf.fill"],
        "{}",
        town.trace()
    );
    town.crash();
    town.settle();
    town.answer(&child, "stock.release");
    town.answer("parent/a", "shelf.fill");
    assert_eq!(town.stands("transaction/t"), "rolling_back (running)");
    town.fail("parent/a", "shelf.fill");
    town.answer_all();
    let count = |what: &str| town.asked.iter().filter(|it| it.ends_with(what)).count();
    assert_eq!((count("shelf.fill"), count("shelf.clear"), count("stock.release")), (3, 2, 1));
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)", "{}", town.trace());
    assert_eq!(town.status("parent/a"), Status::Cancelled);
    // Its child is killed, or told before that to stand still: then it ends with the transaction.
    for key in ["parent/a", &*child] {
        assert!(town.status(key).is_ended(), "{key}");
        assert_eq!(left_out(&town, key), [""; 0], "{key}");
    }
    assert_eq!(town.pending(), 0);
}

#[test]
fn tx_a_timeout_of_the_transaction_waits_for_a_killed_member() {
    let mut town = under_way();
    town.only(kill("order/a"));
    // Before anybody has read that it was killed.
    town.pass(60_000);
    assert_eq!(town.stands("transaction/t"), "rolling_back (running)");
    assert_eq!(town.status("order/a"), Status::Stuck, "its undo had no answer in time");
    town.order("order/a", Command::Retry);
    town.answer_all();
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)", "{}", town.trace());
    assert_eq!(town.status("order/a"), Status::Cancelled);
}

#[test]
fn tx_a_member_is_not_killed_without_its_definition() {
    let mut town = under_way();
    town.forget_definitions();
    let told = refusal(&town.order("order/a", Command::Kill));
    assert!(told.ends_with("its transaction has to know what becomes of its calls"), "{told}");
    assert_eq!(town.waiting(), ["order/a stock.release"]);
}
