//! Members that are told to stand still: what becomes of what is under way, and when.

use super::town::{ORDER, Town};
use crate::machine::{Clocks, Command, Status, StepStatus};

/// Where each step of an instance stands, and how many seconds behind its start it ended.
fn steps(town: &Town, key: &str) -> Vec<(StepStatus, Option<u64>)> {
    let instance = town.instance(key);
    let run = &instance.progress.as_deref().unwrap().graphs[0];
    let ended = |at: crate::machine::Timestamp| at.since_ms(instance.started_at) / 1_000;
    run.steps.iter().map(|step| (step.status, step.ended_at.map(ended))).collect()
}

#[test]
fn tx_steps_that_a_rollback_stopped_ended_then_and_not_with_the_transaction() {
    let text = format!("{ORDER}  told: {{ call: log.tell, needs: [reserve] }}\n");
    let mut town = Town::new(&[&text]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.pass(1_000);
    town.answer("order/a", "stock.reserve");
    town.pass(1_000);
    town.roll_back("t");
    let cut = (StepStatus::Cancelled, Some(2));
    let reserved = (StepStatus::Completed, Some(1));
    assert_eq!(steps(&town, "order/a"), [reserved, (StepStatus::Running, None), cut]);
    town.pass(2_000);
    town.answer("order/a", "bank.charge");
    assert_eq!(steps(&town, "order/a")[1], (StepStatus::Completed, Some(4)));
    town.pass(3_000);
    town.crash();
    town.answer_all();
    let undone = |at| (StepStatus::Undone, Some(at));
    assert_eq!(steps(&town, "order/a"), [undone(1), undone(4), cut]);
    assert_eq!(town.status("order/a"), Status::Failed);
}

#[test]
fn tx_a_call_that_was_not_sent_is_given_up_and_not_taken_back() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer("order/a", "stock.reserve");
    town.roll_back("t");
    assert_eq!(town.waiting(), ["order/a bank.charge"]);
    town.pass(1_000);
    town.give_up();
    assert_eq!(town.waiting(), ["order/a stock.release"], "{}", town.trace());
    town.answer_all();
    assert_eq!(steps(&town, "order/a")[1], (StepStatus::Cancelled, Some(1)));
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
}

#[test]
fn tx_what_was_answered_while_a_member_was_paused_is_taken_back_where_it_is_killed() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer("order/a", "stock.reserve");
    town.order("order/a", Command::Pause { clocks: Clocks::Freeze });
    town.answer("order/a", "bank.charge");
    town.asked.clear();
    town.order("order/a", Command::Kill);
    assert_eq!(steps(&town, "order/a")[1].0, StepStatus::Completed);
    town.answer_all();
    assert_eq!(town.asked, ["order/a bank.refund", "order/a stock.release"], "{}", town.trace());
    assert_eq!(town.status("order/a"), Status::Cancelled);
    assert_eq!(steps(&town, "order/a")[1].0, StepStatus::Undone);
}

#[test]
fn tx_other_regions_of_a_member_stop_behind_a_rollback_of_its_own() {
    let text = "
workflow: order
states:
  both:
    parallel:
      left:
        states:
          work:
            on_failure: rollback
            steps:
              one: { call: p.one, undo: p.un_one }
              two: { call: p.two, needs: [one] }
      right:
        states:
          ask: { entry: [ { call: p.ask, undo: p.unask } ] }
";
    let mut town = Town::new(&[text]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.answer("order/a", "p.one");
    town.fail("order/a", "p.two");
    assert_eq!(town.waiting(), ["order/a p.ask", "order/a p.un_one"]);
    town.roll_back("t");
    town.answer("order/a", "p.un_one");
    // What is under way in the other region may still be done.
    assert_eq!(town.stands("transaction/t"), "rolling_back (running)", "{}", town.trace());
    town.answer("order/a", "p.ask");
    assert_eq!(town.waiting(), ["order/a p.unask"], "{}", town.trace());
    town.answer_all();
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    assert_eq!(town.status("order/a"), Status::Failed);
}
