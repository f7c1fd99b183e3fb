//! What every check needs: where problems go, and the names that exist.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::draft::Item;
use super::keys::{Field, table};
use super::nearest::did_you_mean;
use super::outline::Outline;
use crate::definition::codes::{self, Code};
use crate::definition::expr::StepReads;
use crate::definition::parse::{Key, Kind, Node, path_at};
use crate::definition::problem::{Problem, Span, quoted};

/// More problems than this are not collected: nobody reads them.
const PROBLEMS_MAX: usize = 1_000;

/// Where problems go.
pub(super) struct Report<'t> {
    text: &'t str,
    origin: &'t str,
    root: &'t Node,
    /// Where each line but the first begins.
    lines: Vec<usize>,
    problems: RefCell<Vec<Problem>>,
}

impl<'t> Report<'t> {
    pub(super) fn new(text: &'t str, origin: &'t str, root: &'t Node) -> Self {
        let lines = text.match_indices('\n').map(|(at, _)| at + 1).collect();
        Self { text, origin, root, lines, problems: RefCell::default() }
    }

    /// Notes a problem at `span`.
    pub(super) fn add(&self, code: Code, span: Span, message: impl Into<String>) {
        self.full(code, span, message, None, Vec::new());
    }

    /// Notes a problem with advice.
    pub(super) fn help(
        &self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.full(code, span, message, help.into(), Vec::new());
    }

    /// Notes a problem with advice and other places.
    pub(super) fn full(
        &self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
        also: Vec<(Span, String)>,
    ) {
        let mut problems = self.problems.borrow_mut();
        let message = message.into();
        let same = |known: &Problem| {
            known.code == code && known.span == Some(span) && known.message == message
        };
        if problems.len() >= PROBLEMS_MAX || problems.iter().any(same) {
            return;
        }
        let mut problem = self.problem(code, span, message);
        problem.help = help;
        problem.also = also;
        problems.push(problem);
    }

    /// A problem at `span`, which is not noted.
    pub(super) fn problem(&self, code: Code, span: Span, message: String) -> Problem {
        let mut problem = Problem::new(code, self.origin, message).at(self.text, span);
        problem.path = path_at(self.root, span);
        problem
    }

    /// 1-based line of `span`.
    pub(super) fn line(&self, span: Span) -> u32 {
        let lines = self.lines.partition_point(|start| *start <= span.start) + 1;
        u32::try_from(lines).unwrap_or(u32::MAX)
    }

    /// The text of `span`.
    pub(super) fn slice(&self, span: Span) -> &'t str {
        self.text.get(span.start..span.end).unwrap_or_default()
    }

    pub(super) fn has_errors(&self) -> bool {
        self.problems.borrow().iter().any(Problem::is_error)
    }

    /// Is there one with this code?
    pub(super) fn has(&self, code: Code) -> bool {
        self.problems.borrow().iter().any(|problem| problem.code == code)
    }

    /// How many problems there are so far.
    pub(super) fn count(&self) -> usize {
        self.problems.borrow().len()
    }

    /// All problems, in the order of the text.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| (problem.span, problem.code));
        problems
    }
}

/// Problems, names, and what was used of them.
pub(super) struct Context<'t> {
    pub(super) report: Report<'t>,
    pub(super) outline: Outline<'t>,
    /// Named actions that something uses.
    pub(super) used: RefCell<BTreeSet<&'t str>>,
    /// Named actions that were looked at; `None` while it is being done.
    pub(super) resolved: RefCell<BTreeMap<&'t str, Option<Vec<Item>>>>,
    /// Events that the definition itself makes.
    pub(super) made: RefCell<BTreeSet<Arc<str>>>,
    /// What transitions wait for, as written, with its place.
    pub(super) triggers: RefCell<Vec<(Arc<str>, Span)>>,
    /// The children that events go to, with the places of their ids.
    pub(super) addressed: RefCell<Vec<(Arc<str>, Span)>>,
    /// The workflows that children run, where they are not computed.
    pub(super) children: RefCell<Vec<(Arc<str>, Span)>>,
    /// The operations that calls name.
    pub(super) operations: RefCell<BTreeSet<Arc<str>>>,
    /// The plugins that have rules, with the places of their names.
    pub(super) ruled: RefCell<Vec<(Arc<str>, Span)>>,
    /// The steps that expressions ask for, with the places of the expressions.
    pub(super) step_reads: RefCell<Vec<(Span, StepReads)>>,
    /// Does it make events whose names are computed, or talk to other instances, which answer?
    pub(super) makes_any: Cell<bool>,
}

impl<'t> Context<'t> {
    pub(super) fn new(report: Report<'t>, outline: Outline<'t>) -> Self {
        Self {
            report,
            outline,
            used: RefCell::default(),
            resolved: RefCell::default(),
            made: RefCell::default(),
            triggers: RefCell::default(),
            addressed: RefCell::default(),
            children: RefCell::default(),
            operations: RefCell::default(),
            ruled: RefCell::default(),
            step_reads: RefCell::default(),
            makes_any: Cell::new(false),
        }
    }

    /// The entries of a mapping, or a problem; unknown keys are reported and left out.
    pub(super) fn fields(
        &self,
        node: &'t Node,
        name: &str,
        what: &str,
    ) -> Vec<(&'t Key, &'t Node)> {
        fields(&self.report, node, name, what)
    }

    /// Reports what stands where `due` is due.
    pub(super) fn wrong_type(&self, node: &Node, due: &str) {
        wrong_type(&self.report, node, due);
    }
}

/// The known entries of a mapping; everything else becomes a problem.
pub(super) fn fields<'t>(
    report: &Report<'_>,
    node: &'t Node,
    name: &str,
    what: &str,
) -> Vec<(&'t Key, &'t Node)> {
    if node.is_null() {
        return Vec::new();
    }
    let Some(entries) = node.entries() else {
        wrong_type(report, node, &format!("a mapping ({what})"));
        return Vec::new();
    };
    let known = table(name);
    let mut found = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        let field = known.iter().find(|field| field.name == &*key.text);
        match field {
            Some(_) => found.push((key, value)),
            None if &*key.text == "true" && known.iter().any(|field| field.name == "on") => {
                let help = "write `on:`, or `\"on\":` where a tool rewrites it".to_owned();
                report.help(codes::ON_KEY, key.span, "`true` stands where `on` is meant", help);
                found.push((key, value));
            }
            None => unknown_field(report, (key, value), known, what),
        }
    }
    found
}

fn unknown_field(report: &Report<'_>, (key, value): (&Key, &Node), known: &[Field], what: &str) {
    let names = known.iter().map(|field| field.name);
    let help = did_you_mean(&key.text, names.clone()).or_else(|| {
        if value.is_null() && value.span.start == value.span.end && value.span.start > 0 {
            let help = "a comma inside `{ }` ends a value; quote an expression that has one";
            return Some(help.to_owned());
        }
        let list: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        (list.len() <= 12).then(|| format!("known keys are {}", list.join(", ")))
    });
    let message = format!("{what} has no key {}", quoted(&key.text));
    report.help(codes::UNKNOWN_FIELD, key.span, message, help);
}

/// Reports what stands where `due` is due.
pub(super) fn wrong_type(report: &Report<'_>, node: &Node, due: &str) {
    let found = match &node.kind {
        Kind::List(_) => "a list".to_owned(),
        Kind::Map(_) => "a mapping".to_owned(),
        Kind::Scalar(scalar) if scalar.text.is_empty() => "nothing".to_owned(),
        Kind::Scalar(scalar) => quoted(&scalar.text),
    };
    let span = match &node.kind {
        Kind::Scalar(_) => node.span,
        // A caret under the whole collection says less than one under its beginning.
        Kind::List(_) | Kind::Map(_) => Span::new(node.span.start, node.span.start + 1),
    };
    report.add(codes::TYPE, span, format!("expected {due}, found {found}"));
}
