//! Rules 3, 4, 13, 14, 46: how a life begins, and what it depends on.

use super::check;
use super::check::{World, definition};
use crate::machine::{Effect, EffectId, Generation, Outcome, Status};

const LIFE: &str = "
workflow: life
events: { begun: { start: true } }
vars: { who: \"${ input.who }\", twice: \"${ vars.who + vars.who }\" }
initial: a
states:
  a:
    entry: { log: { label: a, value: \"${ event.type }\" } }
    on: { begun: b }
  b: { on: { over: c } }
  c: { final: true }
";

#[test]
fn rule_14_vars_are_initialised_in_order_and_the_starting_event_is_offered() {
    check(
        LIFE,
        &["start begun {who: x} ", "vars"],
        "
        1 start -> a=\"external\" | b
          {\"twice\":\"xx\",\"who\":\"x\"}
    ",
    );
}

#[test]
fn rule_14_a_starting_event_nobody_takes_is_normal() {
    let text = LIFE.replace("on: { begun: b }", "on: { other: b }");
    check(&text, &["start begun {who: x}"], "1 start -> a=\"external\" | a");
}

#[test]
fn rule_14_a_failing_variable_stays_null_and_raises_an_error() {
    let text = LIFE.replace("on: { begun: b }", "on: { error.execution.vars: c }");
    check(&text, &["start begun {}"], "1 start -> a=\"external\" | c done");
}

#[test]
fn rule_03_the_next_step_depends_on_nothing_but_the_instance() {
    let script = ["start begun {who: x}", "event over"];
    let run = || {
        let mut world = World::new(definition(LIFE));
        script.iter().for_each(|line| world.run(line));
        (world.instance, world.effects)
    };
    assert_eq!(run(), run());
}

#[test]
fn rule_04_now_is_the_time_of_the_input() {
    let text = LIFE.replace("event.type", "now == timestamp('2023-11-14T22:13:20Z')");
    check(&text, &["start begun {who: x}"], "1 start -> a=true | b");
}

#[test]
fn rule_13_effect_ids_name_the_life_the_step_and_the_action() {
    let text = LIFE.replace("log: { label: a, value: \"${ event.type }\" }", "publish: x.y");
    let mut world = World::new(definition(&text));
    world.run("start begun {who: x}");
    let id = EffectId::new(&world.key, Generation(1), 1, 0);
    let is_it =
        |effect: &Effect| matches!(effect, Effect::Publish { id: found, .. } if *found == id);
    assert!(world.effects.iter().any(is_it));
}

#[test]
fn rule_46_a_second_start_is_a_duplicate_or_refused() {
    let text = LIFE.replace("event.type", "input.who");
    check(
        &text,
        &["start {who: x}", "start {who: x}", "start {who: y}"],
        "
        1 start -> a=\"x\" | a
        2 start -> - | a !duplicate 1
        3 start -> - | a !rejected exists with other input
    ",
    );
}

#[test]
fn rule_46_events_for_an_ended_instance_are_recorded_and_a_start_begins_a_new_life() {
    let mut world = World::new(definition(LIFE));
    let script = ["start begun {who: x}", "event over", "event over", "start begun {who: y}"];
    script.iter().for_each(|line| world.run(line));
    assert!(world.out.contains("3 over -> - | c done !ignored ended"), "{}", world.out);
    let instance = world.instance.unwrap();
    assert_eq!((instance.generation, instance.status), (Generation(2), Status::Running));
}

const ONCE: &str = "
workflow: once
initial: a
states:
  a: { on: { over: b, go: {} } }
  b: { final: true }
";

#[test]
fn decision_58_a_start_with_an_id_begins_nothing_twice_also_after_the_end() {
    check(
        ONCE,
        &[
            "start {n: 1} [id=x]",
            "start {n: 1} [id=x]",
            "start {n: 2} [id=x]",
            "event over",
            "start {n: 1} [id=x]",
            "start {n: 2} [id=x]",
            "start {n: 1} [id=y]",
            "event over",
            "start {n: 1} [id=x]",
            "start {n: 1}",
        ],
        "
        1 start -> - | a
        2 start -> - | a !duplicate 1
        3 start -> - | a !rejected exists with other input, of a start with the same id
        4 over -> - | b done
        5 start -> - | b done !duplicate 1
        6 start -> - | b done !rejected exists with other input, of a start with the same id
        7 start -> - | a
        8 over -> - | b done
        9 start -> - | b done !duplicate 1
        10 start -> - | a
    ",
    );
}

#[test]
fn decision_58_a_held_start_with_an_id_begins_nothing_twice() {
    let mut world = World::new(definition(ONCE));
    for line in ["start {n: 1} [id=x]", "event over", "held {n: 1} [id=x]"] {
        world.run(line);
    }
    assert_eq!(world.last.as_ref().unwrap().outcome, Outcome::Duplicate { at: 1 });
}

#[test]
fn decision_58_the_ids_of_starts_outlast_those_of_events() {
    let mut world = World::new(definition(ONCE));
    world.run("start {} [id=x]");
    for number in 0..150 {
        world.run(&format!("event go [id=e{number}]"));
    }
    let marks = |world: &World| world.instance.as_ref().unwrap().marks.len();
    assert_eq!(marks(&world), 65);
    world.run("event go [id=x]");
    assert!(matches!(world.last.as_ref().unwrap().outcome, Outcome::Transitioned { .. }));
    world.run("event over");
    for number in 0..17 {
        world.run("start {} [id=x]");
        let last = &world.last.as_ref().unwrap().outcome;
        assert_eq!(matches!(last, Outcome::Duplicate { .. }), number < 16, "{number}: {last:?}");
        world.run("event over");
        world.run(&format!("start {{}} [id=y{number}]"));
        world.run("event over");
    }
    assert_eq!(marks(&world), 16);
}

#[test]
fn rule_46_nothing_but_a_start_makes_an_instance() {
    let mut world = World::new(definition(LIFE));
    world.run("event over");
    world.run("command cancel");
    world.due(1);
    assert_eq!(world.instance, None);
}
