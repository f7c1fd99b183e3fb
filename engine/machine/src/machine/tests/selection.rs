//! Rules 5-12: one macrostep.

use super::check;

#[test]
fn rule_05_eventless_transitions_come_before_internal_events() {
    check(
        "
workflow: t
initial: a
vars: { n: 0 }
states:
  a: { on: { go: { do: [ { raise: x }, { set: { n: 1 } } ], to: b } } }
  b:
    always: { when: vars.n == 1, to: c }
    on: { x: lost }
  c: { on: { x: d } }
  d: {}
  lost: {}
",
        &["start", "event go"],
        "
        1 start -> - | a
        2 go -> - | d
    ",
    );
}

#[test]
fn rule_06_inner_first_then_document_order() {
    check(
        "
workflow: t
initial: a
states:
  a:
    initial: inner
    on: { go: { to: outer } }
    states:
      inner:
        on:
          go:
            - { when: data.n > 5, to: big }
            - { when: data.n > 1, to: small }
      big: {}
      small: {}
  outer: {}
",
        &["start", "event go {n: 0}"],
        "
        1 start -> - | inner
        2 go -> - | outer
    ",
    );
}

#[test]
fn rule_06_a_transition_chosen_by_two_atomic_states_runs_once() {
    check(
        "
workflow: t
initial: p
states:
  p:
    on: { go: { do: { log: { label: once, value: 1 } } } }
    parallel:
      r1: { initial: a, states: { a: {} } }
      r2: { initial: b, states: { b: {} } }
",
        &["start", "event go"],
        "
        1 start -> - | a b
        2 go -> once=1 | a b
    ",
    );
}

#[test]
fn rule_07_guards_see_the_state_of_before_the_microstep() {
    check(
        "
workflow: t
initial: p
vars: { n: 0 }
states:
  p:
    parallel:
      r1: { initial: a, states: { a: { on: { go: { do: { set: { n: 1 } }, to: a2 } } }, a2: {} } }
      r2: { initial: b, states: { b: { on: { go: { when: vars.n == 0, to: b2 } } }, b2: {} } }
",
        &["start", "event go"],
        "
        1 start -> - | a b
        2 go -> - | a2 b2
    ",
    );
}

#[test]
fn rule_08_the_descendant_wins_a_conflict_else_the_earlier_region() {
    let chart = "
workflow: t
initial: p
states:
  p:
    parallel:
      r1: { initial: a, states: { a: { on: { go: one } } } }
      r2: { initial: b, states: { b: { on: { go: two } } } }
  one: {}
  two: {}
";
    check(
        chart,
        &["start", "event go"],
        "
        1 start -> - | a b
        2 go -> - | one
    ",
    );
}

#[test]
fn rule_08_the_descendant_wins_over_the_state_around_it() {
    // The first region leaves the choice to the parallel state; the second one has its own.
    for [first, second] in [["", "on: { go: two }"], ["on: { go: two }", ""]] {
        let text = format!(
            "workflow: t\ninitial: p\nstates:\n  p:\n    on: {{ go: out }}\n    parallel:\n      \
             r1: {{ initial: a, states: {{ a: {{ {first} }}, b: {{}} }} }}\n      \
             r2: {{ initial: c, states: {{ c: {{ {second} }}, d: {{}} }} }}\n  out: {{}}\n"
        );
        let own = if first.is_empty() { "d" } else { "b" };
        let after = if first.is_empty() { "a d" } else { "b c" };
        check(
            &text.replace("two", own),
            &["start", "event go"],
            &format!("1 start -> - | a c\n2 go -> - | {after}"),
        );
    }
}

#[test]
fn rule_08_targetless_transitions_never_conflict() {
    check(
        "
workflow: t
initial: p
states:
  p:
    parallel:
      r1: { initial: a, states: { a: { on: { go: { do: { log: { label: l, value: 1 } } } } } } }
      r2: { initial: b, states: { b: { on: { go: out } } } }
  out: {}
",
        &["start", "event go"],
        "
        1 start -> - | a b
        2 go -> l=1 | out
    ",
    );
}

const NEST: &str = "
workflow: t
initial: s
states:
  s:
    entry: { log: { label: in, value: s } }
    exit: { log: { label: out, value: s } }
    initial: a
    on:
      outer: { to: b }
      inner: { to: b, internal: true }
    states:
      a:
        entry: { log: { label: in, value: a } }
        exit: { log: { label: out, value: a } }
      b: { entry: { log: { label: in, value: b } } }
";

#[test]
fn rule_09_external_transitions_leave_their_source_internal_ones_keep_it() {
    check(
        NEST,
        &["start", "event inner"],
        "
        1 start -> in=\"s\", in=\"a\" | a
        2 inner -> out=\"a\", in=\"b\" | b
    ",
    );
    check(
        NEST,
        &["start", "event outer"],
        "
        1 start -> in=\"s\", in=\"a\" | a
        2 outer -> out=\"a\", out=\"s\", in=\"s\", in=\"b\" | b
    ",
    );
}

#[test]
fn rule_10_exits_in_reverse_then_actions_then_entries_in_order() {
    check(
        "
workflow: t
initial: s
states:
  s:
    exit: { log: { label: x, value: s } }
    initial: a
    states: { a: { exit: { log: { label: x, value: a } }, on: { go: { do: { log: { label: t,
        value: 1 } }, to: n } } } }
  n:
    entry: { log: { label: e, value: n } }
    initial: { to: m, do: { log: { label: i, value: n } } }
    states: { m: { entry: { log: { label: e, value: m } } } }
",
        &["start", "event go"],
        "
        1 start -> - | a
        2 go -> x=\"a\", x=\"s\", t=1, e=\"n\", i=\"n\", e=\"m\" | m
    ",
    );
}

#[test]
fn rule_10_actions_of_several_regions_run_in_document_order() {
    let region = |name: &str| {
        let log = |at: &str| format!("{{ log: {{ label: {at}, value: {name} }} }}");
        let (out, act, into) = (log("x"), log("t"), log("e"));
        format!(
            "{name}: {{ initial: {name}1, states: {{ {name}1: {{ exit: {out}, on: {{ go: {{ do: \
             {act}, to: {name}2 }} }} }}, {name}2: {{ entry: {into} }} }} }}"
        )
    };
    check(
        &format!(
            "workflow: t\nstates:\n  p:\n    parallel:\n      {}\n      {}\n",
            region("l"),
            region("m")
        ),
        &["start", "event go"],
        "
        1 start -> - | l1 m1
        2 go -> x=\"m\", x=\"l\", t=\"l\", t=\"m\", e=\"l\", e=\"m\" | l2 m2
    ",
    );
}

#[test]
fn rule_11_a_state_is_active_in_its_own_actions_its_children_are_not() {
    check(
        "
workflow: t
initial: s
states:
  s:
    entry: { log: { label: e, value: \"${ active('s') && !active('a') }\" } }
    exit: { log: { label: x, value: \"${ active('s') && !active('a') }\" } }
    initial: a
    states: { a: { exit: { log: { label: own, value: \"${ active('a') }\" } }, on: { go: z } } }
  z: {}
",
        &["start", "event go"],
        "
        1 start -> e=true | a
        2 go -> own=true, x=true | z
    ",
    );
}

const LOOP: &str = "
workflow: t
initial: a
vars: { n: 0 }
limits: { microsteps: 10 }
states:
  a: { on: { go: { do: [ { set: { n: 7 } }, { publish: x.y } ], to: b }, fine: { to: c } } }
  b: { always: { when: vars.n > 0, to: b2 } }
  b2: { always: { when: vars.n > 0, to: b } }
  c: {}
";

#[test]
fn rule_12_a_livelock_is_rolled_back_and_never_redelivered_by_itself() {
    let cycle = "b → b2 → b, ×5";
    let reason = format!("microsteps exceed the limit of 10; last transitions: {cycle}");
    check(
        LOOP,
        &["start", "event go", "vars", "event fine", "command skip"],
        &format!(
            "
        1 start -> - | a
        2 go -> - | a stuck ({reason}) !rolled back
          {{\"n\":0}}
        3 fine -> - | a stuck ({reason}) !deferred
        4 command skip -> - | c
    "
        ),
    );
    check(
        LOOP,
        &["start", "event go", "command retry"],
        &format!(
            "
        1 start -> - | a
        2 go -> - | a stuck ({reason}) !rolled back
        3 command retry -> - | a stuck ({reason}) !rolled back
    "
        ),
    );
}

#[test]
fn rule_12_actions_events_and_effects_are_limited() {
    for (actions, limit, words) in [
        (
            "{ each: { in: \"[1,2,3,4,5,6]\", as: x, do: { set: { n: vars.n + 1 } } } }",
            "actions: 5",
            "actions exceed the limit of 5",
        ),
        (
            "{ each: { in: \"[1,2,3,4]\", as: x, do: { raise: e } } }",
            "internal_events: 3",
            "internal events exceed the limit of 3",
        ),
        (
            "{ each: { in: \"[1,2,3,4]\", as: x, do: { publish: x.y } } }",
            "effects: 3",
            "effects exceed the limit of 3 calls, messages and timers at once: \
                a step with `foreach` makes more, some at a time",
        ),
    ] {
        let text = format!(
            "
workflow: t
initial: a
vars: {{ n: 0 }}
limits: {{ {limit} }}
states:
  a: {{ on: {{ go: {{ do: {actions}, to: b }} }} }}
  b: {{}}
"
        );
        check(
            &text,
            &["start", "event go"],
            &format!(
                "
        1 start -> - | a
        2 go -> - | a stuck ({words}; last transitions: a → b) !rolled back
        "
            ),
        );
    }
}

#[test]
fn rule_12_variables_are_limited_before_they_are_kept() {
    check(
        "
workflow: t
initial: a
vars: { s: \"\" }
limits: { vars: 20 }
states:
  a: { on: { go: { do: { set: { s: data.text } }, to: b } } }
  b: {}
",
        &["start", "event go {text: aaaaaaaaaaaaaaaaaaaaaaaaaa}", "vars"],
        "
        1 start -> - | a
        2 go -> - | a stuck (variables of 28 bytes exceed the limit of 20 bytes) !rolled back
          {\"s\":\"\"}
    ",
    );
}
