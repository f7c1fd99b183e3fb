//! Scalars in typed positions, expressions and templates.

use std::sync::Arc;

use super::context::Context;
use super::secrets;
use crate::definition::codes::{self, Code};
use crate::definition::duration;
use crate::definition::expr::{Expr, ExprKind, ExprProblem, NameSet, Names, StepReads, Template};
use crate::definition::model::Delay;
use crate::definition::parse::{Key, Kind, Node, Plain, Scalar, plain};
use crate::definition::problem::{Span, quoted};
use crate::value::{Map, Value};

/// What expressions may use where they stand.
#[derive(Clone, Copy)]
pub(super) struct Env<'a> {
    /// The names.
    pub(super) allowed: NameSet,
    /// The names that `each` binds.
    pub(super) locals: &'a [Arc<str>],
}

impl Env<'static> {
    /// Guards and actions.
    pub(super) const ACTION: Self = Self { allowed: NameSet::ACTION, locals: &[] };
    /// The same where an error may be in hand.
    pub(super) const ERROR: Self = Self { allowed: NameSet::ACTION.with_error(), locals: &[] };
    /// `correlate`.
    pub(super) const CORRELATE: Self = Self { allowed: NameSet::CORRELATE, locals: &[] };
}

impl Context<'_> {
    /// Text, where text is due: what looks like something else must be quoted (row D6).
    pub(super) fn text(&self, node: &Node, due: &str) -> Option<Arc<str>> {
        let scalar = node.scalar().filter(|scalar| is_text(scalar));
        if scalar.is_none() {
            self.wrong_type(node, due);
        }
        scalar.map(|scalar| Arc::clone(&scalar.text))
    }

    /// `true` or `false`; nothing else counts.
    pub(super) fn bool(&self, node: &Node) -> Option<bool> {
        if let Some(Plain::Bool(value)) = node.scalar().map(plain) {
            return Some(value);
        }
        self.wrong_type(node, "`true` or `false`");
        None
    }

    /// A whole number from 1.
    pub(super) fn count(&self, node: &Node) -> Option<u32> {
        if let Some(Plain::Number(Value::Int(number), _)) = node.scalar().map(plain)
            && let Ok(count) = u32::try_from(number)
            && count > 0
        {
            return Some(count);
        }
        self.wrong_type(node, "a whole number from 1");
        None
    }

    /// A duration, in milliseconds.
    pub(super) fn duration(&self, node: &Node) -> Option<u64> {
        let Some(scalar) = node.scalar().filter(|_| !node.is_null()) else {
            self.wrong_type(node, "a duration such as `30s`");
            return None;
        };
        self.duration_text(&scalar.text, node.span)
    }

    pub(super) fn duration_text(&self, text: &str, span: Span) -> Option<u64> {
        match duration::parse(text.trim()) {
            Ok(milliseconds) => Some(milliseconds),
            Err(message) => {
                self.report.add(codes::DURATION_RANGE, span, message);
                None
            }
        }
    }

    /// A duration as written, or computed by `${ … }`.
    pub(super) fn delay(&self, text: &str, span: Span, env: Env<'_>) -> Option<Delay> {
        if text.contains("${") {
            return self.template_text(text, span, env).map(Delay::Computed);
        }
        self.duration_text(text, span).map(Delay::Fixed)
    }

    pub(super) fn delay_node(&self, node: &Node, env: Env<'_>) -> Option<Delay> {
        let Some(scalar) = node.scalar().filter(|_| !node.is_null()) else {
            self.wrong_type(node, "a duration such as `30s`");
            return None;
        };
        self.delay(&scalar.text, node.span, env)
    }

    /// One text or a list of texts, each with its place.
    pub(super) fn texts(&self, node: &Node, due: &str) -> Vec<(Arc<str>, Span)> {
        let one = |node: &Node| Some((self.text(node, due)?, node.span));
        match &node.kind {
            Kind::List(items) => items.iter().filter_map(one).collect(),
            Kind::Scalar(_) | Kind::Map(_) => one(node).into_iter().collect(),
        }
    }

    /// Checks a name that becomes part of expressions and events (rule 1, row D22).
    pub(super) fn name(&self, text: &str, span: Span, what: &str) -> bool {
        let problem = name_problem(text, false);
        if let Some(problem) = &problem {
            let message = format!("{what} {} {problem}", quoted(text));
            self.report.add(codes::NAME, span, message);
        }
        problem.is_none()
    }

    /// A guard.
    pub(super) fn guard(&self, node: &Node, env: Env<'_>) -> Option<Expr> {
        self.expression(node, ExprKind::Guard, env)
    }

    /// An expression that computes.
    pub(super) fn expression(&self, node: &Node, kind: ExprKind, env: Env<'_>) -> Option<Expr> {
        let scalar = node.scalar().filter(|scalar| !scalar.text.trim().is_empty());
        let empty_guard = kind == ExprKind::Guard && node.is_null();
        let Some(scalar) = scalar.filter(|_| !empty_guard) else {
            let due = if kind == ExprKind::Guard { "a condition" } else { "an expression" };
            self.wrong_type(node, due);
            return None;
        };
        let source = scalar.text.trim();
        match Expr::compile(source, kind, &self.names(env)) {
            Ok(expression) => {
                self.note_reads(node.span, |reads| reads.add(&expression));
                Some(expression)
            }
            Err(problems) => {
                self.expression_problems(&problems, source, node.span);
                None
            }
        }
    }

    /// Text in which `${ … }` is evaluated.
    pub(super) fn template_text(&self, text: &str, span: Span, env: Env<'_>) -> Option<Template> {
        match Template::compile_text(text, &self.names(env)) {
            Ok(template) => {
                self.note_reads(span, |reads| reads.add_all(&template));
                Some(template)
            }
            Err(problems) => {
                self.expression_problems(&problems, text, span);
                None
            }
        }
    }

    fn note_reads(&self, span: Span, add: impl FnOnce(&mut StepReads)) {
        let mut reads = StepReads::default();
        add(&mut reads);
        if !reads.is_empty() {
            self.step_reads.borrow_mut().push((span, reads));
        }
    }

    /// A text in a typed position in which `${ … }` is evaluated.
    pub(super) fn text_template(&self, node: &Node, due: &str, env: Env<'_>) -> Option<Template> {
        let text = self.text(node, due)?;
        self.template_text(&text, node.span, env)
    }

    /// Data in which `${ … }` is evaluated.
    pub(super) fn data(&self, key: Option<&Key>, node: &Node, env: Env<'_>) -> Option<Template> {
        match &node.kind {
            Kind::Scalar(scalar) => {
                if let Some(flaw) = secrets::suspicious(key.map(|key| &*key.text), scalar) {
                    self.report.add(codes::SECRET, node.span, flaw);
                }
                self.data_scalar(scalar, node, env)
            }
            Kind::List(items) => {
                let parts: Vec<Option<Template>> =
                    items.iter().map(|item| self.data(key, item, env)).collect();
                let parts: Vec<Template> = parts.into_iter().collect::<Option<_>>()?;
                let values: Option<Vec<Value>> =
                    parts.iter().map(|part| part.as_const().cloned()).collect();
                Some(match values {
                    Some(values) => Template::constant(Value::list(values)),
                    None => Template::List(parts),
                })
            }
            Kind::Map(entries) => {
                let parts: Vec<Option<(Arc<str>, Template)>> = entries
                    .iter()
                    .map(|(key, value)| {
                        Some((Arc::clone(&key.text), self.data(Some(key), value, env)?))
                    })
                    .collect();
                let mut parts: Vec<(Arc<str>, Template)> =
                    parts.into_iter().collect::<Option<_>>()?;
                parts.sort_by(|left, right| left.0.cmp(&right.0));
                let mut map = Map::new();
                for (name, part) in &parts {
                    let Some(value) = part.as_const() else { return Some(Template::Map(parts)) };
                    map.insert(Arc::clone(name), value.clone());
                }
                Some(Template::constant(Value::from(map)))
            }
        }
    }

    fn data_scalar(&self, scalar: &Scalar, node: &Node, env: Env<'_>) -> Option<Template> {
        match plain(scalar) {
            Plain::Null => Some(Template::constant(Value::Null)),
            Plain::Bool(value) => Some(Template::constant(Value::Bool(value))),
            Plain::Number(value, _) => Some(Template::constant(value)),
            Plain::Text => self.template_text(&scalar.text, node.span, env),
            Plain::OutOfRange => {
                let message =
                    format!("number {} does not fit 64 bits; quote it", quoted(&scalar.text));
                self.report.add(codes::TYPE, node.span, message);
                None
            }
        }
    }

    pub(super) fn names<'a>(&'a self, env: Env<'a>) -> Names<'a> {
        Names {
            vars: &self.outline.vars,
            states: &self.outline.state_ids,
            steps: &self.outline.step_ids,
            locals: env.locals,
            allowed: if self.outline.step_ids.is_empty() {
                env.allowed.without(NameSet::STEPS)
            } else {
                env.allowed
            },
        }
    }

    fn expression_problems(&self, problems: &[ExprProblem], source: &str, span: Span) {
        // Offsets count in the text as read; the file has the same bytes unless it was escaped,
        // folded over lines or indented.
        let slice = self.report.slice(span);
        let begin = [slice.find(source).filter(|at| slice.len() - source.len() <= at + 2), None];
        let begin = begin.into_iter().flatten().next().map(|at| span.start + at);
        for problem in problems {
            let place = begin.zip(problem.offset).map(|(begin, offset)| {
                let rest = source.get(offset..).unwrap_or_default();
                let word = |c: &char| c.is_alphanumeric() || *c == '_';
                let length: usize = rest.chars().take_while(word).map(char::len_utf8).sum();
                let one = rest.chars().next().map_or(0, char::len_utf8);
                Span::new(begin + offset, begin + offset + length.max(one))
            });
            self.report.help(
                expression_code(problem.code),
                place.unwrap_or(span),
                problem.message.as_str(),
                problem.help.clone(),
            );
        }
    }
}

fn expression_code(code: &str) -> Code {
    match code {
        "unknown_name" => codes::UNKNOWN_NAME,
        "unknown_function" => codes::UNKNOWN_FUNCTION,
        "too_large" => codes::EXPRESSION_SIZE,
        "too_deep" => codes::EXPRESSION_DEPTH,
        "nesting" => codes::EXPRESSION_NESTING,
        "regex" => codes::REGEX,
        "regex_size" => codes::REGEX_SIZE,
        "not_bool" => codes::NOT_BOOL,
        _ => codes::EXPRESSION_SYNTAX,
    }
}

/// Is it text, also to a reader that guesses? Numbers, times and `null` must be quoted.
fn is_text(scalar: &Scalar) -> bool {
    if scalar.quoted {
        return true;
    }
    let text = &*scalar.text;
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let rest = rest.strip_prefix('.').unwrap_or(rest);
    let numeric = rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.chars().all(|c| c.is_ascii_hexdigit() || "_:.+-xo".contains(c));
    let special =
        matches!(rest, "nan" | "NaN" | "NAN" | "inf" | "Inf" | "INF") && text.contains('.');
    plain(scalar) == Plain::Text && !numeric && !special
}

/// What is wrong with a name; `dashes` for names that no expression mentions.
pub(super) fn name_problem(text: &str, dashes: bool) -> Option<String> {
    const LONGEST: usize = 128;
    if text.len() > LONGEST {
        return Some(format!("has {} bytes, the limit is {LONGEST}", text.len()));
    }
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || (dashes && c == '-');
    if let Some(letter) = text.chars().find(|c| !legal(*c)) {
        let letter = quoted(letter.encode_utf8(&mut [0; 4]));
        let rule = if dashes { "`[A-Za-z0-9_-]+`" } else { "`[A-Za-z_][A-Za-z0-9_]*`" };
        return Some(format!("has the character {letter}; names are {rule}"));
    }
    if text.is_empty() {
        return Some("is empty".to_owned());
    }
    if !dashes && text.starts_with(|c: char| c.is_ascii_digit()) {
        return Some("begins with a digit; names are `[A-Za-z_][A-Za-z0-9_]*`".to_owned());
    }
    None
}
