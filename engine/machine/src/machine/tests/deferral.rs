//! Rules 41-43: deferral.

use super::check;
use super::check::{World, definition};
use crate::machine::{Event, Input};
use crate::value::Value;

const DEFER: &str = "
workflow: t
initial: a
states:
  a:
    defer: [x, y]
    on: { go: b, x.now: { do: { log: { label: now, value: 1 } } } }
  b:
    defer: [y]
    on: { x: { do: { log: { label: x, value: \"${ data.n }\" } } }, go: c }
  c: { on: { y: d, x: lost } }
  d: {}
  lost: {}
";

#[test]
fn rule_41_a_transition_beats_deferral_and_deferral_beats_discarding() {
    check(
        DEFER,
        &["start", "event x {n: 1}", "event x.now", "event other"],
        "
        1 start -> - | a
        2 x -> - | a !deferred
        3 x.now -> now=1 | a
        4 other -> - | a !ignored unhandled
    ",
    );
}

#[test]
fn rule_42_deferred_events_are_offered_in_order_and_keep_their_place() {
    check(
        DEFER,
        &["start", "event x {n: 1}", "event y", "event x {n: 2}", "event go", "event go"],
        "
        1 start -> - | a
        2 x -> - | a !deferred
        3 y -> - | a !deferred
        4 x -> - | a !deferred
        5 go -> x=1, x=2 | b
        6 go -> - | d
    ",
    );
}

#[test]
fn rule_43_overflow_is_a_dead_letter_and_freezes_nothing() {
    let mut world = World::new(definition(DEFER));
    world.run("start");
    for _ in 0..101 {
        world.run("event x {n: 1}");
    }
    assert!(
        world.out.ends_with("102 x -> dead_letter x | a !dead_letter deferred_full\n"),
        "{}",
        world.out
    );
    assert_eq!(world.instance.as_ref().unwrap().deferred.len(), 100);
    world.run("event go");
    assert_eq!(world.instance.as_ref().unwrap().deferred.len(), 0);
}

#[test]
fn rule_43_one_mebibyte_is_the_limit_of_bytes() {
    let mut world = World::new(definition(DEFER));
    world.run("start");
    let big = |bytes: usize| {
        let data = Some(Value::from("x".repeat(bytes).as_str()));
        Input::Event(Event { name: "x".into(), data, ..Event::default() })
    };
    world.tell(&big(600_000));
    world.tell(&big(500_000));
    world.tell(&big(400_000));
    assert_eq!(
        world.out,
        "\
1 start -> - | a
2 x -> - | a !deferred
3 x -> dead_letter x | a !dead_letter deferred_full
4 x -> - | a !deferred
"
    );
    assert_eq!(world.instance.unwrap().deferred.len(), 2);
}

#[test]
fn rule_43_expiry_is_a_dead_letter_and_an_event_for_whoever_handles_it() {
    let mut definition = definition(&DEFER.replace(
        "on: { go: b,",
        "on: { error.platform.defer: { do: { log: { label: expired, \
                value: \"${ data.event }\" } } }, go: b,",
    ));
    for state in &mut definition.states {
        state.defer_ttl_ms = 10_000;
    }
    let mut world = World::new(definition);
    for line in [
        "start",
        "event x {n: 1}",
        "advance 6s",
        "event y",
        "advance 5s",
        "event x {n: 2}",
        "event go",
        "advance 1h",
    ] {
        world.run(line);
    }
    assert_eq!(
        world.out,
        "\
1 start -> - | a
2 x -> - | a !deferred
3 y -> - | a !deferred
4 timer defer -> dead_letter x, expired=\"x\" | a !dead_letter deferred_expired
5 x -> - | a !deferred
6 go -> x=2 | b
7 timer defer -> dead_letter y | b !dead_letter deferred_expired
"
    );
}

#[test]
fn rule_44_unhandled_defer_keeps_events_too() {
    check(
        &DEFER.replace("initial: a\n", "unhandled: defer\ninitial: a\n"),
        &["start", "event z", "command cancel"],
        "
        1 start -> - | a
        2 z -> - | a !deferred
        3 command cancel -> dead_letter z | a cancelled
    ",
    );
}

#[test]
fn parked_events_are_limited() {
    let mut world = World::new(definition(
        "
workflow: t
initial: a
states:
  a: { entry: { set: { n: 1 / 0 } } }
vars: { n: 0 }
",
    ));
    world.run("start");
    for _ in 0..101 {
        world.run("event x");
    }
    assert!(world.out.ends_with("!dead_letter parked_full\n"), "{}", world.out);
    assert_eq!(world.instance.unwrap().parked.len(), 100);
}

#[test]
fn rule_42_an_operators_decision_lets_deferred_events_in_too() {
    check(
        "
workflow: t
initial: w
states:
  w:
    approval: { title: x, choices: [approve] }
    defer: [early]
    on: { user.action: { to: n } }
  n: { on: { early: z } }
  z: {}
",
        &["start", "event early", "command decide approve {}"],
        "
        1 start -> - | w
        2 early -> - | w !deferred
        3 command decide approve -> - | z
    ",
    );
}

#[test]
fn rule_14_a_starting_event_may_be_deferred() {
    check(
        "
workflow: t
events: { begun: { start: true } }
initial: a
states:
  a: { defer: [begun], on: { go: b } }
  b: { on: { begun: c } }
  c: {}
",
        &["start begun {}", "event go"],
        "
        1 start -> - | a
        2 go -> - | c
    ",
    );
}
