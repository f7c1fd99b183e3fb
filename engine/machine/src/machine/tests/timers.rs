//! Rules 30-34: timers.

use super::check;
use super::check::{World, definition};
use crate::machine::Outcome;

const AFTER: &str = "
workflow: t
initial: a
states:
  a:
    on:
      again: a
      stay: { do: { log: { label: s, value: 1 } } }
      go: b
    after: { 10s: { to: late } }
  b: { on: { back: a } }
  late: {}
";

#[test]
fn rule_30_after_fires_once_and_leaving_cancels_it() {
    check(
        AFTER,
        &["start", "advance 9s", "advance 2s", "advance 1h"],
        "
        1 start -> - | a
        2 timer after a -> - | late
    ",
    );
    check(
        AFTER,
        &["start", "advance 9s", "event go", "advance 1h"],
        "
        1 start -> - | a
        2 go -> - | b
    ",
    );
}

#[test]
fn rule_30_reentering_restarts_it_a_targetless_transition_does_not() {
    check(
        AFTER,
        &["start", "advance 9s", "event again", "advance 9s", "event stay", "advance 1s"],
        "
        1 start -> - | a
        2 again -> - | a
        3 stay -> s=1 | a
        4 timer after a -> - | late
    ",
    );
}

#[test]
fn rule_30_an_internal_transition_keeps_the_timer_of_its_source() {
    let text = "
workflow: t
initial: s
states:
  s:
    after: { 10s: late }
    on: { inside: { to: b, internal: true }, outside: { to: b } }
    states: { a: {}, b: {} }
  late: {}
";
    check(
        text,
        &["start", "advance 9s", "event inside", "advance 1s"],
        "
        1 start -> - | a
        2 inside -> - | b
        3 timer after s -> - | late
    ",
    );
    check(
        text,
        &["start", "advance 9s", "event outside", "advance 9s"],
        "
        1 start -> - | a
        2 outside -> - | b
    ",
    );
}

#[test]
fn rule_30_the_event_is_offered_only_to_its_own_transition() {
    check(
        "
workflow: t
initial: a
states:
  a:
    on: { \"*\": lost }
    after: { 1s: { when: 1 == 2, to: b }, 2s: { do: { log: { label: name,
        value: \"${ event.name }\" } }, to: c } }
  b: {}
  c: {}
  lost: {}
",
        &["start", "advance 3s"],
        "
        1 start -> - | a
        2 timer after a -> - | a !ignored unhandled
        3 timer after a -> name=\"after.a.1\" | c
    ",
    );
}

#[test]
fn rule_31_cancel_removes_all_sends_with_the_id_and_replace_rearms() {
    let text = "
workflow: t
initial: a
states:
  a:
    entry:
      - { send: { event: one, after: 1s, id: x } }
      - { send: { event: two, after: 2s, id: x } }
      - { send: { event: three, after: 3s, id: y } }
    on:
      stop: { do: { cancel: x } }
      again: { do: { send: { event: four, after: 5s, id: x, replace: true } } }
      one: { do: { log: { label: l, value: 1 } } }
      two: { do: { log: { label: l, value: 2 } } }
      three: { do: { log: { label: l, value: \"${ event.sendid }\" } } }
      four: { do: { log: { label: l, value: 4 } } }
";
    check(
        text,
        &["start", "event stop", "advance 1m"],
        "
        1 start -> - | a
        2 stop -> - | a
        3 three -> l=\"y\" | a
    ",
    );
    check(
        text,
        &["start", "event again", "advance 1m"],
        "
        1 start -> - | a
        2 again -> - | a
        3 three -> l=\"y\" | a
        4 four -> l=4 | a
    ",
    );
}

#[test]
fn rule_31_id_to_keeps_the_made_id_and_cancel_knows_it() {
    let text = "
workflow: t
initial: a
vars: { first: null, second: null }
states:
  a:
    entry:
      - { send: { event: one, after: 1s, id_to: first } }
      - { send: { event: two, after: 2s, id_to: second } }
    on:
      stop: { do: { cancel: \"${ vars.first }\" } }
      two: { do: { log: { label: mine, value: \"${ event.sendid == vars.second }\" } } }
      same: { when: vars.first == vars.second, to: lost }
  lost: {}
";
    check(
        text,
        &["start", "event stop", "event same", "advance 1m"],
        "
        1 start -> - | a
        2 stop -> - | a
        3 same -> - | a !ignored unhandled
        4 two -> mine=true | a
    ",
    );
}

#[test]
fn rule_31_sends_survive_the_state_and_vanish_with_the_instance() {
    check(
        "
workflow: t
initial: a
states:
  a: { entry: { send: { event: later, after: 1s } }, on: { go: b } }
  b: { on: { later: c } }
  c: { entry: { send: { event: never, after: 1s } }, on: { end: z } }
  z: { final: true }
",
        &["start", "event go", "advance 1s", "event end", "advance 1h"],
        "
        1 start -> - | a
        2 go -> - | b
        3 later -> - | c
        4 end -> - | z done
    ",
    );
}

#[test]
fn rule_32_due_timers_come_in_due_then_arm_order_and_never_early() {
    let mut world = World::new(definition(
        "
workflow: t
initial: a
states:
  a:
    entry:
      - { send: { event: late, after: 2s } }
      - { send: { event: second, after: 1s } }
      - { send: { event: third, after: 1s } }
    on: { \"*\": { do: { log: { label: e, value: \"${ event.name }\" } } } }
",
    ));
    world.run("start");
    let instance = world.instance.clone().unwrap();
    assert_eq!(instance.next_due(), Some(world.now.plus_ms(1_000)));
    assert!(instance.due_timers(world.now.plus_ms(999)).is_empty());
    assert_eq!(instance.due_timers(world.now.plus_ms(5_000)), [2, 3, 1]);
    world.due(2);
    let early = world.last.as_ref().unwrap();
    assert!(early.instance.is_none(), "a timer before its time is refused");
}

#[test]
fn rule_33_a_stale_firing_is_removed_silently() {
    let mut world = World::new(definition(AFTER));
    world.run("start");
    let timer = world.instance.as_ref().unwrap().timers[0].id;
    ["event again", "advance 1s"].iter().for_each(|line| world.run(line));
    world.due(timer);
    let decision = world.last.unwrap();
    assert_eq!(decision.outcome, Outcome::Ignored { reason: "stale_timer".into() });
    assert!(decision.instance.is_none() && decision.effects.is_empty() && decision.trace.is_none());
}

#[test]
fn rule_34_delays_may_be_computed() {
    check(
        "
workflow: t
initial: a
vars: { wait: 1h 30m }
states:
  a:
    entry: { send: { event: x, after: \"${ vars.wait }\" } }
    on: { x: b, bad: { do: { send: { event: y, after: \"${ data.d }\" } } },
        error.execution.send: c }
  b: {}
  c: {}
",
        &["start", "advance 89m", "advance 1m"],
        "
        1 start -> - | a
        2 x -> - | b
    ",
    );
    for bad in ["{d: -5}", "{d: soon}", "{d: 200 years}", "{d: true}"] {
        check(
            "
workflow: t
initial: a
states:
  a:
    on: { bad: { do: { send: { event: y, after: \"${ data.d }\" } } }, error.execution.send: c }
  c: {}
",
            &["start", &format!("event bad {bad}")],
            "
        1 start -> - | a
        2 bad -> - | c
        ",
        );
    }
}

#[test]
fn rule_34_a_computed_delay_may_be_zero() {
    check(
        "
workflow: t
initial: a
vars: { wait: 0s }
states:
  a:
    entry: [ { send: { event: x, after: \"${ vars.wait }\" } }, { raise: y } ]
    on: { y: { do: { log: { label: y, value: 1 } } }, x: b }
  b: {}
",
        &["start", "advance 1ms"],
        "
        1 start -> y=1 | a
        2 x -> - | b
    ",
    );
}
