//! How problems look to people and to programs.

use crate::definition::{Format, load};

const TEXT: &str = "\
workflow: w
events: [user.action]
states:
  under_review:
    on:
      user.action:
        - { name: approve, when: data.action == 'äpprove', to: aproved }
  approved: { final: true }
";

#[track_caller]
fn check_render(text: &str, expected: &str) {
    let problems = load(text, "w.yaml", Format::Yaml).map_or_else(|found| found, |l| l.warnings);
    let found: String = problems.iter().map(|problem| problem.render(text, false)).collect();
    assert_eq!(found, expected, "\n{found}");
}

#[test]
fn a_problem_has_a_caret_and_help() {
    check_render(
        TEXT,
        "\
error[GS0104]: transition goes to a state that does not exist\n\
\x20--> w.yaml:7:64\n\
\x20 |\n\
7 |         - { name: approve, when: data.action == 'äpprove', to: aproved }\n\
\x20 |                                                                ^^^^^^^ no state \
`aproved`\n\
\x20 |\n\
\x20 = help: did you mean `approved`?\n\
        ",
    );
}

#[test]
fn a_problem_of_the_whole_text_has_no_caret() {
    check_render(
        "# nothing",
        "\
error[GS0001]: the file holds no definition\n\
--> w.yaml\n\
\x20= note: nothing is written here\n\
\x20= help: a definition begins with `workflow: <name>`\n\
        ",
    );
}

#[test]
fn two_places_are_shown() {
    check_render(
        "workflow: w\ntitle: x\nstates: { a: { final: true } }\ntitle: y\n",
        "\
error[GS0005]: a key occurs twice in one mapping\n\
\x20--> w.yaml:4:1\n\
\x20 |\n\
2 | title: x\n\
\x20 | ----- first here\n\
3 | states: { a: { final: true } }\n\
4 | title: y\n\
\x20 | ^^^^^ key `title` occurs again\n\
        ",
    );
}

#[test]
fn a_long_line_is_cut_around_the_caret() {
    let long = format!(
        "workflow: w\nstates: {{ a: {{ entry: {{ log: '{}' }}, on: {{ x: nowhere }} }} }}\n",
        "x".repeat(300)
    );
    let problems = load(&long, "w.yaml", Format::Yaml).unwrap_err();
    let found = problems.first().unwrap().render(&long, false);
    assert!(found.contains("^^^^^^^ no state `nowhere`"), "{found}");
    assert!(found.contains("w.yaml:2:345"), "{found}");
    assert!(found.lines().all(|line| line.chars().count() <= 130), "{found}");
}

#[test]
fn control_characters_of_the_author_do_not_reach_the_terminal() {
    let text = "workflow: w\nstates: { a: { on: { x: \"\\e[31mred\\u202e\" } } }\n";
    let problems = load(text, "w.yaml", Format::Yaml).unwrap_err();
    let found = problems.first().unwrap().render(text, false);
    assert!(found.chars().all(|letter| letter == '\n' || !letter.is_control()), "{found:?}");
    assert!(!found.contains('\u{202e}'), "{found:?}");
}

#[test]
fn colors_are_only_used_when_asked_for() {
    let problems = load(TEXT, "w.yaml", Format::Yaml).unwrap_err();
    let problem = problems.first().unwrap();
    assert!(problem.render(TEXT, true).contains('\u{1b}'));
    assert!(!problem.render(TEXT, false).contains('\u{1b}'));
}

#[test]
fn programs_get_the_same_as_json() {
    let problems = load(TEXT, "w.yaml", Format::Yaml).unwrap_err();
    let found = serde_json::to_value(problems.first().unwrap()).unwrap();
    let expected = serde_json::json!({
        "code": "GS0104",
        "name": "unknown_state",
        "severity": "error",
        "message": "no state `aproved`",
        "file": "w.yaml",
        "line": 7,
        "column": 64,
        "end_line": 7,
        "end_column": 71,
        "path": "states.under_review.on[\"user.action\"][0].to",
        "help": "did you mean `approved`?",
    });
    assert_eq!(found, expected);
}

#[test]
fn a_problem_is_one_line_for_logs() {
    let problems = load(TEXT, "w.yaml", Format::Yaml).unwrap_err();
    let found = problems.first().unwrap().to_string();
    assert_eq!(found, "w.yaml:7:64: error[GS0104]: no state `aproved`");
}
