//! Transactions that workflows begin, join and end themselves.

use super::town::{ORDER, Town};
use crate::machine::{Command, Standing, Status};
use crate::partition::PartitionInput;
use crate::partition::tests::family::at;
use crate::partition::tests::world::principal;

/// Begins a transaction, does its work in it, runs an order in it and commits it.
const BOSS: &str = "
workflow: boss
on_error: fail
steps:
  before: { call: log.open, undo: log.close }
  begin: { begin: { name: \"${ key }\", timeout: 1h }, needs: [before] }
  book: { call: hall.book, needs: [begin], undo: hall.free }
  order: { run: order, needs: [book] }
  last: { wait: go, needs: [order] }
  commit: { commit: \"${ key }\", needs: [last] }
";

fn boss() -> Town {
    let mut town = Town::new(&[BOSS, ORDER]);
    town.start("boss/t");
    town.answer_all();
    town
}

#[test]
fn tx_a_step_begins_it_children_inherit_it_and_a_step_commits_it() {
    let mut town = boss();
    let scope = town.instance("transaction/t").transaction_scope().unwrap().clone();
    let members: Vec<_> = scope.members.iter().map(|member| member.key.to_string()).collect();
    assert_eq!(members, ["boss/t", "order/boss.t.steps.order.10"], "{}", town.trace());
    let what: Vec<_> = scope.entries.iter().map(|entry| &*entry.what).collect();
    assert_eq!(what, ["book", "reserve", "charge"], "what it did before is not in it");
    town.event("boss/t", "go");
    assert_eq!(town.stands("transaction/t"), "committed (done)");
    assert_eq!(town.status("boss/t"), Status::Done);
    let progress = town.instance("boss/t").progress.unwrap();
    assert_eq!(progress.undo.len(), 1, "what it did before stays its own");
}

#[test]
fn tx_rollback_of_what_a_workflow_began() {
    let mut town = boss();
    town.asked.clear();
    town.roll_back("t");
    town.answer_all();
    let child = "order/boss.t.steps.order.10";
    assert_eq!(
        town.asked,
        [
            format!("{child} bank.refund"),
            format!("{child} stock.release"),
            "boss/t hall.free".into()
        ]
    );
    assert_eq!(town.status("boss/t"), Status::Failed);
    assert_eq!(town.status(child), Status::Done);
}

#[test]
fn tx_commit_of_a_rolled_back_one_fails_the_step() {
    let clerk = "
workflow: clerk
on_error: fail
steps:
  commit: { call: transaction.commit, with: { name: t } }
";
    let mut town = Town::new(&[clerk]);
    town.start("clerk/a");
    assert_eq!(town.status("clerk/a"), Status::Failed);
    assert!(town.trace().contains("no transaction `t` was begun"), "{}", town.trace());
    town.begin("t");
    town.roll_back("t");
    town.start("clerk/bb");
    assert_eq!(town.status("clerk/bb"), Status::Failed);
    assert!(town.trace().contains("transaction `t` is rolled back"), "{}", town.trace());
}

#[test]
fn tx_who_is_no_member_hears_of_the_rollback_when_it_is_done() {
    let judge = "
workflow: judge
steps:
  back: { call: transaction.rollback, with: { name: t, reason: no } }
  after: { call: log.write, needs: [back] }
";
    let mut town = Town::new(&[judge, ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer_all();
    town.start("judge/a");
    assert_eq!(town.waiting(), ["order/a bank.refund"]);
    town.crash();
    town.answer("order/a", "bank.refund");
    town.answer("order/a", "stock.release");
    assert_eq!(town.waiting(), ["judge/a log.write"]);
    let scope = town.instance("transaction/t").transaction_scope().unwrap().clone();
    assert_eq!(&*scope.reason, "`judge/a` asked for it: no");
}

#[test]
fn tx_a_member_that_asks_for_the_rollback_is_taken_back() {
    let text = "
workflow: quits
steps:
  book: { call: hall.book, undo: hall.free }
  back: { rollback: t, needs: [book] }
  after: { call: log.write, needs: [back] }
finally: { call: hall.tidy }
";
    // Whichever letters come first, it does not go on behind what it asked for.
    for seed in 0..20 {
        let mut town = Town::new(&[text]);
        town.seed = Some(seed);
        town.begin("t");
        town.start_in("quits/a", "t");
        town.answer_all();
        assert_eq!(town.asked, ["quits/a hall.book", "quits/a hall.free", "quits/a hall.tidy"]);
        assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
        assert_eq!(town.status("quits/a"), Status::Failed);
        assert_eq!(town.pending(), 0);
    }
}

#[test]
fn tx_rollback_may_be_the_undo_of_begin() {
    let text = "
workflow: update
on_failure: rollback
on_error: fail
mode: sequential
steps:
  begin: { call: transaction.begin, with: { name: t, timeout: 5m }, undo: transaction.rollback }
  backup: { call: store.save, undo: store.restore }
  deploy: { call: code.deploy, undo: code.restore }
";
    let mut town = Town::new(&[text]);
    town.start("update/a");
    town.answer("update/a", "store.save");
    town.fail("update/a", "code.deploy");
    town.answer_all();
    assert_eq!(town.asked.last().unwrap(), "update/a store.restore");
    assert_eq!(town.status("update/a"), Status::Failed);
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    assert_eq!(town.pending(), 0);
}

#[test]
fn tx_one_instance_is_in_one_open_transaction() {
    let text = "
workflow: greedy
on_error: fail
steps:
  one: { call: transaction.begin, with: { name: one } }
  two: { call: transaction.begin, with: { name: two }, needs: [one] }
";
    let mut town = Town::new(&[text]);
    town.start("greedy/a");
    assert_eq!(town.status("greedy/a"), Status::Failed);
    let told = town.trace();
    assert!(told.contains("belongs to the transaction `one` already, which is open"), "{told}");
    assert_eq!(town.stands("transaction/one"), "rolled_back (done)");
}

#[test]
fn tx_isolation_is_refused_in_words() {
    let text = "
workflow: strict
on_error: fail
steps:
  one: { call: transaction.begin, with: \"${ {'name': 't', 'isolation_level': 'strict'} }\" }
";
    let mut town = Town::new(&[text]);
    town.start("strict/a");
    assert_eq!(town.status("strict/a"), Status::Failed);
    let told = town.trace();
    assert!(told.contains("isolation `strict` is not promised"), "{told}");
}

#[test]
fn tx_join_makes_a_running_instance_a_member() {
    let text = "
workflow: guest
steps:
  before: { call: log.open, undo: log.close }
  join: { call: transaction.join, with: { name: t }, needs: [before] }
  book: { call: hall.book, needs: [join], undo: hall.free }
";
    let mut town = Town::new(&[text]);
    town.begin("t");
    town.start("guest/a");
    town.answer_all();
    assert_eq!(town.instance("guest/a").membership().unwrap().standing, Standing::Open);
    town.roll_back("t");
    town.answer_all();
    assert_eq!(town.asked.last().unwrap(), "guest/a hall.free");
    assert_eq!(town.instance("guest/a").progress.unwrap().undo.len(), 1);
}

#[test]
fn tx_a_child_that_comes_behind_the_commit_begins_outside() {
    let parent = "
workflow: parent
on_failure: rollback
steps:
  first: { call: shelf.fill, undo: shelf.clear }
  child: { needs: [first], run: order }
";
    for restart in [false, true] {
        let mut town = Town::new(&[parent, ORDER]);
        town.begin("t");
        town.start_in("parent/a", "t");
        // The child is on its way when the transaction is committed.
        town.only_answer("parent/a", "shelf.fill");
        let (key, by) = (at("transaction/t"), principal("ann"));
        let (command, reason) = (Command::Commit, "".into());
        town.only(PartitionInput::Command { key, command, by, reason });
        town.settle();
        if restart {
            town.crash();
            town.settle();
        }
        assert_eq!(town.stands("transaction/t"), "committed (done)");
        town.answer_all();
        assert_eq!(town.status("parent/a"), Status::Done, "{}", town.trace());
        let child = town.asked.iter().find_map(|it| it.strip_suffix(" stock.reserve")).unwrap();
        let child = town.instance(child);
        assert_eq!((child.status, child.transaction.is_some()), (Status::Done, false));
    }
}

#[test]
fn tx_a_child_that_comes_behind_the_rollback_never_begins() {
    let parent = "
workflow: parent
steps:
  first: { call: shelf.fill, undo: shelf.clear }
  child: { needs: [first], run: order }
";
    let mut town = Town::new(&[parent, ORDER]);
    town.begin("t");
    town.start_in("parent/a", "t");
    town.only_answer("parent/a", "shelf.fill");
    let (key, by) = (at("transaction/t"), principal("ann"));
    let (command, reason) = (Command::RollBack { from: None }, "".into());
    town.only(PartitionInput::Command { key, command, by, reason });
    town.settle();
    town.answer_all();
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)", "{}", town.trace());
    assert!(town.asked.iter().all(|it| !it.ends_with("stock.reserve")), "{}", town.trace());
}
