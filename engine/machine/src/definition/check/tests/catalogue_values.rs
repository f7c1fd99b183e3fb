//! Rows D15-D25 of the bad-input catalogue (06 §4): expressions, durations, names.

use crate::definition::check::tests::check_problems;

#[test]
fn d15_expression_size() {
    check_problems(
        concat!(
            "workflow: w\n",
            "events: [x]\n",
            "states:\n",
            "  a: { on: { x: { when: 'true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true || true || true || true || true || true || true || ",
            "true || true || true || true', to: a } } }\n",
        ),
        "\
4:25 GS0304 expression_size: expression of 1604 bytes exceeds the limit of 1024 bytes\n\
        ",
    );
}

#[test]
fn d18_unknown_function() {
    check_problems(
        r"workflow: w
events: [x, y]
states:
  a: { on: { x: { when: now() > 1, to: a }, y: { when: random() < 1, to: a } } }
",
        "\
4:28 GS0303 unknown_function: no function `now` | `now` is a name: write it without `()`\n\
4:62 GS0303 unknown_function: no function `random` | expressions are pure: no I/O, no \
environment, no random\n\
        ",
    );
}

#[test]
fn d18_names_of_the_world() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a: { on: { x: { when: env.HOME == 'x', to: a } } }
",
        "\
4:25 GS0302 unknown_name: no name `env` | names here: `vars`, `data`, `event`, `key`, \
`instance`, `workflow`, `now`, `input`\n\
        ",
    );
}

#[test]
fn d19_regex_size() {
    check_problems(
        r#"workflow: w
events: [x]
states:
  a: { on: { x: { when: "data.a.matches('(a{1000}){1000}')", to: a } } }
"#,
        "\
4:41 GS0309 regex_size: compiled pattern exceeds the limit of 1048576 bytes\n\
        ",
    );
}

#[test]
fn d20_duration_range() {
    check_problems(
        r"workflow: w
states:
  a: { after: { -5s: a, 0s: a, 1e400s: a, 100000000000000000000y: a, 30: a, 200w: a } }
",
        "\
3:17 GS0117 duration_range: duration `-5s` is out of range: durations are from `1ms` to \
100 years\n\
3:25 GS0117 duration_range: duration `0s` is out of range: durations are from `1ms` to \
100 years\n\
3:32 GS0117 duration_range: duration `1e400s` has an exponent; write the number out; \
durations are from `1ms` to 100 years\n\
3:43 GS0117 duration_range: duration `100000000000000000000y` has the unknown unit `y`; \
units are `ms s m h d w`\n\
3:70 GS0117 duration_range: duration `30` has no unit after `30`; write `30s` for seconds\n\
        ",
    );
}

#[test]
fn d22_names() {
    check_problems(
        r"workflow: w
events: [x]
states:
  a-b: { on: { x: Ab } }
  ab: { on: { x: Ab } }
  Ab: {final: true}
  'a.b': {final: true}
  '*': {final: true}
  '>': {final: true}
  'a b': {final: true}
  'a%': {final: true}
  'ａ': {final: true}
  '1a': {final: true}
  '': {final: true}
",
        "\
4:3 GS0103 name: state `a-b` has the character `-`; names are `[A-Za-z_][A-Za-z0-9_]*`\n\
6:3 GS0103 name: state `Ab` differs from `ab` in case only\n\
7:3 GS0103 name: state `a.b` has the character `.`; names are `[A-Za-z_][A-Za-z0-9_]*`\n\
8:3 GS0103 name: state `*` has the character `*`; names are `[A-Za-z_][A-Za-z0-9_]*`\n\
9:3 GS0103 name: state `>` has the character `>`; names are `[A-Za-z_][A-Za-z0-9_]*`\n\
10:3 GS0103 name: state `a b` has the character ` `; names are `[A-Za-z_][A-Za-z0-9_]*`\n\
11:3 GS0103 name: state `a%` has the character `%`; names are `[A-Za-z_][A-Za-z0-9_]*`\n\
12:3 GS0103 name: state `ａ` has the character `ａ`; names are `[A-Za-z_][A-Za-z0-9_]*`\n\
13:3 GS0103 name: state `1a` begins with a digit; names are `[A-Za-z_][A-Za-z0-9_]*`\n\
14:3 GS0103 name: state `` is empty\n\
        ",
    );
}

#[test]
fn d22_too_long() {
    check_problems(
        concat!(
            "workflow: w\n",
            "states:\n",
            "  ",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: { final: true }\n",
        ),
        "\
3:3 GS0103 name: state `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…` \
has 129 bytes, the limit is 128\n\
        ",
    );
}

#[test]
fn d25_credentials() {
    check_problems(
        concat!(
            "workflow: w\n",
            "vars: { t: null, api_key: abcdef123 }\n",
            "states:\n",
            "  a: { entry: { call: p.o, with: { password: hunter22, note: AKIAIOSFODNN7EXAMPLE, ",
            "url: 'https://me:pw@example.org/x', token: '${ vars.t }' } }, done: b }\n",
            "  b: { final: true }\n",
        ),
        "\
2:27 GS0210 secret: the member's name says that it is a secret\n\
4:46 GS0210 secret: the member's name says that it is a secret\n\
4:62 GS0210 secret: the text begins as a well-known kind of credential does\n\
4:89 GS0210 secret: the address holds a password\n\
        ",
    );
}
