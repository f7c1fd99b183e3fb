//! Steps that make no sense, each with its code and what to do.

use crate::definition::check::tests::check_problems;

#[test]
fn needs_in_a_circle_are_named() {
    check_problems(
        r"workflow: w
steps:
  start: { call: p.o }
  a: { call: p.o, needs: [c, start] }
  b: { call: p.o, needs: a }
  c: { call: p.o, needs: { any: [b] } }
  behind: { call: p.o, needs: c }
  x: { call: p.o, needs: y }
  y: { call: p.o, needs: x }
",
        "\
4:26 GS0134 needs_cycle: `a` → `c` → `b` → `a`: each waits for the next\n\
8:26 GS0134 needs_cycle: `x` → `y` → `x`: each waits for the next\n\
        ",
    );
}

#[test]
fn a_graph_where_every_step_needs_another_never_starts() {
    check_problems(
        r"workflow: w
steps:
  a: { call: p.o, needs: b }
  b: { call: p.o, needs: a }
",
        "\
3:26 GS0134 needs_cycle: `a` → `b` → `a`: each waits for the next\n\
        ",
    );
}

#[test]
fn needs_of_nobody_of_itself_and_of_nothing() {
    check_problems(
        r"workflow: w
steps:
  load: { call: p.o, needs: [laod] }
  own: { call: p.o, needs: own }
  none: { call: p.o, needs: { any: [] } }
  empty: { call: p.o, needs: {} }
  many: { call: p.o, needs: { n_of: 3, of: [load, own] } }
  zero: { call: p.o, needs: { n_of: 0, of: [load, own] } }
  twice: { call: p.o, needs: [own, own] }
  which: { call: p.o, needs: { n_of: 1 } }
  how_many: { call: p.o, needs: { of: [own] } }
  kind: { call: p.o, needs: { some: [own] } }
",
        "\
3:30 GS0132 unknown_step: no step `laod` | did you mean `load`?\n\
4:28 GS0135 needs: step `own` needs itself\n\
5:36 GS0135 needs: `any` of nothing\n\
6:30 GS0135 needs: `needs` of nothing\n\
7:37 GS0135 needs: `n_of` of 3 exceeds the 2 steps of `of`\n\
8:37 GS0102 type: expected a whole number from 1, found `0`\n\
9:36 GS0135 needs: step `own` is named twice\n\
10:30 GS0101 missing_field: `n_of` without `of`: which steps\n\
11:33 GS0101 missing_field: `of` without `n_of`: how many\n\
12:29 GS0135 needs: `needs` of nothing\n\
12:31 GS0100 unknown_field: `needs` has no key `some` | known keys are `all`, `any`, `n_of`, \
`of`\n\
        ",
    );
}

#[test]
fn ids_are_unique_in_the_whole_definition() {
    check_problems(
        r"workflow: w
states:
  one:
    steps: { a: { call: p.o }, b: { call: p.o } }
    done: two
  two:
    steps: [{ id: a, call: p.o }, { id: b-c, call: p.o }, { call: p.o }, { id: c, call: p.o }]
    done: three
  three:
    steps:
      d: { call: p.o, needs: b }
      c: { call: p.o, id: e }
    done: end
  end: { final: true }
",
        "\
7:19 GS0133 duplicate_step: step `a` exists already\n\
7:41 GS0103 name: step `b-c` has the character `-`; names are `[A-Za-z_][A-Za-z0-9_]*`\n\
7:59 GS0101 missing_field: a step in a list needs `id`\n\
11:30 GS0132 unknown_step: no step `b` | it is a step of state `one`, which runs at another \
time\n\
12:7 GS0133 duplicate_step: step `c` exists already\n\
12:27 GS0100 unknown_field: the step's name is its key already\n\
        ",
    );
}

#[test]
fn fallbacks_stand_in_for_one_step_and_have_none() {
    check_problems(
        r"workflow: w
steps:
  a: { call: p.o, fallback: nowhere }
  b: { call: p.o, fallback: c }
  c: { call: p.o, fallback: d }
  d: { call: p.o }
  e: { call: p.o, fallback: c }
  f: { call: p.o, fallback: f }
  g: { call: p.o, fallback: h }
  h: { call: p.o, needs: a }
  i: { call: p.o, needs: c }
  j: { call: p.o, on_failure: fallback }
  k: { call: p.o, on_failure: abort, fallback: { call: p.q } }
",
        "\
3:29 GS0132 unknown_step: no step `nowhere`\n\
5:29 GS0136 fallback: `c` is the fallback of `b` and has one itself\n\
7:29 GS0136 fallback: `c` is the fallback of `b` already\n\
8:29 GS0136 fallback: step `f` is its own fallback\n\
9:29 GS0136 fallback: `h` has `needs`; a fallback runs when `g` has failed\n\
11:26 GS0135 needs: `c` is the fallback of `b`; need that one\n\
12:3 GS0101 missing_field: `on_failure: fallback` without `fallback`\n\
13:38 GS0127 contradiction: `fallback` is not what `on_failure` says\n\
        ",
    );
}

#[test]
fn a_step_does_one_thing() {
    check_problems(
        r"workflow: w
events: [x]
steps:
  nothing: { title: Idle }
  both: { call: p.o, run: other }
  odd: { publish: m.x, retry: { attempts: 2 }, timeout: 1s }
  back: { run: other, undo: p.o }
  set_back: { set: { n: 1 }, undo: p.o }
  empty_undo: { call: p.o, undo: { with: 1 } }
  waits: { wait: { when: 'true' } }
  with_wait: { wait: x, with: 1 }
  again: { wait: x, on_failure: retry }
  inside: { run: { workflow: other, with: 1 }, with: 2 }
  opt: { call: p.o, optional: true, critical: true }
  kinds: { call: p.o, retry: { on: [timeout, outcome_unknown] } }
",
        "\
4:12 GS0131 step_kind: the step does nothing: none of `call`, `run`, `publish`, `wait`, `route`, \
`approval`, `checkpoint`, `begin`, `commit`, `rollback`, `set`\n\
5:22 GS0131 step_kind: the step has `call` and also `run` | write two steps, the second with \
`needs` of the first\n\
6:24 GS0100 unknown_field: `publish` has no key `retry`\n\
6:48 GS0100 unknown_field: `publish` has no key `timeout`\n\
7:23 GS0137 undo: `run` cannot be taken back by a call\n\
8:22 GS0107 unknown_variable: no variable `n` | declare it: `vars: { n: null }`\n\
8:30 GS0137 undo: `set` cannot be taken back by a call\n\
9:34 GS0137 undo: `undo` has no `call`\n\
10:18 GS0101 missing_field: `wait` has no `event`\n\
11:25 GS0100 unknown_field: `wait` has no key `with`\n\
12:10 GS0125 retry: `on_failure: retry` is for calls, not for `wait`\n\
13:37 GS0127 contradiction: `with` stands beside `run` too\n\
14:37 GS0127 contradiction: the step has `optional: true` and also `critical: true`\n\
15:46 GS0102 type: expected one of `retryable`, `timeout`, `plugin_not_found`, \
`invalid_reply`, `permanent`, found `outcome_unknown`\n\
        ",
    );
}

#[test]
fn lists_of_a_fan_out() {
    check_problems(
        r#"workflow: w
vars: { n: 0 }
steps:
  a: { call: p.o, foreach: { in: "'text'" } }
  b: { call: p.o, foreach: { as: x } }
  c: { call: p.o, foreach: { in: data.l, as: n } }
  d: { call: p.o, foreach: { in: data.l, max_parallel: 0 } }
  e: { call: p.o, foreach: { in: data.l, max_parallel: 1000 } }
  f: { call: p.o, foreach: { in: data.l, collect: some, aggregate: sum } }
  g: { call: p.o, foreach: [1, 2] }
  h: { call: p.o, foreach: { in: data.l, as: x }, when: x > 1, with: "${ x }" }
  i: { run: other, foreach: { in: data.l }, timeout: 1s }
"#,
        "\
4:34 GS0138 foreach: `in` is string, not a list\n\
5:28 GS0101 missing_field: `foreach` has no `in`: the list\n\
6:46 GS0103 name: `n` is a variable already | give what the loop binds another name\n\
7:56 GS0102 type: expected a whole number from 1, found `0`\n\
8:56 GS0138 foreach: 1000 exceeds the limit of 256\n\
9:51 GS0102 type: expected one of `first_error`, `all`, `partial`, found `some`\n\
9:68 GS0102 type: expected one of `list`, `merge`, `union`, `intersect`, `statistical`, found \
`sum`\n\
10:28 GS0102 type: expected a mapping (`foreach`), found a list\n\
11:57 GS0302 unknown_name: no name `x` | names here: `vars`, `data`, `event`, `key`, \
`instance`, `workflow`, `now`, `input`, `steps`\n\
12:45 GS0127 contradiction: `timeout` of an item is for calls; `deadline` is for all items \
together\n\
        ",
    );
}

#[test]
fn steps_stand_in_states_without_children_or_alone() {
    check_problems(
        r"workflow: w
mode: sequential
output: 1
states:
  a: { steps: { s: { call: p.o } }, states: { b: { final: true } }, done: end }
  c: { steps: { t: { call: p.o } }, parallel: { d: {} }, finally: { log: x } }
  e: { final: true, steps: { u: { call: p.o } } }
  f: { history: deep, default: e, steps: { v: { call: p.o } } }
  g: { timeout: 1m, max_parallel: 2, done: end }
  i: { steps: {}, done: end }
  end: { final: true }
on: { x: a, y: c, z: e, q: f, r: g, s: i }
events: [x, y, z, q, r, s]
",
        "\
2:1 GS0130 steps: a definition without `steps` cannot have `mode`\n\
3:1 GS0130 steps: a definition without `steps` cannot have `output`\n\
5:8 GS0130 steps: a state with children cannot have `steps`\n\
6:8 GS0130 steps: a parallel state cannot have `steps`\n\
6:58 GS0130 steps: a parallel state cannot have `finally`\n\
7:21 GS0111 final_state: a final state cannot have `steps`\n\
8:3 GS0110 history: history state `f` has no parent that is left | put it inside the compound \
or parallel state it stands for\n\
8:35 GS0110 history: a history state cannot have `steps`\n\
9:8 GS0130 steps: a state without `steps` cannot have `timeout`\n\
9:21 GS0130 steps: a state without `steps` cannot have `max_parallel`\n\
10:15 GS0130 steps: there are no steps\n\
        ",
    );
}

#[test]
fn steps_beside_states_are_two_beginnings() {
    check_problems(
        r"workflow: w
steps: { s: { call: p.o } }
states: { a: { final: true } }
",
        "\
3:1 GS0130 steps: a definition of steps alone cannot have `states` | put the steps into a \
state\n\
        ",
    );
    check_problems(
        r"workflow: w
initial: a
steps: { s: { call: p.o } }
",
        "\
2:1 GS0130 steps: a definition of steps alone cannot have `initial` | put the steps into a \
state\n\
2:10 GS0104 unknown_state: no state `a`\n\
        ",
    );
}

#[test]
fn the_states_of_a_workflow_of_steps_have_names_of_their_own() {
    check_problems(
        r"workflow: done
steps: { s: { call: p.o } }
",
        "\
2:1 GS0105 duplicate_state: state `done` has the name of the workflow\n\
        ",
    );
}

#[test]
fn words_of_the_whole_graph() {
    check_problems(
        r"workflow: w
mode: sequence
on_failure: skip
max_parallel: 0
timeout: 10
steps:
  a: { call: p.o, when: 1 }
  b: { call: p.o, when: null, on_failure: rollback }
  c: { call: p.o, when: steps.aa.n > 1 }
  d: { call: p.o, max_paralel: 1 }
",
        "\
2:7 GS0102 type: expected one of `sequential`, `parallel`, `conditional`, `pipeline`, found \
`sequence`\n\
3:13 GS0102 type: expected one of `abort`, `rollback`, found `skip`\n\
4:15 GS0102 type: expected a whole number from 1, found `0`\n\
5:10 GS0117 duration_range: duration `10` has no unit after `10`; write `10s` for seconds\n\
7:25 GS0308 not_bool: a guard is a bool, this is int | compare it with something\n\
8:25 GS0102 type: expected a condition, found `null`\n\
8:43 GS0102 type: expected one of `abort`, `skip`, `retry`, `fallback`, found `rollback` | did \
you mean `fallback`?\n\
9:25 GS0302 unknown_name: no step `aa`\n\
10:19 GS0100 unknown_field: a step has no key `max_paralel`\n\
        ",
    );
}

#[test]
fn needs_that_contradict_the_order_of_the_mode() {
    check_problems(
        r"workflow: w
mode: sequential
steps:
  a: { call: p.o, needs: b }
  b: { call: p.o }
",
        "\
4:26 GS0135 needs: the mode runs `b` behind `a`\n\
        ",
    );
}

#[test]
fn more_steps_than_an_instance_may_have() {
    let mut text = "workflow: w\nsteps:\n".to_owned();
    for n in 0..1_002 {
        text.push_str(&format!("  s{n}: {{ call: p.o }}\n"));
    }
    check_problems(
        &text,
        "\
1003:3 GS0008 too_large: more than 1000 steps\n\
        ",
    );
}

#[test]
fn steps_are_seen_everywhere_and_hide_nothing() {
    check_problems(
        r#"workflow: w
events: [x]
vars: { n: 0 }
states:
  work:
    steps: { first: { call: p.o, set: { n: output.n } } }
    done:
      { when: "has(steps.first) && steps.first.n > 1", do: { set: { n: steps.first.n } }, to: e }
    on:
      x: { when: steps.frist.n > 1, to: e }
  e: { final: true, output: { all: "${ steps }", one: "${ steps.first }", no: "${ first.n }" } }
"#,
        "\
10:18 GS0302 unknown_name: no step `frist` | did you mean `steps.first`?\n\
11:83 GS0302 unknown_name: no name `first` | did you mean `steps.first`?\n\
        ",
    );
}
