//! What an evaluation will cost, from the actual sizes, before it begins (B3, B5).

use super::EvalError;
use super::bounds::{GROWTH_MAX, ITERATIONS_MAX, SOURCE_MAX, STRING_MAX};
use super::lower::{Compiled, Loop, Range};
use super::path::Found;
use super::scope::View;
use super::vals::ListVal;
use crate::value::Value;

/// Bytes that stand for one item of a list or map that is copied.
const ITEM_BYTES: u64 = 64;

/// Iterations and nodes this evaluation takes at most.
pub(super) fn cost(compiled: &Compiled, view: &View<'_>) -> Result<u32, EvalError> {
    let mut total = u64::from(compiled.nodes);
    let mut growth = 0;
    for each in &compiled.loops {
        let mut work = Work { compiled, view, bound: Vec::new(), iterations: 0, nodes: 0 };
        work.run(each)?;
        total += work.iterations + work.nodes;
        if each.growers > 0 {
            growth += work.iterations * (1 + u64::from(each.growers));
        }
    }
    if growth > 0 {
        let longest = longest(compiled, view);
        if growth.saturating_mul(longest) > GROWTH_MAX {
            return Err(EvalError::Limit(format!(
                "{growth} steps over values of up to {longest} bytes exceed the limit of \
                 {GROWTH_MAX} bytes"
            )));
        }
    }
    Ok(u32::try_from(total).unwrap_or(u32::MAX))
}

struct Work<'a, 'v> {
    compiled: &'a Compiled,
    view: &'a View<'v>,
    /// The items in hand of the comprehensions around; maps give keys, which have no items.
    bound: Vec<(&'a str, Option<&'v Value>)>,
    iterations: u64,
    nodes: u64,
}

impl<'a, 'v> Work<'a, 'v> {
    fn run(&mut self, each: &'a Loop) -> Result<(), EvalError> {
        let (size, items) = self.range(each);
        if size > ListVal::ITEMS_MAX {
            return Err(EvalError::Limit(format!(
                "comprehension over {size} entries exceeds the limit of {}",
                ListVal::ITEMS_MAX
            )));
        }
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        self.iterations += size;
        self.nodes += size * u64::from(each.body);
        if self.iterations > ITERATIONS_MAX {
            let (done, most) = (self.iterations, ITERATIONS_MAX);
            return Err(EvalError::Limit(format!(
                "nested comprehensions of {done} iterations exceed the limit of {most}"
            )));
        }
        if each.inner.is_empty() {
            return Ok(());
        }
        for place in 0..size {
            let place = usize::try_from(place).unwrap_or(usize::MAX);
            self.bound.push((&each.var, items.and_then(|items| items.get(place))));
            for inner in &each.inner {
                self.run(inner)?;
            }
            self.bound.pop();
        }
        Ok(())
    }

    /// How many entries, and the items where they are a list's. What is no list or map, or is
    /// absent, costs nothing: evaluating it fails at once.
    fn range(&self, each: &'a Loop) -> (usize, Option<&'v [Value]>) {
        let value = match &each.range {
            Range::Constants(size) => return (*size, None),
            Range::Path(place) => {
                let found = self.compiled.tables.paths.get(*place);
                match found.and_then(|used| used.path.find(self.view).ok()) {
                    Some(Found::Value(value)) => Some(value),
                    Some(Found::Made(Value::Map(map))) => return (map.len(), None),
                    Some(Found::Made(_) | Found::Text(_) | Found::Time(_)) | None => None,
                }
            }
            Range::Item { var, steps } => {
                let bound = self.bound.iter().rev().find(|(name, _)| name == var);
                let item = bound.and_then(|(_, item)| *item);
                item.and_then(|item| steps.iter().try_fold(item, |value, step| step.of(value)))
            }
        };
        match value {
            Some(Value::List(items)) => (items.len(), Some(items)),
            Some(Value::Map(map)) => (map.len(), None),
            Some(
                Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Uint(_)
                | Value::Double(_)
                | Value::String(_),
            )
            | None => (0, None),
        }
    }
}

/// Bytes of the longest string, list or map the expression can put its hands on.
fn longest(compiled: &Compiled, view: &View<'_>) -> u64 {
    let paths = compiled.tables.paths.iter().filter_map(|used| {
        Some(match used.path.find(view).ok()? {
            Found::Value(value) => largest(value, !used.range),
            Found::Made(value) => largest(&value, !used.range),
            Found::Text(text) => text.len(),
            Found::Time(_) => 32,
        })
    });
    // A literal is at most the whole source.
    let literal = compiled.source.len().min(SOURCE_MAX);
    u64::try_from(paths.chain([literal, 24]).max().unwrap_or(STRING_MAX)).unwrap_or(u64::MAX)
}

/// The size of the largest part of `value`; of `value` itself too when `whole`.
fn largest(value: &Value, whole: bool) -> usize {
    let item = usize::try_from(ITEM_BYTES).unwrap_or(64);
    let own = |count: usize| if whole { count * item } else { 0 };
    match value {
        Value::String(text) => text.len(),
        Value::List(items) => {
            let inside = items.iter().map(|item| largest(item, true)).max();
            own(items.len()).max(inside.unwrap_or(0))
        }
        Value::Map(map) => {
            let inside = map.iter().map(|(name, value)| name.len().max(largest(value, true))).max();
            own(map.len()).max(inside.unwrap_or(0))
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Uint(_) | Value::Double(_) => 24,
    }
}
