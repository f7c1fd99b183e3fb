//! Begin, commit, rollback: what they do, and what they refuse.

use super::town::{ORDER, Town, refusal};
use crate::machine::{Command, Outcome, Standing, Status, StepStatus};

/// A transaction with two members in two partitions, whose calls were all answered, in turns.
fn two_members() -> Town {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.start_in("order/bb", "t");
    town.answer("order/a", "stock.reserve");
    town.answer("order/bb", "stock.reserve");
    town.answer("order/a", "bank.charge");
    town.answer("order/bb", "bank.charge");
    town
}

#[test]
fn tx_members_begin_when_the_transaction_has_them() {
    let mut town = Town::new(&[ORDER]);
    assert!(matches!(town.begin("t"), Outcome::Started { .. }));
    assert_eq!(town.stands("transaction/t"), "open (running)");
    assert!(matches!(town.start_in("order/a", "t"), Outcome::Started { .. }));
    assert_eq!(town.status("order/a"), Status::Running);
    assert_eq!(town.asked, ["order/a stock.reserve"]);
    let scope = town.instance("transaction/t").transaction_scope().unwrap().clone();
    assert_eq!(scope.members.len(), 1);
    town.answer_all();
    let scope = town.instance("transaction/t").transaction_scope().unwrap().clone();
    let what: Vec<_> = scope.entries.iter().map(|entry| &*entry.what).collect();
    assert_eq!(what, ["reserve", "charge"]);
    assert_eq!(town.pending(), 0);
}

#[test]
fn tx_rollback_takes_back_newest_first_over_all_members() {
    let mut town = two_members();
    assert_eq!(town.status("order/a"), Status::Done);
    town.asked.clear();
    assert_eq!(town.roll_back("t"), Outcome::Done);
    // One at a time: the next begins when the one before is taken back.
    assert_eq!(town.waiting(), ["order/bb bank.refund"]);
    assert_eq!(town.stands("transaction/t"), "rolling_back (running)");
    assert_eq!(town.status("order/bb"), Status::Compensating);
    town.answer_all();
    assert_eq!(
        town.asked,
        [
            "order/bb bank.refund",
            "order/a bank.refund",
            "order/bb stock.release",
            "order/a stock.release",
        ]
    );
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    // Ended members stay as they ended, and show what was undone.
    for key in ["order/a", "order/bb"] {
        let instance = town.instance(key);
        assert_eq!(instance.status, Status::Done, "{key}");
        assert_eq!(instance.membership().unwrap().standing, Standing::RolledBack);
        let progress = instance.progress.as_deref().unwrap();
        assert!(progress.undo.is_empty() && progress.rollback.is_none());
        let steps = progress.graphs[0].steps.iter();
        assert!(steps.map(|step| step.status).all(|it| it == StepStatus::Undone), "{key}");
        assert_eq!(instance.timers.len(), 1, "it is forgotten in time");
    }
    assert_eq!(town.pending(), 0);
}

#[test]
fn tx_commit_forgets_compensations() {
    let mut town = two_members();
    assert_eq!(town.instance("order/a").timers.len(), 0, "nothing is forgotten before the end");
    assert_eq!(town.commit("t"), Outcome::Done);
    assert_eq!(town.stands("transaction/t"), "committed (done)");
    for key in ["order/a", "order/bb"] {
        let instance = town.instance(key);
        assert_eq!(instance.membership().unwrap().standing, Standing::Committed);
        assert!(instance.progress.as_deref().unwrap().undo.is_empty());
        assert_eq!(instance.timers.len(), 1);
    }
    let reason = refusal(&town.order("order/a", Command::RollBack { from: None }));
    assert_eq!(reason, "transaction `t` is committed: what the instance did in it stays");
    let reason = refusal(&town.roll_back("t"));
    assert_eq!(reason, "transaction `t` is committed: what its members did stays");
    let reason = refusal(&town.commit("t"));
    assert_eq!(reason, "transaction `t` is committed: what its members did stays");
    assert_eq!(town.waiting(), [""; 0]);
}

#[test]
fn tx_rollback_of_one_member_is_refused_while_open_and_after_the_commit() {
    let waits = "
workflow: waits
initial: one
states:
  one: { entry: { call: bank.charge, undo: bank.refund }, on: { go: two } }
  two: { final: true }
";
    let mut town = Town::new(&[waits]);
    town.begin("t");
    town.start_in("waits/a", "t");
    town.answer_all();
    let rollback = || Command::RollBack { from: None };
    let reason = refusal(&town.order("waits/a", rollback()));
    assert_eq!(reason, "the instance belongs to the transaction `t`: roll that back");
    town.commit("t");
    let reason = refusal(&town.order("waits/a", rollback()));
    assert_eq!(reason, "transaction `t` is committed: what the instance did in it stays");
    town.event("waits/a", "go");
    assert_eq!(town.stands("waits/a"), "two (done)");
}

#[test]
fn tx_begin_again_is_idempotent_with_the_same_options_only() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    assert!(matches!(town.begin("t"), Outcome::Duplicate { .. }));
    let reason = refusal(&town.order("transaction/t", Command::Begin { timeout_ms: 5 }));
    assert_eq!(reason, "transaction `t` is open already, with a timeout of 1m");
    town.commit("t");
    // A name is free again once its transaction is over.
    assert!(matches!(town.begin("t"), Outcome::Started { .. }));
    assert_eq!(town.instance("transaction/t").generation.0, 2);
}

#[test]
fn tx_a_transaction_that_nobody_ended_is_rolled_back_by_itself() {
    let mut town = two_members();
    town.pass(59_000);
    assert_eq!(town.stands("transaction/t"), "open (running)");
    town.pass(1_000);
    town.answer_all();
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    let reason = town.instance("transaction/t").transaction_scope().unwrap().reason.to_string();
    assert_eq!(reason, "it was open for 1m, its timeout");
    assert!(town.asked.contains(&"order/a bank.refund".to_owned()));
    let reason = refusal(&town.commit("t"));
    assert_eq!(reason, "transaction `t` is rolled back");
}

#[test]
fn tx_unknown_and_ended_transactions_have_no_members() {
    let mut town = Town::new(&[ORDER]);
    assert!(matches!(town.commit("t"), Outcome::NotFound { .. }));
    assert!(matches!(town.roll_back("t"), Outcome::NotFound { .. }));
    town.start_in("order/a", "t");
    assert!(!town.has("order/a"), "nothing was started");
    town.begin("t");
    town.commit("t");
    town.start_in("order/bb", "t");
    assert!(!town.has("order/bb"), "nothing was started");
    assert_eq!((town.asked.len(), town.pending()), (0, 0));
    // The key is free, and its lives are counted on.
    town.start("order/bb");
    assert_eq!(town.instance("order/bb").generation.0, 2);
}

#[test]
fn tx_nothing_else_is_done_with_a_transaction() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    for command in [
        Command::Cancel,
        Command::Kill,
        Command::Retry,
        Command::Set { values: Vec::new() },
        Command::RollBack { from: Some("x".into()) },
    ] {
        let reason = refusal(&town.order("transaction/t", command));
        assert_eq!(reason, "a transaction is committed or rolled back, and nothing else");
    }
    for outcome in [town.start("transaction/u"), town.start_in("transaction/u", "t")] {
        assert!(matches!(outcome, Outcome::NotFound { .. }), "{outcome:?}");
    }
    // Not even the engine's own words, said by somebody else.
    town.event("transaction/t", "transaction.commit");
    assert_eq!(town.stands("transaction/t"), "open (running)");
}
