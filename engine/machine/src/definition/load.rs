//! The doors: text in, definitions or every problem out.

use super::check::{self, Checked};
use super::child::Child;
use super::codes;
use super::model::{Definition, Recurrence};
use super::parse::{self, Flaw, Node, path_at};
use super::problem::{Problem, Span};

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// The format a file name stands for: `.json` is JSON, everything else YAML.
    #[must_use]
    pub fn of(file_name: &str) -> Self {
        let (_, extension) = file_name.rsplit_once('.').unwrap_or_default();
        if extension.eq_ignore_ascii_case("json") { Self::Json } else { Self::Yaml }
    }
}

/// A definition that can be used, and what its author should look at.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The definition.
    pub definition: Definition,
    /// Warnings, in the order of the text.
    pub warnings: Vec<Problem>,
    /// The workflows it runs by name, in the order of the text.
    pub children: Vec<Child>,
}

/// A `cron:` and where it is written, for whoever can say what it means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dated {
    /// Pattern and zone.
    pub recurrence: Recurrence,
    /// Where in the definition the schedule is.
    pub path: String,
    /// Where in the text its pattern is.
    pub pattern: Span,
    /// Where in the text its zone is.
    pub zone: Option<Span>,
}

/// Reads one definition; `origin` is the file's name for messages.
///
/// # Errors
/// Every problem of the text, in its order; `trailing_content` where it holds several definitions.
pub fn load(text: &str, origin: &str, format: Format) -> Result<Loaded, Vec<Problem>> {
    let mut loaded = read(text, origin, (format, true), &|_| Vec::new())?;
    match loaded.pop() {
        Some(only) => Ok(only),
        None => Err(vec![Problem::new(codes::EMPTY_DEFINITION, origin, "nothing is written here")]),
    }
}

/// Reads every definition of a text that `---` separates.
///
/// # Errors
/// Every problem of all of them.
pub fn load_all(text: &str, origin: &str, format: Format) -> Result<Vec<Loaded>, Vec<Problem>> {
    read(text, origin, (format, false), &|_| Vec::new())
}

/// Reads every definition of a text, and asks a calendar about their patterns of moments: what is
/// wrong with those is told beside all else.
///
/// # Errors
/// As [`load_all`], and every problem that the calendar has.
pub fn load_all_dated(
    text: &str,
    origin: &str,
    format: Format,
    calendar: &dyn Fn(&Dated) -> Vec<Problem>,
) -> Result<Vec<Loaded>, Vec<Problem>> {
    read(text, origin, (format, false), calendar)
}

/// Reads [`Definition::canonical`]; the result has the same hash.
///
/// # Errors
/// As [`load`]: the text was made by another version of the format, or by somebody else.
pub fn from_canonical(text: &str) -> Result<Definition, Vec<Problem>> {
    load(text, "definition", Format::Json).map(|loaded| loaded.definition)
}

/// The trees of a text, before anything in them is interpreted.
///
/// # Errors
/// What keeps the text from being read.
pub(crate) fn parsed_all(
    text: &str,
    origin: &str,
    format: Format,
) -> Result<Vec<Node>, Vec<Problem>> {
    let documents = parse::parse(text, format);
    let problems = documents.flaws.iter();
    let problems: Vec<Problem> =
        problems.map(|flaw| flaw_problem(flaw, text, origin, &documents.roots)).collect();
    if problems.is_empty() { Ok(documents.roots) } else { Err(problems) }
}

/// The tree of a text that holds one document.
///
/// # Errors
/// As [`parsed_all`], or that it holds several.
pub(crate) fn parsed(text: &str, origin: &str, format: Format) -> Result<Node, Vec<Problem>> {
    let mut roots = parsed_all(text, origin, format)?;
    let refused = |message: &str| Problem::new(codes::TRAILING_CONTENT, origin, message);
    match (roots.pop(), roots.last()) {
        (Some(root), None) => Ok(root),
        (Some(last), Some(_)) => {
            let at = Span::new(last.span.start, last.span.start);
            Err(vec![refused("one document is due here, not several").at(text, at)])
        }
        (None, _) => Err(vec![refused("nothing is written here")]),
    }
}

fn read(
    text: &str,
    origin: &str,
    (format, one): (Format, bool),
    calendar: &dyn Fn(&Dated) -> Vec<Problem>,
) -> Result<Vec<Loaded>, Vec<Problem>> {
    let documents = parse::parse(text, format);
    let mut problems: Vec<Problem> = documents
        .flaws
        .iter()
        .map(|flaw| flaw_problem(flaw, text, origin, &documents.roots))
        .collect();
    if one && let Some(second) = documents.roots.get(1) {
        let at = Span::new(second.span.start, second.span.start);
        let found = documents.roots.len();
        let problem = Problem::new(
            codes::TRAILING_CONTENT,
            origin,
            format!("one definition is due here, the text has {found}"),
        );
        problems.push(problem.at(text, at));
    }
    // A tree that could not be read to its end would only give follow-up problems.
    let fatal =
        documents.flaws.iter().any(|flaw| ![codes::DUPLICATE_KEY, codes::TAG].contains(&flaw.code));
    let mut loaded = Vec::new();
    if !fatal {
        for root in &documents.roots {
            let checked = check::check(text, origin, root);
            let Checked { definition, problems: mut found, children, dated } = checked;
            if let Some(definition) = definition {
                if !one && is_among(&loaded, &definition) {
                    let at = root.get("workflow").map_or(root.span, |node| node.span);
                    let name = format!("`{}@{}`", definition.name, definition.version);
                    let message = format!("{name} is defined earlier in this file");
                    let problem = Problem::new(codes::DUPLICATE_DEFINITION, origin, message);
                    problems.push(problem.at(text, at));
                }
                let warnings = found.iter().filter(|problem| !problem.is_error()).cloned();
                loaded.push(Loaded { definition, warnings: warnings.collect(), children });
            }
            problems.append(&mut found);
            problems.extend(dated.iter().flat_map(calendar));
        }
    }
    if problems.iter().any(Problem::is_error) {
        problems.sort_by_key(|problem| (problem.span, problem.code));
        return Err(problems);
    }
    Ok(loaded)
}

/// Is there a definition of the same name and version?
fn is_among(loaded: &[Loaded], definition: &Definition) -> bool {
    loaded.iter().any(|earlier| {
        let earlier = &earlier.definition;
        earlier.name == definition.name && earlier.version == definition.version
    })
}

fn flaw_problem(flaw: &Flaw, text: &str, origin: &str, roots: &[Node]) -> Problem {
    let mut problem = Problem::new(flaw.code, origin, flaw.message.as_str());
    if flaw.span != Span::default() || flaw.code == codes::SYNTAX {
        problem = problem.at(text, flaw.span);
        let root = roots.iter().find(|root| root.span.contains(flaw.span));
        problem.path = root.map(|root| path_at(root, flaw.span)).unwrap_or_default();
    }
    problem.help.clone_from(&flaw.help);
    problem.also.extend(flaw.also.clone());
    problem
}
