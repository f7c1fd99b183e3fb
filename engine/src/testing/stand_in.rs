//! [`StandIn`]: stands between the engine and the plugins, remembers calls and makes faults.
//!
//! Each plugin serves on a bus of its own, as it would anywhere; the engine's bus has a service of
//! the same name that hands requests on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bus, Error, Message, Registration, Request, Server, ServiceInfo};
use gearshift_bus::{SubjectPattern, Subscription};
use gearshift_plugins_sdk::{Failure, Plugin, Running};
use gearshift_protocol::{CallHeaders, Encoding, PluginFailure, headers, metadata, subjects};
use gearshift_protocol::{FailureKind, plugin};
use serde_json::Value;
use tokio::task::JoinSet;

use super::fault::{Fault, Faults};
use crate::runtime::Clock;

/// How long a plugin may take in real time: a test that needs longer has come to a halt.
const PATIENCE: Duration = Duration::from_secs(60);
/// The size of an answer that is too large, in bytes.
const TOO_LARGE: usize = 8 * plugin::BODY_BYTES_MAX;

/// One call as it arrived.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Called {
    /// `plugin.operation`.
    pub operation: String,
    /// The same for all attempts of the call.
    pub call_id: String,
    /// Counted from 1.
    pub attempt: u32,
    /// The calling instance, `workflow/key`.
    pub instance: String,
    /// What came in.
    pub input: Value,
}

/// What all services share.
#[derive(Debug)]
struct Book {
    clock: Clock,
    called: Vec<Called>,
    faults: Faults,
    /// Attempts that get no answer, or none before the clock moves: nobody needs to wait for them.
    silent: BTreeSet<(String, u32)>,
}

/// Stands between the engine and the plugins.
pub(super) struct StandIn {
    outer: Bus,
    book: Arc<Mutex<Book>>,
    tasks: JoinSet<()>,
    kept: Vec<(Registration, Option<Running>)>,
}

/// One operation of one service.
#[derive(Clone)]
struct Desk {
    /// `plugin.operation`.
    operation: String,
    book: Arc<Mutex<Book>>,
    behind: Behind,
}

/// Who answers.
#[derive(Clone)]
enum Behind {
    Plugin(Bus),
    Mock(Value),
}

impl StandIn {
    pub(super) fn new(outer: Bus, clock: Clock) -> Self {
        let (faults, silent) = (Faults::default(), BTreeSet::new());
        let book = Book { clock, called: Vec::new(), faults, silent };
        Self { outer, book: Arc::new(Mutex::new(book)), tasks: JoinSet::new(), kept: Vec::new() }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// Serves a plugin.
    pub(super) async fn plugin(&mut self, plugin: Plugin) -> Result<(), String> {
        let inner = Bus::in_memory();
        let running = plugin.serve(&inner).await.map_err(|error| error.to_string())?;
        let services = inner.requests().discover().await.map_err(|error| error.to_string())?;
        let mut running = Some(running);
        self.join(&inner).await.map_err(|error| error.to_string())?;
        for service in services {
            let behind = Behind::Plugin(inner.clone());
            let offered = self.offer(service, &behind).await;
            let registration = offered.map_err(|error| error.to_string())?;
            self.kept.push((registration, running.take()));
        }
        Ok(())
    }

    /// Answers an operation with this output.
    pub(super) async fn mock(&mut self, operation: &str, output: Value) -> Result<(), String> {
        let asked = operation.parse::<gearshift_protocol::OperationRef>();
        let asked = asked.map_err(|error| error.to_string())?;
        let major = asked.major().unwrap_or(1);
        let (key, value) = metadata::METADATA_PROTOCOL;
        let service = ServiceInfo {
            name: asked.plugin.clone(),
            id: format!("mock-{}", self.kept.len()),
            version: format!("{major}.0.0"),
            metadata: BTreeMap::from([(key.to_owned(), value.to_owned())]),
            endpoints: vec![gearshift_bus::EndpointInfo {
                name: asked.operation.clone(),
                subject: asked.subject(major),
                metadata: BTreeMap::new(),
            }],
        };
        let offered = self.offer(service, &Behind::Mock(output)).await;
        self.kept.push((offered.map_err(|error| error.to_string())?, None));
        Ok(())
    }

    /// What goes wrong with the call of this number, counted from 1 over all instances.
    pub(super) fn plan(&self, operation: &str, call: u32, fault: Fault) {
        self.book().faults.plan(operation, call, fault);
    }

    /// The calls of an operation so far, in the order they came.
    pub(super) fn called(&self, operation: &str) -> Vec<Called> {
        let book = self.book();
        book.called.iter().filter(|one| one.operation == operation).cloned().collect()
    }

    /// Every operation that was called.
    pub(super) fn operations(&self) -> BTreeSet<String> {
        self.book().called.iter().map(|one| one.operation.clone()).collect()
    }

    /// Is no answer to this attempt on its way?
    pub(super) fn is_silent(&self, call: &str, attempt: u32) -> bool {
        self.book().silent.contains(&(call.to_owned(), attempt))
    }

    async fn offer(
        &mut self,
        mut service: ServiceInfo,
        behind: &Behind,
    ) -> Result<Registration, Error> {
        // Calls of one instance would go past us.
        service.metadata.remove(metadata::METADATA_INSTANCE);
        // It has another bus, and so another store.
        service.metadata.remove(metadata::METADATA_OBJECTS);
        let name = service.name.clone();
        let operations: Vec<String> =
            service.endpoints.iter().map(|one| format!("{name}.{}", one.name)).collect();
        let offered = self.outer.requests().offer(service, subjects::PLUGIN_GROUP).await?;
        let (registration, servers) = offered;
        for (operation, server) in operations.into_iter().zip(servers) {
            let book = Arc::clone(&self.book);
            let desk = Desk { operation, book, behind: behind.clone() };
            self.tasks.spawn(desk.take(server));
        }
        Ok(registration)
    }

    /// What a plugin publishes reaches the engine, and cancellations reach the plugin.
    async fn join(&mut self, inner: &Bus) -> Result<(), Error> {
        let said = inner.subscribe(&SubjectPattern::parse(">")?).await?;
        let cancelled = SubjectPattern::parse(&format!("{}>", subjects::CANCEL))?;
        let cancelled = self.outer.subscribe(&cancelled).await?;
        self.tasks.spawn(hand_on(said, self.outer.clone(), false));
        self.tasks.spawn(hand_on(cancelled, inner.clone(), true));
        Ok(())
    }
}

/// Publishes what one bus hears on the other one.
async fn hand_on(mut heard: Subscription, to: Bus, cancels: bool) {
    while let Some(message) = heard.next().await {
        // A cancellation that we handed in comes back here, and goes no further.
        if message.subject.as_str().starts_with(subjects::CANCEL) != cancels {
            continue;
        }
        if let Err(error) = to.publish(message).await {
            tracing::warn!(%error, "a message was not handed on");
        }
    }
}

impl Desk {
    async fn take(self, mut server: Server) {
        let mut under_way = JoinSet::new();
        while let Some(request) = server.next().await {
            under_way.spawn(self.clone().answer(request));
            while under_way.try_join_next().is_some() {}
        }
    }

    async fn answer(self, request: Request) {
        let message = &request.message;
        let call = CallHeaders::from_headers(|name| message.headers.get(name));
        let attempt = (call.call_id.clone(), call.attempt);
        let fault = self.note(message, call);
        let clock = lock(&self.book).clock.clone();
        let reply = match &fault {
            Some(Fault::Unheard) => return self.silence(attempt),
            Some(Fault::Fails(failure)) => failed(message, failure),
            Some(Fault::Twice) => {
                let first = self.ask(message).await;
                drop(self.ask(message).await);
                first
            }
            None
            | Some(Fault::NoAnswer | Fault::Late(_) | Fault::WrongSchema | Fault::TooLarge) => {
                self.ask(message).await
            }
        };
        let reply = match fault {
            Some(Fault::NoAnswer) => return self.silence(attempt),
            Some(Fault::Late(by)) => {
                let due = clock.now().plus_ms(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
                self.silence(attempt.clone());
                clock.sleep_until(due).await;
                lock(&self.book).silent.remove(&attempt);
                reply
            }
            Some(Fault::WrongSchema) => Ok(output(message, "\"not what the schema says\"".into())),
            Some(Fault::TooLarge) => {
                Ok(output(message, format!("\"{}\"", "x".repeat(TOO_LARGE)).into()))
            }
            None | Some(Fault::Unheard | Fault::Fails(_) | Fault::Twice) => reply,
        };
        match reply {
            Ok(reply) => {
                if let Err(error) = request.respond(reply).await {
                    tracing::warn!(%error, "an answer was not handed on");
                }
            }
            Err(error) => {
                tracing::warn!(%error, operation = self.operation, "the plugin did not answer");
                self.silence(attempt);
            }
        }
    }

    /// Remembers the call, and tells what is to go wrong with it.
    fn note(&self, message: &Message, call: CallHeaders) -> Option<Fault> {
        let encoding = Encoding::of(message.headers.get(headers::CONTENT_TYPE));
        let input = encoding.ok().and_then(|encoding| encoding.decode(&message.payload).ok());
        let mut book = lock(&self.book);
        book.called.push(Called {
            operation: self.operation.clone(),
            call_id: call.call_id,
            attempt: call.attempt,
            instance: call.instance,
            input: input.unwrap_or_default(),
        });
        let number = book.called.iter().filter(|one| one.operation == self.operation).count();
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        book.faults.take(&self.operation, number)
    }

    fn silence(&self, attempt: (String, u32)) {
        lock(&self.book).silent.insert(attempt);
    }

    async fn ask(&self, message: &Message) -> Result<Message, Error> {
        match &self.behind {
            Behind::Mock(value) => Ok(output(message, value.to_string().into())),
            Behind::Plugin(bus) => {
                let mut message = message.clone();
                self.in_real_time(&mut message)?;
                bus.requests().request(message, PATIENCE).await
            }
        }
    }

    /// Plugins read the system's clock: they get as much time as the engine gives them.
    fn in_real_time(&self, message: &mut Message) -> Result<(), Error> {
        let Some(deadline) = message.headers.get(headers::DEADLINE) else { return Ok(()) };
        let Ok(deadline) = deadline.parse::<jiff::Timestamp>() else { return Ok(()) };
        let now = lock(&self.book).clock.now();
        let left = u64::try_from(deadline.as_millisecond().saturating_sub(now.0)).unwrap_or(0);
        let deadline = Clock::System.now().plus_ms(left).to_string();
        message.headers.insert(headers::DEADLINE, &deadline)
    }
}

fn output(request: &Message, body: Bytes) -> Message {
    Message::new(request.subject.clone(), body)
}

fn failed(request: &Message, failure: &Failure) -> Result<Message, Error> {
    let kind = match failure.is_retryable() {
        true => FailureKind::Retryable,
        false => FailureKind::Permanent,
    };
    let told = PluginFailure {
        kind,
        code: failure.code_text().to_owned(),
        message: failure.message().to_owned(),
        retry_after_ms: None,
    };
    let mut reply = output(request, Bytes::new());
    for (name, value) in told.to_headers() {
        reply.headers.insert(name, &value)?;
    }
    Ok(reply)
}

fn lock(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
