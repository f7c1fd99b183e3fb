//! What a due moment starts: the key and the input of the instance.

use std::cell::Cell;
use std::sync::Arc;

use crate::definition::expr::{Scope, Template};
use crate::definition::model::{Definition, Schedule};
use crate::machine::{Event, InstanceKey, Timestamp};
use crate::value::{Map, Value};

/// Bytes of an input, as of a start by hand.
const INPUT_MAX: usize = 64 * 1_024;
/// Iterations that `key` and `input` may take together.
const FUEL: u32 = 10_000;

/// The key and the input of the instance.
pub(super) fn made(
    definition: &Definition,
    schedule: &Schedule,
    due: Timestamp,
) -> Result<(InstanceKey, Value), String> {
    let name = Value::String(Arc::clone(&schedule.name));
    let moment = moment(due);
    let data = Map::from_iter([("schedule", name), ("due", Value::from(moment.as_str()))]);
    let event = Event {
        name: format!("schedule.{}", schedule.name).into(),
        data: Some(data.into()),
        time: Some(due),
        ..Event::default()
    };
    let fuel = Cell::new(FUEL);
    let scope = Scope {
        definition,
        key: None,
        vars: &[],
        active: &[],
        event: Some(&event),
        input: &Value::Null,
        output: None,
        error: None,
        steps: None,
        now: due,
        locals: &[],
        fuel: &fuel,
    };
    let eval = |what: &str, template: &Template| {
        template.eval(&scope).map_err(|error| format!("`{what}`: {error}"))
    };
    let key = match &schedule.key {
        None => format!("{}-{moment}", schedule.name),
        Some(key) => match eval("key", key)? {
            Value::String(text) => text.to_string(),
            number @ (Value::Int(_) | Value::Uint(_)) => number.to_json(),
            other @ (Value::Null
            | Value::Bool(_)
            | Value::Double(_)
            | Value::List(_)
            | Value::Map(_)) => {
                return Err(format!("`key` gave a {}, not text", other.type_name()));
            }
        },
    };
    let input = match &schedule.input {
        None => event.data.clone().unwrap_or_default(),
        Some(input) => eval("input", input)?,
    };
    let size = input.weight();
    if size > INPUT_MAX {
        return Err(format!("input of {size} bytes exceeds the limit of {INPUT_MAX} bytes"));
    }
    Ok((InstanceKey::new(&definition.name, &key)?, input))
}

/// A moment as keys and data have it: RFC 3339 in UTC, without a fraction that says nothing.
pub(super) fn moment(at: Timestamp) -> String {
    at.to_string().replace(".000Z", "Z")
}
