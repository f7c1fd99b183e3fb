//! Rows D1-D26 of the bad-input catalogue (06 §4), as far as the text of a definition decides them.

use crate::definition::check::tests::check_problems;

#[test]
fn d01_empty_file() {
    check_problems(
        "",
        "\
0:0 GS0001 empty_definition: nothing is written here | a definition begins with \
`workflow: <name>`\n\
        ",
    );
}

#[test]
fn d01_only_a_comment() {
    check_problems(
        r"# nothing

   
",
        "\
0:0 GS0001 empty_definition: nothing is written here | a definition begins with \
`workflow: <name>`\n\
        ",
    );
}

#[test]
fn d04_duplicate_key() {
    check_problems(
        r"workflow: w
events: { x: {}, y: {} }
states:
  a: { on: { x: b }, on: { y: b } }
  b: { final: true }
",
        "\
4:22 GS0005 duplicate_key: key `on` occurs again\n\
        ",
    );
}

#[test]
fn d05_two_documents() {
    check_problems(
        r"workflow: w
states:
  a: { final: true }
---
workflow: w
states:
  a: { final: true }
",
        "\
5:1 GS0006 trailing_content: one definition is due here, the text has 2\n\
        ",
    );
}

#[test]
fn d06_words_that_look_like_something_else() {
    check_problems(
        r"workflow: ~
version: 1_000
title: 12:30:00
states:
  a: { final: no, on: { x: 010 } }
",
        "\
1:11 GS0102 type: expected the workflow's name, found `~`\n\
2:10 GS0102 type: expected a whole number from 1, found `1_000`\n\
3:8 GS0102 type: expected the title, found `12:30:00`\n\
5:15 GS0102 type: expected `true` or `false`, found `no`\n\
5:28 GS0102 type: expected the id of a state, found `010`\n\
        ",
    );
}

#[test]
fn d06_more_of_them() {
    check_problems(
        r"workflow: w
version: 010
title: 1.5
states:
  a: { approval: { choices: [yes, no, .nan], need: no }, on: { user.action: a } }
",
        "\
2:10 GS0102 type: expected a whole number from 1, found `010`\n\
3:8 GS0102 type: expected the title, found `1.5`\n\
5:39 GS0102 type: expected a choice, found `.nan`\n\
5:52 GS0102 type: expected a whole number from 1, found `no`\n\
        ",
    );
}

#[test]
fn d07_unknown_field() {
    check_problems(
        r"workflow: w
titel: x
states:
  a: { transitons: [], final: true }
",
        "\
2:1 GS0100 unknown_field: a definition has no key `titel` | did you mean `title`?\n\
4:8 GS0100 unknown_field: a state has no key `transitons`\n\
        ",
    );
}

#[test]
fn d08_byte_order_mark() {
    check_problems(
        "\u{feff}workflow: w\n",
        "\
1:1 GS0007 encoding: byte order mark at byte 0 | save the file as UTF-8 without a byte \
order mark\n\
        ",
    );
}

#[test]
fn d08_nul() {
    check_problems(
        "workflow: w\u{0}\n",
        "\
1:12 GS0007 encoding: NUL at byte 11\n\
        ",
    );
}

#[test]
fn d08_lone_surrogate() {
    check_problems(
        r#"workflow: "\ud800"
"#,
        "\
1:11 GS0007 encoding: lone surrogate in the quoted text at byte 10\n\
        ",
    );
}

#[test]
fn d09_missing_states() {
    check_problems(
        r"workflow: w
initial: nowhere
events: [x]
states:
  a: { initial: b, on: { x: bb } }
  bb: { initial: zz, states: { c: { final: true } } }
",
        "\
2:10 GS0104 unknown_state: no state `nowhere`\n\
5:8 GS0108 initial: a state without children cannot have `initial`\n\
5:17 GS0104 unknown_state: no state `b`\n\
6:18 GS0104 unknown_state: no state `zz`\n\
        ",
    );
}

#[test]
fn d09_two_initials() {
    check_problems(
        r"workflow: w
initial: a
initial: a
states:
  a: { final: true }
",
        "\
3:1 GS0005 duplicate_key: key `initial` occurs again\n\
        ",
    );
}

#[test]
fn d10_unreachable_and_dead_end() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { on: { x: a2 } }
  a2: {}
  b: { states: { c: {}, d: {} } }
",
        "\
5:3 GS0202 dead_end: state `a2` is not final, and nothing leads out of it\n\
6:3 GS0206 unreachable_state: state `b` can never be entered\n\
        ",
    );
}

#[test]
fn d11_unbounded_loop() {
    check_problems(
        r"workflow: w
states:
  a: { always: b }
  b: { always: [{ to: c }] }
  c: { always: { when: true, to: a } }
",
        "\
3:16 GS0119 unbounded_loop: `a` → `b` → `c` → `a` and so on, without event or guard\n\
        ",
    );
}

#[test]
fn d11_a_loop_is_told_beside_other_errors() {
    check_problems(
        r"workflow: w
states:
  l1: { always: l2 }
  l2: { always: l1 }
  x: { on: { go: nowhere }, bogus: 1 }
",
        "\
3:17 GS0119 unbounded_loop: `l1` → `l2` → `l1` and so on, without event or guard\n\
5:18 GS0104 unknown_state: no state `nowhere`\n\
5:29 GS0100 unknown_field: a state has no key `bogus`\n\
        ",
    );
}

#[test]
fn d11_what_cannot_be_read_is_no_loop() {
    check_problems(
        r"workflow: w
states:
  a: { always: [{ when: 'vars.no', to: b }, { to: b }] }
  b: { always: a }
  c: { always: { to: nowhere } }
",
        "\
3:26 GS0302 unknown_name: no variable `no` | declare it: `vars: { no: null }`\n\
5:22 GS0104 unknown_state: no state `nowhere`\n\
        ",
    );
}

#[test]
fn d11_a_guard_may_end_it() {
    check_problems(
        r"workflow: w
vars: { n: 0 }
states:
  a: { always: [{ when: vars.n > 5, to: c }, { do: { set: { n: vars.n + 1 } }, to: b }] }
  b: { always: a }
  c: { final: true }
",
        "",
    );
}

#[test]
fn d11_targetless_loop() {
    check_problems(
        r"workflow: w
states:
  a: { always: { do: { log: again } } }
",
        "\
3:3 GS0202 dead_end: state `a` is not final, and nothing leads out of it\n\
3:16 GS0119 unbounded_loop: `a` → `a` and so on, without event or guard\n\
        ",
    );
}

#[test]
fn d11_loop_through_a_compound_state() {
    check_problems(
        r"workflow: w
states:
  a: { always: p }
  p: { states: { q: { always: a } } }
",
        "\
3:16 GS0119 unbounded_loop: `a` → `p` → `q` → `a` and so on, without event or guard\n\
        ",
    );
}

#[test]
fn d12_words_of_steps_without_steps() {
    check_problems(
        r"workflow: w
states:
  a: { run: other, done: b }
  b: { mode: pipeline, on: { done.invoke.k: c } }
  c: { final: true }
",
        "\
4:8 GS0130 steps: a state without `steps` cannot have `mode`\n\
        ",
    );
}
