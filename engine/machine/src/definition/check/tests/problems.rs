//! The one door of the tests about problems.

use crate::definition::{Format, Problem, load};

/// Loads a YAML text and compares its problems, one in a line:
/// `line:column code name: message | help`.
#[track_caller]
pub(crate) fn check_problems(text: &str, expected: &str) {
    compare(text, Format::Yaml, expected);
}

/// The same for JSON.
#[track_caller]
pub(crate) fn check_json(text: &str, expected: &str) {
    compare(text, Format::Json, expected);
}

#[track_caller]
fn compare(text: &str, format: Format, expected: &str) {
    let problems = match load(text, "w.yaml", format) {
        Ok(loaded) => {
            assert!(loaded.warnings.iter().all(|problem| !problem.is_error()));
            loaded.warnings
        }
        Err(problems) => {
            assert!(problems.iter().any(Problem::is_error), "refused without an error");
            problems
        }
    };
    let found: String = problems.iter().map(line).collect();
    assert_eq!(found, expected, "\nfound:\n{found}\nexpected:\n{expected}");
    for problem in &problems {
        assert!(!problem.render(text, false).is_empty());
    }
}

fn line(problem: &Problem) -> String {
    let Problem { line, column, code, name, message, .. } = problem;
    let help = problem.help.as_ref().map(|help| format!(" | {help}")).unwrap_or_default();
    format!("{line}:{column} {code} {name}: {message}{help}\n")
}
