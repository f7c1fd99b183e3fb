//! What the checker says of a definition that was made, told of the text it was made from.

use crate::definition::{Problem, Span};

/// The problems with their places in `text`; `place` gives them. A problem without one has none at
/// all: a place in the definition would be a wrong one here.
pub(super) fn retold(
    problems: Vec<Problem>,
    text: &str,
    place: impl Fn(&Problem) -> Option<Span>,
) -> Vec<Problem> {
    let mut told: Vec<Problem> = Vec::new();
    for problem in problems {
        let place = place(&problem);
        let next = one(problem, text, place);
        let again =
            |it: &Problem| (it.code, it.span, &it.message) == (next.code, next.span, &next.message);
        // Without a place the path in the words tells two apart; at one place they say the same.
        if !told.iter().any(again) {
            told.push(next);
        }
    }
    told.sort_by_key(|problem| (problem.span.is_none(), problem.span, problem.code));
    told
}

fn one(problem: Problem, text: &str, place: Option<Span>) -> Problem {
    let mut bare = Problem::new(problem.code, &problem.origin, problem.message);
    bare.severity = problem.severity;
    bare.help = problem.help;
    if let Some(span) = place {
        if bare.help.is_none() && !problem.path.is_empty() {
            let help = format!("in the definition that it becomes this is `{}`", problem.path);
            bare.help = Some(help);
        }
        bare.path = problem.path;
        return bare.at(text, span);
    }
    let at = if problem.path.is_empty() { String::new() } else { format!("`{}`: ", problem.path) };
    bare.message = format!("of the definition that the document becomes: {at}{}", bare.message);
    bare.path = problem.path;
    bare
}
