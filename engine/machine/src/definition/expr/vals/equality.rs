//! Equality of values: numbers by what they are worth, lists and maps by what is in them.

use cel::common::types::{CelBool, CelDouble, CelInt, CelNull, CelString, CelUInt};
use cel::common::value::Val;

use super::list::LIST;
use super::map::MAP;
use super::{ListVal, MapVal};
use crate::value::Value;

/// Are `left` and `right` equal, whichever of them is ours?
pub(in super::super) fn same_vals(left: &dyn Val, right: &dyn Val) -> bool {
    left.equals(right) || right.equals(left)
}

/// Is `value` equal to `other`?
pub(super) fn same(value: &Value, other: &dyn Val) -> bool {
    match value {
        Value::Null => other.downcast_ref::<CelNull>().is_some(),
        Value::Bool(value) => CelBool::from(*value).equals(other),
        Value::Int(value) => CelInt::from(*value).equals(other),
        Value::Uint(value) => CelUInt::from(*value).equals(other),
        Value::Double(value) => CelDouble::from(*value).equals(other),
        Value::String(value) => {
            other.downcast_ref::<CelString<'_>>().is_some_and(|other| **value == **other)
        }
        Value::List(items) => {
            if let Some(other) = other.downcast_ref::<ListVal>() {
                return items.len() == other.items().len()
                    && items.iter().zip(other.items().iter()).all(|(a, b)| same_values(a, b));
            }
            other.get_type() == &LIST && same_items(items, other)
        }
        Value::Map(map) => {
            if let Some(other) = other.downcast_ref::<MapVal>() {
                return map.len() == other.map().len()
                    && map
                        .iter()
                        .zip(other.map().iter())
                        .all(|((left, a), (right, b))| left == right && same_values(a, b));
            }
            other.get_type() == &MAP
                && other.as_sizer().is_some_and(|sizer| {
                    usize::try_from(*sizer.size().inner()).ok() == Some(map.len())
                })
                && map.iter().all(|(name, value)| {
                    other.as_indexer().is_some_and(|indexer| {
                        let member = indexer.get(&CelString::from(&**name));
                        member.is_ok_and(|member| same(value, member.as_ref()))
                    })
                })
        }
    }
}

fn same_items(items: &[Value], other: &dyn Val) -> bool {
    let Some(iterable) = other.as_iterable() else { return false };
    let mut others = iterable.iter();
    items.iter().all(|item| others.next().is_some_and(|other| same(item, other)))
        && others.next().is_none()
}

/// Two values of ours.
fn same_values(left: &Value, right: &Value) -> bool {
    match right {
        Value::Null => left.is_null(),
        Value::Bool(right) => same(left, &CelBool::from(*right)),
        Value::Int(right) => same(left, &CelInt::from(*right)),
        Value::Uint(right) => same(left, &CelUInt::from(*right)),
        Value::Double(right) => same(left, &CelDouble::from(*right)),
        Value::String(right) => left.as_str() == Some(&**right),
        Value::List(right) => left.as_list().is_some_and(|left| {
            left.len() == right.len()
                && left.iter().zip(right.iter()).all(|(a, b)| same_values(a, b))
        }),
        Value::Map(right) => left.as_map().is_some_and(|left| {
            left.len() == right.len()
                && left.iter().zip(right.iter()).all(|((l, a), (r, b))| l == r && same_values(a, b))
        }),
    }
}
