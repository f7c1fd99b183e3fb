//! Actions, calls and variables: rules 21-27.

use crate::definition::check::tests::check_problems;

#[test]
fn unknown_action() {
    check_problems(
        r"workflow: w
events: [x]
actions: { notify: { publish: m.x } }
states:
  a: { entry: notfy, on: { x: e } }
  e: { final: true, entry: mail.send }
",
        "\
3:12 GS0208 unused_action: action `notify` is never used\n\
5:15 GS0106 unknown_action: no action `notfy` | did you mean `notify`?\n\
6:28 GS0106 unknown_action: no action `mail.send` | to call an operation write `{ call: \
mail.send }`\n\
        ",
    );
}

#[test]
fn an_action_has_one_kind() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { entry: [{ publish: m.x, raise: y }, { with: 1 }, { log: x, with: 2 }], on: { x: e } }
  e: { final: true }
",
        "\
4:32 GS0113 action_kind: the action has `publish` and also `raise` | write a list of two \
actions\n\
4:44 GS0113 action_kind: the action does nothing: none of `call`, `publish`, `set`, \
`raise`, `log`, `timer`, `send`, `cancel`, `if`, `each`, `route`, `checkpoint`\n\
4:67 GS0100 unknown_field: `log` has no key `with`\n\
        ",
    );
}

#[test]
fn an_action_that_uses_itself() {
    check_problems(
        r"workflow: w
events: [x]
actions: { one: [two], two: { if: [{ when: true, do: one }] } }
states:
  a: { entry: one, on: { x: e } }
  e: { final: true }
",
        "\
3:54 GS0124 action_cycle: action `one` uses itself\n\
        ",
    );
}

#[test]
fn rule_23_set_needs_a_declared_variable() {
    check_problems(
        r"workflow: w
events: [x]
vars: { name: 1 }
states:
  a: { entry: { set: { nme: 1, data: 2, vars.name: 3, name..x: 4, other: 5 } }, on: { x: e } }
  e: { final: true }
",
        "\
5:24 GS0107 unknown_variable: no variable `nme` | did you mean `name`?\n\
5:32 GS0107 unknown_variable: no variable `data` | `data` belongs to the system and \
cannot be set\n\
5:55 GS0103 name: path `name..x` has an empty part\n\
5:67 GS0107 unknown_variable: no variable `other` | declare it: `vars: { other: null }`\n\
        ",
    );
}

#[test]
fn rule_24_only_the_last_branch_is_else() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { entry: { if: [{ do: [] }, { when: true }] }, on: { x: e } }
  e: { final: true }
",
        "\
4:22 GS0101 missing_field: only the last branch may be without `when`\n\
        ",
    );
}

#[test]
fn rule_24_each_needs_a_list() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: [x]\n",
            "states:\n",
            "  a: { entry: [{ each: { as: 1x } }, { each: { in: data.l, as: i, do: { call: p.o } ",
            "} }], on: { x: e } }\n",
            "  e: { final: true }\n",
        ),
        "\
4:24 GS0101 missing_field: `each` has no `in`: the list\n\
4:79 GS0118 call_place: a call inside `each` has no state that could wait for it\n\
        ",
    );
}

#[test]
fn rule_24_locals_are_seen_in_each() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: [x]\n",
            "states:\n",
            "  a: { entry: [{ each: { in: data.l, as: i, index: n, do: [{ log: '${ i.x + n }' }] ",
            "} }, { log: '${ i }' }], on: { x: e } }\n",
            "  e: { final: true }\n",
        ),
        "\
4:101 GS0302 unknown_name: no name `i` | names here: `vars`, `data`, `event`, `key`, \
`instance`, `workflow`, `now`, `input`, `error`\n\
        ",
    );
}

#[test]
fn operations() {
    check_problems(
        concat!(
            "workflow: w\n",
            "states:\n",
            "  a: { entry: [{ call: nothing }, { call: p.o.q }, { call: 'p@^1.2.o' }, { call: ",
            "'p@.o' }, { call: p., undo: { call: p.u } }], done: e }\n",
            "  e: { final: true }\n",
        ),
        "\
3:24 GS0126 operation: operation `nothing` is not `plugin.operation`\n\
3:43 GS0126 operation: operation `p.o.q` is not `plugin.operation`: the plugin has the \
character `.`; names are `[A-Za-z0-9_-]+`\n\
3:82 GS0126 operation: operation `p@.o` asks for the version ``\n\
3:100 GS0126 operation: operation `p.` is not `plugin.operation`: the operation is empty\n\
        ",
    );
}

#[test]
fn gs0126_what_the_bus_could_not_ask_is_refused_and_ranges_are_not() {
    let long = "o".repeat(65);
    let text = format!(
        "workflow: w\nsteps:\n  a: {{ call: 'p@>=1, <2.o' }}\n  b: {{ call: 'p@>=1,<2.o' }}\n  \
         c: {{ call: 'p@^^1.o' }}\n  d: {{ call: 'p@^1 .o' }}\n  e: {{ call: 'p@^1.2' }}\n  \
         f: {{ call: p.{long} }}\n"
    );
    check_problems(
        &text,
        &format!(
            "\
5:14 GS0126 operation: operation `p@^^1.o` asks for the version `^^1`\n\
6:14 GS0126 operation: operation `p@^1 .o` asks for the version `^1 `\n\
7:14 GS0126 operation: operation `p@^1.2` is not `plugin.operation`: the operation `2` has digits \
only\n\
8:14 GS0126 operation: operation `p.{}…` is not `plugin.operation`: the operation has 65 bytes, \
the limit is 64\n",
            &long[..58]
        ),
    );
}

#[test]
fn retries() {
    check_problems(
        concat!(
            "workflow: w\n",
            "states:\n",
            "  a: { entry: { call: p.o, retry: { attempts: 0, backoff: 5m..1m } }, exit: { call: ",
            "p.o, retry: { max: 5000, delay: 3, tries: 1 } }, done: e }\n",
            "  e: { final: true }\n",
        ),
        "\
3:47 GS0102 type: expected a whole number from 1, found `0`\n\
3:59 GS0125 retry: the first wait `5m` exceeds the longest `1m`\n\
3:104 GS0125 retry: 5001 attempts exceed the limit of 1000\n\
3:117 GS0117 duration_range: duration `3` has no unit after `3`; write `3s` for seconds\n\
3:120 GS0100 unknown_field: `retry` has no key `tries` | known keys are `attempts`, \
`max`, `backoff`, `delay`, `jitter`, `on`\n\
        ",
    );
}

#[test]
fn subjects_to_publish() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: [x]\n",
            "states:\n",
            "  a: { entry: [{ publish: a.*.b }, { publish: gearshift.command.x }, { publish: ",
            "$JS.API }, { publish: 'a..b' }, { publish: 'ok.${ key }' }], on: { x: e } }\n",
            "  e: { final: true }\n",
        ),
        "\
4:27 GS0116 subject: subject `a.*.b` has the token `*`\n\
4:47 GS0116 subject: subject `gearshift.command.x` belongs to the engine or to the bus\n\
4:81 GS0116 subject: subject `$JS.API` belongs to the engine or to the bus\n\
4:103 GS0116 subject: subject `a..b` has the token ``\n\
        ",
    );
}

#[test]
fn sends_and_timers() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: [x]\n",
            "states:\n",
            "  a: { entry: [{ send: { after: 1s } }, { send: { event: 'a b' } }, { timer: { ",
            "after: 1s } }, { send: { event: a, to: nobody } }, { cancel: 5 }], on: { x: e } }\n",
            "  e: { final: true }\n",
        ),
        "\
4:24 GS0101 missing_field: `send` has no `event`\n\
4:58 GS0114 event_name: event name `a b` has the token `a b`; tokens are `[A-Za-z0-9_-]+`\n\
4:78 GS0101 missing_field: `timer` has no `id`: the name of the timer\n\
4:119 GS0129 recipient: expected `parent`, `invoke.<id>` or `{ instance: workflow/key }`, found \
`nobody`\n\
4:141 GS0102 type: expected the id of a timer, found `5`\n\
        ",
    );
}

#[test]
fn recovery_words_belong_to_steps() {
    check_problems(
        r"workflow: w
states:
  a: { entry: { call: p.o, optional: true, fallback: other }, done: e }
  e: { final: true }
",
        "\
3:28 GS0100 unknown_field: an action has no key `optional`\n\
3:44 GS0100 unknown_field: an action has no key `fallback`\n\
        ",
    );
}

#[test]
fn expressions_have_places() {
    check_problems(
        r#"workflow: w
events: [x]
vars: { b: 1 }
states:
  a:
    on:
      x:
        - { when: data.a == 1 && vras.b > 2, to: e }
        - { when: "vars.c &&", to: e }
        - when: |
            vars.b > 1
          to: e
        - { when: 5, to: e }
        - { when: null, to: e }
        - { when: , to: e }
        - { when: active('ee'), to: e }
  e: { final: true }
"#,
        "\
8:34 GS0302 unknown_name: no name `vras` | did you mean `vars`?\n\
9:29 GS0301 expression_syntax: mismatched input end of expression\n\
13:19 GS0308 not_bool: a guard is a bool, this is int | compare it with something\n\
14:19 GS0102 type: expected a condition, found `null`\n\
15:17 GS0102 type: expected a condition, found nothing\n\
16:26 GS0302 unknown_name: no state `ee`\n\
        ",
    );
}

#[test]
fn output_exists_in_set_of_a_call_only() {
    check_problems(
        concat!(
            "workflow: w\n",
            "vars: { b: 1 }\n",
            "states:\n",
            "  a: { entry: [{ call: p.o, with: '${ output.x }', set: { b: output.x } }, { set: { ",
            "b: output.x } }], done: e }\n",
            "  e: { final: true }\n",
        ),
        "\
4:39 GS0302 unknown_name: `output` does not exist here | names here: `vars`, `data`, \
`event`, `key`, `instance`, `workflow`, `now`, `input`, `error`\n\
4:88 GS0302 unknown_name: `output` does not exist here | names here: `vars`, `data`, \
`event`, `key`, `instance`, `workflow`, `now`, `input`, `error`\n\
        ",
    );
}

#[test]
fn correlate_sees_the_event_only() {
    check_problems(
        r"workflow: w
events: { x: { start: true, correlate: vars.b } }
correlate: key
vars: { b: 1 }
states:
  a: { on: { x: e } }
  e: { final: true }
",
        "\
2:40 GS0302 unknown_name: `vars` does not exist here | names here: `data`, `event`\n\
3:12 GS0302 unknown_name: `key` does not exist here | names here: `data`, `event`\n\
        ",
    );
}

#[test]
fn numbers_in_data() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: [x]\n",
            "states:\n",
            "  a: { entry: { publish: m.x, with: { a: 123456789012345678901234567890, b: 010, c: ",
            "1e400, d: 0x1f } }, on: { x: e } }\n",
            "  e: { final: true }\n",
        ),
        "\
4:42 GS0102 type: number `123456789012345678901234567890` does not fit 64 bits; quote it\n\
4:85 GS0102 type: number `1e400` does not fit 64 bits; quote it\n\
        ",
    );
}

#[test]
fn limits_may_only_lower() {
    check_problems(
        r"workflow: w
limits: { microsteps: 10, effects: 300, actions: many, memory: 3 }
states:
  a: { final: true }
",
        "\
2:36 GS0121 limit: `effects` of 300 exceeds the limit of 256\n\
2:50 GS0102 type: expected a whole number from 1, found `many`\n\
2:56 GS0100 unknown_field: `limits` has no key `memory` | known keys are `microsteps`, \
`internal_events`, `actions`, `effects`, `outputs`, `vars`\n\
        ",
    );
}

#[test]
fn words_of_closed_lists() {
    check_problems(
        r"workflow: w
unhandled: dead-letter
on_error: [fail]
states:
  a: { final: true }
",
        "\
2:12 GS0102 type: expected one of `discard`, `defer`, `dead_letter`, `reject`, found \
`dead-letter` | did you mean `dead_letter`?\n\
3:11 GS0102 type: expected one of `suspend`, `ignore`, `fail`, found something else\n\
        ",
    );
}
