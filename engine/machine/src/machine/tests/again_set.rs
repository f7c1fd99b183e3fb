//! `retry` where what came could not be kept: the `set:` is done again, and nothing is asked for
//! again (rule 20).

use super::check::check;

const RATED: &str = "
workflow: t
vars: { rate: null, total: 0 }
steps:
  a: { call: p.a, undo: p.una, set: { total: vars.rate * output.n } }
  b: { needs: [a], call: p.b }
";

#[test]
fn rule_20_a_step_whose_set_failed_keeps_its_reply_and_is_not_asked_again() {
    check(
        RATED,
        &[
            "start",
            "reply p.a {n: 3}",
            "command retry",
            "command set {rate: 2}",
            "command retry",
            "vars",
            "command rollback",
        ],
        "
        1 start -> call p.a | steps
        2 reply p.a -> - | steps stuck (error.platform.invoke.steps.a: `mul` does not take (null, int))
        3 command retry -> - | steps stuck (error.platform.invoke.steps.a: `mul` does not take (null, int)) !rolled back
        4 command set -> - | steps stuck (error.platform.invoke.steps.a: `mul` does not take (null, int))
        5 command retry -> call p.b | steps
        {\"rate\":2,\"total\":6}
        6 command rollback -> cancel p.b, call p.una | steps compensating
    ",
    );
}

#[test]
fn rule_20_skip_leaves_such_a_step_out_and_forgets_the_reply() {
    check(
        RATED,
        &["start", "reply p.a {n: 3}", "command skip"],
        "
        1 start -> call p.a | steps
        2 reply p.a -> - | steps stuck (error.platform.invoke.steps.a: `mul` does not take (null, int))
        3 command skip -> call p.b | steps
    ",
    );
}

#[test]
fn rule_20_an_event_whose_set_failed_is_not_waited_for_again() {
    let text = "
workflow: t
mode: pipeline
vars: { rate: null, total: 0 }
events: [go]
steps:
  a: { call: p.a }
  w: { wait: go, set: { total: vars.rate * data.n } }
";
    check(
        text,
        &[
            "start",
            "reply p.a {n: 100}",
            "event go {n: 3}",
            "command set {rate: 2}",
            "command retry",
            "vars",
        ],
        "
        1 start -> call p.a | steps
        2 reply p.a -> - | steps
        3 go -> - | steps stuck (error.platform.invoke.steps.w: `mul` does not take (null, int)) !rolled back
        4 command set -> - | steps stuck (error.platform.invoke.steps.w: `mul` does not take (null, int))
        5 command retry -> - | done done
        {\"rate\":2,\"total\":6}
    ",
    );
}

#[test]
fn rule_20_finally_whose_set_failed_does_not_call_again() {
    let text = "
workflow: t
vars: { rate: null, total: 0 }
steps:
  a: { call: p.a }
finally: { call: p.clean, set: { total: vars.rate * output.n } }
";
    check(
        text,
        &[
            "start",
            "reply p.a",
            "reply p.clean {n: 3}",
            "command set {rate: 2}",
            "command retry",
            "vars",
        ],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.clean | steps
        3 reply p.clean -> - | steps stuck (`finally`: error.execution.assign: `mul` does not take (null, int))
        4 command set -> - | steps stuck (`finally`: error.execution.assign: `mul` does not take (null, int))
        5 command retry -> - | done done
        {\"rate\":2,\"total\":6}
    ",
    );
}
