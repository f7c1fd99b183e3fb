//! Decision 0032: a call whose plugin answers later stays under way, and is not asked again.

use super::check;
use super::check::{World, definition};
use crate::machine::{EffectId, Instance, StuckKind};

const RENDER: &str = "
workflow: t
initial: a
vars: { got: null }
states:
  a:
    entry: { call: press.render, timeout: 60s, set: { got: output.pages },
      retry: { attempts: 2, backoff: 2s } }
    done: b
    failed: f
    on: { leave: b }
  b: {}
  f: {}
";

#[test]
fn decision_32_a_result_ends_a_call_that_is_pending() {
    check(
        RENDER,
        &["start", "pending press.render", "advance 30s", "reply press.render {pages: 7}", "vars"],
        "
        1 start -> call press.render | a
        2 pending press.render -> - | a
        3 reply press.render -> - | b
        {\"got\":7}
    ",
    );
}

#[test]
fn p11_heartbeats_for_ever_do_not_move_the_deadline_of_a_pending_call() {
    check(
        RENDER,
        &["start", "pending press.render", "advance 60s", "advance 2s", "advance 60s"],
        "
        1 start -> call press.render | a
        2 pending press.render -> - | a
        3 timer deadline press.render -> cancel press.render | a
        4 timer retry -> call press.render #2 | a
        5 timer deadline press.render -> cancel press.render | f
    ",
    );
}

#[test]
fn decision_32_silence_is_a_failed_attempt_and_the_old_one_is_cancelled() {
    check(
        RENDER,
        &[
            "start",
            "pending press.render",
            "fail press.render silent nothing heard for 10s",
            "fail press.render retryable no [attempt=1]",
            "advance 2s",
            "pending press.render [attempt=1]",
            "pending press.render",
            "fail press.render retryable no [attempt=1]",
            "reply press.render {pages: 2}",
            "vars",
        ],
        "
        1 start -> call press.render | a
        2 pending press.render -> - | a
        3 reply press.render -> cancel press.render | a
        4 reply press.render -> - | a !ignored late_reply
        5 timer retry -> call press.render #2 | a
        6 pending -> - | a !ignored late_pending
        7 pending press.render -> - | a
        8 reply press.render -> - | a !ignored late_reply
        9 reply press.render -> - | b
        {\"got\":2}
    ",
    );
}

#[test]
fn decision_32_what_a_plugin_says_failed_is_not_cancelled() {
    check(
        RENDER,
        &["start", "pending press.render", "fail press.render retryable out of paper"],
        "
        1 start -> call press.render | a
        2 pending press.render -> - | a
        3 reply press.render -> - | a
    ",
    );
}

#[test]
fn p2_p3_a_promise_after_the_result_and_a_second_result_are_nobodys() {
    check(
        RENDER,
        &[
            "start",
            "reply press.render {pages: 7}",
            "pending press.render",
            "reply press.render {pages: 8}",
            "vars",
        ],
        "
        1 start -> call press.render | a
        2 reply press.render -> - | b
        3 pending -> - | b !ignored late_pending
        4 reply -> - | b !ignored late_reply
        {\"got\":7}
    ",
    );
}

#[test]
fn decision_32_a_pending_call_is_cancelled_when_its_state_is_left() {
    check(
        RENDER,
        &["start", "pending press.render", "event leave", "reply press.render {pages: 7}"],
        "
        1 start -> call press.render | a
        2 pending press.render -> - | a
        3 leave -> cancel press.render | b
        4 reply -> - | b !ignored late_reply
    ",
    );
}

#[test]
fn decision_32_silence_of_what_may_not_be_repeated_is_an_unknown_outcome() {
    let mut world = World::new(definition(RENDER));
    ["start", "sending press.render", "pending press.render", "fail press.render silent gone"]
        .iter()
        .for_each(|line| world.run(line));
    let instance = world.instance.as_ref().unwrap();
    let stuck = instance.stuck.as_ref().unwrap();
    assert_eq!(stuck.kind, StuckKind::OutcomeUnknown, "{}", stuck.reason);
    assert!(world.out.contains("-> cancel press.render"), "{}", world.out);
}

#[test]
fn decision_32_a_promise_is_kept_in_the_bytes_of_an_instance() {
    for script in [&["start"][..], &["start", "sending press.render"][..]] {
        let mut world = World::new(definition(RENDER));
        script.iter().for_each(|line| world.run(line));
        let before = world.instance.clone().unwrap();
        world.run("pending press.render");
        let after = world.instance.clone().unwrap();
        let read = Instance::decode(&after.key, &after.encode()).unwrap();
        assert_eq!(read, after);
        let call = |one: &Instance| one.sequences[0].call.clone().unwrap();
        assert_eq!(call(&after).heartbeat_ms, Some(10_000));
        assert_eq!((call(&after).once, call(&after).sent), (call(&before).once, true));
        assert_eq!(Instance::decode(&before.key, &before.encode()).unwrap(), before);
    }
}

#[test]
fn p6_a_promise_for_an_unknown_call_changes_nothing() {
    let mut world = World::new(definition(RENDER));
    world.run("start");
    let (call, before) = (EffectId([9; 16]), world.instance.clone());
    world.tell(&crate::machine::Input::CallPending { call, attempt: 1, heartbeat_ms: 1 });
    assert!(world.out.ends_with("!ignored late_pending\n"), "{}", world.out);
    assert_eq!(world.instance, before);
}
