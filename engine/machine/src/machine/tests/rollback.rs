//! What was done is taken back (decision 0023).

use super::check;
use crate::machine::NoticeKind;

const UPDATE: &str = "
workflow: t
mode: sequential
on_failure: rollback
steps:
  begin: { call: p.begin, undo: p.unbegin }
  backup: { call: p.backup, undo: { call: p.restore, timeout: 2m, with: { id: \"${ output.id }\" } } }
  plain: { call: p.plain }
  verify: { call: p.verify }
";

#[test]
fn a_failure_takes_back_what_was_done_newest_first_and_the_workflow_fails() {
    check(
        UPDATE,
        &[
            "start",
            "reply p.begin {tx: 1}",
            "reply p.backup {id: b7}",
            "reply p.plain",
            "fail p.verify permanent sick",
            "reply p.restore",
            "reply p.unbegin",
        ],
        "
        1 start -> call p.begin | steps
        2 reply p.begin -> call p.backup | steps
        3 reply p.backup -> call p.plain | steps
        4 reply p.plain -> call p.verify | steps
        5 reply p.verify -> call p.restore | steps compensating
        6 reply p.restore -> call p.unbegin | steps compensating
        7 reply p.unbegin -> - | steps failed
    ",
    );
}

#[test]
fn an_undo_gets_what_its_call_was_given_and_gave() {
    let mut world = check::World::new(check::definition(UPDATE));
    for line in [
        "start {who: me}",
        "reply p.begin {tx: 1}",
        "reply p.backup {id: b7}",
        "fail p.plain permanent sick",
        "reply p.restore",
    ] {
        world.run(line);
    }
    let inputs: Vec<_> =
        world.calls.iter().rev().take(2).map(|call| call.input.to_json()).collect();
    assert_eq!(inputs, [r#"{"input":null,"output":{"tx":1}}"#, r#"{"id":"b7"}"#]);
}

#[test]
fn a_failing_undo_is_retried_then_stuck_and_a_person_resolves_it() {
    let text = UPDATE.replace("timeout: 2m", "retry: { attempts: 2, delay: 1s, jitter: false }");
    let script = |last: &'static str| {
        [
            "start",
            "reply p.begin",
            "reply p.backup {id: b7}",
            "fail p.plain permanent sick",
            "fail p.restore retryable busy",
            "advance 1s",
            "fail p.restore permanent gone",
            last,
        ]
    };
    let head = "
        1 start -> call p.begin | steps
        2 reply p.begin -> call p.backup | steps
        3 reply p.backup -> call p.plain | steps
        4 reply p.plain -> call p.restore | steps compensating
        5 reply p.restore -> - | steps compensating
        6 timer retry -> call p.restore #2 | steps compensating
        7 reply p.restore -> - | steps stuck (`p.restore` could not take back step `backup`: permanent: gone)";
    check(
        &text,
        &script("command retry"),
        &format!("{head}\n8 command retry -> call p.restore #3 | steps compensating"),
    );
    check(
        &text,
        &script("command skip"),
        &format!("{head}\n8 command skip -> call p.unbegin | steps compensating"),
    );
    check(
        &text,
        &script("command kill"),
        &format!("{head}\n8 command kill -> - | steps cancelled"),
    );
}

#[test]
fn cancel_takes_back_first_and_events_wait() {
    let text = "
workflow: t
initial: a
states:
  a:
    entry: { call: p.book, undo: p.unbook }
    on: { go: b }
  b: { final: true }
";
    check(
        text,
        &["start", "reply p.book {n: 1}", "command cancel", "event go", "command cancel", "reply p.unbook"],
        "
        1 start -> call p.book | a
        2 reply p.book -> - | a
        3 command cancel -> call p.unbook | a compensating
        4 go -> - | a compensating !deferred
        5 command cancel -> - | a compensating !rejected a rollback is under way: wait for it, or kill the instance
        6 reply p.unbook -> dead_letter go | a cancelled
    ",
    );
}

#[test]
fn h5_retry_after_a_rollback_does_steps_again_and_no_calls_of_states() {
    let text = "
workflow: t
initial: open
states:
  open: { entry: [ { call: p.open, undo: p.close } ], done: work }
  work: { steps: { one: { call: p.one, undo: p.unone }, two: { call: p.two } }, done: end }
  end: { final: true }
";
    check(
        text,
        &[
            "start",
            "reply p.open",
            "reply p.one",
            "command rollback",
            "reply p.unone",
            "reply p.close",
            "command retry",
            "reply p.one",
            "reply p.two",
        ],
        "
        1 start -> call p.open | open
        2 reply p.open -> call p.one, call p.two | work
        3 reply p.one -> - | work
        4 command rollback -> cancel p.two, call p.unone | work compensating
        5 reply p.unone -> call p.close | work compensating
        6 reply p.close -> - | work stuck (rolled back by hand)
        7 command retry -> call p.one, call p.two | work
        8 reply p.one -> - | work
        9 reply p.two -> - | end done
    ",
    );
}

#[test]
fn h6_an_undo_is_made_again_where_nobody_could_hear_its_answer_in_time() {
    let head = ["start", "reply p.begin", "reply p.backup {id: b7}", "fail p.plain permanent sick"];
    let began = "
        1 start -> call p.begin | steps
        2 reply p.begin -> call p.backup | steps
        3 reply p.backup -> call p.plain | steps
        4 reply p.plain -> call p.restore | steps compensating";
    // Away for all of it, then for half of it; then the engine is there and nothing is heard.
    let away = ["away 3m", "advance 1s", "away 1m", "advance 1m", "advance 1s", "advance 2m"];
    check(
        UPDATE,
        &[&head[..], &away].concat(),
        &format!(
            "{began}
        5 timer deadline p.restore -> - | steps compensating
        6 timer retry -> call p.restore #2 | steps compensating
        7 timer deadline p.restore -> - | steps compensating
        8 timer retry -> call p.restore #3 | steps compensating
        9 timer deadline p.restore -> cancel p.restore | steps stuck (`p.restore` could not take \
             back step `backup`: timeout: no answer within 2m)"
        ),
    );
    // What may be sent only once, and was, is nobody's guess.
    check(
        UPDATE,
        &[&head[..], &["sending p.restore", "away 3m"]].concat(),
        &format!(
            "{began}
        5 sending p.restore -> - | steps compensating
        6 timer deadline p.restore -> cancel p.restore | steps stuck (outcome of `p.restore` is \
             unknown: the call was sent, no reply came, and the operation is not idempotent)"
        ),
    );
    // What is done for the first time has the deadline that its author gave it.
    check(
        UPDATE,
        &["start", "away 3m"],
        "
        1 start -> call p.begin | steps
        2 timer deadline p.begin -> cancel p.begin | steps compensating
    ",
    );
}

#[test]
fn h5_what_may_have_to_be_taken_back_is_asked_again_where_nobody_could_hear_its_answer() {
    let text = "
workflow: t
steps: { a: { call: p.a, undo: p.una, timeout: 4s } }
";
    check(
        text,
        &["start", "command cancel", "away 1m", "advance 1s", "reply p.a", "reply p.una"],
        "
        1 start -> call p.a | steps
        2 command cancel -> - | steps compensating
        3 timer deadline p.a -> - | steps compensating
        4 timer retry -> call p.a #2 | steps compensating
        5 reply p.a -> call p.una | steps compensating
        6 reply p.una -> - | steps cancelled
    ",
    );
}

#[test]
fn h5_calls_of_states_go_on_and_what_they_give_waits_for_the_person() {
    let text = "
workflow: t
initial: s
states:
  s:
    steps: { a: { call: p.a, undo: p.una } }
    done: m
  m: { entry: { call: p.x }, done: e }
  e: { final: true }
";
    check(
        text,
        &["start", "reply p.a", "command rollback", "reply p.x", "reply p.una", "command retry"],
        "
        1 start -> call p.a | s
        2 reply p.a -> call p.x | m
        3 command rollback -> call p.una | m compensating
        4 reply p.x -> - | m compensating !deferred
        5 reply p.una -> - | m stuck (rolled back by hand)
        6 command retry -> - | e done
    ",
    );
    let late = "error.communication.invoke.m.0: no answer within 30s";
    check(
        text,
        &[
            "start",
            "reply p.a",
            "command rollback",
            "advance 20s",
            "fail p.una retryable busy",
            "command retry",
            "advance 10s",
            "fail p.x permanent no",
            "reply p.una",
            "command retry",
        ],
        &format!(
            "
        1 start -> call p.a | s
        2 reply p.a -> call p.x | m
        3 command rollback -> call p.una | m compensating
        4 reply p.una -> - | m stuck (`p.una` could not take back step `a`: retryable: busy)
        5 command retry -> call p.una #2 | m compensating
        6 timer deadline p.x -> - | m compensating !deferred
        7 reply p.x -> - | m compensating !ignored second_reply
        8 reply p.una -> - | m stuck (rolled back by hand)
        9 command retry -> cancel p.x | m stuck ({late}) !rolled back"
        ),
    );
}

const LAST: &str = "
workflow: t
on_error: ERROR
on_failure: rollback
steps:
  a: { call: p.a, undo: p.una }
  b: { call: p.b, needs: [a] }
finally: [ { call: p.clean }, { call: p.sweep } ]
";

#[test]
fn h6_a_failure_of_finally_names_itself_and_what_is_taken_back_ends_all_the_same() {
    for (on_error, script, last) in [
        (
            "fail",
            ["reply p.b", "fail p.clean permanent sick", "", ""],
            "steps failed: `finally`: error.platform.invoke.steps.0: sick",
        ),
        (
            "fail",
            [
                "fail p.b permanent bad",
                "reply p.una",
                "fail p.clean permanent sick",
                "reply p.sweep",
            ],
            "steps failed: error.platform.invoke.steps.b: bad; \
             `finally`: error.platform.invoke.steps.0: sick",
        ),
        (
            "fail",
            ["command cancel", "reply p.una", "fail p.clean permanent sick", "reply p.sweep"],
            "steps cancelled: `finally`: error.platform.invoke.steps.0: sick",
        ),
        (
            "ignore",
            ["command cancel", "reply p.una", "fail p.clean permanent sick", "reply p.sweep"],
            "steps cancelled: `finally`: error.platform.invoke.steps.0: sick",
        ),
        (
            "suspend",
            ["fail p.b permanent bad", "fail p.una permanent no", "command skip", "reply p.clean"],
            "steps compensating: ",
        ),
        (
            "suspend",
            ["reply p.b", "fail p.clean permanent sick", "command skip", "reply p.sweep"],
            "done done: ",
        ),
    ] {
        assert_eq!(ends(on_error, &script), last, "{on_error} {script:?}");
    }
}

#[test]
fn h6_what_a_person_left_out_of_a_rollback_is_told_at_its_end() {
    let script = [
        "fail p.b permanent bad",
        "fail p.una permanent no",
        "command skip",
        "reply p.clean",
        "reply p.sweep",
    ];
    assert_eq!(
        ends("suspend", &script),
        "steps failed: error.platform.invoke.steps.b: bad; step `a` was not taken back: `p.una` \
         was skipped by ops"
    );
}

/// How the last input of the script leaves the instance, and the reason that its end has.
fn ends(on_error: &str, script: &[&str]) -> String {
    let mut world = check::World::new(check::definition(&LAST.replace("ERROR", on_error)));
    for line in ["start", "reply p.a"].iter().chain(script).filter(|line| !line.is_empty()) {
        world.run(line);
    }
    let last = world.out.lines().last().unwrap_or_default();
    let stands = last.rsplit(" | ").next().unwrap_or_default().to_owned();
    let end = world
        .notices
        .iter()
        .rev()
        .find(|(kind, _)| matches!(kind, NoticeKind::Failed | NoticeKind::Cancelled));
    let reason = end.and_then(|(_, data)| data.get("reason").and_then(|it| it.as_str()));
    format!("{stands}: {}", reason.unwrap_or_default())
}
