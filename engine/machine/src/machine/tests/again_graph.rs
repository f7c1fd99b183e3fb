//! `retry` and `skip` of whole graphs: timeouts, needs that cannot be met, rollbacks by hand.

use super::again::{play, steps};
use super::check;
use super::check::{World, definition};
use crate::machine::StepStatus;

const BOUNDED: &str = "
workflow: t
timeout: 10s
events: [go]
steps:
  a: { call: p.a }
  w: { needs: [a], wait: go }
";

#[test]
fn rule_20_retry_after_the_timeout_of_all_steps_runs_those_cut_off_with_the_timeout_anew() {
    check(
        BOUNDED,
        &[
            "start",
            "reply p.a",
            "advance 10s",
            "command retry",
            "advance 10s",
            "command retry",
            "event go",
        ],
        "
        1 start -> call p.a | steps
        2 reply p.a -> - | steps
        3 timer steps -> - | steps stuck (error.communication.invoke.steps.timeout: the steps together took longer than 10s)
        4 command retry -> - | steps
        5 timer steps -> - | steps stuck (error.communication.invoke.steps.timeout: the steps together took longer than 10s)
        6 command retry -> - | steps
        7 go -> - | done done
    ",
    );
}

#[test]
fn rule_20_skip_after_the_timeout_of_all_steps_leaves_those_cut_off_out() {
    check(
        BOUNDED,
        &["start", "advance 10s", "command skip"],
        "
        1 start -> call p.a | steps
        2 timer steps -> cancel p.a | steps stuck (error.communication.invoke.steps.timeout: the steps together took longer than 10s)
        3 command skip -> - | done done
    ",
    );
    let skipped = play(BOUNDED, &["start", "reply p.a", "advance 10s", "command skip"]);
    assert_eq!(skipped, [StepStatus::Completed, StepStatus::Skipped]);
}

#[test]
fn rule_20_the_timeout_of_a_state_and_finally_behind_it() {
    let text = "
workflow: t
states:
  s:
    timeout: 10s
    steps: { a: { call: p.a }, b: { needs: [a], run: other } }
    finally: { call: p.clean }
    done: e
  e: { final: true }
";
    let late = "2 timer steps -> cancel p.a | s stuck \
        (error.communication.invoke.s.timeout: the steps together took longer than 10s)";
    check(
        text,
        &["start", "advance 10s", "command retry", "reply p.a"],
        &format!(
            "
        1 start -> call p.a | s
        {late}
        3 command retry -> call p.a | s
        4 reply p.a -> invoke other | s
    "
        ),
    );
    check(
        text,
        &["start", "advance 10s", "command skip", "reply p.clean"],
        &format!(
            "
        1 start -> call p.a | s
        {late}
        3 command skip -> call p.clean | s
        4 reply p.clean -> - | e done
    "
        ),
    );
    check(
        &text.replace("done: e", "failed: idle\n    done: e\n  idle: {}"),
        &["start", "advance 10s", "reply p.clean"],
        "
        1 start -> call p.a | s
        2 timer steps -> cancel p.a, call p.clean | idle
        3 reply p.clean -> - | idle
    ",
    );
    check(
        &text.replace("workflow: t", "workflow: t\non_error: fail"),
        &["start", "advance 10s", "reply p.clean"],
        "
        1 start -> call p.a | s
        2 timer steps -> cancel p.a, call p.clean | s compensating
        3 reply p.clean -> - | s failed
    ",
    );
}

#[test]
fn rule_20_a_child_cut_off_by_the_timeout_is_started_anew_by_retry() {
    let text = "
workflow: t
timeout: 10s
steps: { b: { run: other } }
";
    let mut world = World::new(definition(text));
    ["start", "advance 10s", "command retry"].iter().for_each(|line| world.run(line));
    assert!(world.out.ends_with("3 command retry -> invoke other | steps\n"), "{}", world.out);
    assert_eq!(steps(&world), [StepStatus::Running]);
}

#[test]
fn rule_20_items_and_steps_that_were_done_before_the_timeout_are_not_repeated() {
    let text = "
workflow: t
timeout: 10s
steps:
  a: { call: p.a }
  b: { call: p.b, on_failure: fallback, fallback: plan }
  plan: { call: p.plan }
  j: { needs: { any: [a, b] }, call: p.j }
  f: { foreach: { in: \"[1, 2]\", max_parallel: 1 }, call: p.f }
";
    check(
        text,
        &[
            "start",
            "reply p.a",
            "reply p.j",
            "reply p.f",
            "fail p.b permanent no",
            "advance 10s",
            "command retry",
            "reply p.f",
            "reply p.plan",
        ],
        "
        1 start -> call p.a, call p.b, call p.f | steps
        2 reply p.a -> call p.j | steps
        3 reply p.j -> - | steps
        4 reply p.f -> call p.f | steps
        5 reply p.b -> call p.plan | steps
        6 timer steps -> cancel p.f, cancel p.plan | steps stuck (error.communication.invoke.steps.timeout: the steps together took longer than 10s)
        7 command retry -> call p.plan, call p.f | steps
        8 reply p.f -> - | steps
        9 reply p.plan -> - | done done
    ",
    );
}

const TWO_OF_THREE: &str = "
workflow: t
steps:
  a: { call: p.a, optional: true }
  b: { call: p.b, on_failure: skip }
  d: { call: p.d }
  c: { needs: { n_of: 2, of: [a, b, d] }, call: p.c }
  z: { needs: [c], call: p.z }
";

#[test]
fn rule_20_retry_of_a_need_that_cannot_be_met_runs_the_failed_steps_again() {
    let script = [
        "start",
        "reply p.d",
        "fail p.a permanent no",
        "fail p.b permanent no",
        "command retry",
        "fail p.a permanent no",
        "fail p.b permanent no",
        "command retry",
        "reply p.b",
        "reply p.c",
        "reply p.a",
        "reply p.z",
    ];
    let stuck = "stuck (step `c` needs 2 of `a`, `b`, `d`, and only 1 can succeed)";
    check(
        TWO_OF_THREE,
        &script,
        &format!(
            "
        1 start -> call p.a, call p.b, call p.d | steps
        2 reply p.d -> - | steps
        3 reply p.a -> - | steps
        4 reply p.b -> - | steps {stuck}
        5 command retry -> call p.a, call p.b | steps
        6 reply p.a -> - | steps
        7 reply p.b -> - | steps {stuck}
        8 command retry -> call p.a, call p.b | steps
        9 reply p.b -> call p.c | steps
        10 reply p.c -> call p.z | steps
        11 reply p.a -> - | steps
        12 reply p.z -> - | done done
    "
        ),
    );
    let skipped =
        ["start", "reply p.d", "fail p.a permanent no", "fail p.b permanent no", "command skip"];
    let steps = play(TWO_OF_THREE, &skipped);
    use StepStatus::{Completed, Failed, Skipped};
    assert_eq!(steps, [Failed, Skipped, Completed, Skipped, Skipped]);
}

#[test]
fn rule_20_a_need_that_nothing_failed_of_is_stuck_again() {
    let text = "
workflow: t
steps:
  a: { when: \"false\", call: p.a }
  b: { call: p.b }
  c: { needs: { n_of: 2, of: [a, b] }, call: p.c }
";
    let stuck = "stuck (step `c` needs 2 of `a`, `b`, and only 1 can succeed)";
    check(
        text,
        &["start", "reply p.b", "command retry", "command skip"],
        &format!(
            "
        1 start -> call p.b | steps {stuck} !rolled back
        2 reply p.b -> - | steps {stuck} !deferred
        3 command retry -> - | steps {stuck} !rolled back
        4 command skip -> - | done done
    "
        ),
    );
}

#[test]
fn h5_what_was_taken_back_by_hand_cannot_be_skipped() {
    let text = "
workflow: t
mode: sequential
steps:
  a: { call: p.a }
  b: { call: p.b, undo: p.unb }
  c: { call: p.c }
";
    check(
        text,
        &[
            "start",
            "reply p.a",
            "reply p.b",
            "command rollback b",
            "reply p.unb",
            "command skip",
            "command retry",
        ],
        "
        1 start -> call p.a | steps
        2 reply p.a -> call p.b | steps
        3 reply p.b -> call p.c | steps
        4 command rollback from b -> cancel p.c, call p.unb | steps compensating
        5 reply p.unb -> - | steps stuck (rolled back by hand)
        6 command skip -> - | steps stuck (rolled back by hand) !rejected nothing failed that could be skipped: retry, cancel or kill
        7 command retry -> call p.b | steps
    ",
    );
}
