//! From text to a checked tree, on a thread with a stack of its own.

use cel::parser::ParseErrors;

use super::bounds::{DEPTH_MAX, check_source, check_tree};
use super::functions::ENV;
use super::lower::{Compiled, Lowering};
use super::{ExprKind, ExprProblem, Names};

/// The generated parser uses up to 8 MiB in debug builds for what B1 lets through.
const STACK_BYTES: usize = 16 * 1_024 * 1_024;

/// Reads, checks and lowers `source`.
pub(super) fn compile(
    source: &str,
    kind: ExprKind,
    names: &Names<'_>,
) -> Result<Compiled, Vec<ExprProblem>> {
    check_source(source).map_err(|problem| vec![problem])?;
    if source.trim().is_empty() {
        return Err(vec![ExprProblem::new("syntax", "expression is empty")]);
    }
    let broken = |what: &str| vec![ExprProblem::new("syntax", format!("expression {what}"))];
    std::thread::scope(|scope| {
        // Deep trees are dropped on that thread too.
        let worker = std::thread::Builder::new()
            .name("expression".to_owned())
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, || compile_here(source, kind, names));
        match worker {
            Ok(worker) => worker.join().unwrap_or_else(|_| Err(broken("cannot be read"))),
            Err(_) => Err(broken("cannot be read: no thread to read it on")),
        }
    })
}

fn compile_here(
    source: &str,
    kind: ExprKind,
    names: &Names<'_>,
) -> Result<Compiled, Vec<ExprProblem>> {
    let program = ENV.compile(source).map_err(|errors| problems(source, &errors))?;
    let nodes = check_tree(program.expression()).map_err(|problem| vec![problem])?;
    Lowering::new(kind, names, program.source_info()).run(source, program.expression(), nodes)
}

fn problems(source: &str, errors: &ParseErrors) -> Vec<ExprProblem> {
    // The parser gives up where brackets nest too deeply, and everything else it says follows.
    let gave_up =
        |message: &str| message.contains("recursion depth") || message.contains("Recursion limit");
    if errors.errors.iter().any(|error| gave_up(&error.msg)) {
        let message = format!("expression nests too deeply, the limit is {DEPTH_MAX} levels");
        return vec![ExprProblem::new("too_deep", message)];
    }
    let mut found: Vec<ExprProblem> = Vec::new();
    for error in &errors.errors {
        let problem = ExprProblem::new("syntax", words(&error.msg)).at(offset(source, error.pos));
        if !found.iter().any(|known| known.offset == problem.offset) {
            found.push(problem);
        }
    }
    if found.is_empty() {
        found.push(ExprProblem::new("syntax", "expression cannot be read"));
    }
    found
}

/// The parser's message without the list of every token it would have liked.
fn words(message: &str) -> String {
    let short = message.split(" expecting ").next().unwrap_or(message);
    let short = short.strip_prefix("Syntax error: ").unwrap_or(short);
    let short = short.replace("'<EOF>'", "end of expression").replace("<EOF>", "end");
    let mut letters = short.chars().take(200);
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// The byte of a place given in lines and columns, both counted from 1.
fn offset(source: &str, (line, column): (isize, isize)) -> Option<usize> {
    let line = usize::try_from(line).ok()?.checked_sub(1)?;
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let mut start = 0;
    for (at, text) in source.split_inclusive('\n').enumerate() {
        if at == line {
            let within: usize = text.chars().take(column).map(char::len_utf8).sum();
            return Some((start + within).min(source.len()));
        }
        start += text.len();
    }
    None
}
