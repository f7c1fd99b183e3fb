//! Pause, resume, variables and timers (rows E4, E5, K1, K2, K3, K6).

use super::check;
use super::check::{World, definition};
use crate::machine::NoticeKind;
use crate::value::Value;

const CHART: &str = "
workflow: t
initial: a
vars: { n: 0, order: { items: 1 } }
limits: { vars_kib: 1 }
states:
  a:
    entry: { call: p.one, timeout: 1h, set: { n: output.n } }
    always: { when: vars.n > 100, to: c }
    after: { 10m: b }
    on: { go: { do: { publish: went.x } }, leave: b }
  b: { after: { 1h: c } }
  c: {}
";

fn chart() -> String {
    CHART.replace("limits: { vars_kib: 1 }\n", "")
}

fn after(lines: &[&str]) -> World {
    let mut world = World::new(definition(&chart()));
    lines.iter().for_each(|line| world.run(line));
    world
}

/// The last line of what happened, without its number.
#[track_caller]
fn last(world: &World, expected: &str) {
    let line = world.out.lines().last().unwrap_or_default();
    let found = line.split_once(' ').map_or(line, |(_, rest)| rest);
    assert_eq!(found, expected);
}

fn fields(world: &World, kind: NoticeKind) -> Value {
    let found = world.notices.iter().rev().find(|(known, _)| *known == kind);
    found.map(|(_, data)| data.clone()).unwrap_or_default()
}

#[test]
fn k1_events_and_replies_wait_in_order_and_a_resume_takes_them() {
    check(
        &chart(),
        &[
            "start",
            "command pause",
            "event go",
            "reply p.one {n: 7}",
            "event leave",
            "event go",
            "command pause",
            "command retry",
            "command rollback",
            "command resume",
            "vars",
            "command resume",
        ],
        "
        1 start -> call p.one | a
        2 command pause -> - | a paused
        3 go -> - | a paused !deferred
        4 reply p.one -> - | a paused !deferred
        5 leave -> - | a paused !deferred
        6 go -> - | a paused !deferred
        7 command pause -> - | a paused !rejected the instance is paused already
        8 command retry -> - | a paused !rejected the instance is not stuck
        9 command rollback -> - | a paused !rejected the instance is paused: resume it first
        10 command resume -> publish went.x | b
        {\"n\":7,\"order\":{\"items\":1}}
        11 command resume -> - | b !rejected the instance is not paused
    ",
    );
}

#[test]
fn k1_a_resume_says_what_had_waited() {
    let note = |lines: &[&str]| {
        let world = after(&[&["start", "command pause"][..], lines, &["command resume"]].concat());
        let trace = world.last.as_ref().and_then(|last| last.trace.clone()).unwrap();
        trace.note.map_or_else(String::new, |note| note.to_string())
    };
    assert_eq!(note(&[]), "");
    assert_eq!(note(&["reply p.one {n: 7}"]), "1 reply had waited");
    let told = note(&["event go", "reply p.one {n: 7}", "event leave"]);
    assert!(told.starts_with("1 reply and 2 events had waited; "), "{told}");
}

#[test]
fn k1_a_pause_leaves_no_trace_in_a_plain_instance_and_says_who_and_why() {
    let mut world = after(&["start", "command pause [by=ann]"]);
    let paused = world.instance.as_ref().and_then(|it| it.paused()).cloned();
    let paused = paused.unwrap_or_else(|| panic!("not paused"));
    assert_eq!((&*paused.by, paused.since), ("ann", world.now));
    assert_eq!(fields(&world, NoticeKind::Paused).to_json(), r#"{"by":"ann","timers":"freeze"}"#);
    world.run("command resume");
    assert_eq!(fields(&world, NoticeKind::Resumed).to_json(), r#"{"was":"paused"}"#);
    assert!(world.instance.is_some_and(|instance| instance.progress.is_none()));
}

#[test]
fn e5_frozen_timers_are_due_later_by_the_pause() {
    check(
        &chart(),
        &[
            "start",
            "reply p.one {n: 1}",
            "advance 4m",
            "command pause",
            "advance 50m",
            "command resume",
            "advance 359s",
            "advance 1s",
        ],
        "
        1 start -> call p.one | a
        2 reply p.one -> - | a
        3 command pause -> - | a paused
        4 command resume -> - | a
        5 timer after a -> - | b
    ",
    );
}

#[test]
fn e5_kept_timers_fire_at_the_resume() {
    check(
        &chart(),
        &[
            "start",
            "reply p.one {n: 1}",
            "command pause keep",
            "advance 30m",
            "command resume",
            "advance 1s",
        ],
        "
        1 start -> call p.one | a
        2 reply p.one -> - | a
        3 command pause -> - | a paused
        4 command resume -> - | a
        5 timer after a -> - | b
    ",
    );
}

#[test]
fn e5_the_deadline_of_a_call_stands_still_too_and_its_retry_does_not_begin() {
    let text = "
workflow: t
initial: a
on_error: fail
states:
  a: { entry: { call: p.one, timeout: 1m, retry: { attempts: 2, delay: 10s, jitter: false } } }
";
    check(
        text,
        &[
            "start",
            "command pause",
            "advance 5m",
            "command resume",
            "fail p.one retryable busy",
            "command pause",
            "advance 1h",
            "command resume",
            "advance 10s",
            "reply p.one",
        ],
        "
        1 start -> call p.one | a
        2 command pause -> - | a paused
        3 command resume -> - | a
        4 reply p.one -> - | a
        5 command pause -> - | a paused
        6 command resume -> - | a
        7 timer retry -> call p.one #2 | a
        8 reply p.one -> - | a
    ",
    );
}

#[test]
fn k3_a_paused_instance_can_be_cancelled_and_killed() {
    let mut world = after(&["start", "command pause", "event go", "command cancel"]);
    last(&world, "command cancel -> cancel p.one, dead_letter go | a cancelled");
    world = after(&["start", "command pause", "command kill"]);
    last(&world, "command kill -> cancel p.one | a cancelled");
    assert!(world.instance.is_some_and(|instance| instance.paused().is_none()));
}

#[test]
fn k3_cancel_takes_back_what_a_call_did_during_the_pause() {
    let text = "
workflow: t
initial: a
states: { a: { entry: { call: p.book, undo: p.unbook } } }
";
    check(
        text,
        &["start", "command pause", "reply p.book {n: 1}", "command cancel", "reply p.unbook"],
        "
        1 start -> call p.book | a
        2 command pause -> - | a paused
        3 reply p.book -> - | a paused !deferred
        4 command cancel -> call p.unbook | a compensating
        5 reply p.unbook -> - | a cancelled
    ",
    );
}

#[test]
fn a_stuck_or_compensating_instance_is_not_paused() {
    let text = "
workflow: t
initial: a
states:
  a: { entry: { call: p.book, undo: p.unbook }, on: { go: { do: { set: { x: 1 } } } } }
vars: { x: 0 }
";
    let mut world = World::new(definition(text));
    ["start", "reply p.book", "command cancel", "command pause"]
        .iter()
        .for_each(|line| world.run(line));
    last(
        &world,
        "command pause -> - | a compensating !rejected \
         what was done is being taken back: that is not held half way",
    );
    let mut world = World::new(definition(&chart()));
    ["start", "fail p.one permanent no", "command pause"].iter().for_each(|line| world.run(line));
    assert!(
        world
            .out
            .ends_with("!rejected the instance is stuck: it stands still until retry or skip\n")
    );
}

#[test]
fn k6_variables_are_set_with_the_values_before_and_after() {
    let mut world = after(&["start", "command set {n: 5, order.items: 2} [by=ann]", "vars"]);
    assert!(world.out.ends_with("{\"n\":5,\"order\":{\"items\":2}}\n"), "{}", world.out);
    let fields = fields(&world, NoticeKind::VarsSet).to_json();
    assert_eq!(
        fields,
        r#"{"by":"ann","vars":{"n":{"after":5,"before":0},"order.items":{"after":2,"before":1}}}"#
    );
    let trace = world.last.as_ref().and_then(|last| last.trace.as_ref());
    let trace = trace.map(|trace| (trace.by.as_deref(), trace.note.as_deref()));
    assert_eq!(trace, Some((Some("ann"), Some("n: 0 → 5, order.items: 1 → 2"))));
    world.run("command set {n: 101}");
    last(&world, "command set -> cancel p.one | c");
}

#[test]
fn k6_what_may_not_be_set_changes_nothing() {
    let mut world = after(&["start"]);
    for (order, reason) in [
        ("{m: 5}", "`m` is not a declared variable; declared are: `n`, `order`"),
        ("{n: 1, n.x: 5}", "the parent of `x` in `n.x` is not a map"),
        ("{n..x: 5}", "the path `n..x` has an empty part"),
        ("{}", "no variable is named"),
    ] {
        world.run(&format!("command set {order}"));
        last(&world, &format!("command set -> - | a !rejected {reason}"));
    }
    let long = "x".repeat(300_000);
    world.run(&format!("command set {{n: {long}}}"));
    assert!(world.out.ends_with("bytes exceed the limit of 262144 bytes\n"), "limit");
    world.run("vars");
    assert!(world.out.ends_with("{\"n\":0,\"order\":{\"items\":1}}\n"));
}

#[test]
fn k6_a_stuck_instance_is_mended_and_retried() {
    let text = "
workflow: t
initial: a
vars: { n: 0 }
states:
  a: { on: { go: { do: { set: { n: 10 / vars.n } } } } }
";
    check(
        text,
        &["start", "event go", "command set {n: 2}", "command retry", "vars"],
        "
        1 start -> - | a
        2 go -> - | a stuck (error.execution.assign: division by zero) !rolled back
        3 command set -> - | a stuck (error.execution.assign: division by zero)
        4 command retry -> - | a
        {\"n\":5}
    ",
    );
}

#[test]
fn e4_a_timer_is_fired_and_moved() {
    let mut world = after(&["start", "reply p.one {n: 1}"]);
    let timer = world.instance.as_ref().and_then(|it| it.timers.first()).map_or(0, |it| it.id);
    world.run(&format!("command move {timer} 600000"));
    world.run("advance 11m");
    last(&world, "command timer move -> - | a");
    world.run("advance 9m");
    last(&world, "timer after a -> - | b");
    let next = world.instance.as_ref().and_then(|it| it.timers.first()).map_or(0, |it| it.id);
    world.run(&format!("command move {next} -4000000"));
    assert!(world.out.ends_with("is in the past: fire it instead\n"));
    world.run(&format!("command fire {next}"));
    last(&world, "command timer fire: timer after b -> - | c");
    world.run(&format!("command fire {next}"));
    assert!(world.out.ends_with(&format!("!rejected timer {next} is not armed any more\n")));
}

#[test]
fn e4_no_timer_is_touched_during_a_pause() {
    let mut world = after(&["start", "command pause"]);
    let timer = world.instance.as_ref().and_then(|it| it.timers.first()).map_or(0, |it| it.id);
    for order in [format!("command fire {timer}"), format!("command move {timer} 5")] {
        world.run(&order);
        assert!(world.out.ends_with("its timers stand still until it is resumed\n"));
    }
}

#[test]
fn k2_a_life_of_a_paused_definition_begins_at_its_resume() {
    check(
        &chart(),
        &[
            "held go {x: 1}",
            "event leave",
            "held go {x: 1}",
            "command set {n: 1}",
            "command checkpoint a",
            "advance 1h",
            "command resume",
        ],
        "
        1 start -> - |  paused
        2 leave -> - |  paused !deferred
        3 start -> - |  paused !duplicate 1
        4 command set -> - |  paused !rejected \
            the instance has not begun: its variables have no values yet
        5 command checkpoint a -> - |  paused !rejected \
            the instance has not begun: there is nothing to save
        6 command resume -> call p.one, publish went.x, cancel p.one | b
    ",
    );
    check(
        &chart(),
        &["held", "command cancel", "held", "command kill"],
        "
        1 start -> - |  paused
        2 command cancel -> - |  cancelled
        3 start -> - |  paused
        4 command kill -> - |  cancelled
    ",
    );
}
