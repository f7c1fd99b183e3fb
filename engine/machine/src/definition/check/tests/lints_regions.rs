//! Lints about regions: L1, L6, and transitions that shut one another out.

use crate::definition::check::tests::check_problems;

#[test]
fn l1_restarts_regions() {
    check_problems(
        r"workflow: w
events: [x, y, z, q]
states:
  p:
    on: { q: e }
    parallel:
      l: { on: { x: l2, y: { do: { log: here } } }, states: { l1: { on: { z: l2 } }, l2: {} } }
      m: { states: { m1: { on: { z: l1 } } } }
  e: { final: true }
",
        "\
7:21 GS0200 restarts_regions: it leaves and enters again every region of `p`\n\
8:37 GS0200 restarts_regions: it leaves and enters again every region of `p`\n\
8:37 GS0213 region_shut_out: where `l` takes this event (line 7), this transition is not taken\n\
        ",
    );
}

#[test]
fn l1_internal_transitions_do_not() {
    check_problems(
        r"workflow: w
events: [x, q]
states:
  p:
    on: { q: e }
    parallel:
      l: { on: { x: { to: l2, internal: true } }, states: { l1: {}, l2: {} } }
      m: { states: { m1: {} } }
  e: { final: true }
",
        "",
    );
}

#[test]
fn l1_several_targets_restart_too() {
    check_problems(
        r"workflow: w
events: [x, q]
states:
  p:
    on: { q: e }
    parallel:
      l: { states: { l1: { on: { x: { to: [l2, m2] } } }, l2: {} } }
      m: { states: { m1: {}, m2: {} } }
      n: { states: { n1: { on: { x: { to: [l2, m2] } } } } }
  e: { final: true }
",
        "\
7:43 GS0200 restarts_regions: it leaves and enters again every region of `p`\n\
9:37 GS0213 region_shut_out: where `l` takes this event (line 7), this transition is not taken\n\
9:43 GS0200 restarts_regions: it leaves and enters again every region of `p`\n\
        ",
    );
}

#[test]
fn l1_from_the_parallel_state_itself_and_behind_a_call() {
    check_problems(
        r"workflow: w
events: [x, y, q]
states:
  p:
    on: { x: { to: l2, internal: true }, q: e }
    parallel:
      l: { states: { l1: {}, l2: { on: { y: { do: { call: p.o }, to: m1 } } } } }
      m: { states: { m1: {} } }
  e: { final: true }
",
        "\
5:20 GS0200 restarts_regions: it leaves and enters again every region of `p`\n\
7:70 GS0200 restarts_regions: it leaves and enters again every region of `p`\n\
        ",
    );
}

#[test]
fn l1_one_region_with_a_history_has_no_siblings() {
    check_problems(
        r"workflow: w
events: [x, q]
states:
  p:
    on: { q: e }
    parallel:
      l: { on: { x: l2 }, states: { l1: {}, l2: {} } }
      h: { history: deep, default: { to: l1 } }
  e: { on: { x: h } }
",
        "",
    );
}

#[test]
fn l6_racing_set() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: [x]\n",
            "vars: { v: 0 }\n",
            "states:\n",
            "  p:\n",
            "    parallel:\n",
            "      l: { states: { l1: { on: { x: { do: { set: { v: 1 } }, to: l2 } } }, l2: { ",
            "final: true } } }\n",
            "      m: { states: { m1: { on: { x.*: { do: { if: [{ when: true, do: { set: { v: 2 ",
            "} } }] }, to: m2 } } }, m2: { final: true } } }\n",
            "    done: e\n",
            "  e: { final: true }\n",
        ),
        "\
8:39 GS0204 racing_set: `l` and `m` both set `v` on this event\n\
        ",
    );
}

#[test]
fn l6_entry_and_exit_on_the_way_count() {
    check_problems(
        r"workflow: w
events: [x, y]
vars: { v: 0, u: 0 }
states:
  p:
    parallel:
      l: { states: { l1: { exit: { set: { v: 1 } }, on: { x: l2 } }, l2: { final: true } } }
      m: { states: { m1: { on: { x: m2 } }, m2: { initial: m3, states: { m3: { entry: {
        set: { v: 2 } }, on: { y: m4 } }, m4: { final: true } } } } }
    done: e
  e: { final: true }
",
        "\
8:37 GS0204 racing_set: `l` and `m` both set `v` on this event\n\
        ",
    );
}

#[test]
fn l6_regions_entered_or_left_together() {
    check_problems(
        r"workflow: w
events: [x]
vars: { v: 0, u: 0 }
states:
  p:
    on: { x: e }
    parallel:
      l: { initial: { to: l1, do: { set: { v: 1 } } }, states: { l1: { exit: { set: { u: 1 } } } } }
      m: { states: { m1: { entry: { set: { v: 2 } } } } }
      n: { exit: { set: { u: 2 } } }
  e: { final: true }
",
        "\
9:35 GS0204 racing_set: `l` and `m` both set `v` when `p` is entered\n\
10:18 GS0204 racing_set: `l` and `n` both set `u` when `p` is left\n\
        ",
    );
}

#[test]
fn of_two_regions_that_cannot_move_together_the_later_is_told() {
    check_problems(
        r"workflow: w
events: [x, y]
vars: { v: 0 }
states:
  p:
    parallel:
      l: { states: { l1: { on: { x: { do: { set: { v: 1 } }, to: l2 }, y: e } }, l2: {} } }
      m: { states: { m1: { on: { x: { do: { set: { v: 2 } }, to: e }, y: { do: { log: y } } } } } }
  e: { final: true }
",
        "\
8:37 GS0213 region_shut_out: where `l` takes this event (line 7), this transition is not taken\n\
        ",
    );
}
