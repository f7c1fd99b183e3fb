//! Event → instances: by address, else by every listening definition's correlation key.

use std::cell::Cell;
use std::sync::Arc;

use gearshift_machine::definition::expr::Scope;
use gearshift_machine::definition::model::{Early, EventDecl};
use gearshift_machine::machine::{Event, InstanceKey, Timestamp};
use gearshift_machine::partition::Position;
use gearshift_machine::value::Value;

use super::decode::{Incoming, IntakeError};
use crate::runtime::definitions::{Index, Listener};

/// The instances an event is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Key, and what to do where no instance has it; `None` does nothing then.
    pub list: Vec<(InstanceKey, Option<Early>)>,
}

/// Fuel of one `correlate` expression: it reads a few fields.
const CORRELATE_FUEL: u32 = 10_000;

/// Finds the instances that `incoming` is for; `position` is its place in a source, `None` at
/// a door.
///
/// # Errors
/// [`IntakeError`] where nobody listens, or no listener finds a key.
pub(crate) fn route(
    index: &Index,
    incoming: &Incoming,
    now: Timestamp,
    position: Option<Position>,
) -> Result<Targets, IntakeError> {
    let name = &*incoming.event.name;
    if let Some(addressed) = &incoming.addressed {
        return by_address(index, addressed, name, position);
    }
    let mut listeners =
        index.listeners(name).iter().filter(|one| one.listens_at(position)).peekable();
    let unknown = || {
        let message = format!("no deployed definition listens to `{name}`");
        IntakeError::new("GS3011", "unknown_event", message)
    };
    if listeners.peek().is_none() {
        return Err(unknown());
    }
    let mut targets = Targets::default();
    let (mut problem, mut older) = (None, None);
    for listener in listeners {
        let Some(declaration) = listener.declaration() else { continue };
        let latest = listener.is_latest_at(position);
        match correlate(listener, declaration, &incoming.event, now) {
            Ok(key) => targets.add(key, latest.then_some(declaration.early)),
            // The newest version complains first; older ones may not know the event's new shape.
            Err(error) if latest => problem = Some(error),
            Err(error) => older = Some(error),
        }
    }
    if targets.list.is_empty() {
        return Err(problem.or(older).unwrap_or_else(unknown));
    }
    Ok(targets)
}

impl Targets {
    fn add(&mut self, key: InstanceKey, early: Option<Early>) {
        match self.list.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = known.or(early),
            None => self.list.push((key, early)),
        }
    }
}

/// `workflow/key`, or a bare key of every workflow that listens.
fn by_address(
    index: &Index,
    addressed: &str,
    name: &str,
    position: Option<Position>,
) -> Result<Targets, IntakeError> {
    let unaddressed = |message: String| IntakeError::new("GS3006", "unaddressed", message);
    let mut targets = Targets::default();
    if addressed.contains('/') {
        let key = InstanceKey::parse(addressed).map_err(unaddressed)?;
        targets.add(key, Some(Early::DeadLetter));
        return Ok(targets);
    }
    for listener in index.listeners(name).iter().filter(|one| one.listens_at(position)) {
        let workflow = &listener.definition.name;
        let key = InstanceKey::new(workflow, addressed).map_err(unaddressed)?;
        targets.add(key, Some(Early::DeadLetter));
    }
    if targets.list.is_empty() {
        return Err(unaddressed(format!(
            "no deployed definition listens to `{name}`; name the instance as `workflow/key`"
        )));
    }
    Ok(targets)
}

fn correlate(
    listener: &Listener,
    declaration: &EventDecl,
    event: &Event,
    now: Timestamp,
) -> Result<InstanceKey, IntakeError> {
    let definition = &listener.definition;
    let unaddressed = |message: String| IntakeError::new("GS3006", "unaddressed", message);
    let workflow = &definition.name;
    let expression = declaration.correlate.as_ref().or(definition.correlate.as_ref());
    let key = if let Some(expression) = expression {
        let fuel = Cell::new(CORRELATE_FUEL);
        let scope = Scope {
            definition,
            key: None,
            vars: &[],
            active: &[],
            event: Some(event),
            input: &Value::Null,
            output: None,
            error: None,
            steps: None,
            now,
            locals: &[],
            fuel: &fuel,
        };
        let value = expression.eval(&scope).map_err(|error| {
            unaddressed(format!("`correlate: {}` of `{workflow}`: {error}", expression.source()))
        })?;
        key_text(&value).ok_or_else(|| {
            unaddressed(format!(
                "`correlate: {}` of `{workflow}` gave a {}; expected text or an integer",
                expression.source(),
                value.type_name()
            ))
        })?
    } else if let Some(token) = subject_token(declaration, event) {
        token
    } else {
        return Err(unaddressed(format!(
            "`{workflow}` has no `correlate:`; name the instance in the header \
             `Gearshift-Instance` or the field `workflowInstanceId`"
        )));
    };
    InstanceKey::new(workflow, &key).map_err(unaddressed)
}

fn key_text(value: &Value) -> Option<Arc<str>> {
    match value {
        Value::String(text) => Some(Arc::clone(text)),
        Value::Int(number) => Some(number.to_string().into()),
        Value::Uint(number) => Some(number.to_string().into()),
        Value::Null | Value::Bool(_) | Value::Double(_) | Value::List(_) | Value::Map(_) => None,
    }
}

/// The first `{token}` of a declared subject is the key where nothing else says so.
fn subject_token(declaration: &EventDecl, event: &Event) -> Option<Arc<str>> {
    let pattern = declaration.subject.as_deref()?;
    let subject = event.subject.as_deref()?;
    let (_, token) = pattern
        .split('.')
        .zip(subject.split('.'))
        .find(|(declared, _)| declared.starts_with('{'))?;
    Some(token.into())
}
