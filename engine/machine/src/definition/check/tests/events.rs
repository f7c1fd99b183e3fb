//! Events and transitions: rules 28-30 and `events:`.

use crate::definition::check::tests::check_problems;

#[test]
fn rule_28_reserved_names() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: { done.x: {}, error: {}, after.y: {}, workflow.z: {}, gearshift.q: {}, ",
            "timer.expired: {} }\n",
            "states:\n",
            "  a: { on: { done.x: e } }\n",
            "  e: { final: true }\n",
        ),
        "\
2:11 GS0115 reserved_event: names that begin with `done` are made by the engine\n\
2:23 GS0115 reserved_event: names that begin with `error` are made by the engine\n\
2:34 GS0115 reserved_event: names that begin with `after` are made by the engine\n\
2:47 GS0115 reserved_event: names that begin with `workflow` are made by the engine\n\
2:63 GS0115 reserved_event: names that begin with `gearshift` are made by the engine\n\
        ",
    );
}

#[test]
fn rule_28_names() {
    check_problems(
        r"workflow: w
events: { 'é': {}, a.b: {}, 'a.': {} }
states:
  a: { on: { 'a..b': e, 'a b': e, 'x~1': e, a.*.b: e, '=a.b': e, a.b.*: e, '*': e, '': e } }
  e: { final: true }
",
        "\
2:11 GS0114 event_name: event name `é` has the token `é`; tokens are `[A-Za-z0-9_-]+`\n\
2:29 GS0114 event_name: event name `a.` has the token ``; tokens are `[A-Za-z0-9_-]+`\n\
4:14 GS0114 event_name: event name `a..b` has the token ``; tokens are `[A-Za-z0-9_-]+`\n\
4:25 GS0114 event_name: event name `a b` has the token `a b`; tokens are `[A-Za-z0-9_-]+`\n\
4:35 GS0114 event_name: event name `x~1` has a `~`\n\
4:45 GS0114 event_name: event `a.*.b` has a wildcard that is not its last token\n\
4:84 GS0114 event_name: event name is empty\n\
        ",
    );
}

#[test]
fn rule_28_too_long() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: { ",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaa: {}, a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a: {}, a.b: {} }\n",
            "states:\n",
            "  a: { on: { a.b: e } }\n",
            "  e: { final: true }\n",
        ),
        "\
2:11 GS0114 event_name: event name of 256 bytes exceeds the limit of 255 bytes\n\
2:273 GS0114 event_name: event name of 17 tokens exceeds the limit of 16\n\
        ",
    );
}

#[test]
fn events_in_contradiction() {
    check_problems(
        r"workflow: w
events: { x: { start: true, buffer: 10m }, y: { start: yes }, z: { buffer: 10 } }
states:
  a: { on: { x: e } }
  e: { final: true }
",
        "\
2:29 GS0127 contradiction: the event has `start` and also `buffer`\n\
2:56 GS0102 type: expected `true` or `false`, found `yes`\n\
2:76 GS0117 duration_range: duration `10` has no unit after `10`; write `10s` for seconds\n\
        ",
    );
}

#[test]
fn events_twice_in_a_list() {
    check_problems(
        r"workflow: w
events: [x, x, 'a b']
states:
  a: { on: { x: e } }
  e: { final: true }
",
        "\
2:13 GS0005 duplicate_key: event `x` occurs again\n\
2:16 GS0114 event_name: event name `a b` has the token `a b`; tokens are `[A-Za-z0-9_-]+`\n\
        ",
    );
}

#[test]
fn subjects_to_capture() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: { x: { subject: 'orders.{id}.paid' }, y: { subject: 'orders.*' }, z: { ",
            "subject: 'orders.a{id}' }, q: { subject: '{all}.x' }, r: { subject: gearshift.x }, ",
            "s: { subject: 'a.>' } }\n",
            "states:\n",
            "  a: { on: { x: e } }\n",
            "  e: { final: true }\n",
        ),
        "\
2:61 GS0116 subject: subject `orders.*` has the token `*`\n\
2:89 GS0116 subject: subject `orders.a{id}` has the token `a{id}`\n\
2:121 GS0116 subject: the first token of `{all}.x` must be fixed\n\
2:148 GS0115 reserved_event: subjects that begin with `gearshift` belong to the engine\n\
2:177 GS0116 subject: subject `a.>` has the token `>`\n\
        ",
    );
}

#[test]
fn a_subject_has_one_event_name() {
    check_problems(
        "workflow: w
events:
  a: { subject: 'o.{id}.x' }
  b: { subject: 'o.eu.{n}' }
  c: { subject: 'o.eu.x.y' }
  d.e: {}
  f: { subject: d.e }
  g: { subject: 'o.{other}.x' }
  h: { subject: 'o.eu' }
states:
  s: { on: { '*': e } }
  e: { final: true }
",
        "\
4:3 GS0116 subject: on subject `o.eu.{n}` there is event `a` already\n\
7:3 GS0116 subject: on subject `d.e` there is event `d.e` already\n\
8:3 GS0116 subject: on subject `o.{other}.x` there is event `a` already\n\
        ",
    );
}

#[test]
fn a_list_of_transitions_names_events() {
    check_problems(
        r"workflow: w
events: [x, y]
states:
  a: { on: [{ to: e }, { event: [x, y], to: e }, { event: x, frm: a, to: e }] }
  e: { final: true }
",
        "\
4:13 GS0101 missing_field: a transition in a list needs `event`\n\
4:62 GS0100 unknown_field: a transition has no key `frm` | known keys are `event`, \
`name`, `when`, `do`, `to`, `internal`, `failed`\n\
        ",
    );
}

#[test]
fn on_of_the_wrong_shape() {
    check_problems(
        r"workflow: w
states:
  a: { on: x, after: [1s], always: 5 }
  e: { final: true }
",
        "\
3:12 GS0102 type: expected a mapping from events to transitions, found `x`\n\
3:22 GS0102 type: expected a mapping from durations to transitions, found a list\n\
3:36 GS0102 type: expected the id of a state, found `5`\n\
        ",
    );
}

#[test]
fn a_comma_in_an_inline_guard() {
    check_problems(
        r"workflow: w
events: [x, y]
states:
  a: { on: { x: { when: data.a in [1, 2], to: e }, y: { when: f(a, b), to: e } } }
  e: { final: true }
",
        "\
4:35 GS0002 syntax: while parsing a flow mapping, did not find expected ',' or '}' | \
inside `{ }` and `[ ]` a text with `: `, `{` or `[` must be quoted\n\
        ",
    );
}

#[test]
fn a_comma_in_a_call_of_a_function() {
    check_problems(
        r"workflow: w
events: [y]
states:
  a: { on: { y: { when: f(a, b), to: e } } }
  e: { final: true }
",
        "\
4:28 GS0301 expression_syntax: missing ')' at end of expression\n\
4:30 GS0100 unknown_field: a transition has no key `b)` | a comma inside `{ }` ends a \
value; quote an expression that has one\n\
        ",
    );
}

#[test]
fn an_unquoted_template_in_braces() {
    check_problems(
        r"workflow: w
states:
  a: { entry: { publish: m.x, with: { a: ${ key } } } }
",
        "\
3:43 GS0002 syntax: while parsing a flow mapping, did not find expected ',' or '}' | \
inside `{ }` a text with `${ … }` must be quoted: `\"${ … }\"`\n\
        ",
    );
}

#[test]
fn a_tag_instead_of_a_guard() {
    check_problems(
        r"workflow: w
events: [x, y]
states:
  a: { on: { x: { when: !data.ok, to: e }, y: { when: !(data.a), to: e } } }
  e: { final: true }
",
        "\
4:25 GS0009 tag: `!data.ok` is a YAML tag | put the text in quotes: `\"!data.ok\"`\n\
4:55 GS0009 tag: `!(data.a)` is a YAML tag | put the text in quotes: `\"!(data.a)\"`\n\
        ",
    );
}

#[test]
fn a_tab_as_indentation() {
    check_problems(
        concat!("workflow: w\n", "states:\n", "\u{9}a: {}\n",),
        "\
3:2 GS0002 syntax: tabs disallowed within this context (block indentation) | indent with \
spaces; YAML does not allow tabs there\n\
        ",
    );
}

#[test]
fn a_colon_in_a_plain_text() {
    check_problems(
        r"workflow: w
title: approve: now
states:
  a: { final: true }
",
        "\
2:15 GS0002 syntax: mapping values are not allowed in this context | a text with `: ` \
must be quoted, or stand on a line of its own after `|`\n\
        ",
    );
}

#[test]
fn an_unclosed_bracket() {
    check_problems(
        r"workflow: w
states: { a: { final: true }
",
        "\
2:9 GS0002 syntax: unclosed bracket '{'\n\
        ",
    );
}

#[test]
fn an_unclosed_quote() {
    check_problems(
        r#"workflow: "w
states: {}
"#,
        "\
2:1 GS0002 syntax: invalid indentation in multiline quoted scalar\n\
        ",
    );
}

#[test]
fn an_unknown_alias() {
    check_problems(
        r"workflow: *w
",
        "\
1:11 GS0002 syntax: while parsing node, found unknown anchor\n\
        ",
    );
}
