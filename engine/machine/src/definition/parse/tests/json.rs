//! JSON is equal in rights, and strict.

use crate::definition::check::tests::check_json;

#[test]
fn duplicate_key() {
    check_json(
        r#"{"workflow": "w", "workflow": "v", "states": {"a": {"final": true}}}"#,
        "\
1:19 GS0005 duplicate_key: key `workflow` occurs again\n\
        ",
    );
}

#[test]
fn trailing_content() {
    check_json(
        r#"{"workflow": "w", "states": {"a": {"final": true}}} {}"#,
        "\
1:53 GS0006 trailing_content: text goes on at byte 52\n\
        ",
    );
}

#[test]
fn trailing_comma() {
    check_json(
        r#"{"workflow": "w",}"#,
        "\
1:18 GS0002 syntax: expected a key in quotes, found `}`\n\
        ",
    );
}

#[test]
fn single_quotes() {
    check_json(
        "{'workflow': 'w'}",
        "\
1:2 GS0002 syntax: expected a key in quotes, found `'`\n\
        ",
    );
}

#[test]
fn comment() {
    check_json(
        r"// no
{}",
        "\
1:1 GS0002 syntax: expected a JSON value, found `/`\n\
        ",
    );
}

#[test]
fn yaml() {
    check_json(
        "workflow: w",
        "\
1:1 GS0002 syntax: expected a JSON value, found `w`\n\
        ",
    );
}

#[test]
fn lone_surrogate() {
    check_json(
        r#"{"workflow": "\ud800"}"#,
        "\
1:14 GS0007 encoding: lone surrogate in the text at byte 13\n\
        ",
    );
}

#[test]
fn control_character() {
    check_json(
        r#"{"workflow": "a
b"}"#,
        "\
1:14 GS0002 syntax: text has a control character or an unknown escape\n\
        ",
    );
}

#[test]
fn unknown_escape() {
    check_json(
        r#"{"workflow": "a\xb"}"#,
        "\
1:14 GS0002 syntax: text has a control character or an unknown escape\n\
        ",
    );
}

#[test]
fn open_end() {
    check_json(
        r#"{"workflow": "w""#,
        "\
1:17 GS0002 syntax: expected `,` or `}`, found the end of the text\n\
        ",
    );
}

#[test]
fn open_text() {
    check_json(
        r#"{"workflow": "w"#,
        "\
1:14 GS0002 syntax: quote is not closed\n\
        ",
    );
}

#[test]
fn numbers() {
    check_json(
        r#"{"workflow": 01, "states": {}}"#,
        "\
1:14 GS0002 syntax: expected a JSON value, found `0`\n\
        ",
    );
}

#[test]
fn huge_numbers() {
    check_json(
        concat!(
            "{\"workflow\": \"w\", \"version\": 1e400, \"states\": {\"a\": {\"final\": true, ",
            "\"output\": 123456789012345678901234567890}}}",
        ),
        "\
1:30 GS0102 type: expected a whole number from 1, found `1e400`\n\
1:79 GS0102 type: number `123456789012345678901234567890` does not fit 64 bits; quote it\n\
        ",
    );
}

#[test]
fn words() {
    check_json(
        r#"{"workflow": True}"#,
        "\
1:14 GS0002 syntax: expected a JSON value, found `T`\n\
        ",
    );
}

#[test]
fn empty() {
    check_json(
        r"  
",
        "\
0:0 GS0001 empty_definition: nothing is written here | a definition begins with \
`workflow: <name>`\n\
        ",
    );
}

#[test]
fn unknown_state() {
    check_json(
        r#"{
  "workflow": "w",
  "events": ["x"],
  "states": {
    "a": { "on": { "x": { "to": "ennd", "when": "data.a == 1 && daat.x" } } },
    "end": { "final": true }
  }
}
"#,
        "\
5:33 GS0104 unknown_state: no state `ennd` | did you mean `end`?\n\
5:65 GS0302 unknown_name: no name `daat` | did you mean `data`?\n\
        ",
    );
}
