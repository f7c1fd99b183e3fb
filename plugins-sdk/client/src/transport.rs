//! The one way a request travels, whatever lies beneath.

use std::time::Duration;

use bytes::Bytes;
use gearshift_protocol::{Header, Problem, ProblemKind};

use crate::bus::BusTransport;
use crate::error::Error;
use crate::http::HttpTransport;
use crate::watch::{Watch, WatchFilter};

/// A closed set: a bus, or HTTP.
#[derive(Clone, Debug)]
pub(crate) enum Transport {
    Bus(BusTransport),
    Http(HttpTransport),
}

/// One request.
pub(crate) struct Ask {
    pub(crate) subject: String,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Bytes,
    /// How long the client waits for the answer.
    pub(crate) deadline: Duration,
}

impl Transport {
    /// The body of the answer.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Bytes, Error> {
        match self {
            Self::Bus(bus) => bus.ask(ask).await,
            Self::Http(http) => http.ask(ask).await,
        }
    }

    /// Stores an event without asking the engine; false where that is not possible.
    pub(crate) async fn store(&self, ask: &Ask) -> Result<bool, Error> {
        match self {
            Self::Bus(bus) => bus.store(ask).await,
            Self::Http(_) => Ok(false),
        }
    }

    pub(crate) async fn watch(
        &self,
        filter: WatchFilter,
        deadline: Duration,
    ) -> Result<Watch, Error> {
        match self {
            Self::Bus(bus) => bus.watch(filter).await,
            Self::Http(http) => http.watch(filter, deadline).await,
        }
    }
}

/// The problem of a refused request: its body, or what code and words tell without one.
pub(crate) fn problem(status: u16, words: &str, body: &[u8]) -> Problem {
    serde_json::from_slice(body).unwrap_or_else(|_| {
        let kind = ProblemKind::of_status(status);
        let mut problem = Problem::new(kind, words.trim());
        problem.status = status;
        problem
    })
}

/// `duration` in whole milliseconds.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
