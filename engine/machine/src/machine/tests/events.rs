//! Rules 28-29, 38-40, 44, 45: events, and those nobody takes.

use super::check;
use super::check::{World, definition};
use crate::definition::model::{Descriptor, check_event_name};
use crate::machine::{Effect, Outcome, TransitionId};

#[test]
fn rule_28_event_names() {
    for legal in ["a", "a.b", "A-1._x", &["t"; 16].join("."), &"x".repeat(255)] {
        assert_eq!(check_event_name(legal), Ok(()), "{legal}");
    }
    for illegal in
        ["", ".", "a.", ".a", "a..b", "a b", "a.*", "ä", &["t"; 17].join("."), &"x".repeat(256)]
    {
        assert!(check_event_name(illegal).is_err(), "{illegal}");
    }
}

#[test]
fn rule_28_a_computed_event_name_is_checked() {
    check(
        "
workflow: t
initial: a
states:
  a: { on: { go: { do: { send: { event: \"${ data.n }\" } } }, error.execution.send: b } }
  b: {}
",
        &["start", "event go {n: \"x y\"}"],
        "
        1 start -> - | a
        2 go -> - | b
    ",
    );
}

#[test]
fn rule_29_descriptors_are_token_prefixes() {
    let matches =
        |descriptor: &str, name: &str| Descriptor::parse(descriptor).unwrap().matches(name);
    assert!(matches("foo", "foo") && matches("foo", "foo.bar") && !matches("foo", "foobar"));
    assert!(matches("foo.*", "foo") && matches("foo.", "foo.bar.baz"));
    assert!(matches("*", "anything.at.all"));
    assert!(matches("=a.b", "a.b") && !matches("=a.b", "a.b.c"));
    assert!(Descriptor::parse("a.*.b").is_err());
}

#[test]
fn rule_29_a_transition_may_list_several() {
    check(
        "
workflow: t
initial: a
states:
  a: { on: [ { event: [x, y.z], to: b } ] }
  b: {}
",
        &["start", "event y", "event y.z.q"],
        "
        1 start -> - | a
        2 y -> - | a !ignored unhandled
        3 y.z.q -> - | b
    ",
    );
}

#[test]
fn rule_39_absent_fields_are_absent() {
    check(
        "
workflow: t
initial: a
states:
  a:
    on:
      go:
        do:
          log:
            label: e
            value: \"${ [string(event.name), event.type, string(has(event.sendid)), \
              string(has(event.data)), string(has(event.id)), string(has(event.time))] }\"
",
        &["start", "event go", "event go {} [id=7]"],
        "
        1 start -> - | a
        2 go -> e=[\"go\",\"external\",\"false\",\"false\",\"false\",\"true\"] | a
        3 go -> e=[\"go\",\"external\",\"false\",\"true\",\"true\",\"true\"] | a
    ",
    );
}

const GUARDED: &str = "
workflow: t
initial: a
states:
  a: { on: { go: { name: big, when: data.n > 1, to: b } } }
  b: {}
";

#[test]
fn rule_40_guards_that_were_false_count_as_unhandled_and_are_recorded() {
    let mut world = World::new(definition(GUARDED));
    ["start", "event go {n: 1}"].iter().for_each(|line| world.run(line));
    let trace = world.last.unwrap().trace.unwrap();
    let verdicts: Vec<_> = trace.guards.iter().map(|guard| guard.transition).collect();
    assert_eq!(verdicts.len(), 1);
    let name = world.definition.transition(verdicts[0]).name.as_deref();
    assert_eq!(name, Some("big"));
    assert!(trace.active.is_empty() && trace.fired.is_empty());
}

#[test]
fn rule_38_a_failing_guard_is_false_recorded_and_freezes_nothing() {
    let mut world = World::new(definition(GUARDED));
    ["start", "event go {}", "event go {n: 2}"].iter().for_each(|line| world.run(line));
    assert!(world.out.contains("2 go -> - | a !ignored unhandled\n3 go -> - | b\n"));

    let mut world = World::new(definition(GUARDED));
    ["start", "event go"].iter().for_each(|line| world.run(line));
    let trace = world.last.unwrap().trace.unwrap();
    assert!(trace.guards[0].error.is_some());
}

#[test]
fn rule_44_discard_is_the_default() {
    check(
        GUARDED,
        &["start", "event no"],
        "
        1 start -> - | a
        2 no -> - | a !ignored unhandled
    ",
    );
}

#[test]
fn rule_44_reject_names_what_is_accepted() {
    check(
        "
workflow: t
unhandled: reject
initial: a
states:
  a: { on: { go: b, stop.now: b, error: b }, done: b }
  b: { unhandled: dead_letter }
",
        &["start", "event no [id=1]", "event go", "event no [id=1]"],
        "
        1 start -> - | a
        2 no -> - | a !rejected `no` is not accepted in this state [go stop.now]
        3 go -> - | b
        4 no -> dead_letter no | b !dead_letter unhandled
    ",
    );
}

#[test]
fn rule_44_the_innermost_state_that_declares_it_decides() {
    check(
        "
workflow: t
unhandled: reject
initial: o
states:
  o:
    unhandled: reject
    initial: i
    states: { i: { unhandled: discard } }
",
        &["start", "event no"],
        "
        1 start -> - | i
        2 no -> - | i !ignored unhandled
    ",
    );
}

#[test]
fn rule_45_duplicates_cause_nothing() {
    check(
        "
workflow: t
initial: a
vars: { n: 0 }
states:
  a: { on: { go: { do: { set: { n: vars.n + 1 } } } } }
",
        &[
            "start",
            "event go {x: 1} [id=e1]",
            "event go {x: 1} [id=e1]",
            "event go {x: 2} [id=e1]",
            "event go {x: 2} [id=e1 source=other]",
            "vars",
        ],
        "
        1 start -> - | a
        2 go -> - | a
        3 go -> - | a !duplicate 2
        4 go -> - | a !id_reuse 2
        5 go -> - | a
        {\"n\":2}
    ",
    );
}

#[test]
fn rule_45_the_last_64_ids_are_remembered_per_instance() {
    let text = "
workflow: t
initial: a
states:
  a: { on: { go: {} } }
";
    let mut world = World::new(definition(
        &text.replace("go: {}", "go: { do: { log: { label: l, value: 1 } } }"),
    ));
    world.run("start");
    for number in 0..65 {
        world.run(&format!("event go [id=e{number}]"));
    }
    let marks = &world.instance.as_ref().unwrap().marks;
    assert_eq!(marks.len(), 64);
    world.run("event go [id=e1]");
    assert_eq!(world.last.as_ref().unwrap().outcome, Outcome::Duplicate { at: 3 });
    assert!(world.last.as_ref().unwrap().instance.is_none());
    world.run("event go [id=e0]");
    assert!(matches!(world.last.as_ref().unwrap().outcome, Outcome::Transitioned { .. }));
}

#[test]
fn the_trace_names_what_fired_and_why() {
    let mut world = World::new(definition(
        "
workflow: t
initial: a
states:
  a: { on: { go: { do: { raise: r }, to: b } } }
  b: { on: { r: c } }
  c: { always: { to: d } }
  d: {}
",
    ));
    ["start", "event go"].iter().for_each(|line| world.run(line));
    let trace = world.last.unwrap().trace.unwrap();
    let fired: Vec<_> =
        trace.fired.iter().map(|fired| (fired.transition, fired.event.as_deref())).collect();
    let [go, r, always] = fired.as_slice() else { panic!("{fired:?}") };
    assert_eq!((go.1, r.1, always.1), (None, Some("r"), Some("")));
    assert!(go.0 != TransitionId(u16::MAX));
    assert!(!world.effects.iter().any(|effect| matches!(effect, Effect::DeadLetter { .. })));
}

#[test]
fn rule_28_a_computed_event_name_is_none_of_the_engines() {
    check(
        "
workflow: t
initial: a
states:
  a:
    on: { go: { do: { send: \"${ data.name }\" } }, error.execution.send: b, done.state.a: c }
  b: { entry: { log: { label: e, value: \"${ error.message }\" } } }
  c: {}
",
        &["start", "event go {name: done.state.a}"],
        "
        1 start -> - | a
        2 go -> e=\"names that begin with `done` are made by the engine\" | b
    ",
    );
}
