//! Step graphs: waiting, time, room and leaving (decision 0023).

use super::check;

#[test]
fn a_step_waits_for_an_event_and_a_deadline_bounds_it() {
    let text = "
workflow: t
events: [paid]
mode: sequential
steps:
  ask: { call: p.ask }
  pay: { wait: paid, when: \"true\", deadline: 1h, on_failure: skip }
  ship: { call: p.ship, with: { n: \"${ has(steps.pay) ? steps.pay.amount : 0 }\" } }
";
    check(
        text,
        &["start", "reply p.ask", "event paid {amount: 5}", "reply p.ship"],
        "
        1 start -> call p.ask | steps
        2 reply p.ask -> - | steps
        3 paid -> call p.ship | steps
        4 reply p.ship -> - | done done
    ",
    );
    check(
        text,
        &["start", "reply p.ask", "advance 1h", "event paid", "reply p.ship"],
        "
        1 start -> call p.ask | steps
        2 reply p.ask -> - | steps
        3 timer steps -> call p.ship | steps
        4 paid -> - | steps !ignored unhandled
        5 reply p.ship -> - | done done
    ",
    );
}

#[test]
fn an_event_that_comes_before_its_step_waits_for_it() {
    let text = "
workflow: t
events: [paid, other]
mode: sequential
steps:
  ask: { call: p.ask }
  pay: { wait: paid }
  ship: { call: p.ship, with: { n: \"${ steps.pay.amount }\" } }
";
    check(
        text,
        &["start", "event paid {amount: 5}", "event other", "reply p.ask", "event paid"],
        "
        1 start -> call p.ask | steps
        2 paid -> - | steps !deferred
        3 other -> - | steps !ignored unhandled
        4 reply p.ask -> call p.ship | steps
        5 paid -> - | steps !ignored unhandled
    ",
    );
}

#[test]
fn the_graph_as_a_whole_may_be_bounded() {
    let text = "
workflow: t
timeout: 10s
on_error: fail
steps:
  a: { call: p.a }
  b: { call: p.b, needs: [a] }
";
    check(
        text,
        &["start", "reply p.a", "advance 10s"],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.b | steps
        3 timer steps -> cancel p.b | steps failed
    ",
    );
}

#[test]
fn a_step_runs_another_workflow() {
    let text = "
workflow: t
mode: sequential
steps:
  sub: { run: other, with: { x: 1 } }
  after: { call: p.after }
";
    check(
        text,
        &["start"],
        "
        1 start -> invoke other | steps
    ",
    );
}

#[test]
fn max_parallel_bounds_the_steps_at_once() {
    let text = "
workflow: t
mode: parallel
max_parallel: 2
steps:
  a: { call: p.a }
  b: { call: p.b }
  c: { call: p.c }
";
    check(
        text,
        &["start", "reply p.b", "reply p.a", "reply p.c"],
        "
        1 start -> call p.a, call p.b | steps
        2 reply p.b -> call p.c | steps
        3 reply p.a -> - | steps
        4 reply p.c -> - | done done
    ",
    );
}

#[test]
fn leaving_the_state_cancels_what_runs_and_cleans_up_behind() {
    let text = "
workflow: t
initial: work
states:
  work:
    steps: { a: { call: p.a }, b: { needs: [a], call: p.b } }
    finally: { call: p.clean }
    on: { stop: idle }
    done: idle
  idle: {}
";
    check(
        text,
        &["start", "event stop", "reply p.clean"],
        "
        1 start -> call p.a | work
        2 stop -> cancel p.a, call p.clean | idle
        3 reply p.clean -> - | idle
    ",
    );
}

#[test]
fn rule_20_finally_that_fails_without_a_call_does_not_keep_a_failure_from_its_end() {
    let text = "
workflow: flow
version: 1
on_error: fail
vars: { x: 0 }
mode: sequential
steps:
  a: { call: q.a }
  b: { set: { x: \"1 / int(vars.x)\" } }
finally: { set: { x: \"1 / int(vars.x)\" } }
";
    check(
        text,
        &["start", "reply q.a"],
        "
        1 start -> call q.a | steps
        2 reply q.a -> - | steps failed
    ",
    );
}
