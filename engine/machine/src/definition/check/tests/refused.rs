//! What would be ignored silently is refused, and what nobody takes is pointed out.

use crate::definition::check::tests::check_problems;
use crate::definition::{Format, load_all};

#[test]
fn failed_of_a_transition_needs_a_call_and_a_target() {
    check_problems(
        r"workflow: w
events: [x, y, z, q]
states:
  a:
    on:
      x: { do: { publish: m.x }, to: e, failed: e }
      y: { do: { call: p.o }, failed: { to: e } }
      z: { do: { call: p.o }, to: e, failed: e }
      q: { to: e, failed: [] }
  e: { final: true }
",
        "\
6:49 GS0128 useless_failed: `failed` without a call in `do` is never used | remove it, or call \
something in `do`\n\
7:39 GS0128 useless_failed: `failed` without `to`: the state itself waits for these calls | give \
the transition a `to`, or the state a `failed`\n\
9:27 GS0128 useless_failed: `failed` without a call in `do` is never used | remove it, or call \
something in `do`\n\
        ",
    );
}

#[test]
fn a_misspelt_call_is_not_also_a_useless_failed() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { on: { x: { do: { cal: p.o }, to: e, failed: e } } }
  e: { final: true }
",
        "\
4:23 GS0113 action_kind: the action does nothing: none of `call`, `publish`, `set`, `raise`, \
`log`, `timer`, `send`, `cancel`, `if`, `each`, `route`, `checkpoint`\n\
4:25 GS0100 unknown_field: an action has no key `cal` | did you mean `call`?\n\
        ",
    );
}

#[test]
fn each_does_not_hide_variables() {
    check_problems(
        r"workflow: w
events: [x]
vars: { n: 0, i: 0 }
states:
  a:
    on:
      x: { do: { each: { in: '[1]', as: n, index: i, do: { log: y } } }, to: e }
  e: { final: true }
",
        "\
7:41 GS0103 name: `n` is a variable already | give what the loop binds another name\n\
7:51 GS0103 name: `i` is a variable already | give what the loop binds another name\n\
        ",
    );
}

#[test]
fn rule_28_reserved_names_are_neither_waited_for_nor_made() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a:
    defer: [gearshift.q, done.invoke.z]
    on:
      after.a.0: e
      =workflow.z: e
      done.invoke.b: e
      error: e
      x: { do: [{ raise: done.state.a }, { send: error.own }, { send: { event: after.y } }] }
  e: { final: true }
",
        "\
5:13 GS0115 reserved_event: names that begin with `gearshift` are not offered to anybody\n\
7:7 GS0115 reserved_event: names that begin with `after` are not offered to anybody | write \
`after:` for a timer\n\
8:7 GS0115 reserved_event: names that begin with `workflow` are not offered to anybody\n\
11:26 GS0115 reserved_event: names that begin with `done` are made by the engine\n\
11:50 GS0115 reserved_event: names that begin with `error` are made by the engine\n\
11:80 GS0115 reserved_event: names that begin with `after` are made by the engine\n\
        ",
    );
}

#[test]
fn an_approval_that_nobody_listens_to() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { approval: true, on: { x: b } }
  b: { approval: { event: my.choice }, on: { my: c } }
  c:
    on: { user.action: e }
    states: { d: { approval: { choices: ['yes'] } } }
  e: { final: true }
",
        "\
4:3 GS0211 undecided: no transition of `a`, or around it, takes `user.action` | `on: { \
user.action: { when: data.action == 'approve', to: … } }`\n\
        ",
    );
}

#[test]
fn one_version_stands_once_in_a_file() {
    let one = "workflow: w\nversion: 2\nstates:\n  a: { final: true }\n";
    let text = format!("{one}---\n{}---\n{one}", one.replace('2', "3"));
    let problems = load_all(&text, "w.yaml", Format::Yaml).unwrap_err();
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].message, "`w@2` is defined earlier in this file");
    assert_eq!(problems[0].code.to_string(), "GS0010");
    let text = format!("{one}---\n{}", one.replace('2', "3"));
    assert_eq!(load_all(&text, "w.yaml", Format::Yaml).map(|all| all.len()).ok(), Some(2));
}

#[test]
fn retry_without_a_number_means_three_attempts() {
    let attempts = |retry: &str| {
        let text = format!(
            "workflow: w\nstates:\n  a: {{ entry: {{ call: p.o{retry} }}, done: e }}\n  \
             e: {{ final: true }}\n"
        );
        let loaded = load_all(&text, "w.yaml", Format::Yaml).unwrap();
        let steps = &loaded[0].definition.sequences[0].steps;
        let [crate::definition::model::SeqStep::Call { spec, .. }] = steps.as_slice() else {
            panic!("{steps:?}")
        };
        spec.retry.attempts
    };
    assert_eq!(attempts(""), 1);
    assert_eq!(attempts(", retry: { backoff: 2s..1m }"), 3);
    assert_eq!(attempts(", retry: { max: 1 }"), 2);
    assert_eq!(attempts(", retry: { attempts: 1, jitter: false }"), 1);
}

#[test]
fn rule_17_the_default_of_a_shallow_history_is_a_child() {
    check_problems(
        r"workflow: w
events: [x, y]
states:
  p:
    on: { x: q }
    parallel:
      l: { states: { l1: {} } }
      m: { states: { m1: {} } }
      h: { history: shallow, default: [l, m] }
      g: { history: shallow, default: { to: [l1, m1] } }
      d: { history: deep, default: { to: [l1, m1] } }
  q: { on: { x: h, y: g, '*': d } }
",
        "\
10:45 GS0139 shallow_default: state `l1` is not directly inside `p` | name a child: `shallow` \
keeps children only; or say `history: deep`\n\
10:45 GS0139 shallow_default: state `m1` is not directly inside `p` | name a child: `shallow` \
keeps children only; or say `history: deep`\n\
        ",
    );
}

#[test]
fn an_empty_list_of_targets_is_no_targetless_transition() {
    check_problems(
        r"workflow: w
events: [x, y]
states:
  a: { on: { x: { to: [], do: { log: x } }, y: [] }, always: { to: [] } }
  b: { initial: [], states: { c: {}, h: { history: deep, default: { to: [] } } } }
",
        "\
4:23 GS0109 illegal_targets: a list of targets without any | leave `to` out for a transition that \
only acts, and stays where it is\n\
4:48 GS0101 missing_field: `y` has no transition | write `{}` for one that does nothing\n\
4:68 GS0109 illegal_targets: a list of targets without any | leave `to` out for a transition that \
only acts, and stays where it is\n\
5:17 GS0109 illegal_targets: a list of targets without any | name the state, or one state of each \
region\n\
5:73 GS0109 illegal_targets: a list of targets without any | name the state, or one state of each \
region\n\
        ",
    );
}

#[test]
fn an_event_without_a_transition_and_a_transition_without_an_event() {
    check_problems(
        r"workflow: w
states:
  s: { on: { x: [], y: [{ to: t }] } }
  r: { on: [{ event: [], to: t }, { event: z, to: s }] }
  t: { final: true }
",
        "\
3:17 GS0101 missing_field: `x` has no transition | write `{}` for one that does nothing\n\
4:22 GS0101 missing_field: the list names no event\n\
        ",
    );
}
