//! Bytes → event: JSON, MessagePack, CloudEvents in binary and structured mode (04).

use std::sync::Arc;

use gearshift_bus::Headers;
use gearshift_machine::definition::model::check_event_name;
use gearshift_machine::machine::{Event, EventKind, Principal, Timestamp};
use gearshift_machine::value::{JsonError, Map, Value};
use gearshift_protocol::{ce_decode, headers as names};
use serde::Deserialize as _;

/// An event as it came in, not yet matched to instances.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// The event.
    pub event: Event,
    /// The instance it names itself: `workflow/key`, or a bare key.
    pub addressed: Option<String>,
}

/// Why bytes are not an event: a code, its name and what was seen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {message}")]
pub struct IntakeError {
    /// The diagnostic code, such as `GS3001`.
    pub code: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What was seen and what was expected.
    pub message: String,
}

impl IntakeError {
    pub(crate) fn new(code: &'static str, name: &'static str, message: impl Into<String>) -> Self {
        Self { code, name, message: message.into() }
    }
}

/// The largest body an event or a start carries inline, in bytes (01 §10).
pub(crate) const BODY_MAX: usize = 64 * 1_024;
/// The longest event id, in bytes (row E9).
const ID_MAX: usize = 256;
/// 0001-01-01 and 9999-12-31T23:59:59.999Z in milliseconds (row E19).
const TIME_RANGE: std::ops::RangeInclusive<i64> = -62_135_596_800_000..=253_402_300_799_999;

/// Reads an event of type `name` (for bare subjects: the subject).
///
/// # Errors
/// [`IntakeError`] for a body, name, id, header or time that is not one.
pub fn decode(
    name: &str,
    headers: &Headers,
    body: &[u8],
    by: Option<Principal>,
) -> Result<Incoming, IntakeError> {
    if body.len() > BODY_MAX {
        let size = body.len();
        return Err(IntakeError::new(
            "GS3005",
            "event_too_large",
            format!("event body of {size} bytes exceeds the limit of {BODY_MAX} bytes"),
        ));
    }
    let content = headers.get("content-type").unwrap_or("application/json");
    let structured = content.starts_with("application/cloudevents");
    let value = if structured {
        parse(content.trim_start_matches("application/cloudevents+"), body)?
    } else {
        parse(content, body)?
    };
    let mut event = if structured {
        from_envelope(name, &value)?
    } else {
        from_headers(name, headers, payload(value)?)?
    };
    event.by = by;
    check_name(&event.name)?;
    if let Some(id) = &event.id {
        check_id(id)?;
    }
    let addressed = headers
        .get(names::INSTANCE)
        .map(ce_decode)
        .or_else(|| Some(event.data.as_ref()?.get("workflowInstanceId")?.as_str()?.to_owned()));
    event.headers = visible_headers(headers);
    Ok(Incoming { event, addressed })
}

fn parse(content: &str, body: &[u8]) -> Result<Value, IntakeError> {
    let shape = |message: String| IntakeError::new("GS3001", "payload_shape", message);
    if body.is_empty() {
        return Err(shape("event body is empty; send at least `{}`".to_owned()));
    }
    if content.contains("msgpack") {
        return from_msgpack(body)
            .map_err(|error| shape(format!("event body is not MessagePack: {error}")));
    }
    Value::from_json(body).map_err(|error| match &error {
        JsonError::NumberRange(_) => IntakeError::new("GS3002", "number_range", error.to_string()),
        // The reader of JSON gives this cause no type of its own.
        JsonError::Syntax(cause) if cause.to_string().starts_with("number out of range") => {
            IntakeError::new("GS3002", "number_range", error.to_string())
        }
        JsonError::Syntax(_) => shape(format!("event body is not JSON: {error}")),
    })
}

/// One value of MessagePack, with nothing behind it.
pub(crate) fn from_msgpack(body: &[u8]) -> Result<Value, String> {
    let mut rest = body;
    let mut reader = rmp_serde::Deserializer::new(&mut rest);
    let value = Value::deserialize(&mut reader).map_err(|error| error.to_string())?;
    match rest.len() {
        0 => Ok(value),
        1 => Err("1 byte follows the value".to_owned()),
        bytes => Err(format!("{bytes} bytes follow the value")),
    }
}

/// A payload is a map (row E1).
fn payload(value: Value) -> Result<Value, IntakeError> {
    if value.as_map().is_some() {
        return Ok(value);
    }
    let seen = value.type_name();
    Err(IntakeError::new(
        "GS3001",
        "payload_shape",
        format!("event body is a {seen}; expected an object"),
    ))
}

/// A bare body, or CloudEvents in binary mode: attributes are `ce-…` headers.
fn from_headers(name: &str, headers: &Headers, data: Value) -> Result<Event, IntakeError> {
    let attribute = |attribute: &str| headers.get(attribute).map(ce_decode);
    let kind = attribute("ce-type").unwrap_or_else(|| name.to_owned());
    let id = attribute("ce-id").or_else(|| headers.get("nats-msg-id").map(str::to_owned));
    Ok(Event {
        name: kind.into(),
        kind: EventKind::External,
        data: Some(data),
        id: id.map(Into::into),
        source: attribute("ce-source").map(Into::into),
        time: attribute("ce-time").map(|text| time(&text)).transpose()?,
        subject: attribute("ce-subject").map(Into::into),
        ..Event::default()
    })
}

/// CloudEvents in structured mode: everything is in the body.
fn from_envelope(name: &str, envelope: &Value) -> Result<Event, IntakeError> {
    let text = |field: &str| envelope.get(field).and_then(Value::as_str).map(Arc::<str>::from);
    if text("specversion").as_deref() != Some("1.0") {
        return Err(IntakeError::new(
            "GS3001",
            "payload_shape",
            "CloudEvents envelope needs `specversion` `1.0`",
        ));
    }
    if envelope.get("data_base64").is_some() {
        let message = "`data_base64` is not supported; send the payload as `data`";
        return Err(IntakeError::new("GS3001", "payload_shape", message));
    }
    let data = envelope.get("data").cloned().unwrap_or_else(|| Value::Map(Map::new().into()));
    Ok(Event {
        name: text("type").unwrap_or_else(|| name.into()),
        kind: EventKind::External,
        data: Some(payload(data)?),
        id: text("id"),
        source: text("source"),
        time: text("time").map(|text| time(&text)).transpose()?,
        subject: text("subject"),
        ..Event::default()
    })
}

/// Checks an event name that came from outside (rules 28).
fn check_name(name: &str) -> Result<(), IntakeError> {
    let refused = |message: String| IntakeError::new("GS3003", "event_name_invalid", message);
    check_event_name(name).map_err(refused)?;
    if name.contains('~') {
        return Err(refused(format!("event name `{name}` has a `~`, which is the engine's own")));
    }
    let first = name.split('.').next().unwrap_or_default();
    if ["done", "error", "after", "workflow", "gearshift"].contains(&first) {
        return Err(refused(format!(
            "event name `{name}` begins with `{first}`, which only the engine may use"
        )));
    }
    Ok(())
}

/// Is it an id that an event or a start may have?
pub(crate) fn check_id(id: &str) -> Result<(), IntakeError> {
    let refused = |message: String| Err(IntakeError::new("GS3004", "event_id", message));
    if id.is_empty() {
        return refused("event id is empty".to_owned());
    }
    if id.len() > ID_MAX {
        return refused(format!(
            "event id of {} bytes exceeds the limit of {ID_MAX} bytes",
            id.len()
        ));
    }
    if id.chars().any(char::is_control) {
        return refused(format!("event id `{}` has a control character", id.escape_debug()));
    }
    Ok(())
}

fn time(text: &str) -> Result<Timestamp, IntakeError> {
    let refused = || {
        IntakeError::new(
            "GS3008",
            "time_range",
            format!(
                "event time `{}` is not RFC 3339 between the years 1 and 9999",
                text.escape_debug()
            ),
        )
    };
    let moment = unix_ms(text).ok_or_else(refused)?;
    TIME_RANGE.contains(&moment).then_some(Timestamp(moment)).ok_or_else(refused)
}

/// RFC 3339 → milliseconds; by hand, since instants of the calendar crate end a day before its
/// years do, so that every offset stays in range.
fn unix_ms(text: &str) -> Option<i64> {
    let pieces = jiff::fmt::temporal::Pieces::parse(text).ok()?;
    let offset = pieces.to_numeric_offset()?;
    let moment = pieces.date().to_datetime(pieces.time()?);
    let since = moment.duration_since(jiff::civil::date(1970, 1, 1).at(0, 0, 0, 0));
    let seconds = since.as_secs().checked_sub(i64::from(offset.seconds()))?;
    let millis = i64::from(since.subsec_millis());
    seconds.checked_mul(1_000)?.checked_add(millis)
}

/// Headers that expressions may read: the publisher's own, none of the engine's.
fn visible_headers(headers: &Headers) -> Option<Value> {
    let own = |name: &str| {
        let lower = name.to_ascii_lowercase();
        !["gearshift-", "nats-", "ce-", "authorization", "content-", "host", "accept", "user-"]
            .iter()
            .any(|prefix| lower.starts_with(prefix))
    };
    let map = headers
        .iter()
        .filter(|(name, _)| own(name))
        .map(|(name, value)| (name.to_ascii_lowercase(), Value::from(value)))
        .collect::<Map>();
    (!map.is_empty()).then(|| map.into())
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
