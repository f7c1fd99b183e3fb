//! Requests over the bus of this process.

use bytes::Bytes;
use gearshift_bus::{Bus, ErrorKind as BusError, Message, Subject, SubjectPattern};
use gearshift_protocol::{Problem, ProblemKind, headers, subjects};

use crate::error::{Error, ErrorKind};
use crate::transport::{Ask, problem};
use crate::watch::{Watch, WatchFilter};

#[derive(Clone, Debug)]
pub(crate) struct BusTransport(pub(crate) Bus);

impl BusTransport {
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Bytes, Error> {
        let Ask { subject, headers: list, body, deadline } = ask;
        let fail = |error| from_bus(&subject, error);
        let mut message = Message::new(Subject::parse(&subject).map_err(fail)?, body);
        for (name, value) in &list {
            message.headers.insert(name, value).map_err(fail)?;
        }
        let reply = self.0.requests().request(message, deadline).await.map_err(fail)?;
        match reply.headers.get(headers::SERVICE_ERROR_CODE) {
            None => Ok(reply.payload),
            Some(code) => {
                let words = reply.headers.get(headers::SERVICE_ERROR).unwrap_or_default();
                let status = code.trim().parse().unwrap_or(500);
                Err(problem(status, words, &reply.payload).into())
            }
        }
    }

    pub(crate) async fn watch(&self, filter: WatchFilter) -> Result<Watch, Error> {
        let workflow = filter.workflow.as_deref().map(subjects::escape);
        let pattern = subjects::NOTICE.to_owned() + workflow.as_deref().unwrap_or("*") + ".*";
        let fail = |error| from_bus(&pattern, error);
        let pattern = SubjectPattern::parse(&pattern).map_err(fail)?;
        Ok(Watch::bus(self.0.subscribe(&pattern).await.map_err(fail)?, filter))
    }
}

/// What a failure of the bus means to the caller of the client.
fn from_bus(target: &str, error: gearshift_bus::Error) -> Error {
    let refused = |kind| Error::from(Problem::new(kind, error.to_string()));
    match error.kind() {
        BusError::Timeout { millis } => ErrorKind::Timeout { millis: *millis }.into(),
        BusError::TooLarge { .. } => refused(ProblemKind::TooLarge),
        BusError::InvalidSubject { .. }
        | BusError::InvalidName { .. }
        | BusError::InvalidHeader { .. } => refused(ProblemKind::BadRequest),
        BusError::NotFound { .. } | BusError::NotCaptured { .. } => refused(ProblemKind::NotFound),
        BusError::NoResponders { .. }
        | BusError::Full { .. }
        | BusError::Unknown
        | BusError::Disconnected
        | BusError::Overlap { .. }
        | BusError::Trimmed { .. }
        | BusError::Corrupt { .. }
        | BusError::Locked { .. }
        | BusError::Closed
        | BusError::DiskFull
        | BusError::Io
        | BusError::Poisoned { .. } => Error::unreachable(target, error),
    }
}
