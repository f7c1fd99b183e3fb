//! Rules 1, 2, 15-20: states, history, done events, the end.

use super::check;
use super::check::{World, definition};
use crate::machine::{NoticeKind, RETENTION_MS, TimerKind};

const REGIONS: &str = "
workflow: t
initial: out
states:
  out: { on: { deep: y2, both: { to: [x2, y2] }, p: p } }
  p:
    on: { leave: out, back: h, deeply: d }
    parallel:
      x: { initial: x1, states: { x1: { on: { nx: x2 } }, x2: {} } }
      y:
        initial: ya
        states:
          ya: { initial: y1, states: { y1: { on: { ny: y2 } }, y2: {} } }
          yb: {}
  q:
    initial: q1
    states:
      q1: { on: { q: q2 } }
      q2: {}
  h: { on: { never: q } }
  d: {}
";

#[test]
fn rule_15_explicit_targets_enter_other_regions_by_default() {
    check(
        REGIONS,
        &["start", "event deep"],
        "
        1 start -> - | out
        2 deep -> - | x1 y2
    ",
    );
    check(
        REGIONS,
        &["start", "event p"],
        "
        1 start -> - | out
        2 p -> - | x1 y1
    ",
    );
}

#[test]
fn rule_16_several_targets_in_different_regions() {
    check(
        REGIONS,
        &["start", "event both"],
        "
        1 start -> - | out
        2 both -> - | x2 y2
    ",
    );
}

const HISTORY: &str = "
workflow: t
initial: s
states:
  s:
    initial: a
    on: { leave: out }
    states:
      a: { initial: a1, states: { a1: { on: { next: a2 } }, a2: { on: { next: b } } } }
      b: {}
      sh: { history: shallow, default: { to: b, do: { log: { label: default, value: 1 } } } }
      dh: { history: deep, default: b }
  out: { on: { shallow: sh, deep: dh } }
";

#[test]
fn rule_17_history_restores_what_was_active() {
    check(
        HISTORY,
        &["start", "event next", "event leave", "event shallow"],
        "
        1 start -> - | a1
        2 next -> - | a2
        3 leave -> - | out
        4 shallow -> - | a1
    ",
    );
    check(
        HISTORY,
        &["start", "event next", "event leave", "event deep"],
        "
        1 start -> - | a1
        2 next -> - | a2
        3 leave -> - | out
        4 deep -> - | a2
    ",
    );
}

#[test]
fn rule_17_without_a_stored_one_the_default_runs_with_its_actions() {
    let text = HISTORY.replacen("initial: s", "initial: out", 1);
    check(
        &text,
        &["start", "event shallow"],
        "
        1 start -> - | out
        2 shallow -> default=1 | b
    ",
    );
}

const DONE: &str = "
workflow: t
initial: q
states:
  q:
    done: closed
    parallel:
      l:
        initial: l1
        on: { done.state.l: { do: { log: { label: l, value: \"${ data }\" } } } }
        states: { l1: { on: { l: l2 } }, l2: { final: true, output: \"${ event.type }\" } }
      m: { initial: m1, states: { m1: { on: { m: m2 } }, m2: { final: true } } }
  closed: { final: true }
";

#[test]
fn rule_18_a_parallel_is_done_when_all_regions_are_final() {
    check(
        DONE,
        &["start", "event l", "event m"],
        "
        1 start -> - | l1 m1
        2 l -> l=\"external\" | l2 m1
        3 m -> - | closed done
    ",
    );
}

#[test]
fn rule_18_done_goes_up_through_nested_parallels() {
    check(
        "
workflow: t
initial: o
states:
  o:
    done: closed
    parallel:
      i:
        parallel:
          j:
            parallel:
              k: { initial: k1, states: { k1: { on: { go: k2 } }, k2: { final: true } } }
      n: { initial: n1, states: { n1: { on: { go: n2 } }, n2: { final: true } } }
  closed: { final: true }
",
        &["start", "event go"],
        "
        1 start -> - | k1 n1
        2 go -> - | closed done
    ",
    );
}

const END: &str = "
workflow: t
initial: a
vars: { v: 1 }
states:
  a:
    exit: { log: { label: x, value: a } }
    on: { go: { do: [ { raise: never }, { send: { event: later, after: 1h } } ], to: z } }
  z:
    final: true
    entry: { set: { v: 2 } }
    exit: { log: { label: x, value: z } }
    output: { v: \"${ vars.v }\" }
";

#[test]
fn rule_19_a_top_level_final_ends_at_once_and_stays_readable() {
    let mut world = World::new(definition(END));
    ["start", "event go"].iter().for_each(|line| world.run(line));
    assert!(world.out.ends_with("2 go -> x=\"a\", x=\"z\" | z done\n"), "{}", world.out);
    let instance = world.instance.as_ref().unwrap();
    assert_eq!(instance.output.to_json(), "{\"v\":2}");
    let kinds: Vec<_> = instance.timers.iter().map(|timer| (&timer.kind, timer.due)).collect();
    assert_eq!(kinds, [(&TimerKind::Retention, world.now.plus_ms(RETENTION_MS))]);
    let last = world.notices.last().unwrap();
    assert_eq!(last.0, NoticeKind::Completed);
    assert_eq!(last.1.to_json(), "{\"output\":{\"v\":2},\"state\":[\"z\"]}");
}

#[test]
fn rule_19_waiting_events_become_dead_letters() {
    check(
        "
workflow: t
initial: a
states:
  a: { defer: [later], on: { go: z } }
  z: { final: true }
",
        &["start", "event later", "event go"],
        "
        1 start -> - | a
        2 later -> - | a !deferred
        3 go -> dead_letter later | z done
    ",
    );
}

#[test]
fn rule_20_cancel_runs_exit_actions_kill_does_not() {
    check(
        END,
        &["start", "command cancel", "command cancel"],
        "
        1 start -> - | a
        2 command cancel -> x=\"a\" | a cancelled
        3 command -> - | a cancelled !rejected ended
    ",
    );
    check(
        END,
        &["start", "command kill", "event go"],
        "
        1 start -> - | a
        2 command kill -> - | a cancelled
        3 go -> - | a cancelled !ignored ended
    ",
    );
}
