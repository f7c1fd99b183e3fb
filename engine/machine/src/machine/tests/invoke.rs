//! Rules 35 and 37: the calls of one `invoke:`, all asked at once.

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
