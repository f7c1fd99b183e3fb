//! `retry` where what came could not be kept: the `set:` is done again, and nothing is asked for
//! again (rule 20).

use super::check::{World, check, definition};
use crate::machine::{CallOutcome, ErrorKind, Input};
use crate::value::{Map, Value};

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

#[test]
fn rule_20_items_whose_set_failed_keep_their_replies_and_are_not_asked_again() {
    let text = "
workflow: t
vars: { rate: null, total: 0 }
steps:
  all:
    foreach: { in: input.list, as: it, collect: all }
    call: p.one
    undo: p.un_one
    with: { v: \"${ it }\" }
    set: { total: vars.total + vars.rate * output.n }
  b: { needs: [all], call: p.b }
";
    let mut world = World::new(definition(text));
    world.run("start {list: [1, 2, 3]}");
    let calls = world.calls.clone();
    for (call, n) in calls.iter().zip([10, 20, 30]) {
        let outcome = if n == 20 {
            CallOutcome::Failure {
                kind: ErrorKind::Permanent,
                code: "".into(),
                message: "no".into(),
                retry_after_ms: None,
            }
        } else {
            CallOutcome::Success(Map::from_iter([("n", Value::Int(n))]).into())
        };
        world.tell(&Input::CallReply { call: call.call, attempt: 1, outcome });
    }
    assert!(world.out.contains("3 of 3 items failed"), "{}", world.out);
    // Still in vain: what came stays, and only the item whose call failed is asked again.
    world.run("command retry");
    assert_eq!(world.calls.len(), 4, "{}", world.out);
    world.run("fail p.one permanent no");
    assert!(world.out.contains("3 of 3 items failed: item 0: `mul`"), "{}", world.out);
    world.run("command set {rate: 2}");
    world.run("command retry");
    assert_eq!(world.calls.len(), 5, "{}", world.out);
    world.run("reply p.one {n: 20}");
    assert!(world.out.ends_with("reply p.one -> call p.b | steps\n"), "{}", world.out);
    world.run("vars");
    assert!(world.out.ends_with("{\"rate\":2,\"total\":120}\n"), "{}", world.out);
    // Each was done once, and is taken back once.
    let undo =
        |world: &World| world.instance.as_ref().unwrap().progress.as_ref().unwrap().undo.len();
    assert_eq!(undo(&world), 3);
}

#[test]
fn rule_20_the_item_of_first_error_whose_set_failed_is_not_asked_again() {
    let text = "
workflow: t
vars: { rate: null, total: 0 }
steps:
  all:
    foreach: { in: input.list, as: it, max_parallel: 1, collect: first_error }
    call: p.one
    with: { v: \"${ it }\" }
    set: { total: vars.total + vars.rate * output.n }
";
    check(
        text,
        &[
            "start {list: [1, 2]}",
            "reply p.one {n: 3}",
            "command set {rate: 2}",
            "command retry",
            "reply p.one {n: 5}",
            "vars",
        ],
        "
        1 start -> call p.one | steps
        2 reply p.one -> - | steps stuck (error.platform.invoke.steps.all: item 0: \
            `mul` does not take (null, int))
        3 command set -> - | steps stuck (error.platform.invoke.steps.all: item 0: \
            `mul` does not take (null, int))
        4 command retry -> call p.one | steps
        5 reply p.one -> - | done done
        {\"rate\":2,\"total\":16}
    ",
    );
}
