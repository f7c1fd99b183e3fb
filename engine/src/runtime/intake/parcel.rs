//! [`Parcel`]: what one message is, and for whom; pure.

use std::sync::Arc;

use gearshift_bus::Delivered;
use gearshift_machine::machine::{Event, Timestamp};
use gearshift_machine::partition::Position;
use gearshift_protocol::subjects;

use super::decode::{Incoming, IntakeError, decode};
use super::route::{Targets, route};
use super::sources::Source;
use crate::runtime::definitions::Index;
use crate::runtime::longwork::{Late, late_result};

/// The header by which the bus marks a message whose headers are not what they should be.
const MALFORMED: &str = "Gearshift-Malformed";

/// What a message is, and for whom.
pub(super) enum Parcel {
    /// An event for these instances.
    Deliver(Targets, Event),
    /// A dead letter, and why.
    Reject(Event, Arc<str>),
    /// What a plugin promised.
    Result(Late),
}

/// Opens a message. A declared subject may make several events of it.
pub(super) fn open(
    index: &Index,
    source: &Source,
    message: &Delivered,
    now: Timestamp,
) -> Vec<Parcel> {
    let position = Position { source: source.number, sequence: message.sequence };
    let subject = &message.message.subject;
    if is_of_check(subject.as_str()) {
        tracing::debug!(%subject, "the result of a check of a plugin is passed over");
        return Vec::new();
    }
    if let Some(late) = result(message) {
        return vec![late];
    }
    let mut names = Vec::<Arc<str>>::new();
    for listener in index.by_subject(subject).filter(|one| one.listens_at(Some(position))) {
        let Some(declaration) = listener.declaration() else { continue };
        if !names.contains(&declaration.name) {
            names.push(Arc::clone(&declaration.name));
        }
    }
    if names.is_empty() {
        return read(index, source, subject.as_str(), message, now).into_iter().collect();
    }
    names.iter().filter_map(|name| read(index, source, name, message, now)).collect()
}

/// Is it the result of a call that `gearshift plugin check` made? It has heard that itself, and no
/// instance waits for it.
fn is_of_check(subject: &str) -> bool {
    subject.strip_prefix(subjects::RESULT).is_some_and(|call| call.starts_with(subjects::CHECK))
}

/// The result of a call that a plugin took before.
fn result(message: &Delivered) -> Option<Parcel> {
    let reason = message.message.headers.get(MALFORMED);
    let malformed = reason.map(|reason| IntakeError::new("GS3007", "headers", reason));
    let read = late_result(&message.message)?;
    Some(match malformed.map_or(read, Err) {
        Ok(late) => Parcel::Result(late),
        Err(error) => {
            let event = unreadable(message.message.subject.as_str(), message);
            Parcel::Reject(event, format!("{} {error}", error.code).into())
        }
    })
}

/// The message as the event `name`.
fn read(
    index: &Index,
    source: &Source,
    name: &str,
    message: &Delivered,
    now: Timestamp,
) -> Option<Parcel> {
    let position = Some(Position { source: source.number, sequence: message.sequence });
    let is_heard = |name: &str| index.listeners(name).iter().any(|one| one.listens_at(position));
    if source.stream.is_some() && !is_heard(name) {
        // Somebody else's stream: what came before anybody listened is none of our business.
        return None;
    }
    let (event, error) = match decode_message(name, source, message, is_heard) {
        Ok(incoming) => match route(index, &incoming, now, position) {
            Ok(targets) => return Some(Parcel::Deliver(targets, incoming.event)),
            Err(error) => (incoming.event, error),
        },
        Err(error) => (unreadable(name, message), error),
    };
    Some(Parcel::Reject(event, format!("{} {error}", error.code).into()))
}

/// The event of a message: `ce-type` names it where somebody listens to that, else the subject.
fn decode_message(
    name: &str,
    source: &Source,
    message: &Delivered,
    is_heard: impl Fn(&str) -> bool,
) -> Result<Incoming, IntakeError> {
    let Delivered { sequence, message, time_ms } = message;
    if let Some(reason) = message.headers.get(MALFORMED) {
        return Err(IntakeError::new("GS3007", "headers", reason));
    }
    let mut incoming = decode(name, &message.headers, &message.payload, None)?;
    let event = &mut incoming.event;
    if *event.name != *name && !is_heard(&event.name) {
        event.name = name.into();
    }
    if event.subject.is_none() && name != message.subject.as_str() {
        event.subject = Some(message.subject.as_str().into());
    }
    if event.time.is_none() {
        event.time = Some(Timestamp(*time_ms));
    }
    if event.id.is_none() {
        // The number tells apart the lives of a stream, in which sequences come again.
        event.id = Some(format!("{}@{}:{sequence}", source.name(), source.number).into());
    }
    Ok(incoming)
}

/// What the dead letters keep of a message that is no event.
fn unreadable(name: &str, message: &Delivered) -> Event {
    Event {
        name: name.into(),
        subject: Some(message.message.subject.as_str().into()),
        data: raw_body(&message.message.payload),
        time: Some(Timestamp(message.time_ms)),
        ..Event::default()
    }
}

/// What a dead letter keeps of a body that could not be read: at most 4 KiB of its text.
fn raw_body(payload: &[u8]) -> Option<gearshift_machine::value::Value> {
    const KEPT: usize = 4_096;
    let kept = payload.get(..KEPT.min(payload.len())).unwrap_or_default();
    Some(String::from_utf8_lossy(kept).into_owned().into())
}
