//! The tree of states: rules 1, 15-18 and the load-time checks of 02 §2.

use crate::definition::check::tests::check_problems;

#[test]
fn rule_01_duplicate_id() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { on: { x: b } }
  b: { states: { a: { final: true } } }
  w: { final: true }
",
        "\
5:18 GS0105 duplicate_state: state `a` exists already\n\
6:3 GS0105 duplicate_state: state `w` has the name of the workflow\n\
        ",
    );
}

#[test]
fn rule_15_initial_must_be_below() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { initial: b, states: { c: { on: { x: b } } } }
  b: { final: true }
",
        "\
4:17 GS0108 initial: state `b` is not inside `a`\n\
        ",
    );
}

#[test]
fn rule_15_initial_without_children() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { initial: b, on: { x: b } }
  b: { final: true }
",
        "\
4:8 GS0108 initial: a state without children cannot have `initial`\n\
        ",
    );
}

#[test]
fn rule_15_initial_has_no_guard_and_no_call() {
    check_problems(
        concat!(
            "workflow: w\n",
            "states:\n",
            "  p: { initial: { to: a, when: true, do: { call: p.o } }, states: { a: { final: ",
            "true } }, done: b }\n",
            "  b: { final: true }\n",
        ),
        "\
3:26 GS0100 unknown_field: this transition has no key `when` | known keys are `to`, `do`\n\
3:50 GS0118 call_place: a call in `initial` has no state that could wait for it\n\
        ",
    );
}

#[test]
fn rule_16_targets_in_different_regions() {
    check_problems(
        r"workflow: w
events: [x, y, z]
states:
  a: { on: { x: { to: [l1, m1] }, y: { to: [l1, l2] }, z: { to: [l, l1] } } }
  p:
    parallel:
      l: { states: { l1: { on: { x: l2 } }, l2: { final: true } } }
      m: { states: { m1: { final: true } } }
    done: e
  e: { final: true }
",
        "\
4:44 GS0109 illegal_targets: `l1` and `l2` are not in different regions of a parallel \
state\n\
4:65 GS0109 illegal_targets: `l` and `l1` are not in different regions of a parallel state\n\
        ",
    );
}

#[test]
fn rule_17_history_without_default() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: [x, y]\n",
            "states:\n",
            "  p: { states: { a: { on: { x: b } }, h: { history: shallow }, h2: { history: ",
            "sideways, default: a, entry: [] } } }\n",
            "  b: { on: { x: h, y: h2 } }\n",
            "  h3: { history: deep, default: a }\n",
        ),
        "\
4:39 GS0110 history: history state `h` has no `default`\n\
4:79 GS0102 type: expected `shallow` or `deep`, found `sideways`\n\
4:101 GS0110 history: a history state cannot have `entry`\n\
6:3 GS0110 history: history state `h3` has no parent that is left | put it inside the \
compound or parallel state it stands for\n\
        ",
    );
}

#[test]
fn rule_17_default_stays_inside() {
    check_problems(
        r"workflow: w
events: [x]
states:
  p: { states: { a: { on: { x: b } }, h: { history: deep, default: { to: b } } } }
  b: { on: { x: h } }
",
        "\
4:74 GS0110 history: state `b` is not inside `p`\n\
        ",
    );
}

#[test]
fn rule_17_default_is_no_history() {
    check_problems(
        r"workflow: w
events: [x]
states:
  p:
    states:
      a: { on: { x: h } }
      h: { history: shallow, default: i }
      i: { history: deep, default: h }
",
        "\
7:39 GS0110 history: `i` is a history state itself; `default` names a state\n\
8:36 GS0110 history: `h` is a history state itself; `default` names a state\n\
        ",
    );
}

#[test]
fn rule_18_final_states_end() {
    check_problems(
        r"workflow: w
initial: a
events: [x]
states:
  a: { final: true, on: { x: a }, after: { 1s: a }, invoke: { call: p.o } }
  b: { final: true, entry: { call: p.o } }
",
        "\
5:21 GS0111 final_state: a final state cannot have `on`\n\
5:35 GS0111 final_state: a final state cannot have `after`\n\
5:53 GS0111 final_state: a final state cannot have `invoke`\n\
6:36 GS0111 final_state: a final state cannot wait for a call\n\
        ",
    );
}

#[test]
fn rule_18_output_is_for_final_states() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { output: 1, on: { x: b } }
  b: { final: true, output: { n: 1 } }
",
        "\
4:8 GS0111 final_state: a state that is not final cannot have `output`\n\
        ",
    );
}

#[test]
fn a_parallel_state_needs_regions() {
    check_problems(
        r"workflow: w
states:
  p: { parallel: {}, states: { a: {} }, initial: a }
",
        "\
3:18 GS0112 parallel: parallel state `p` has no region\n\
3:22 GS0112 parallel: a parallel state cannot have `states`\n\
3:41 GS0112 parallel: a parallel state cannot have `initial`\n\
        ",
    );
}

#[test]
fn no_region_at_all_is_said_once() {
    check_problems(
        r"workflow: w
states:
  p: { parallel: {} }
",
        "\
3:18 GS0112 parallel: parallel state `p` has no region\n\
        ",
    );
}

#[test]
fn a_region_cannot_be_final() {
    check_problems(
        r"workflow: w
states:
  p: { parallel: { a: { final: true }, b: { states: { c: { final: true } } } }, done: e }
  e: { final: true }
",
        "\
3:20 GS0111 final_state: region `a` cannot be final\n\
        ",
    );
}

#[test]
fn an_empty_set_of_states() {
    check_problems(
        r"workflow: w
states: {}
",
        "\
2:9 GS0101 missing_field: `w` has no states\n\
        ",
    );
}

#[test]
fn states_of_the_wrong_shape() {
    check_problems(
        r"workflow: w
states: [a, b]
",
        "\
2:9 GS0102 type: expected a mapping from state ids to states, found a list\n\
        ",
    );
}

#[test]
fn not_a_mapping() {
    check_problems(
        r"- a
- b
",
        "\
1:1 GS0102 type: expected a mapping that begins with `workflow: <name>`, found a list\n\
        ",
    );
}

#[test]
fn nothing_said() {
    check_problems(
        r"{}
",
        "\
1:1 GS0101 missing_field: the definition has no `workflow` | a definition begins with \
`workflow: <name>`\n\
1:1 GS0101 missing_field: the definition has no `states`\n\
        ",
    );
}

#[test]
fn approval_belongs_to_an_atomic_state() {
    check_problems(
        r"workflow: w
states:
  p: { approval: true, states: { a: { on: { user.action: e } } } }
  e: { final: true }
",
        "\
3:8 GS0122 approval: a state with children cannot have `approval`\n\
        ",
    );
}

#[test]
fn approval_fields() {
    check_problems(
        concat!(
            "workflow: w\n",
            "states:\n",
            "  a: { approval: { choices: [a, a], event: done.x, not: [everybody], need: 0, ",
            "titel: x }, on: { done.x: e } }\n",
            "  e: { final: true }\n",
        ),
        "\
3:33 GS0122 approval: choice `a` occurs again\n\
3:44 GS0115 reserved_event: names that begin with `done` are made by the engine\n\
3:58 GS0122 approval: expected `initiator`, found `everybody`\n\
3:76 GS0102 type: expected a whole number from 1, found `0`\n\
3:79 GS0100 unknown_field: `approval` has no key `titel` | did you mean `title`?\n\
        ",
    );
}

#[test]
fn approval_without_choices() {
    check_problems(
        r"workflow: w
states:
  a: { approval: { choices: [] }, on: { user.action: e } }
  b: { approval: yes, on: { user.action: e } }
  e: { final: true }
",
        "\
3:29 GS0122 approval: an approval needs a choice\n\
4:18 GS0102 type: expected a mapping, or `true`, found `yes`\n\
        ",
    );
}

#[test]
fn a_key_true_is_on() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { true: { x: e } }
  e: { final: true }
",
        "\
4:8 GS0011 on_key: `true` stands where `on` is meant | write `on:`, or `\"on\":` where a \
tool rewrites it\n\
        ",
    );
}

#[test]
fn the_example_of_the_semantics() {
    check_problems(
        concat!(
            "workflow: claim\n",
            "vars: { tries: 0, verdict: null }\n",
            "initial: work\n",
            "states:\n",
            "  work:\n",
            "    parallel:\n",
            "      legal:\n",
            "        initial: l1\n",
            "        states:\n",
            "          l1: { on: [ { event: legal.ok, to: l2 }, { event: legal, when: vars.tries ",
            "< 3, do: [ { set: { tries: vars.tries + 1 } } ] } ] }\n",
            "          l2: { final: true, output: data.ref }\n",
            "          lh: { history: shallow, default: { to: l1 } }\n",
            "      money:\n",
            "        states:\n",
            "          m1: { defer: [clerk.scored], invoke: [ { id: score, call: risk.score, ",
            "with: { id: \"${ key }\" }, set: { verdict: output.level } } ],\n",
            "                on: { done.invoke.score: m2, error.communication: { to: m3 } }, ",
            "after: { 30s: { to: m3 } } }\n",
            "          m2: { final: true }\n",
            "          m3: { on: { clerk.scored: m2 } }\n",
            "    done: closed                  # = on done.state.work\n",
            "    on: { claim.withdrawn: dropped }\n",
            "  closed:  { final: true }\n",
            "  dropped: { final: true }\n",
        ),
        "\
10:32 GS0209 undeclared_event: event `legal.ok` is not in `events`, and nothing here \
makes it | declare it: `events: { legal.ok: {} }`\n\
10:61 GS0209 undeclared_event: event `legal` is not in `events`, and nothing here makes \
it | declare it: `events: { legal: {} }`\n\
12:11 GS0206 unreachable_state: state `lh` can never be entered\n\
18:23 GS0209 undeclared_event: event `clerk.scored` is not in `events`, and nothing here \
makes it | declare it: `events: { clerk.scored: {} }`\n\
20:11 GS0209 undeclared_event: event `claim.withdrawn` is not in `events`, and nothing \
here makes it | declare it: `events: { claim.withdrawn: {} }`\n\
        ",
    );
}
