//! Depth, aliases, size and encodings (rows D2, D3, D8 and the limits of 01 §10).

use crate::definition::{Format, Problem, codes, decode, load};

#[track_caller]
fn refused(text: &str, format: Format) -> Problem {
    let problems = load(text, "w", format).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn d02_deep_nesting_is_refused_before_it_costs_anything() {
    for text in ["[".repeat(100_000), "{a: ".repeat(100_000), "- ".repeat(100_000)] {
        let problem = refused(&text, Format::Yaml);
        assert_eq!(problem.code, codes::TOO_DEEP, "{problem}");
        assert_eq!(problem.message, "nesting exceeds the limit of 64 levels");
    }
    for text in ["[".repeat(100_000), "{\"a\":".repeat(100_000)] {
        assert_eq!(refused(&text, Format::Json).code, codes::TOO_DEEP);
    }
}

#[test]
fn d03_aliases_have_a_budget() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let below = level - 1;
        let list = vec![format!("*a{below}"); 9].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{list}]\n"));
    }
    let problem = refused(&text, Format::Yaml);
    assert_eq!(problem.code, codes::ALIAS_BUDGET);
    assert_eq!(problem.message, "aliases expand to more than 10000 nodes");
}

#[test]
fn d03_an_alias_cannot_contain_itself() {
    let problem = refused("workflow: &w [*w]\n", Format::Yaml);
    assert_eq!(problem.code, codes::ALIAS_BUDGET);
}

#[test]
fn a_few_aliases_are_fine() {
    let text = "workflow: w\nevents: [x]\nstates:\n  a: { on: { x: &go { to: b } } }\n  \
                b: { on: { x: *go } }\n";
    let loaded = load(text, "w", Format::Yaml).unwrap();
    assert_eq!(loaded.warnings, []);
    assert!(loaded.definition.canonical.contains(r#""b":{"on":{"x":{"to":"b"}}}"#));
}

#[test]
fn a_text_of_more_than_512_kib_is_refused() {
    let text = format!("workflow: w\n#{}\n", "x".repeat(512 * 1_024));
    let problem = refused(&text, Format::Yaml);
    assert_eq!(problem.code, codes::TOO_LARGE);
    assert_eq!(problem.message, "text of 524302 bytes exceeds the limit of 524288 bytes");
}

#[test]
fn more_than_2000_states_are_refused() {
    let mut text = "workflow: w\nstates:\n".to_owned();
    for number in 0..2_001 {
        text.push_str(&format!("  s{number}: {{ final: true }}\n"));
    }
    let problems = load(&text, "w", Format::Yaml).unwrap_err();
    assert!(problems.iter().any(|problem| problem.code == codes::TOO_LARGE));
}

#[test]
fn more_than_10000_transitions_are_refused() {
    let mut text = "workflow: w\nevents: [x]\nstates:\n  a:\n    on:\n      x:\n".to_owned();
    text.push_str(&"      - { when: data.a, to: a }\n".repeat(10_001));
    let problems = load(&text, "w", Format::Yaml).unwrap_err();
    assert!(problems.iter().any(|problem| problem.code == codes::TOO_LARGE));
}

#[test]
fn d08_bytes_that_are_not_plain_utf8_are_refused_with_their_offset() {
    let cases: [(&[u8], &str); 5] = [
        (b"workflow: \xff", "text is not UTF-8: invalid sequence at byte 10"),
        (b"\xff\xfew\0", "text is UTF-16 (byte order mark at byte 0)"),
        (b"\xfe\xff\0w", "text is UTF-16 (byte order mark at byte 0)"),
        (b"w\0o\0", "text looks like UTF-16 (zero at byte 1)"),
        (b"\0w\0o", "text looks like UTF-16 (zero at byte 0)"),
    ];
    for (bytes, expected) in cases {
        let problems = decode(bytes, "w").unwrap_err();
        assert_eq!(problems.first().unwrap().message, expected);
        assert_eq!(problems.first().unwrap().code, codes::ENCODING);
    }
    assert_eq!(decode("wörkflow".as_bytes(), "w").unwrap(), "wörkflow");
}

#[test]
fn a_file_name_tells_the_format() {
    assert_eq!(Format::of("a.workflow.json"), Format::Json);
    assert_eq!(Format::of("a.JSON"), Format::Json);
    assert_eq!(Format::of("a.workflow.yaml"), Format::Yaml);
    assert_eq!(Format::of("-"), Format::Yaml);
}
