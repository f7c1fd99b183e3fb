//! Rules 35 to 37: the calls of `invoke:`, all asked at once, of states of every kind.

use super::check;

const BOTH: &str = "
workflow: t
initial: a
vars: { stock: 0, van: 0 }
states:
  a:
    invoke:
      - { id: stock, call: stock.reserve, set: { stock: output.n } }
      - { id: van, call: fleet.book, set: { van: output.n } }
    done: b
    on: { error.platform.invoke.van: f }
  b: { entry: { log: { label: both, value: \"${ [vars.stock, vars.van] }\" } } }
  f: { entry: { log: { label: both, value: \"${ [vars.stock, vars.van] }\" } } }
";

#[test]
fn rule_35_calls_of_one_invoke_are_asked_at_once_and_done_together() {
    check(
        BOTH,
        &["start", "reply fleet.book {n: 2}", "reply stock.reserve {n: 1}"],
        "
        1 start -> call stock.reserve, call fleet.book | a
        2 reply fleet.book -> - | a
        3 reply stock.reserve -> both=[1,2] | b
    ",
    );
}

#[test]
fn rule_35_one_of_several_calls_fails_and_the_other_is_cancelled() {
    check(
        BOTH,
        &["start", "fail fleet.book permanent no van"],
        "
        1 start -> call stock.reserve, call fleet.book | a
        2 reply fleet.book -> cancel stock.reserve, both=[0,0] | f
    ",
    );
}

#[test]
fn rule_37_each_call_keeps_its_own_reply_only() {
    check(
        BOTH,
        &["start", "reply stock.reserve {n: 1}", "vars", "reply fleet.book {n: 2}"],
        "
        1 start -> call stock.reserve, call fleet.book | a
        2 reply stock.reserve -> - | a
          {\"stock\":1,\"van\":0}
        3 reply fleet.book -> both=[1,2] | b
    ",
    );
}

/// A parallel state, one of its regions and the state in there: each waits for a call.
const AROUND: &str = "
workflow: t
initial: p
vars: { got: [] }
states:
  p:
    invoke: { id: outer, call: o.outer, set: { got: \"vars.got + [output.n]\" } }
    parallel:
      q:
        invoke: { id: middle, call: o.middle, set: { got: \"vars.got + [output.n]\" } }
        states:
          r: { invoke: { id: inner, call: o.inner }, done: s }
          s: { final: true }
      u: { states: { v: { on: { over: w } }, w: { final: true } } }
    failed: f
    done: d
    on: { done.invoke.outer: { do: { log: { label: outer, value: \"${ vars.got }\" } } } }
  d: { entry: { log: done } }
  f: { entry: { log: failed } }
";

#[test]
fn rule_35_a_parallel_state_invokes_and_is_done_by_its_regions_only() {
    check(
        AROUND,
        &[
            "start",
            "reply o.outer {n: 1}",
            "reply o.middle {n: 2}",
            "reply o.inner {n: 3}",
            "vars",
            "event over",
        ],
        "
        1 start -> call o.outer, call o.middle, call o.inner | r v
        2 reply o.outer -> outer=[1] | r v
        3 reply o.middle -> - | r v
        4 reply o.inner -> - | s v
          {\"got\":[1,2]}
        5 over -> =\"done\" | d
    ",
    );
}

#[test]
fn rule_36_a_parallel_state_that_fails_takes_the_calls_inside_with_it() {
    check(
        AROUND,
        &["start", "fail o.outer permanent gone"],
        "
        1 start -> call o.outer, call o.middle, call o.inner | r v
        2 reply o.outer -> cancel o.inner, cancel o.middle, =\"failed\" | f
    ",
    );
}
