//! Rules 27, 35-37: calls.

use super::check;
use super::check::{World, definition};
use crate::machine::{CallOutcome, Input, NoticeKind};
use crate::value::Value;

const APPROVAL: &str =
    include_str!("../../../../../examples/document-approval/document_approval.workflow.yaml");

#[test]
fn rule_27_calls_in_do_run_on_the_way_in_a_hidden_state() {
    let mut world = World::new(definition(APPROVAL));
    for line in [
        "start document.submitted {documentId: d1, title: Plan, submitter: sue}",
        "reply validator.validate_document {valid: true}",
        "reply directory.pick_reviewer {userId: rita}",
        "event user.action {action: approve, userId: rita}",
        "reply archive.store {}",
    ] {
        world.run(line);
    }
    assert_eq!(
        world.out,
        "\
1 start -> publish notify.email, call validator.validate_document | under_review~1
2 reply validator.validate_document -> call directory.pick_reviewer | under_review~1
3 reply directory.pick_reviewer -> - | under_review
4 user.action -> call archive.store | approved
5 reply archive.store -> publish notify.email | archived done
"
    );
}

const TWO: &str = "
workflow: t
initial: a
vars: { got: null }
states:
  a:
    entry: [ { log: { label: l, value: 1 } }, { call: p.one, set: { got: output.x } },
        { log: { label: l, value: \"${ vars.got }\" } }, { call: p.two, timeout: 10s } ]
    done: b
    failed: f
    on: { leave: b, done.invoke.a.1: { do: { log: { label: r, value: \"${ data.y }\" } } } }
  b: {}
  f: {}
";

#[test]
fn rule_27_calls_in_entry_run_in_order() {
    check(
        TWO,
        &["start", "reply p.one {x: 5}", "reply p.two {y: 6}"],
        "
        1 start -> l=1, call p.one | a
        2 reply p.one -> l=5, call p.two | a
        3 reply p.two -> r=6 | b
    ",
    );
}

#[test]
fn rule_27_branches_between_calls() {
    let text = "
workflow: t
initial: a
states:
  a:
    entry:
      - { call: p.one }
      - { if: [ { when: input.big, do: { call: p.big } }, { do: { call: p.small } } ] }
    done: b
  b: {}
";
    check(
        text,
        &["start {big: true}", "reply p.one", "reply p.big"],
        "
        1 start -> call p.one | a
        2 reply p.one -> call p.big | a
        3 reply p.big -> - | b
    ",
    );
    check(
        text,
        &["start {big: false}", "reply p.one", "reply p.small"],
        "
        1 start -> call p.one | a
        2 reply p.one -> call p.small | a
        3 reply p.small -> - | b
    ",
    );
}

#[test]
fn rule_27_a_call_in_exit_waits_for_nothing() {
    check(
        "
workflow: t
initial: a
states:
  a: { exit: { call: p.bye }, on: { go: b } }
  b: {}
",
        &["start", "event go", "reply p.bye"],
        "
        1 start -> - | a
        2 go -> tell p.bye | b
        3 reply -> - | b !ignored late_reply
    ",
    );
}

#[test]
fn rule_27_the_hidden_state_defers_but_ancestors_still_win() {
    let text = "
workflow: t
initial: w
states:
  w:
    initial: a
    on: { cancel.it: z }
    states:
      a: { on: { go: { do: { call: p.one }, to: b } } }
      b: { on: { early: c } }
      c: {}
  z: {}
";
    check(
        text,
        &["start", "event go", "event early", "reply p.one"],
        "
        1 start -> - | a
        2 go -> call p.one | b~1
        3 early -> - | b~1 !deferred
        4 reply p.one -> - | c
    ",
    );
    check(
        text,
        &["start", "event go", "event cancel.it", "reply p.one"],
        "
        1 start -> - | a
        2 go -> call p.one | b~1
        3 cancel.it -> cancel p.one | z
        4 reply -> - | z !ignored late_reply
    ",
    );
}

const RETRY: &str = "
workflow: t
initial: a
states:
  a: { entry: { call: p.one, timeout: 10s, retry: { attempts: 3, backoff: 2s..3s } }, done: b,
      failed: f }
  b: {}
  f: { entry: { log: { label: e,
      value: \"${ [error.kind, error.message, string(error.attempts)] }\" } } }
";

#[test]
fn rule_35_retries_by_policy_then_fails_for_good() {
    check(
        RETRY,
        &[
            "start",
            "fail p.one retryable busy",
            "advance 3s",
            "advance 10s",
            "advance 3s",
            "fail p.one retryable again",
        ],
        "
        1 start -> call p.one | a
        2 reply p.one -> - | a
        3 timer retry -> call p.one #2 | a
        4 timer deadline p.one -> - | a
        5 timer retry -> call p.one #3 | a
        6 reply p.one -> e=[\"retryable\",\"again\",\"3\"] | f
    ",
    );
}

#[test]
fn rule_35_the_delay_is_jittered_the_same_way_every_time_and_capped() {
    let delay = |wish: &str| {
        let mut world = World::new(definition(RETRY));
        ["start", &format!("fail p.one retryable x{wish}")].iter().for_each(|line| world.run(line));
        let (kind, data) = world.notices.last().unwrap().clone();
        assert_eq!(kind, NoticeKind::CallRetrying);
        match data.get("delay_ms") {
            Some(Value::Int(delay)) => *delay,
            other => panic!("{other:?}"),
        }
    };
    assert!((1_000..=2_000).contains(&delay("")));
    assert_eq!(delay(""), delay(""));
    assert_eq!(delay(" [after=2500]"), 2_500, "the plugin's wish");
    assert_eq!(delay(" [after=9999999]"), 3_000, "the policy's cap");
}

#[test]
fn rule_35_permanent_failures_are_platform_errors_and_are_not_retried() {
    check(
        &RETRY.replace("failed: f", "on: { error.platform.invoke.a.0: f }"),
        &["start", "fail p.one permanent no such thing"],
        "
        1 start -> call p.one | a
        2 reply p.one -> e=[\"permanent\",\"no such thing\",\"1\"] | f
    ",
    );
    check(
        &RETRY.replace("failed: f", "on: { error.communication: f }").replace("3, b", "1, b"),
        &["start", "fail p.one not_found nobody answers"],
        "
        1 start -> call p.one | a
        2 reply p.one -> e=[\"plugin_not_found\",\"nobody answers\",\"1\"] | f
    ",
    );
}

#[test]
fn rule_35_a_deadline_is_a_failed_attempt() {
    check(
        &RETRY.replace("attempts: 3", "attempts: 1"),
        &["start", "advance 10s", "reply p.one"],
        "
        1 start -> call p.one | a
        2 timer deadline p.one -> cancel p.one, \
            e=[\"timeout\",\"no answer within 10s\",\"1\"] | f
        3 reply -> - | f !ignored late_reply
    ",
    );
}

#[test]
fn rule_36_late_and_second_replies_are_recorded_and_offer_nothing() {
    check(
        RETRY,
        &[
            "start",
            "fail p.one retryable x",
            "fail p.one retryable x",
            "advance 3s",
            "fail p.one retryable x [attempt=1]",
            "reply p.one {n: 2}",
            "reply p.one {n: 3}",
        ],
        "
        1 start -> call p.one | a
        2 reply p.one -> - | a
        3 reply p.one -> - | a !ignored late_reply
        4 timer retry -> call p.one #2 | a
        5 reply p.one -> - | a !ignored late_reply
        6 reply p.one -> - | b
        7 reply -> - | b !ignored late_reply
    ",
    );
}

#[test]
fn rule_36_leaving_the_state_cancels_the_call() {
    check(
        TWO,
        &["start", "event leave", "advance 1h", "reply p.one {x: 5}"],
        "
        1 start -> l=1, call p.one | a
        2 leave -> cancel p.one | b
        3 reply -> - | b !ignored late_reply
    ",
    );
}

#[test]
fn rule_37_the_mapping_runs_before_transitions_see_the_event() {
    check(
        "
workflow: t
initial: a
vars: { got: null, by: null }
states:
  a:
    on: { go: { do: { call: p.one, set: { got: output.x, by: data.who } }, to: b } }
  b: {}
  c: {}
",
        &["start", "event go {who: ann}", "reply p.one {x: 5}", "vars"],
        "
        1 start -> - | a
        2 go -> call p.one | b~1
        3 reply p.one -> - | b
        {\"by\":\"ann\",\"got\":5}
    ",
    );
    check(
        "
workflow: t
initial: a
vars: { got: 0 }
states:
  a:
    entry: { call: p.one, set: { got: output.x } }
    on: { done.invoke.a.0: [ { when: vars.got == 5 && data.x == 5 && event.invokeid == 'a.0',
        to: b } ] }
  b: {}
",
        &["start", "reply p.one {x: 5}"],
        "
        1 start -> call p.one | a
        2 reply p.one -> - | b
    ",
    );
}

#[test]
fn rule_05_calls_start_only_in_states_still_active_at_the_end() {
    check(
        "
workflow: t
initial: a
states:
  a: { on: { go: b } }
  b: { entry: { call: p.one }, always: { to: c } }
  c: { entry: { call: p.two } }
",
        &["start", "event go"],
        "
        1 start -> - | a
        2 go -> call p.two | c
    ",
    );
}

#[test]
fn a_call_without_with_gets_the_data_of_the_causing_event() {
    let mut world = World::new(definition(APPROVAL));
    world.run("start document.submitted {documentId: d1, submitter: sue}");
    assert_eq!(world.calls[0].input.to_json(), "{\"documentId\":\"d1\",\"submitter\":\"sue\"}");
    assert_eq!(&*world.calls[0].step, "under_review~1");
    let (call, attempt) = (world.calls[0].call, world.calls[0].attempt);
    assert_eq!(world.instance.as_ref().unwrap().sequences[0].call.as_ref().unwrap().id, call);
    world.tell(&Input::CallReply { call, attempt, outcome: CallOutcome::Success(Value::Null) });
    assert_eq!(world.calls.len(), 2);
}

/// The note of the last decision.
fn note(world: &World) -> String {
    let trace = world.last.as_ref().and_then(|last| last.trace.as_ref());
    trace.and_then(|trace| trace.note.as_deref()).unwrap_or_default().to_owned()
}

#[test]
fn rule_36_the_history_says_which_call_a_late_answer_is_of() {
    let mut world = World::new(definition(TWO));
    ["start", "event leave", "reply p.one"].into_iter().for_each(|line| world.run(line));
    let told =
        |came: &str| format!("late_reply: attempt 1 of call {}; {came}", world.calls[0].call);
    assert_eq!(note(&world), told("it succeeded"));
    let text = "
workflow: t
steps:
  one: { call: p.one, retry: { attempts: 3, delay: 1s } }
";
    let mut world = World::new(definition(text));
    let lines =
        ["start", "fail p.one retryable no", "advance 1s", "fail p.one permanent no [attempt=1]"];
    lines.into_iter().for_each(|line| world.run(line));
    assert_eq!(note(&world), "late_reply: attempt 1; it failed, permanent: no");
}

#[test]
fn an_answer_that_is_kept_is_told_so_in_the_history() {
    let text = "
workflow: t
mode: parallel
steps:
  one: { call: p.one }
  two: { call: p.two }
  six: { call: p.six }
";
    let mut world = World::new(definition(text));
    let lines = ["start", "fail p.one permanent no", "reply p.two"];
    lines.into_iter().for_each(|line| world.run(line));
    assert_eq!(note(&world), "kept until it goes on");
    world.run("fail p.six permanent bad");
    assert_eq!(note(&world), "kept until it goes on");
    let kept = world.instance.as_ref().unwrap().kept_replies();
    assert_eq!(kept.count(), 2);
}
