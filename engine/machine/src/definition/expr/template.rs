//! Template: data in which `${ … }` is evaluated.

use std::sync::Arc;

use super::{EvalError, Expr, ExprKind, ExprProblem, Names, Scope};
use crate::value::{Map, Value};

/// Data with expressions in it; an expression alone in a string keeps its type.
#[derive(Clone, Debug)]
pub enum Template {
    /// No expression inside.
    Const(Value),
    /// `"${ expr }"` alone.
    Expr(Expr),
    /// Text around expressions.
    Text(Vec<TextPart>),
    /// A list with expressions inside.
    List(Vec<Self>),
    /// A map with expressions inside, in key order.
    Map(Vec<(Arc<str>, Self)>),
}

/// A piece of a text template.
#[derive(Clone, Debug)]
pub enum TextPart {
    /// As it is.
    Text(Arc<str>),
    /// The value's text: strings as they are, everything else as JSON.
    Expr(Expr),
}

impl Template {
    /// Finds and compiles every `${ … }` in the strings of `value`; keys are taken as they are.
    /// `$${` stands for `${`.
    ///
    /// # Errors
    /// What is wrong in any of them; offsets count from the start of the string they are in.
    pub fn compile(value: &Value, names: &Names<'_>) -> Result<Self, Vec<ExprProblem>> {
        match value {
            Value::String(text) => Self::compile_text(text, names),
            Value::List(items) => {
                let mut problems = Vec::new();
                let parts: Vec<Self> = items
                    .iter()
                    .filter_map(|item| keep(Self::compile(item, names), &mut problems))
                    .collect();
                finish(value, Self::List(parts), problems)
            }
            Value::Map(map) => {
                let mut problems = Vec::new();
                let parts: Vec<(Arc<str>, Self)> = map
                    .iter()
                    .filter_map(|(name, member)| {
                        let part = keep(Self::compile(member, names), &mut problems)?;
                        Some((Arc::clone(name), part))
                    })
                    .collect();
                finish(value, Self::Map(parts), problems)
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) => {
                Ok(Self::Const(value.clone()))
            }
        }
    }

    /// Finds and compiles every `${ … }` in `text`.
    ///
    /// # Errors
    /// What is wrong in any of them; offsets count from the start of `text`.
    pub fn compile_text(text: &str, names: &Names<'_>) -> Result<Self, Vec<ExprProblem>> {
        let mut problems = Vec::new();
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut at = 0;
        while let Some(found) = text.get(at..).and_then(|rest| rest.find("${")) {
            let start = at + found;
            let before = text.get(at..start).unwrap_or_default();
            if let Some(before) = before.strip_suffix('$') {
                plain.push_str(before);
                plain.push_str("${");
                at = start + 2;
                continue;
            }
            plain.push_str(before);
            let body = start + 2;
            let Some(length) = text.get(body..).and_then(closing_brace) else {
                return Err(vec![
                    ExprProblem::new("syntax", "`${` has no closing `}`")
                        .at(Some(start))
                        .help("write `$${` for the two characters themselves"),
                ]);
            };
            let source = text.get(body..body + length).unwrap_or_default();
            if !plain.is_empty() {
                parts.push(TextPart::Text(std::mem::take(&mut plain).into()));
            }
            match Expr::compile(source, ExprKind::Value, names) {
                Ok(expr) => parts.push(TextPart::Expr(expr)),
                Err(found) => problems.extend(found.into_iter().map(|mut problem| {
                    problem.offset = Some(problem.offset.unwrap_or(0) + body);
                    problem
                })),
            }
            at = body + length + 1;
        }
        plain.push_str(text.get(at..).unwrap_or_default());
        if !problems.is_empty() {
            return Err(problems);
        }
        if parts.is_empty() {
            return Ok(Self::Const(Value::from(plain)));
        }
        if !plain.is_empty() {
            parts.push(TextPart::Text(plain.into()));
        }
        Ok(match <[TextPart; 1]>::try_from(parts) {
            Ok([TextPart::Expr(expr)]) => Self::Expr(expr),
            Ok(one) => Self::Text(one.into()),
            Err(parts) => Self::Text(parts),
        })
    }

    /// A template without expressions.
    #[must_use]
    pub const fn constant(value: Value) -> Self {
        Self::Const(value)
    }

    /// The value, where no expression is inside.
    #[must_use]
    pub const fn as_const(&self) -> Option<&Value> {
        if let Self::Const(value) = self { Some(value) } else { None }
    }

    /// The value in `scope`.
    ///
    /// # Errors
    /// As [`Expr::eval`], of the first expression that fails.
    pub fn eval(&self, scope: &Scope<'_>) -> Result<Value, EvalError> {
        match self {
            Self::Const(value) => Ok(value.clone()),
            Self::Expr(expr) => expr.eval(scope),
            Self::Text(parts) => eval_parts(parts, scope).map(Value::String),
            Self::List(parts) => {
                let items: Result<Vec<Value>, EvalError> =
                    parts.iter().map(|part| part.eval(scope)).collect();
                items.map(Value::list)
            }
            Self::Map(parts) => {
                let entries: Result<Vec<(Arc<str>, Value)>, EvalError> = parts
                    .iter()
                    .map(|(name, part)| Ok((Arc::clone(name), part.eval(scope)?)))
                    .collect();
                Ok(Value::from(entries?.into_iter().collect::<Map>()))
            }
        }
    }

    /// The text of the value in `scope`: strings as they are, everything else as JSON.
    ///
    /// # Errors
    /// As [`Template::eval`].
    pub fn eval_text(&self, scope: &Scope<'_>) -> Result<Arc<str>, EvalError> {
        let value = self.eval(scope)?;
        Ok(if let Value::String(text) = value { text } else { value.to_json().into() })
    }
}

fn eval_parts(parts: &[TextPart], scope: &Scope<'_>) -> Result<Arc<str>, EvalError> {
    let mut text = String::new();
    for part in parts {
        match part {
            TextPart::Text(plain) => text.push_str(plain),
            TextPart::Expr(expr) => text.push_str(&expr.eval(scope)?.to_string()),
        }
    }
    Ok(text.into())
}

fn keep<T>(result: Result<T, Vec<ExprProblem>>, problems: &mut Vec<ExprProblem>) -> Option<T> {
    result.map_err(|found| problems.extend(found)).ok()
}

/// The compound, or a constant where nothing inside is computed.
fn finish(
    value: &Value,
    compound: Template,
    problems: Vec<ExprProblem>,
) -> Result<Template, Vec<ExprProblem>> {
    if !problems.is_empty() {
        return Err(problems);
    }
    // An escaped `$${` makes the constant differ from what was written.
    Ok(constant_of(&compound).map_or(compound, Template::Const)).inspect(|made| {
        debug_assert!(made.as_const().is_none_or(|made| made.type_name() == value.type_name()));
    })
}

fn constant_of(template: &Template) -> Option<Value> {
    match template {
        Template::Const(value) => Some(value.clone()),
        Template::List(parts) => {
            let items: Option<Vec<Value>> =
                parts.iter().map(|part| part.as_const().cloned()).collect();
            items.map(Value::list)
        }
        Template::Map(parts) => {
            let entries: Option<Vec<(Arc<str>, Value)>> = parts
                .iter()
                .map(|(name, part)| Some((Arc::clone(name), part.as_const()?.clone())))
                .collect();
            entries.map(|entries| Value::from(entries.into_iter().collect::<Map>()))
        }
        Template::Expr(_) | Template::Text(_) => None,
    }
}

/// Bytes up to the `}` that closes an expression, past braces and quotes inside it.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 0_u32;
    let mut quote = None;
    let mut escaped = false;
    for (at, letter) in text.char_indices() {
        if let Some(open) = quote {
            if escaped {
                escaped = false;
            } else if letter == '\\' {
                escaped = true;
            } else if letter == open {
                quote = None;
            }
            continue;
        }
        match letter {
            '\'' | '"' => quote = Some(letter),
            '{' => depth += 1,
            '}' if depth == 0 => return Some(at),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}
