//! Transactions through crashes and in any order of letters: all, or nothing.

use proptest::prelude::*;

use super::town::{ORDER, Town};
use crate::machine::{Command, Status};

#[test]
fn tx_a_crash_in_the_middle_of_a_rollback_goes_on_with_it() {
    let mut town = Town::new(&[ORDER]);
    town.begin("t");
    town.start_in("order/a", "t");
    town.start_in("order/bb", "t");
    town.answer_all();
    town.roll_back("t");
    town.asked.clear();
    for _ in 0..4 {
        town.crash();
        town.settle();
        let waiting = town.waiting();
        assert_eq!(waiting.len(), 1, "one at a time: {waiting:?}");
        let (key, operation) = waiting[0].split_once(' ').unwrap();
        town.answer(key, operation);
    }
    assert_eq!(town.stands("transaction/t"), "rolled_back (done)");
    assert_eq!(town.pending(), 0);
}

/// Which calls that were answered were taken back: all or none of them.
fn balance(done: &[String], undone: &[String]) -> (usize, usize) {
    (done.len(), undone.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever order letters come in, whatever crashes when, whoever ends it, and whoever is
    /// killed at work or while it takes back what it did: nothing is taken back twice.
    #[test]
    fn tx_all_or_nothing(seed: u64, plan in prop::collection::vec(0_u8..12, 5..40)) {
        let text = format!("{ORDER}on_failure: rollback\non_error: fail\n");
        let mut town = Town::new(&[&text]);
        town.seed = Some(seed);
        town.begin("t");
        let (mut done, mut undone) = (Vec::new(), Vec::new());
        let keys = ["order/a", "order/bb", "order/c", "order/dd"];
        for (at, key) in keys.into_iter().enumerate() {
            if at < 2 {
                town.start_in(key, "t");
            }
        }
        let mut waiting = keys.into_iter().skip(2);
        let answer = |town: &mut Town, done: &mut Vec<String>, undone: &mut Vec<String>| {
            let Some(call) = town.waiting().into_iter().next() else { return false };
            let (key, operation) = call.split_once(' ').unwrap();
            let is_undo = operation.ends_with("refund") || operation.ends_with("release");
            if is_undo { undone.push(call.clone()) } else { done.push(call.clone()) };
            town.answer(key, operation);
            true
        };
        for choice in plan {
            match choice {
                0..=3 => { answer(&mut town, &mut done, &mut undone); }
                4 => { town.crash(); town.settle(); }
                5 => if let Some(key) = waiting.next() { town.start_in(key, "t"); },
                6 => { town.roll_back("t"); }
                7 => { town.order("order/a", Command::Cancel); }
                8 => { town.order("order/a", Command::Kill); }
                9 => { town.order("order/bb", Command::Kill); }
                10 => town.fail_if_asked("order/bb", "bank.charge"),
                _ => town.fail_if_asked("order/a", "bank.charge"),
            }
        }
        town.roll_back("t");
        while answer(&mut town, &mut done, &mut undone) {}
        prop_assert_eq!(town.stands("transaction/t"), "rolled_back (done)", "{}", town.trace());
        let (done, undone) = balance(&done, &undone);
        prop_assert_eq!(done, undone, "{}", town.trace());
        let is_undo = |it: &&String| it.ends_with("refund") || it.ends_with("release");
        for call in town.asked.iter().filter(is_undo) {
            let times = town.asked.iter().filter(|it| *it == call).count();
            prop_assert_eq!(times, 1, "{} is asked for once; {}", call, town.trace());
        }
        for key in keys.into_iter().take(2) {
            let status = town.status(key);
            prop_assert!(status.is_ended() && status != Status::Running, "{} {:?}", key, status);
        }
        prop_assert_eq!(town.pending(), 0);
    }
}
