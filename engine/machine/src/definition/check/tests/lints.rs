//! L1-L7 and the other warnings: allowed, but pointed out.

use crate::definition::check::tests::check_problems;

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
fn l4_a_guard_is_no_way_out_of_a_circle() {
    check_problems(
        r"workflow: w
events: [x]
vars: { v: 0 }
states:
  go: { on: { x: a } }
  a: { always: { when: vars.v == 0, to: b } }
  b: { initial: b1, states: { b1: { always: { when: vars.v == 1, to: a } } } }
",
        "\
6:3 GS0202 dead_end: state `a` is not final, and its `always` go round in circles, past no event \
and no final state\n\
7:31 GS0202 dead_end: state `b1` is not final, and its `always` go round in circles, past no event \
and no final state\n\
        ",
    );
}

#[test]
fn l4_a_circle_that_passes_an_event_a_call_a_timer_or_a_final_state_is_fine() {
    for way in [
        "a: { always: { when: vars.v == 0, to: b }, on: { x: { do: { set: { v: 1 } } } } }",
        "a: { always: { when: vars.v == 0, to: b }, entry: { call: p.o, set: { v: output } } }",
        "a: { always: { when: vars.v == 0, to: b }, after: { 1s: { do: { set: { v: 1 } } } } }",
        "a: { always: [{ when: vars.v == 0, to: b }, { when: vars.v == 2, to: z }] }",
        "a: { always: [{ when: vars.v == 0, to: b }, { when: vars.v == 2, to: go }] }",
    ] {
        let text = format!(
            "workflow: w\nevents: [x]\nvars: {{ v: 0 }}\nstates:\n  \
             go: {{ on: {{ x: [{{ when: vars.v == 0, to: a }}, z] }} }}\n  {way}\n  \
             b: {{ always: {{ when: vars.v == 1, to: a }} }}\n  z: {{ final: true }}\n"
        );
        check_problems(&text, "");
    }
}

#[test]
fn l4_regions_wait_for_one_another() {
    check_problems(
        r"workflow: w
events: [x]
vars: { v: 0 }
states:
  p:
    parallel:
      l: { states: { l1: { always: { when: vars.v == 1, to: l2 } }, l2: { always: {
        when: vars.v == 2, to: l1 } } } }
      m: { states: { m1: { on: { x: { do: { set: { v: 1 } } } } } } }
",
        "",
    );
    check_problems(
        r"workflow: w
vars: { v: 0 }
states:
  p:
    parallel:
      l: { states: { l1: { always: { when: vars.v == 1, to: l2 } }, l2: {} } }
      m: {}
",
        "\
6:22 GS0202 dead_end: state `l1` is not final, and its `always` go round in circles, past no event \
and no final state\n\
6:69 GS0202 dead_end: state `l2` is not final, and its `always` go round in circles, past no event \
and no final state\n\
7:7 GS0202 dead_end: state `m` is not final, and its `always` go round in circles, past no event \
and no final state\n\
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
4:62 GS0209 undeclared_event: event `done.state.q` never comes: no state `q`\n\
        ",
    );
}

#[test]
fn l7_events_that_the_engine_never_makes_here() {
    check_problems(
        concat!(
            "workflow: w\n",
            "states:\n",
            "  work:\n",
            "    invoke: { id: score, call: a.b }\n",
            "    states: { one: { final: true } }\n",
            "    on:\n",
            "      done.state.wrok: e\n",
            "      done.invoke.scroe: e\n",
            "      error.platform.invoke.nobody: e\n",
            "      error.execution.asign: e\n",
            "      =error.exekution: e\n",
            "      done.step.one: e\n",
            "      done.state.work: e\n",
            "      =done.invoke.score: e\n",
            "      error.communication.invoke: e\n",
            "      error.execution: e\n",
            "  e: { final: true }\n",
        ),
        "\
7:7 GS0209 undeclared_event: event `done.state.wrok` never comes: no state `wrok` | did you mean \
`done.state.work`?\n\
8:7 GS0209 undeclared_event: event `done.invoke.scroe` never comes: nothing is invoked as `scroe` \
| did you mean `done.invoke.score`?\n\
9:7 GS0209 undeclared_event: event `error.platform.invoke.nobody` never comes: nothing is invoked \
as `nobody`\n\
10:7 GS0209 undeclared_event: event `error.execution.asign` never comes: the engine makes none of \
that name | did you mean `error.execution.assign`?\n\
11:7 GS0209 undeclared_event: event `error.exekution` never comes: the engine makes none of that \
name | did you mean `error.execution`?\n\
12:7 GS0209 undeclared_event: event `done.step.one` never comes: the engine makes none of that \
name | did you mean `done.state.one`?\n\
        ",
    );
}

#[test]
fn gs0228_roles_do_not_say_who_may_decide() {
    check_problems(
        "workflow: w
steps:
  a: { approval: { title: x, roles: [boss] } }
  b: { approval: { title: x, roles: [] } }
",
        "3:30 GS0228 roles_shown: whoever may give commands decides, whatever the roles\n",
    );
}
