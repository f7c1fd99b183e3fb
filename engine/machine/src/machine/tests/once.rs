//! Decision 0016: a call that may not be repeated is recorded, sent once, and then known or stuck.

use super::check;
use super::check::{World, definition};
use crate::machine::{EffectId, NoticeKind, StuckKind};

const CHARGE: &str = "
workflow: t
initial: a
vars: { got: null }
states:
  a:
    entry: { call: billing.charge, timeout: 10s, set: { got: output.id },
      retry: { attempts: 3, backoff: 2s } }
    done: b
    failed: f
    on: { leave: b }
  b: {}
  f: {}
";

const UNKNOWN: &str = "outcome of `billing.charge` is unknown: the call was sent, no reply came, \
                       and the operation is not idempotent";

#[test]
fn decision_16_a_reply_ends_a_call_that_was_recorded_as_sent() {
    check(
        CHARGE,
        &["start", "sending billing.charge", "reply billing.charge {id: 7}", "vars"],
        "
        1 start -> call billing.charge | a
        2 sending billing.charge -> - | a
        3 reply billing.charge -> - | b
        {\"got\":7}
    ",
    );
}

#[test]
fn decision_16_a_kill_says_that_what_was_not_answered_may_be_done() {
    let mut world = World::new(definition(CHARGE));
    let lines = ["start", "sending billing.charge", "advance 10s", "command kill [by=ann]"];
    lines.iter().for_each(|line| world.run(line));
    let told = "state `a`: `billing.charge` has an unknown outcome: if it is done, it stays";
    let left = world.instance.as_ref().unwrap().left_out();
    assert_eq!(left.iter().map(ToString::to_string).collect::<Vec<_>>(), [told], "{}", world.out);
}

#[test]
fn decision_16_without_a_reply_it_is_stuck_and_not_sent_again() {
    check(
        CHARGE,
        &["start", "sending billing.charge", "advance 1h"],
        &format!(
            "
        1 start -> call billing.charge | a
        2 sending billing.charge -> - | a
        3 timer deadline billing.charge -> cancel billing.charge | a stuck ({UNKNOWN})
    "
        ),
    );
    check(
        CHARGE,
        &["start", "sending billing.charge", "fail billing.charge unknown", "advance 1h"],
        &format!(
            "
        1 start -> call billing.charge | a
        2 sending billing.charge -> - | a
        3 reply billing.charge -> - | a stuck ({UNKNOWN})
    "
        ),
    );
}

#[test]
fn decision_16_an_attempt_not_yet_sent_may_be_repeated() {
    check(
        CHARGE,
        &["start", "advance 10s", "advance 2s", "sending billing.charge [attempt=1]"],
        "
        1 start -> call billing.charge | a
        2 timer deadline billing.charge -> - | a
        3 timer retry -> call billing.charge #2 | a
        4 sending -> - | a !ignored late_start
    ",
    );
}

#[test]
fn decision_16_what_the_plugin_answers_is_known_and_retried_by_the_policy() {
    check(
        CHARGE,
        &[
            "start",
            "sending billing.charge",
            "fail billing.charge retryable busy",
            "advance 2s",
            "sending billing.charge",
            "fail billing.charge not_found nobody",
            "advance 2s",
            "sending billing.charge",
            "fail billing.charge permanent no",
        ],
        "
        1 start -> call billing.charge | a
        2 sending billing.charge -> - | a
        3 reply billing.charge -> - | a
        4 timer retry -> call billing.charge #2 | a
        5 sending billing.charge -> - | a
        6 reply billing.charge -> - | a
        7 timer retry -> call billing.charge #3 | a
        8 sending billing.charge -> - | a
        9 reply billing.charge -> - | f
    ",
    );
}

#[test]
fn decision_16_it_is_sent_once_and_only_while_somebody_waits() {
    check(
        CHARGE,
        &[
            "start",
            "sending billing.charge",
            "sending billing.charge",
            "event leave",
            "sending billing.charge",
        ],
        "
        1 start -> call billing.charge | a
        2 sending billing.charge -> - | a
        3 sending -> - | a !ignored late_start
        4 leave -> cancel billing.charge | b
        5 sending -> - | b !ignored late_start
    ",
    );
}

#[test]
fn decision_16_retry_sends_a_new_attempt_which_is_recorded_anew() {
    check(
        CHARGE,
        &[
            "start",
            "sending billing.charge",
            "fail billing.charge unknown",
            "command retry",
            "fail billing.charge permanent no [attempt=1]",
            "sending billing.charge",
            "fail billing.charge unknown",
            "command retry",
            "reply billing.charge {id: 3}",
        ],
        &format!(
            "
        1 start -> call billing.charge | a
        2 sending billing.charge -> - | a
        3 reply billing.charge -> - | a stuck ({UNKNOWN})
        4 command retry -> call billing.charge #2 | a
        5 reply billing.charge -> - | a !ignored late_reply
        6 sending billing.charge -> - | a
        7 reply billing.charge -> - | a stuck ({UNKNOWN})
        8 command retry -> call billing.charge #3 | a
        9 reply billing.charge -> - | b
    "
        ),
    );
    // Was the first one done after all, the next is not sent, or nobody waits for it.
    check(
        CHARGE,
        &[
            "start",
            "sending billing.charge",
            "fail billing.charge unknown",
            "command retry",
            "reply billing.charge {id: 1} [attempt=1]",
        ],
        &format!(
            "
        1 start -> call billing.charge | a
        2 sending billing.charge -> - | a
        3 reply billing.charge -> - | a stuck ({UNKNOWN})
        4 command retry -> call billing.charge #2 | a
        5 reply billing.charge -> cancel billing.charge | b
    "
        ),
    );
}

#[test]
fn decision_16_skip_goes_on_and_cancel_and_kill_end() {
    let stuck = ["start", "sending billing.charge", "fail billing.charge unknown"];
    for (command, end) in [("skip", "| b"), ("cancel", "| a cancelled"), ("kill", "| a cancelled")]
    {
        let mut world = World::new(definition(CHARGE));
        stuck.iter().for_each(|line| world.run(line));
        world.run(&format!("command {command}"));
        let last = world.out.lines().last().unwrap();
        assert!(last.ends_with(end), "{last}");
    }
}

#[test]
fn decision_16_no_policy_for_errors_hides_an_unknown_outcome() {
    for policy in ["ignore", "fail"] {
        let mut world = World::new(definition(&format!("{CHARGE}on_error: {policy}\n")));
        ["start", "sending billing.charge", "advance 10s"].iter().for_each(|line| world.run(line));
        let stuck = world.instance.as_ref().unwrap().stuck.as_ref().unwrap();
        assert_eq!(stuck.kind, StuckKind::OutcomeUnknown);
        assert_eq!(&*stuck.reason, UNKNOWN);
        let kinds: Vec<_> = world.notices.iter().map(|(kind, _)| *kind).collect();
        assert!(kinds.ends_with(&[NoticeKind::CallFailed, NoticeKind::Stuck]), "{kinds:?}");
    }
}

#[test]
fn decision_16_an_attempt_past_its_deadline_is_not_begun() {
    let mut world = World::new(definition(CHARGE));
    world.run("start");
    world.now = world.now.plus_ms(10_000);
    world.run("sending billing.charge");
    assert!(world.out.ends_with("!ignored late_start\n"), "{}", world.out);
}

#[test]
fn decision_16_an_unknown_call_is_none_of_ours() {
    let mut world = World::new(definition(CHARGE));
    world.run("start");
    world.tell(&crate::machine::Input::CallStarted { call: EffectId([9; 16]), attempt: 1 });
    assert!(world.out.ends_with("!ignored late_start\n"), "{}", world.out);
}
