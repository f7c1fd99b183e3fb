//! Rules 21-26: actions.

use super::check;
use super::check::{World, definition};
use crate::machine::Effect;

#[test]
fn rule_21_a_failing_action_skips_the_rest_of_its_block_only() {
    check(
        "
workflow: t
initial: a
on_error: ignore
vars: { n: 0 }
states:
  a:
    entry:
      - [ { log: { label: one, value: 1 } }, { set: { n: 1 / 0 } }, { log: { label: no,
            value: 1 } } ]
      - [ { log: { label: two, value: 2 } } ]
",
        &["start"],
        "1 start -> one=1, two=2 | a",
    );
}

#[test]
fn rule_22_raised_events_come_before_sent_ones() {
    check(
        "
workflow: t
initial: a
states:
  a: { entry: [ { send: { event: s } }, { raise: r } ], on: { s: lost, r: b } }
  b: { on: { s: c } }
  c: {}
  lost: {}
",
        &["start"],
        "
        1 start -> send s | b
        2 s -> - | c
    ",
    );
}

#[test]
fn rule_22_raise_carries_data() {
    check(
        "
workflow: t
initial: a
states:
  a: { entry: { raise: r, with: { n: \"${ 1 + 1 }\" } }, on: { r: { when: data.n == 2, to: b } } }
  b: {}
",
        &["start"],
        "1 start -> - | b",
    );
}

#[test]
fn rule_23_entries_of_set_see_earlier_ones_and_write_members() {
    check(
        "
workflow: t
initial: a
vars: { n: 1, m: { x: 1, inner: {} } }
states:
  a: { entry: { set: { n: vars.n + 1, m.x: vars.n, m.inner.y: 5 } } }
",
        &["start", "vars"],
        "
        1 start -> - | a
          {\"m\":{\"inner\":{\"y\":5},\"x\":2},\"n\":2}
    ",
    );
}

#[test]
fn rule_23_parents_must_exist() {
    check(
        "
workflow: t
initial: a
vars: { m: {} }
states:
  a: { entry: { set: { m.x.y: 1 } }, on: { error.execution.assign: b } }
  b: {}
",
        &["start"],
        "1 start -> - | b",
    );
}

#[test]
fn rule_24_the_first_true_branch_only_and_a_failing_guard_is_false() {
    check(
        "
workflow: t
initial: a
states:
  a:
    on:
      go:
        do:
          if:
            - { when: data.n > 1, do: { log: { label: big, value: 1 } } }
            - { when: data.n > 0, do: { log: { label: small, value: 1 } } }
            - { do: { log: { label: else, value: 1 } } }
",
        &["start", "event go {n: 5}", "event go {n: 1}", "event go {n: 0}", "event go {}"],
        "
        1 start -> - | a
        2 go -> big=1 | a
        3 go -> small=1 | a
        4 go -> else=1 | a
        5 go -> else=1 | a
    ",
    );
}

#[test]
fn rule_24_each_iterates_a_snapshot_and_a_failing_body_ends_the_block() {
    check(
        "
workflow: t
initial: a
on_error: ignore
vars: { l: [3, 1, 0, 2] }
states:
  a:
    entry:
      - { each: { in: vars.l, as: x, index: i, do: [ { set: { l: \"[]\" } }, { log: { label: i,
            value: \"${ i }\" } }, { log: { label: q, value: \"${ 6 / x }\" } } ] } }
      - { log: { label: never, value: 1 } }
",
        &["start"],
        "1 start -> i=0, q=2, i=1, q=6, i=2 | a",
    );
}

#[test]
fn rule_24_each_needs_a_list() {
    check(
        "
workflow: t
initial: a
vars: { l: 5 }
states:
  a: { entry: { each: { in: vars.l, as: x, do: { log: { label: x, value: 1 } } } },
      on: { error.execution: b } }
  b: {}
",
        &["start"],
        "1 start -> - | b",
    );
}

#[test]
fn rule_25_a_failing_argument_sends_nothing_and_names_the_send() {
    check(
        "
workflow: t
initial: a
vars: { n: 0 }
states:
  a:
    entry: { send: { event: s, id: one, with: { q: \"${ 1 / vars.n }\" } } }
    on: { error.execution.send: { do: { log: { label: id, value: \"${ event.sendid }\" } },
        to: b } }
  b: {}
",
        &["start"],
        "1 start -> id=\"one\" | b",
    );
}

#[test]
fn rule_25_arguments_are_evaluated_when_the_action_runs() {
    check(
        "
workflow: t
initial: a
vars: { n: 1 }
states:
  a:
    entry: [ { send: { event: s, after: 1s, with: { n: \"${ vars.n }\" } } }, { set: { n: 2 } } ]
    on: { s: { do: { log: { label: n, value: \"${ data.n }\" } } } }
",
        &["start", "advance 2s"],
        "
        1 start -> - | a
        2 s -> n=1 | a
    ",
    );
}

#[test]
fn rule_26_a_malformed_subject_is_an_error() {
    for subject in ["a..b", "a b", "x.>", "gearshift.event.x", "$SYS.x", ""] {
        check(
            "
workflow: t
initial: a
states:
  a:
    on:
      go: { do: { publish: \"${ data.s }\" } }
      error.execution.send: b
  b: {}
",
            &["start", &format!("event go {{s: \"{subject}\"}}")],
            "
        1 start -> - | a
        2 go -> - | b
        ",
        );
    }
}

#[test]
fn publish_without_a_body_publishes_the_data_in_hand() {
    let mut world = World::new(definition(
        "
workflow: t
initial: a
states:
  a: { on: { go: { do: { publish: out.x } } } }
",
    ));
    ["start", "event go {n: 5}"].iter().for_each(|line| world.run(line));
    let published = world.effects.iter().find_map(|effect| {
        if let Effect::Publish { payload, .. } = effect { Some(payload.to_json()) } else { None }
    });
    assert_eq!(published.as_deref(), Some("{\"n\":5}"));
}
