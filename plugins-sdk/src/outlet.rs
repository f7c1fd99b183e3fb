//! [`Outlet`]: where signs of life and events of a handler go.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gearshift_bus::{Bus, Message, Subject};
use gearshift_protocol::{EventHeaders, Heartbeat, ce_encode, headers, subjects};
use serde_json::Value;

use crate::Failure;

/// Where signs of life and events of a handler go.
#[derive(Clone, Debug)]
pub(crate) enum Outlet {
    /// To whoever is on the bus.
    Bus(Bus),
    /// To the test that made the call.
    Record(Record),
}

/// An event that a handler emitted, as a test sees it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Emitted {
    /// Its id: the call's, and which one it is in the call.
    pub id: String,
    /// Its type.
    pub event_type: String,
    /// Its payload.
    pub data: Value,
}

/// What handlers told in a test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record(Arc<Mutex<Recorded>>);

#[derive(Debug, Default)]
struct Recorded {
    heartbeats: Vec<Heartbeat>,
    events: Vec<Emitted>,
}

impl Record {
    pub(crate) fn heartbeats(&self) -> Vec<Heartbeat> {
        self.lock().heartbeats.clone()
    }

    pub(crate) fn events(&self) -> Vec<Emitted> {
        self.lock().events.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Recorded> {
        // The lock guards single pushes, so a panic cannot leave them half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outlet {
    /// Does every sign of life count, rather than the last one?
    pub(crate) const fn keeps_all(&self) -> bool {
        match self {
            Self::Bus(_) => false,
            Self::Record(_) => true,
        }
    }

    /// Tells whoever listens now; it may be lost. Of a call that promised nothing, the engine knows
    /// by the instance whose progress it is.
    pub(crate) fn heartbeat(&self, call_id: &str, instance: &str, beat: &Heartbeat) {
        let bus = match self {
            Self::Bus(bus) => bus,
            Self::Record(record) => return record.lock().heartbeats.push(beat.clone()),
        };
        let told = Subject::parse(&subjects::heartbeat(call_id)).and_then(|subject| {
            let message = Message::new(subject, beat.to_body());
            bus.notify(message.with_known(headers::INSTANCE, ce_encode(instance))?)
        });
        if let Err(error) = told {
            tracing::debug!(%error, call_id, "no sign of life could be sent");
        }
    }

    /// Publishes an event, durably where anything takes events of its type.
    pub(crate) async fn emit(&self, event: EventHeaders, data: Value) -> Result<(), Failure> {
        let event_type = event.event_type.clone().unwrap_or_default();
        let subject = Subject::parse(&event_type)?;
        // Those of the engine are no events, and a plugin's login should not have them.
        if event_type.starts_with("gearshift.") || event_type.starts_with('$') {
            let message = format!("`{event_type}` is no type of an event");
            return Err(Failure::permanent(message).code(500));
        }
        let bus = match self {
            Self::Bus(bus) => bus,
            Self::Record(record) => {
                let id = event.id.unwrap_or_default();
                record.lock().events.push(Emitted { id, event_type, data });
                return Ok(());
            }
        };
        let mut message = Message::new(subject, serde_json::to_vec(&data)?);
        for (name, value) in event.to_headers() {
            message.headers.insert(name, &value)?;
        }
        message.headers.insert(headers::CONTENT_TYPE, headers::JSON)?;
        Ok(bus.publish(message).await?)
    }
}
