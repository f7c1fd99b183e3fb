//! Requests over a bus: that of this process, or NATS servers.

use bytes::Bytes;
use gearshift_bus::{
    BackendKind, Bus, ErrorKind as BusError, Message, NatsOptions, Subject, SubjectPattern,
};
use gearshift_protocol::{Problem, ProblemKind, headers, subjects};
use serde::Deserialize;

use crate::error::{Error, ErrorKind};
use crate::transport::{Ask, problem};
use crate::watch::{Watch, WatchFilter};

#[derive(Clone, Debug)]
pub(crate) struct BusTransport(pub(crate) Bus);

/// What a stream answers that was to store a message.
#[derive(Deserialize)]
struct Stored {
    /// The stream that has it.
    stream: Option<String>,
    error: Option<NotStored>,
}

/// Why a stream did not store a message.
#[derive(Deserialize)]
struct NotStored {
    #[serde(default)]
    description: String,
}

impl BusTransport {
    pub(crate) async fn connect(options: &NatsOptions) -> Result<Bus, Error> {
        let servers = without_login(&options.servers);
        Bus::connect(options).await.map_err(|error| from_bus(&servers, error))
    }

    /// Stores an event in the stream that captures its subject; false where there is none, or the
    /// bus has no streams of its own. Nothing was done then.
    pub(crate) async fn store(&self, ask: &Ask) -> Result<bool, Error> {
        if self.0.kind() != BackendKind::Nats {
            return Ok(false);
        }
        let fail = |error| from_bus(&ask.subject, error);
        // A type that is no subject can still be one that the engine knows.
        let Ok(message) = message_of(ask) else { return Ok(false) };
        let reply = match self.0.requests().request_checked(message, ask.deadline).await {
            Ok(reply) => reply,
            Err(error) if matches!(error.kind(), BusError::NoResponders { .. }) => {
                return Ok(false);
            }
            Err(error) => return Err(fail(error)),
        };
        match serde_json::from_slice::<Stored>(&reply.payload) {
            Ok(Stored { error: Some(error), .. }) => {
                let detail = format!("`{}` was not stored: {}", ask.subject, error.description);
                Err(Problem::new(ProblemKind::Unavailable, detail).into())
            }
            Ok(Stored { stream: Some(_), error: None }) => Ok(true),
            Ok(Stored { stream: None, error: None }) | Err(_) => Err(Error::protocol(format!(
                "somebody who is no stream answers on `{}`, so it may not be stored",
                ask.subject
            ))),
        }
    }

    pub(crate) async fn ask(&self, ask: Ask) -> Result<Bytes, Error> {
        let (subject, deadline) = (&ask.subject, ask.deadline);
        let fail = |error| from_bus(subject, error);
        let message = message_of(&ask).map_err(fail)?;
        let reply = self.0.requests().request_checked(message, deadline).await.map_err(fail)?;
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

fn message_of(ask: &Ask) -> Result<Message, gearshift_bus::Error> {
    let mut message = Message::new(Subject::parse(&ask.subject)?, ask.body.clone());
    for (name, value) in &ask.headers {
        message.headers.insert(name, value)?;
    }
    Ok(message)
}

/// Addresses as they may be shown.
fn without_login(servers: &str) -> String {
    let one = |server: &str| match (server.split_once("://"), server.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (_, Some((_, host))) => host.to_owned(),
        (_, None) => server.to_owned(),
    };
    servers.split(',').map(|server| one(server.trim())).collect::<Vec<_>>().join(",")
}

/// What a failure of the bus means to the caller of the client.
fn from_bus(target: &str, error: gearshift_bus::Error) -> Error {
    let detail = if let BusError::Refused { reason } = error.kind() {
        // It names the server, and says what it refuses.
        reason.clone()
    } else {
        error.to_string()
    };
    let refused = |kind| Error::from(Problem::new(kind, detail.clone()));
    match error.kind() {
        BusError::Timeout { millis } => ErrorKind::Timeout { millis: *millis }.into(),
        BusError::TooLarge { .. } => refused(ProblemKind::TooLarge),
        BusError::InvalidSubject { .. }
        | BusError::InvalidName { .. }
        | BusError::InvalidHeader { .. } => refused(ProblemKind::BadRequest),
        BusError::Refused { .. } => refused(ProblemKind::Denied),
        BusError::Mismatch { .. } => refused(ProblemKind::Conflict),
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
