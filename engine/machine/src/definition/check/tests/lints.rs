//! L1-L7 and the other warnings: allowed, but pointed out.

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
fn l2_shadowed() {
    check_problems(
        r"workflow: w
events: [order.paid, x]
vars: { a: false }
states:
  a:
    on:
      - { event: order, to: e }
      - { event: order.paid, to: e }
      - { event: [x, order], to: e }
      - { event: '*', do: { log: x } }
      - { event: x, to: e }
    always: [{ when: vars.a, to: e }, { to: e }, { when: vars.a, to: e }]
  e: { final: true }
",
        "\
8:9 GS0201 unreachable_transition: the transition in line 7 takes the same events without \
guard\n\
11:9 GS0201 unreachable_transition: the transition in line 9 takes the same events \
without guard\n\
12:50 GS0201 unreachable_transition: the transition in line 12 takes the same events \
without guard\n\
        ",
    );
}

#[test]
fn l4_dead_end() {
    check_problems(
        r"workflow: w
events: [x, y]
states:
  a: { on: { x: b, y: { do: { log: y } } } }
  b: { on: { y: { do: { log: y } } } }
",
        "\
5:3 GS0202 dead_end: state `b` is not final, and nothing leads out of it\n\
        ",
    );
}

#[test]
fn l5_useless_defer() {
    check_problems(
        r"workflow: w
events: [later, x, go]
states:
  a: { defer: [later, x], on: { go: e } }
  e: { on: { x: f } }
  f: { final: true }
",
        "\
4:15 GS0203 useless_defer: no state that can be reached takes `later`\n\
        ",
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
fn l7_prefix_match() {
    check_problems(
        r"workflow: w
events: [order, order.cancelled, order.x]
states:
  a: { on: { order: e, =order.x: e } }
  e: { final: true }
",
        "\
4:14 GS0205 prefix_match: it also takes `order.cancelled` | write `=order` for this event \
only, `order.*` for all of them\n\
4:34 GS0201 unreachable_transition: the transition in line 4 takes the same events \
without guard\n\
        ",
    );
}

#[test]
fn runs_twice() {
    check_problems(
        r"workflow: w
events: [x]
actions: { mail: { publish: m.x }, ask: { call: p.o } }
states:
  a: { on: { x: { do: [mail, ask], to: b } } }
  b: { entry: ask, on: { x: e } }
  e: { final: true }
",
        "\
5:30 GS0207 runs_twice: `ask` runs twice on the way into `b`: transition (line 5) and \
entry (line 6)\n\
        ",
    );
}

#[test]
fn unused_action() {
    check_problems(
        r"workflow: w
actions: { mail: { publish: m.x }, bad: { call: nothing } }
states:
  a: { final: true }
",
        "\
2:12 GS0208 unused_action: action `mail` is never used\n\
2:36 GS0208 unused_action: action `bad` is never used\n\
2:49 GS0126 operation: operation `nothing` is not `plugin.operation`\n\
        ",
    );
}

#[test]
fn undeclared_event() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: [user.actoin]\n",
            "states:\n",
            "  a: { entry: { raise: made }, on: { made: b, user.acton: b, done.state.q: b, ",
            "error: b } }\n",
            "  b: { approval: true, entry: { timer: { id: t, after: 1s } }, on: { user.action: ",
            "e, timer.expired: e } }\n",
            "  e: { final: true }\n",
        ),
        "\
4:47 GS0209 undeclared_event: event `user.acton` is not in `events`, and nothing here \
makes it | did you mean `user.actoin`?\n\
        ",
    );
}
