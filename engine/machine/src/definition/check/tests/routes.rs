//! Rules that make no sense, each with its code.

use crate::definition::check::tests::check_problems;

#[test]
fn rules_without_sense_are_refused() {
    check_problems(
        r"workflow: w
steps:
  none: { route: { default: x } }
  empty: { route: { rules: {} } }
  no_list: { route: { rules: many } }
  nowhere: { route: { rules: { a: { when: data.n > 1 } } } }
  named: { route: { rules: { a: { name: b, to: x } } } }
  twice: { route: { rules: [{ name: a, when: data.n, to: x }, { name: a, to: x }] } }
  zero: { route: { rules: { a: { priority: 0, to: x } } } }
  typo: { route: { rules: { a: { whem: data.n, to: x } } } }
  input: { route: { rules: { a: { to: x } } }, with: { n: 1 } }
  undone: { route: { rules: { a: { to: x } } }, undo: p.undo }
  both: { route: { rules: { a: { to: x } } }, call: p.o }
  guard: { route: { rules: { a: { when: nobody.there, to: x } } } }
",
        "\
3:18 GS0101 missing_field: `route` has no `rules`\n\
4:28 GS0121 limit: 0 rules: a route has 1 to 256\n\
5:30 GS0102 type: expected a mapping from names to rules, or a list of rules, found `many`\n\
6:35 GS0101 missing_field: `to` is missing: what is decided\n\
7:35 GS0127 contradiction: the rule is named by its key\n\
8:71 GS0127 contradiction: rule `a` occurs again\n\
9:44 GS0102 type: expected a whole number from 1, found `0`\n\
10:34 GS0100 unknown_field: a rule has no key `whem` | did you mean `when`?\n\
11:48 GS0100 unknown_field: `route` has no key `with`\n\
12:49 GS0137 undo: `route` cannot be taken back by a call\n\
13:47 GS0131 step_kind: the step has `route` and also `call` | write two steps, the second with \
`needs` of the first\n\
14:41 GS0302 unknown_name: no name `nobody` | names here: `vars`, `data`, `event`, `key`, \
`instance`, `workflow`, `now`, `input`, `steps`\n\
",
    );
}

#[test]
fn rules_behind_one_that_always_matches_never_decide() {
    check_problems(
        r"workflow: w
steps:
  pick:
    route:
      rules:
        first: { when: data.n > 1, to: a }
        always: { priority: 5, to: b }
        before: { priority: 6, when: data.n > 2, to: c }
      default: d
",
        "\
6:9 GS0225 idle_rule: rule `first` never decides | rule `always` is asked before and always \
matches\n\
9:7 GS0225 idle_rule: `default` is never decided | rule `always` is asked before and always \
matches\n\
",
    );
}

#[test]
fn approvals_and_checkpoints_of_steps_without_sense_are_refused() {
    check_problems(
        r#"workflow: w
steps:
  off: { approval: false }
  each: { approval: true, foreach: { in: data.list } }
  tried: { approval: true, retry: { attempts: 2 }, undo: p.undo }
  alike: { approval: { choices: [yes, yes] } }
  word: { approval: yes }
  again: { approval: true, on_failure: retry }
  name: { checkpoint: "a b" }
  kept: { checkpoint: here, set: { n: output } }
"#,
        "\
3:20 GS0102 type: expected a mapping, or `true`, found `false`\n\
4:36 GS0138 foreach: `approval` asks once: it cannot stand in `foreach`\n\
5:28 GS0100 unknown_field: `approval` has no key `retry`\n\
5:52 GS0137 undo: `approval` cannot be taken back by a call\n\
6:39 GS0122 approval: choice `yes` occurs again\n\
7:21 GS0102 type: expected a mapping, or `true`, found `yes`\n\
8:10 GS0125 retry: `on_failure: retry` is for calls, not for `approval`\n\
9:23 GS0103 name: the name `a b` is not 1 to 64 of the characters `A-Z a-z 0-9 _ - .`\n\
10:29 GS0100 unknown_field: `checkpoint` has no key `set`\n\
",
    );
}
