//! One evaluation: fuel, then cel over our values, then the result as a value of ours.

use std::sync::Arc;
use std::time::Duration;

use cel::common::types::{CelBool, CelString, CelTimestamp};
use cel::common::value::CowVal;
use cel::context::VariableResolver;
use cel::{Context, ExecutionError, OverloadError};

use super::bounds::{NAMED_MAX, STRING_MAX};
use super::cost::cost;
use super::functions::{ENV, EPOCH};
use super::lower::{Compiled, Plan, Tables};
use super::path::{Found, Path};
use super::scope::View;
use super::vals::{ActiveVal, ListVal, MapVal, RegexVal, to_val, to_value};
use super::{EvalError, Scope};
use crate::machine::Timestamp;
use crate::value::Value;

/// The value of `compiled` in `scope`.
pub(super) fn value(compiled: &Compiled, scope: &Scope<'_>) -> Result<Value, EvalError> {
    let view = View::from(scope);
    charge(compiled, &view, scope)?;
    match &compiled.plan {
        Plan::Const(value) => Ok(value.clone()),
        Plan::Path(place) => {
            let Some(used) = compiled.tables.paths.get(*place) else {
                return Err(EvalError::Failed("expression refers to no path".to_owned()));
            };
            let value = find(&used.path, &view)?.into_value();
            let size = value.weight();
            if size > NAMED_MAX {
                return Err(EvalError::Limit(format!(
                    "result of {size} bytes exceeds the limit of {NAMED_MAX} bytes"
                )));
            }
            Ok(value)
        }
        Plan::Cel(expr) => run(expr, &compiled.tables, view, |val| to_value(val.as_ref())),
    }
}

/// The verdict of `compiled` in `scope` (E3).
pub(super) fn verdict(compiled: &Compiled, scope: &Scope<'_>) -> Result<bool, EvalError> {
    let no_bool =
        |kind: &str| Err(EvalError::Failed(format!("a guard is a bool, this gave {kind}")));
    let Plan::Cel(expr) = &compiled.plan else {
        let value = value(compiled, scope)?;
        return if let Value::Bool(verdict) = value {
            Ok(verdict)
        } else {
            no_bool(value.type_name())
        };
    };
    let view = View::from(scope);
    charge(compiled, &view, scope)?;
    run(expr, &compiled.tables, view, |val| match val.downcast_ref::<CelBool>() {
        Some(verdict) => Ok(*verdict.inner()),
        None => no_bool(val.get_type().name()),
    })
}

/// Takes what the evaluation costs from the fuel, all of it before it begins (B5).
fn charge(compiled: &Compiled, view: &View<'_>, scope: &Scope<'_>) -> Result<(), EvalError> {
    let cost = if compiled.loops.is_empty() { compiled.nodes } else { cost(compiled, view)? };
    let left = scope.fuel.get();
    let Some(rest) = left.checked_sub(cost) else {
        scope.fuel.set(0);
        return Err(EvalError::Limit(format!(
            "evaluation of {cost} steps exceeds what is left of the limit, {left}"
        )));
    };
    scope.fuel.set(rest);
    Ok(())
}

fn run<T>(
    expr: &cel::IdedExpr,
    tables: &Tables,
    view: View<'_>,
    take: impl FnOnce(CowVal<'_, '_>) -> Result<T, EvalError>,
) -> Result<T, EvalError> {
    let resolver = Resolver { tables, view };
    let mut context = Context::with_env(Arc::clone(&ENV));
    context.set_variable_resolver(&resolver);
    match cel::Value::resolve_val(expr, &context) {
        Ok(val) => take(val),
        Err(error) => Err(resolver.translate(error)),
    }
}

fn find<'a>(path: &Path, view: &View<'a>) -> Result<Found<'a>, EvalError> {
    path.find(view).map_err(|missing| EvalError::Failed(path.explain(view, missing)))
}

/// Looks up what the lowered tree refers to.
struct Resolver<'a> {
    tables: &'a Tables,
    view: View<'a>,
}

impl VariableResolver for Resolver<'_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let name = variable.strip_prefix('@')?;
        if name == "active" {
            return Some(CowVal::owned(self.active()));
        }
        let (table, place) = name.split_at_checked(1)?;
        let place: usize = place.parse().ok()?;
        match table {
            "p" => found_val(self.tables.paths.get(place)?.path.find(&self.view).ok()?),
            "h" => {
                let (path, member) = self.tables.tests.get(place)?;
                let has = path.has(&self.view, member).ok()?;
                Some(CowVal::owned(CelBool::from(has)))
            }
            "r" => Some(CowVal::owned(RegexVal(self.tables.patterns.get(place)?.clone()))),
            "k" => to_val(self.tables.constants.get(place)?),
            _ => None,
        }
    }
}

fn found_val(found: Found<'_>) -> Option<CowVal<'_, '_>> {
    Some(match found {
        Found::Value(value) => return to_val(value),
        Found::Text(text) => CowVal::owned(CelString::from(text)),
        Found::Time(time) => CowVal::owned(moment(time)),
        Found::Made(Value::Map(map)) => CowVal::owned(MapVal::new(map)),
        Found::Made(Value::List(items)) => CowVal::owned(ListVal::new(items)),
        Found::Made(value) => CowVal::owned(CelString::from(value.to_string())),
    })
}

/// A moment as cel's; those outside the years 1 to 9999 become the nearest inside.
fn moment(time: Timestamp) -> CelTimestamp {
    /// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999Z in milliseconds.
    const RANGE: (i64, i64) = (-62_135_596_800_000, 253_402_300_799_999);
    let ms = time.0.clamp(RANGE.0, RANGE.1);
    let epoch = *EPOCH.inner();
    let span = Duration::from_millis(ms.unsigned_abs());
    CelTimestamp::from(if ms < 0 { epoch - span } else { epoch + span })
}

impl Resolver<'_> {
    fn active(&self) -> ActiveVal {
        let states = &self.view.definition.states;
        let ids = self.view.active.iter().filter_map(|id| states.get(id.index()));
        ActiveVal(ids.map(|state| Arc::clone(&state.id)).collect())
    }

    /// Cel's error in our words.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the crate's enum is non-exhaustive")]
    fn translate(&self, error: ExecutionError) -> EvalError {
        EvalError::Failed(match error {
            ExecutionError::FunctionError { function, message } if function == "@limit" => {
                return EvalError::Limit(message);
            }
            ExecutionError::FunctionError { function, message } if function.is_empty() => message,
            ExecutionError::FunctionError { function, message } => {
                format!("`{}`: {}", plain_name(&function), lower_first(&message))
            }
            ExecutionError::UndeclaredReference(name) => return self.missing(&name),
            ExecutionError::NoSuchKey(name) => format!("`{name}` is absent"),
            ExecutionError::NoSuchOverload(overload) => mismatch(&overload),
            ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
                "division by zero".to_owned()
            }
            ExecutionError::Overflow(operator, _, _) => format!("overflow in `{operator}`"),
            ExecutionError::IndexOutOfBounds(_) => "index is not in the list".to_owned(),
            ExecutionError::UnsupportedBinaryOperator(operator, left, right) => {
                format!("`{operator}` does not take ({}, {})", left.type_of(), right.type_of())
            }
            ExecutionError::UnexpectedType { got, want } => format!("expected {want}, got {got}"),
            other => lower_first(&other.to_string()),
        })
    }

    /// Why a lookup gave nothing.
    fn missing(&self, name: &str) -> EvalError {
        let place = |prefix: &str| name.strip_prefix(prefix).and_then(|at| at.parse().ok());
        if let Some(used) = place("@p").and_then(|at: usize| self.tables.paths.get(at)) {
            return match find(&used.path, &self.view) {
                Err(error) => error,
                Ok(_) => EvalError::Limit(format!(
                    "`{}` is a string above the limit of {STRING_MAX} bytes",
                    used.path
                )),
            };
        }
        if let Some((path, member)) = place("@h").and_then(|at: usize| self.tables.tests.get(at))
            && let Err(missing) = path.has(&self.view, member)
        {
            return EvalError::Failed(path.explain(&self.view, missing));
        }
        EvalError::Failed(format!("`{name}` is not known"))
    }
}

/// An operator or function whose arguments do not fit, in the author's words.
fn mismatch(overload: &OverloadError) -> String {
    let name = plain_name(overload.function());
    let types = overload.argument_types().iter();
    let types: Vec<String> = types
        .map(|kind| kind.trim_start_matches("google.protobuf.").to_ascii_lowercase())
        .collect();
    format!("`{name}` does not take ({})", types.join(", "))
}

/// A function or operator as authors write it.
fn plain_name(name: &str) -> &str {
    match name {
        "math.@max" => "math.greatest",
        "math.@min" => "math.least",
        "@sortByAssociatedKeys" => "sortBy",
        "_[_]" => "[]",
        "_?_:_" => "?:",
        other => other.trim_matches(['@', '_']),
    }
}

/// The crate's message as a fragment of ours, cut where it quotes whole values.
fn lower_first(message: &str) -> String {
    let mut letters = message.chars().take(200);
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}
