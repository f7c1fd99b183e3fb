//! What was done is taken back (decision 0023).

use super::check;

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
        7 reply p.restore -> - | steps stuck (`p.restore` could not take back what was done: permanent: gone)";
    check(
        &text,
        &script("command retry"),
        &format!("{head}\n8 command retry -> call p.restore | steps compensating"),
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
        6 reply p.close -> - | work stuck (by hand)
        7 command retry -> call p.one, call p.two | work
        8 reply p.one -> - | work
        9 reply p.two -> - | end done
    ",
    );
}
