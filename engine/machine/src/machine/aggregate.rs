//! What the results of a fan-out come to: list, merge, union, intersection, statistics.

use std::sync::Arc;

use crate::definition::model::Aggregate;
use crate::value::{Map, Value};

/// Puts the results of all items together; the error says what does not fit.
pub(super) fn aggregate<'v>(
    how: &Aggregate,
    results: impl Iterator<Item = &'v Value>,
) -> Result<Value, String> {
    match how {
        Aggregate::List => Ok(Value::list(results.cloned().collect())),
        Aggregate::Merge => merge(results),
        Aggregate::Union => union(results),
        Aggregate::Intersect => intersect(results),
        Aggregate::Statistical(member) => statistics(member.as_ref(), results),
    }
}

fn merge<'v>(results: impl Iterator<Item = &'v Value>) -> Result<Value, String> {
    let mut merged = Map::new();
    for result in results {
        let Value::Map(map) = result else {
            return Err(format!("`merge` needs maps, found {}", result.type_name()));
        };
        for (key, value) in map.iter() {
            merged.insert(Arc::clone(key), value.clone());
        }
    }
    Ok(merged.into())
}

fn elements(result: &Value, how: &str) -> Result<Vec<Value>, String> {
    let found = || format!("`{how}` needs lists, found {}", result.type_name());
    result.as_list().map(<[Value]>::to_vec).ok_or_else(found)
}

fn union<'v>(results: impl Iterator<Item = &'v Value>) -> Result<Value, String> {
    let mut seen = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    for result in results {
        for element in elements(result, "union")? {
            if seen.insert(element.to_json()) {
                all.push(element);
            }
        }
    }
    Ok(Value::list(all))
}

fn intersect<'v>(mut results: impl Iterator<Item = &'v Value>) -> Result<Value, String> {
    let Some(first) = results.next() else { return Ok(Value::list(Vec::new())) };
    let mut common = elements(first, "intersect")?;
    let mut seen = std::collections::BTreeSet::new();
    common.retain(|element| seen.insert(element.to_json()));
    for result in results {
        let own: std::collections::BTreeSet<_> =
            elements(result, "intersect")?.iter().map(Value::to_json).collect();
        common.retain(|element| own.contains(&element.to_json()));
    }
    Ok(Value::list(common))
}

/// Count, mean, least, greatest and standard deviation of the population.
fn statistics<'v>(
    member: Option<&Arc<str>>,
    results: impl Iterator<Item = &'v Value>,
) -> Result<Value, String> {
    let mut numbers = Vec::new();
    for result in results {
        let value = match member {
            Some(member) => result
                .get(member)
                .ok_or_else(|| format!("`statistical` finds no member `{member}` in a result"))?,
            None => result,
        };
        let found = || format!("`statistical` needs numbers, found {}", value.type_name());
        numbers.push(number(value).ok_or_else(found)?);
    }
    let count = i64::try_from(numbers.len()).unwrap_or(i64::MAX);
    let mut fields = Map::from_iter([("count", Value::Int(count))]);
    if !numbers.is_empty() {
        #[expect(clippy::cast_precision_loss, reason = "there are at most 100,000 items")]
        let total = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / total;
        let spread = numbers.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / total;
        let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
        let greatest = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for (name, number) in
            [("mean", mean), ("min", least), ("max", greatest), ("stddev", spread.sqrt())]
        {
            fields.insert(name, Value::Double(number));
        }
    }
    Ok(fields.into())
}

#[expect(clippy::cast_precision_loss, reason = "statistics are doubles")]
const fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(number) => Some(*number as f64),
        Value::Uint(number) => Some(*number as f64),
        Value::Double(number) => Some(*number),
        Value::Null | Value::Bool(_) | Value::String(_) | Value::List(_) | Value::Map(_) => None,
    }
}
