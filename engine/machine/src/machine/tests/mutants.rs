//! What the W3C suite does not catch (02 §6): each test kills one mutant of the algorithm.

use super::check;
use super::check::{World, definition};
use crate::definition::model::Action;

const HISTORY: &str = "
workflow: t
initial: s
states:
  s:
    initial: a
    on: { leave: out }
    states:
      a: { on: { next: b } }
      b: { on: { next: c } }
      c: {}
      h: { history: shallow, default: { to: a } }
  out: { on: { back: h } }
";

#[test]
fn rule_17_mutant_history_is_recorded_again_on_the_second_exit() {
    check(
        HISTORY,
        &[
            "start",
            "event next",
            "event leave",
            "event back",
            "event next",
            "event leave",
            "event back",
        ],
        "
        1 start -> - | a
        2 next -> - | b
        3 leave -> - | out
        4 back -> - | b
        5 next -> - | c
        6 leave -> - | out
        7 back -> - | c
    ",
    );
}

#[test]
fn rule_18_mutant_done_comes_after_the_finals_entry_actions_and_sees_their_assignments() {
    check(
        "
workflow: t
initial: s
vars: { n: 0 }
states:
  s:
    initial: a
    done: { do: { log: { label: out, value: \"${ data }\" } }, to: z }
    on: { r: { do: { log: { label: r, value: 1 } } } }
    states:
      a: { on: { go: f } }
      f: { final: true, entry: [ { raise: r }, { set: { n: 7 } } ], output: \"${ vars.n }\" }
  z: {}
",
        &["start", "event go"],
        "
        1 start -> - | a
        2 go -> r=1, out=7 | z
    ",
    );
}

#[test]
fn rule_11_mutant_a_state_is_active_in_its_own_exit_action() {
    check(
        "
workflow: t
initial: a
states:
  a: { exit: { log: { label: own, value: \"${ active('a') }\" } }, on: { go: b } }
  b: { entry: { log: { label: left, value: \"${ active('a') }\" } } }
",
        &["start", "event go"],
        "
        1 start -> - | a
        2 go -> own=true, left=false | b
    ",
    );
}

#[test]
fn rule_23_mutant_set_of_an_undeclared_name_fails() {
    let mut definition = definition(
        "
workflow: t
initial: a
vars: { n: 0 }
states:
  a: { entry: { set: { n: 5 } }, on: { error.execution.assign: b } }
  b: {}
",
    );
    for state in &mut definition.states {
        for action in state.entry.iter_mut().flatten() {
            if let Action::Set(entries) = action {
                entries[0].0.var = None;
            }
        }
    }
    let mut world = World::new(definition);
    world.run("start");
    world.run("vars");
    assert_eq!(world.out, "1 start -> - | b\n{\"n\":0}\n");
}

#[test]
fn rule_40_mutant_an_unhandled_external_event_is_not_kept() {
    check(
        "
workflow: t
initial: a
states:
  a: { on: { go: b } }
  b: { on: { x: lost } }
  lost: {}
",
        &["start", "event x", "event go"],
        "
        1 start -> - | a
        2 x -> - | a !ignored unhandled
        3 go -> - | b
    ",
    );
}

#[test]
fn rule_09_mutant_an_external_self_transition_exits_reenters_and_restarts_timers() {
    check(
        "
workflow: t
initial: a
states:
  a:
    entry: { log: { label: in, value: 1 } }
    exit: { log: { label: out, value: 1 } }
    on: { self: a }
    after: { 10s: b }
  b: {}
",
        &["start", "advance 9s", "event self", "advance 9s", "advance 1s"],
        "
        1 start -> in=1 | a
        2 self -> out=1, in=1 | a
        3 timer after a -> out=1 | b
    ",
    );
}

#[test]
fn rule_09_a_parallel_state_is_never_a_domain() {
    check(
        "
workflow: t
initial: p
states:
  p:
    entry: { log: { label: in, value: 1 } }
    exit: { log: { label: out, value: 1 } }
    on: { y: { to: l2, internal: true } }
    parallel:
      l: { initial: l1, states: { l1: { on: { x: m2 } }, l2: {} } }
      m: { initial: m1, states: { m1: {}, m2: {} } }
",
        &["start", "event x", "event y"],
        "
        1 start -> in=1 | l1 m1
        2 x -> out=1, in=1 | l1 m2
        3 y -> out=1, in=1 | l2 m1
    ",
    );
}

#[test]
fn rule_15_mutant_history_inside_an_initial_enters_the_intermediate_ancestors() {
    check(
        "
workflow: t
initial: s
states:
  s:
    initial: a
    on: { leave: out }
    states:
      a:
        initial: a1
        states:
          a1: { on: { next: a2 } }
          a2: { entry: { log: { label: in, value: a2 } } }
      h: { history: deep, default: { to: a1 } }
  out: { on: { go: w } }
  w: { on: { never: s } , always: { to: v } }
  v:
    initial: h2
    entry: { log: { label: in, value: v } }
    states:
      m:
        entry: { log: { label: in, value: m } }
        initial: m1
        states: { m1: { on: { next: m2 } }, m2: { entry: { log: { label: in, value: m2 } },
            on: { quit: out } } }
      h2: { history: deep, default: { to: m2 } }
",
        &["start", "event leave", "event go", "event quit", "event go"],
        "
        1 start -> - | a1
        2 leave -> - | out
        3 go -> in=\"v\", in=\"m\", in=\"m2\" | m2
        4 quit -> - | out
        5 go -> in=\"v\", in=\"m\", in=\"m2\" | m2
    ",
    );
}

#[test]
fn rule_18_mutant_a_parallel_is_not_done_before_all_regions_are() {
    check(
        "
workflow: t
initial: p
states:
  p:
    done: z
    parallel:
      x: { initial: x1, states: { x1: { on: { x: x2 } }, x2: { final: true } } }
      y: { initial: y1, states: { y1: { on: { y: y2 } }, y2: { final: true } } }
      w: { initial: w1, states: { w1: { on: { w: w2 } }, w2: { final: true } } }
  z: {}
",
        &["start", "event x", "event y", "event w"],
        "
        1 start -> - | x1 y1 w1
        2 x -> - | x2 y1 w1
        3 y -> - | x2 y2 w1
        4 w -> - | z
    ",
    );
}

#[test]
fn rule_18_mutant_done_of_nested_parallels_two_and_three_levels() {
    let nested = |levels: usize| {
        let mut inner = "initial: f0\n".to_owned();
        inner.push_str("states: { f0: { on: { go: f1 } }, f1: { final: true } }\n");
        for level in 0..levels {
            let indented = inner.lines().map(|line| format!("    {line}\n")).collect::<String>();
            inner = format!("parallel:\n  r{level}:\n{indented}");
        }
        let indented = inner.lines().map(|line| format!("    {line}\n")).collect::<String>();
        format!("workflow: t\ninitial: p\nstates:\n  p:\n    done: z\n{indented}  z: {{}}\n")
    };
    for levels in [1, 2, 3] {
        check(
            &nested(levels),
            &["start", "event go"],
            "
        1 start -> - | f0
        2 go -> - | z
        ",
        );
    }
}
