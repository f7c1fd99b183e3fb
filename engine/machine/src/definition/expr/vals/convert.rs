//! From our values to cel's and back.

use std::sync::Arc;

use cel::ExecutionError;
use cel::common::types::{
    CelBool, CelBytes, CelDouble, CelDuration, CelInt, CelList, CelMap, CelMapKey, CelNull,
    CelOptional, CelString, CelTimestamp, CelUInt,
};
use cel::common::value::{CowVal, Val};

use super::super::EvalError;
use super::super::bounds::{RESULT_MAX, STRING_MAX};
use super::{ListVal, MapVal};
use crate::machine::Timestamp;
use crate::value::{Map, Value};

/// Names the errors of ours that mean a bound was exceeded.
pub(in super::super) const LIMIT: &str = "@limit";

static TRUE: CelBool = CelBool::TRUE;
static FALSE: CelBool = CelBool::FALSE;

/// An error about what the author wrote.
pub(in super::super) fn failure(message: String) -> ExecutionError {
    ExecutionError::FunctionError { function: String::new(), message }
}

/// An error about a bound.
pub(in super::super) fn limit(message: String) -> ExecutionError {
    ExecutionError::FunctionError { function: LIMIT.to_owned(), message }
}

/// Our value as cel's, borrowed where it can be; `None` for a string above the limit (B3).
pub(in super::super) fn to_val(value: &Value) -> Option<CowVal<'_, '_>> {
    Some(match value {
        Value::Null => CowVal::Borrowed(&CelNull),
        Value::Bool(true) => CowVal::Borrowed(&TRUE),
        Value::Bool(false) => CowVal::Borrowed(&FALSE),
        Value::Int(number) => CowVal::owned(CelInt::from(*number)),
        Value::Uint(number) => CowVal::owned(CelUInt::from(*number)),
        Value::Double(number) => CowVal::owned(CelDouble::from(*number)),
        Value::String(text) if text.len() > STRING_MAX => return None,
        Value::String(text) => CowVal::owned(CelString::from(&**text)),
        Value::List(items) => CowVal::owned(ListVal::new(Arc::clone(items))),
        Value::Map(map) => CowVal::owned(MapVal::new(Arc::clone(map))),
    })
}

/// Our value as one of cel's that owns its text.
pub(super) fn boxed(value: &Value) -> Result<Box<dyn Val>, ExecutionError> {
    if let Value::String(text) = value {
        if text.len() > STRING_MAX {
            let size = text.len();
            return Err(limit(format!(
                "string of {size} bytes exceeds the limit of {STRING_MAX} bytes"
            )));
        }
        return Ok(Box::new(CelString::from(String::from(&**text))));
    }
    Ok(match value {
        Value::Null | Value::String(_) => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::Int(number) => Box::new(CelInt::from(*number)),
        Value::Uint(number) => Box::new(CelUInt::from(*number)),
        Value::Double(number) => Box::new(CelDouble::from(*number)),
        Value::List(items) => Box::new(ListVal::new(Arc::clone(items))),
        Value::Map(map) => Box::new(MapVal::new(Arc::clone(map))),
    })
}

/// Cel's value as ours (B5: at most 64 KiB).
pub(in super::super) fn to_value(val: &dyn Val) -> Result<Value, EvalError> {
    let mut left = RESULT_MAX;
    convert(val, &mut left, 0)
}

/// Lists and maps that an expression made, as ours, so that equality works from both sides.
pub(in super::super) fn own<'b, 'v>(
    args: Vec<CowVal<'b, 'v>>,
) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let Some(arg) = args.into_iter().next() else {
        return Err(ExecutionError::missing_argument_or_target());
    };
    let made =
        arg.downcast_ref::<CelList<'_>>().is_some() || arg.downcast_ref::<CelMap<'_>>().is_some();
    if !made {
        return Ok(arg);
    }
    match to_value(arg.as_ref()) {
        Ok(Value::List(items)) => Ok(CowVal::owned(ListVal::new(items))),
        Ok(Value::Map(map)) => Ok(CowVal::owned(MapVal::new(map))),
        // Timestamps and the like have no value of ours; cel compares them well enough.
        Ok(_) | Err(EvalError::Failed(_)) => Ok(arg),
        Err(EvalError::Limit(message)) => Err(limit(message)),
    }
}

fn spend(left: &mut usize, bytes: usize) -> Result<(), EvalError> {
    *left = left.checked_sub(bytes).ok_or_else(|| {
        EvalError::Limit(format!("result exceeds the limit of {RESULT_MAX} bytes"))
    })?;
    Ok(())
}

fn convert(val: &dyn Val, left: &mut usize, depth: usize) -> Result<Value, EvalError> {
    if depth > Value::DEPTH_MAX {
        let levels = Value::DEPTH_MAX;
        return Err(EvalError::Limit(format!("nesting exceeds the limit of {levels} levels")));
    }
    if let Some(list) = val.downcast_ref::<ListVal>() {
        return shared(Value::List(Arc::clone(list.items())), left);
    }
    if let Some(map) = val.downcast_ref::<MapVal>() {
        return shared(Value::Map(Arc::clone(map.map())), left);
    }
    if let Some(list) = val.downcast_ref::<CelList<'_>>() {
        spend(left, 2)?;
        let mut items = Vec::with_capacity(list.inner().len());
        for item in list.inner() {
            spend(left, 1)?;
            items.push(convert(item.as_ref(), left, depth + 1)?);
        }
        return Ok(Value::list(items));
    }
    if let Some(map) = val.downcast_ref::<CelMap<'_>>() {
        return convert_map(map, left, depth);
    }
    shared(scalar(val)?, left)
}

fn shared(value: Value, left: &mut usize) -> Result<Value, EvalError> {
    spend(left, value.weight())?;
    Ok(value)
}

fn convert_map(map: &CelMap<'_>, left: &mut usize, depth: usize) -> Result<Value, EvalError> {
    spend(left, 2)?;
    let mut entries = Vec::with_capacity(map.inner().len());
    for (key, member) in map.inner() {
        let name: Arc<str> = key_text(key)?.into();
        spend(left, name.len() + 4)?;
        entries.push((name, member));
    }
    // The crate's map has no order; ours is sorted before anything is done with it (E5).
    entries.sort_by(|(left, _), (right, _)| left.cmp(right));
    let mut members = Vec::with_capacity(entries.len());
    for (name, member) in entries {
        members.push((name, convert(member.as_ref(), left, depth + 1)?));
    }
    Map::from_entries(members)
        .map(Value::from)
        .map_err(|name| EvalError::Failed(format!("map has the key `{name}` twice")))
}

fn key_text(key: &CelMapKey<'_>) -> Result<String, EvalError> {
    let key = cel::objects::Key::from(key.clone());
    if let cel::objects::Key::String(text) = &key {
        return Ok(String::clone(text));
    }
    Err(EvalError::Failed(format!("key `{key}` of a map is not a string")))
}

fn scalar(val: &dyn Val) -> Result<Value, EvalError> {
    if let Some(text) = val.downcast_ref::<CelString<'_>>() {
        return Ok(text.inner().into());
    }
    if let Some(number) = val.downcast_ref::<CelInt>() {
        return Ok(Value::Int(*number.inner()));
    }
    if let Some(number) = val.downcast_ref::<CelUInt>() {
        return Ok(Value::from(*number.inner()));
    }
    if let Some(value) = val.downcast_ref::<CelBool>() {
        return Ok(Value::Bool(*value.inner()));
    }
    if val.downcast_ref::<CelNull>().is_some() {
        return Ok(Value::Null);
    }
    if let Some(number) = val.downcast_ref::<CelDouble>() {
        let number = *number.inner();
        return if number.is_finite() {
            Ok(Value::Double(number))
        } else {
            Err(EvalError::Failed(format!("result is {number}, not a finite number")))
        };
    }
    if let Some(moment) = val.downcast_ref::<CelTimestamp>() {
        let moment = moment.inner();
        let nanos = moment.timestamp_subsec_nanos();
        if nanos % 1_000_000 == 0 {
            // As moments look everywhere else: with three digits of a second.
            return Ok(Value::string(Timestamp(moment.timestamp_millis()).to_string()));
        }
        return jiff::Timestamp::new(moment.timestamp(), i32::try_from(nanos).unwrap_or(0))
            .map(|moment| Value::string(moment.to_string()))
            .map_err(|_| EvalError::Failed("timestamp is outside the years 1 to 9999".to_owned()));
    }
    if let Some(span) = val.downcast_ref::<CelDuration>() {
        let nanos = span.inner().num_nanoseconds();
        return nanos
            .map(|nanos| Value::string(duration_text(nanos)))
            .ok_or_else(|| EvalError::Failed("duration is out of range".to_owned()));
    }
    let kind = if val.downcast_ref::<CelBytes<'_>>().is_some() {
        "bytes; use `string(…)`"
    } else if val.downcast_ref::<CelOptional<'_>>().is_some() {
        "an optional; use `.orValue(…)`"
    } else {
        val.get_type().name()
    };
    Err(EvalError::Failed(format!("result is {kind}")))
}

/// `90s`, `-1.5s`.
fn duration_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if rest == 0 {
        return format!("{sign}{seconds}s");
    }
    let fraction = format!("{rest:09}");
    format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
}
