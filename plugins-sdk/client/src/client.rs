//! [`Client`]: the way to one engine.

use std::time::Duration;

use gearshift_bus::{Bus, NatsOptions};
use gearshift_protocol::command::Verb;
use gearshift_protocol::query::What;
use gearshift_protocol::{Encoding, Header, Problem, ProblemKind, headers, subjects};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bus::BusTransport;
use crate::error::{Error, ErrorKind};
use crate::http::HttpTransport;
use crate::transport::{Ask, Transport, millis};
use crate::watch::{Watch, WatchFilter};

/// How long a request may take unless told otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How much longer than the engine the client waits, so that the engine's own answer to a wait
/// that was in vain still arrives.
const GRACE: Duration = Duration::from_secs(1);

/// How long an answer may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How long the engine may wait before it answers.
    engine: Duration,
    /// How long the client waits for the answer.
    client: Duration,
    /// What is told where none came, in milliseconds.
    told: u64,
}

impl Patience {
    /// The engine may wait so long.
    pub(crate) fn waiting(limit: Duration) -> Self {
        let client = limit.saturating_add(GRACE);
        Self { engine: limit, client, told: millis(limit) }
    }

    /// The engine says at once how it stands.
    pub(crate) fn look(limit: Duration) -> Self {
        Self { engine: Duration::ZERO, client: limit, told: millis(limit) }
    }

    pub(crate) fn engine_millis(self) -> u64 {
        millis(self.engine)
    }
}

/// The way to one engine; a clone shares its connections.
#[derive(Clone, Debug)]
pub struct Client {
    transport: Transport,
    user: String,
    timeout: Duration,
    trace: Vec<Header>,
    rehearses: bool,
}

/// The orders that the engine tells the outcome of without carrying them out.
const REHEARSED: [Verb; 9] = [
    Verb::Cancel,
    Verb::Kill,
    Verb::Retry,
    Verb::Skip,
    Verb::Pause,
    Verb::Resume,
    Verb::Rollback,
    Verb::Set,
    Verb::Fork,
];

impl Client {
    /// The way over a bus of this process.
    #[must_use]
    pub fn bus(bus: Bus) -> Self {
        Self::new(Transport::Bus(BusTransport(bus)))
    }

    /// The way over NATS servers, to whichever engine is behind them.
    ///
    /// # Errors
    ///
    /// Unreachable: nobody answers there, or does not let us in.
    pub async fn nats(options: &NatsOptions) -> Result<Self, Error> {
        Ok(Self::bus(BusTransport::connect(options).await?))
    }

    /// The way over the engine's HTTP door, such as `http://127.0.0.1:4500`, with the bearer
    /// token it printed at start (empty: none). Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// A problem of kind `bad_request` if the address is not one.
    pub fn http(url: &str, token: &str) -> Result<Self, Error> {
        Ok(Self::new(Transport::Http(HttpTransport::new(url, token)?)))
    }

    fn new(transport: Transport) -> Self {
        let (user, trace) = ("local".to_owned(), Vec::new());
        Self { transport, user, timeout: TIMEOUT, trace, rehearses: false }
    }

    /// The same way, for this user: commands and events are sent, and recorded, in this name
    /// (`local` unless set). Where logins are checked, the engine or the bus refuses another's
    /// name.
    #[must_use]
    pub fn as_user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// The same way, in a trace (W3C trace context): events, and instances that are started by
    /// command, go on with it, unless an event says its own. What is no `traceparent` counts as
    /// absent.
    #[must_use]
    pub fn in_trace(mut self, traceparent: &str, tracestate: Option<&str>) -> Self {
        self.trace = vec![(headers::TRACEPARENT, traceparent.to_owned())];
        self.trace.extend(tracestate.map(|state| (headers::TRACESTATE, state.to_owned())));
        self
    }

    /// The same way with another limit on how long a request may take.
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same way for a dry run: the engine decides about an order as ever, answers with the
    /// verdict or the refusal, and does nothing. So do `cancel`, `kill`, `retry`, `skip`, `pause`,
    /// `resume`, `rollback`, `set_vars` and `fork`; other commands and events are refused with
    /// `bad_request` before they are sent. An engine that knows no dry run refuses the order.
    #[must_use]
    pub const fn rehearsing(mut self) -> Self {
        self.rehearses = true;
        self
    }

    /// Is nothing to be done?
    pub(crate) const fn rehearses(&self) -> bool {
        self.rehearses
    }

    /// Refuses what there is no dry run of.
    pub(crate) fn only_for_real(&self, what: &str) -> Result<(), Error> {
        if !self.rehearses {
            return Ok(());
        }
        let told = format!("{what} have no dry run: nothing was sent");
        Err(Problem::new(ProblemKind::BadRequest, told).into())
    }

    /// The user commands are sent for.
    #[must_use]
    pub fn user(&self) -> &str {
        &self.user
    }

    /// How long a request may take.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Notices from now on.
    ///
    /// # Errors
    ///
    /// The engine cannot be reached, or refuses.
    pub async fn watch(&self, filter: WatchFilter) -> Result<Watch, Error> {
        self.transport.watch(filter, self.timeout).await
    }

    /// Sends a command; `waits` is how long the engine may wait before it answers.
    pub(crate) async fn command<I: Serialize, O: DeserializeOwned>(
        &self,
        verb: Verb,
        body: &I,
        waits: Option<Duration>,
    ) -> Result<O, Error> {
        if !REHEARSED.contains(&verb) {
            self.only_for_real(&format!("commands `{}`", verb.as_str()))?;
        }
        let subject = subjects::command(&self.user, verb.as_str());
        self.ask(subject, Vec::new(), body, waits).await
    }

    /// Asks a query.
    pub(crate) async fn query<I: Serialize, O: DeserializeOwned>(
        &self,
        what: What,
        body: &I,
    ) -> Result<O, Error> {
        self.ask(subjects::query(what.as_str()), Vec::new(), body, None).await
    }

    /// Stores an event under its own subject; false where only the engine can.
    pub(crate) async fn store<I: Serialize>(
        &self,
        subject: &str,
        mut list: Vec<Header>,
        body: &I,
    ) -> Result<bool, Error> {
        list.retain(|(name, _)| !matches!(*name, headers::TIMEOUT_MS | headers::WAIT_FOR));
        self.trace_into(&mut list);
        list.push((headers::CONTENT_TYPE, headers::JSON.to_owned()));
        let body = Encoding::Json.encode(body)?.into();
        let subject = subject.to_owned();
        let ask = Ask { subject, headers: list, body, deadline: self.timeout };
        self.transport.store(&ask).await
    }

    /// Says the trace where nothing said one; both headers are one thing.
    fn trace_into(&self, list: &mut Vec<Header>) {
        if !list.iter().any(|(name, _)| *name == headers::TRACEPARENT) {
            list.retain(|(name, _)| *name != headers::TRACESTATE);
            list.extend(self.trace.iter().cloned());
        }
    }

    pub(crate) async fn ask<I: Serialize, O: DeserializeOwned>(
        &self,
        subject: String,
        list: Vec<Header>,
        body: &I,
        waits: Option<Duration>,
    ) -> Result<O, Error> {
        let patience = Patience::waiting(waits.unwrap_or(self.timeout));
        self.ask_within(subject, list, body, patience).await
    }

    pub(crate) async fn ask_within<I: Serialize, O: DeserializeOwned>(
        &self,
        subject: String,
        mut list: Vec<Header>,
        body: &I,
        patience: Patience,
    ) -> Result<O, Error> {
        list.retain(|(name, _)| *name != headers::TIMEOUT_MS);
        self.trace_into(&mut list);
        list.push((headers::CONTENT_TYPE, headers::JSON.to_owned()));
        list.push((headers::TIMEOUT_MS, patience.engine_millis().to_string()));
        let body = Encoding::Json.encode(body)?.into();
        let deadline = patience.client;
        let asked = self.transport.ask(Ask { subject, headers: list, body, deadline }).await;
        let answer = asked.map_err(|error| match error.kind() {
            ErrorKind::Timeout { .. } => ErrorKind::Timeout { millis: patience.told }.into(),
            ErrorKind::Unreachable { .. } | ErrorKind::Problem(_) | ErrorKind::Protocol { .. } => {
                error
            }
        })?;
        Ok(Encoding::Json.decode(&answer)?)
    }
}
