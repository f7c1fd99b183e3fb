//! Decision 0047: what is held back before it is sent waits without a timer, until it is let go.

use super::check;
use super::check::{World, definition};
use crate::machine::{NoticeKind, TimerKind};

const PAY: &str = "
workflow: t
initial: a
states:
  a:
    entry: { call: bank.pay, timeout: 10s, retry: { attempts: 2, backoff: 2s } }
    done: b
    failed: f
    on: { leave: f }
  b: {}
  f: {}
";

#[test]
fn waiting_costs_nothing_and_the_attempt_has_its_time_in_full() {
    check(
        PAY,
        &[
            "start",
            "fail bank.pay held",
            "advance 30d",
            "sending bank.pay [attempt=0]",
            "advance 9s",
            "reply bank.pay",
        ],
        "
        1 start -> call bank.pay | a
        2 reply bank.pay -> - | a
        3 sending bank.pay -> - | a
        4 reply bank.pay -> - | b
    ",
    );
    let mut world = World::new(definition(PAY));
    ["start", "fail bank.pay held"].iter().for_each(|line| world.run(line));
    let (kind, data) = world.notices.last().unwrap();
    assert_eq!((*kind, data.get("delay_ms")), (NoticeKind::CallRetrying, None));
    assert!(world.instance.as_ref().unwrap().timers.is_empty());
}

#[test]
fn what_was_held_back_is_no_attempt_and_what_was_let_go_is_one() {
    check(
        PAY,
        &[
            "start",
            "fail bank.pay held",
            "sending bank.pay [attempt=0]",
            "sending bank.pay [attempt=0]",
            "advance 10s",
            "advance 2s",
            "fail bank.pay held",
            "sending bank.pay [attempt=0]",
            "fail bank.pay retryable no",
        ],
        "
        1 start -> call bank.pay | a
        2 reply bank.pay -> - | a
        3 sending bank.pay -> - | a
        4 sending -> - | a !ignored late_start
        5 timer deadline bank.pay -> - | a
        6 timer retry -> call bank.pay #2 | a
        7 reply bank.pay -> - | a
        8 sending bank.pay -> - | a
        9 reply bank.pay -> - | f
    ",
    );
}

#[test]
fn what_nobody_waits_for_any_more_is_let_go_of_by_who_holds_it() {
    check(
        PAY,
        &["start", "fail bank.pay held", "event leave", "sending bank.pay [attempt=0]"],
        "
        1 start -> call bank.pay | a
        2 reply bank.pay -> - | a
        3 leave -> cancel bank.pay | f
        4 sending -> - | f !ignored late_start
    ",
    );
}

/// Whoever held it back does so no more: it is asked for anew, and may be held back again.
#[test]
fn while_the_instance_stands_still_it_is_asked_for_when_that_goes_on() {
    check(
        PAY,
        &[
            "start",
            "fail bank.pay held",
            "command pause",
            "advance 2h",
            "sending bank.pay [attempt=0]",
            "advance 1h",
            "command resume",
            "advance 1ms",
        ],
        "
        1 start -> call bank.pay | a
        2 reply bank.pay -> - | a
        3 command pause -> - | a paused
        4 sending bank.pay -> - | a paused !deferred
        5 command resume -> - | a
        6 timer retry -> call bank.pay | a
    ",
    );
    let mut world = World::new(definition(PAY));
    let lines = ["start", "command pause", "fail bank.pay held", "command resume"];
    lines.iter().for_each(|line| world.run(line));
    let timers = &world.instance.as_ref().unwrap().timers;
    let again = |kind: &TimerKind| matches!(kind, TimerKind::CallRetry { .. });
    assert!(timers.iter().any(|timer| again(&timer.kind) && timer.due <= world.now), "{timers:?}");
}
