//! Members that fail, or are cancelled, at work; and ones that take back a part by themselves while
//! their transaction is committed (decision 0048).

use super::town::{ORDER, Town};
use crate::machine::{Command, InstanceKey, Outcome, Status, StepStatus};
use crate::partition::PartitionInput;
use crate::partition::tests::world::principal;

/// Two calls at once, each of which can be taken back; it fails with either.
const BOTH: &str = "
workflow: both
on_error: fail
steps:
  left: { call: stock.reserve, undo: stock.release }
  right: { call: bank.charge, undo: bank.refund }
";

fn statuses(town: &Town, key: &str) -> Vec<StepStatus> {
    let instance = town.instance(key);
    let steps = instance.progress.as_deref().unwrap().graphs[0].steps.iter();
    steps.map(|step| step.status).collect()
}

fn end(town: &Town, key: &str) -> String {
    town.instance(key).end().map(|end| end.words()).unwrap_or_default()
}

#[test]
fn tx_a_call_under_way_of_a_member_that_fails_is_waited_for_and_taken_back() {
    let finally = "finally: { call: log.close }\n";
    for (more, succeeds) in [("", true), ("", false), (finally, true), (finally, false)] {
        let mut town = Town::new(&[&format!("{BOTH}{more}"), &ORDER.replace("order", "other")]);
        town.begin("t");
        town.start_in("other/bb", "t");
        town.answer_all();
        town.start_in("both/a", "t");
        town.fail("both/a", "stock.reserve");
        assert_eq!(town.waiting(), ["both/a bank.charge"], "{}", town.trace());
        assert_eq!(town.status("both/a"), Status::Compensating);
        town.crash();
        town.settle();
        match succeeds {
            true => town.answer("both/a", "bank.charge"),
            false => town.fail("both/a", "bank.charge"),
        }
        town.answer_all();
        assert_eq!(town.status("both/a"), Status::Failed, "{}", town.trace());
        let count = |what: &str| town.asked.iter().filter(|it| **it == what).count();
        assert_eq!(count("both/a bank.refund"), usize::from(succeeds), "{}", town.trace());
        assert_eq!((count("both/a stock.release"), count("other/bb bank.refund")), (0, 1));
        assert_eq!(count("both/a log.close"), usize::from(!more.is_empty()));
        let right = if succeeds { StepStatus::Undone } else { StepStatus::Cancelled };
        assert_eq!(statuses(&town, "both/a"), [StepStatus::Failed, right]);
        assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
        assert_eq!(town.instance("both/a").left_out(), [] as [std::sync::Arc<str>; 0]);
        assert_eq!(town.pending(), 0);
    }
}

#[test]
fn tx_a_member_that_is_cancelled_at_work_rolls_its_transaction_back_at_once() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer("order/a", "stock.reserve");
    assert_eq!(town.order("order/a", Command::Cancel), Outcome::Done);
    assert_eq!(town.stands("transaction/t"), "rolling_back (running)");
    assert!(matches!(town.commit("t"), Outcome::Rejected { .. }));
    assert_eq!(town.waiting(), ["order/a bank.charge"], "{}", town.trace());
    town.answer("order/a", "bank.charge");
    town.answer_all();
    assert_eq!(statuses(&town, "order/a"), [StepStatus::Undone; 2], "{}", town.trace());
    assert_eq!(town.status("order/a"), Status::Cancelled);
    assert_eq!(end(&town, "order/a"), "cancelled by ann");
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    assert_eq!(town.pending(), 0);
}

/// A member that takes back its first step, while its second one is charged for good.
fn takes_back() -> Town {
    let text = "
workflow: order
on_failure: rollback
steps:
  first: { call: stock.reserve, undo: stock.release }
  second: { call: bank.charge, needs: [first], undo: bank.refund }
  third: { call: hall.book, needs: [second] }
";
    let mut town = Town::new(&[text]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer("order/a", "stock.reserve");
    town.answer("order/a", "bank.charge");
    town.fail("order/a", "hall.book");
    assert_eq!(town.waiting(), ["order/a bank.refund"], "{}", town.trace());
    town
}

#[test]
fn tx_a_commit_while_a_member_takes_back_its_graph_leaves_nothing_half_taken_back() {
    let mut town = takes_back();
    assert_eq!(town.commit("t"), Outcome::Done);
    town.crash();
    town.settle();
    town.answer("order/a", "bank.refund");
    assert_eq!(town.waiting(), ["order/a stock.release"], "{}", town.trace());
    town.answer("order/a", "stock.release");
    let undone = [StepStatus::Undone, StepStatus::Undone, StepStatus::Failed];
    assert_eq!(statuses(&town, "order/a"), undone, "{}", town.trace());
    assert_eq!(town.stands("transaction/t"), "committed (done)");
}

#[test]
fn tx_a_kill_behind_a_commit_tells_what_is_not_taken_back() {
    let mut town = takes_back();
    town.commit("t");
    let (key, by) = (InstanceKey::parse("order/a").unwrap(), principal("ann"));
    let (command, reason) = (Command::Kill, "".into());
    town.tell(PartitionInput::Command { key, command, by, reason });
    let left: Vec<_> =
        town.instance("order/a").left_out().iter().map(|it| it.to_string()).collect();
    let told = [
        "step `second` may not be taken back: `bank.refund` was under way",
        "step `first` was not taken back",
    ];
    assert_eq!(left, told, "{}", town.trace());
    assert_eq!(town.status("order/a"), Status::Cancelled);
}
