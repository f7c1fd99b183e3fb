//! What was committed is final: a rollback behind that takes back what came later, and `retry` and
//! forks do that again and nothing else (decision 0064).

use super::town::Town;
use crate::machine::{Command, ItemState, StepState, StepStatus};

/// Five items, one after the other.
const FS: &str = "
workflow: fs
steps:
  fan:
    foreach: { in: '[1, 2, 3, 4, 5]', as: it, max_parallel: 1 }
    call: shelf.fill
    with: { n: \"${ it }\" }
    undo: shelf.clear
  w: { needs: [fan], wait: go }
";

/// What it did before it begins a transaction is not in that.
const LATE: &str = "
workflow: late
steps:
  before: { call: log.open, undo: log.close }
  gate: { wait: begin }
  begin: { begin: { name: t }, needs: [gate] }
  book: { call: hall.book, needs: [before, begin], undo: hall.free }
  commit: { commit: t, needs: [book] }
  more: { call: hall.more, needs: [before, commit], undo: hall.less }
  last: { wait: go, needs: [more] }
";

fn step(town: &Town, key: &str, at: usize) -> StepState {
    let progress = town.instance(key).progress.unwrap();
    progress.graphs[0].steps.get(at).unwrap().clone()
}

fn count(town: &Town, what: &str) -> usize {
    town.asked.iter().filter(|it| it.ends_with(what)).count()
}

/// Three items are committed, the others are not.
fn committed() -> Town {
    let mut town = Town::new(&[FS]);
    town.begin("t");
    town.start_in("fs/a", "t");
    (0..3).for_each(|_| town.answer("fs/a", "shelf.fill"));
    town.commit("t");
    assert_eq!(town.stands("transaction/t"), "committed (done)");
    town.crash();
    town.settle();
    town
}

fn undone(town: &Town) -> Vec<usize> {
    let fan = step(town, "fs/a", 0).fan.unwrap();
    let items = fan.items.iter().enumerate();
    items.filter(|(_, it)| matches!(it, ItemState::Undone)).map(|(at, _)| at).collect()
}

#[test]
fn tx_items_that_were_committed_stay_and_retry_does_the_others_again() {
    for cut_off in [false, true] {
        let mut town = committed();
        (0..if cut_off { 1 } else { 2 }).for_each(|_| town.answer("fs/a", "shelf.fill"));
        town.order("fs/a", Command::RollBack { from: None });
        if cut_off {
            town.fail("fs/a", "shelf.fill");
        }
        town.answer_all();
        let back = if cut_off { vec![3] } else { vec![3, 4] };
        assert_eq!(undone(&town), back, "{}", town.trace());
        assert_eq!(count(&town, "shelf.clear"), back.len());
        let fan = step(&town, "fs/a", 0);
        assert_ne!(fan.status, StepStatus::Undone);
        assert_eq!(fan.committed_in(2).map(|name| &**name), Some("t"));
        assert_eq!(fan.committed_in(3), None);
        town.crash();
        town.settle();
        let before = count(&town, "shelf.fill");
        town.order("fs/a", Command::Retry);
        town.answer_all();
        assert_eq!(count(&town, "shelf.fill") - before, 2, "{}", town.trace());
        let fan = step(&town, "fs/a", 0);
        assert_eq!(fan.status, StepStatus::Completed);
        assert_eq!(fan.output.as_list().map(|list| list.len()), Some(5));
        // Once more: what is committed still is.
        town.order("fs/a", Command::RollBack { from: None });
        town.answer_all();
        assert_eq!(undone(&town), [3, 4], "{}", town.trace());
    }
}

#[test]
fn tx_a_cancel_behind_a_commit_takes_back_what_came_later_and_is_no_undone() {
    let mut town = committed();
    (0..2).for_each(|_| town.answer("fs/a", "shelf.fill"));
    town.order("fs/a", Command::Cancel);
    town.answer_all();
    assert_eq!(undone(&town), [3, 4], "{}", town.trace());
    assert_eq!(step(&town, "fs/a", 0).status, StepStatus::Completed);
}

#[test]
fn tx_a_committed_step_keeps_its_result_when_what_it_needs_is_done_again() {
    let mut town = Town::new(&[LATE]);
    town.start("late/a");
    town.answer_all();
    town.event("late/a", "begin");
    town.answer_all();
    assert_eq!(town.stands("transaction/t"), "committed (done)", "{}", town.trace());
    town.order("late/a", Command::RollBack { from: None });
    town.answer_all();
    let undone = [count(&town, "log.close"), count(&town, "hall.less"), count(&town, "hall.free")];
    assert_eq!(undone, [1, 1, 0], "{}", town.trace());
    town.order("late/a", Command::Retry);
    town.answer_all();
    let done = [count(&town, "log.open"), count(&town, "hall.more"), count(&town, "hall.book")];
    assert_eq!(done, [2, 2, 1], "{}", town.trace());
    town.event("late/a", "go");
    assert!(town.status("late/a").is_ended(), "{}", town.trace());
    assert_eq!(step(&town, "late/a", 3).status, StepStatus::Completed);
}
