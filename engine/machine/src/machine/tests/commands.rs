//! Rule 20 and 01 §10: operators' orders.

use super::check;
use super::check::{World, definition};

const CHART: &str = "
workflow: t
initial: a
vars: { n: 0 }
states:
  a:
    entry: { call: p.one }
    exit: { publish: bye.x }
    on: { go: { do: { set: { n: 1 / vars.n } } }, fine: b }
  b: {}
";

#[test]
fn retry_and_skip_need_a_stuck_instance() {
    check(
        CHART,
        &["start", "command retry", "command skip"],
        "
        1 start -> call p.one | a
        2 command retry -> - | a !rejected the instance is not stuck
        3 command skip -> - | a !rejected the instance is not stuck
    ",
    );
}

#[test]
fn rule_20_cancel_of_a_stuck_instance_runs_exits_and_keeps_what_was_parked() {
    let mut world = World::new(definition(CHART));
    ["start", "event go", "event fine", "command cancel"].iter().for_each(|line| world.run(line));
    let last = world.out.lines().last().unwrap();
    assert_eq!(
        last,
        "4 command cancel -> publish bye.x, cancel p.one, dead_letter fine | a cancelled"
    );
}

#[test]
fn rule_20_kill_runs_nothing() {
    check(
        CHART,
        &["start", "command kill"],
        "
        1 start -> call p.one | a
        2 command kill -> cancel p.one | a cancelled
    ",
    );
}

#[test]
fn a_start_that_was_rolled_back_can_be_retried_but_not_skipped() {
    let text = "
workflow: t
initial: a
limits: { actions: 2 }
states:
  a: { entry: { each: { in: input.list, as: x, do: { log: { label: x, value: 1 } } } } }
";
    let script =
        ["start {list: [1, 2, 3]}", "event x", "command skip", "command retry", "command cancel"];
    check(
        text,
        &script,
        "
        1 start -> - |  stuck (actions exceed the limit of 2) !rolled back
        2 x -> - |  stuck (actions exceed the limit of 2) !deferred
        3 command skip -> - |  stuck (actions exceed the limit of 2) !rejected \
            the start cannot be skipped: retry, cancel or kill
        4 command retry -> - |  stuck (actions exceed the limit of 2) !rolled back
        5 command cancel -> dead_letter x |  cancelled
    ",
    );
}

#[test]
fn decide_waits_until_the_instance_goes_on() {
    let mut world = World::new(definition(CHART));
    ["start", "event go", "command decide approve"].iter().for_each(|line| world.run(line));
    assert!(world.out.ends_with("!rejected the instance is stuck: retry or skip first\n"));
}
