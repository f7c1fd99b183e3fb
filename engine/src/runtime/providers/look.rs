//! Looks at plugins, calls by hand, and breakers closed by hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gearshift_bus::{Bus, Message, ServiceStats};
use gearshift_machine::machine::{CallOutcome, ErrorKind, Timestamp};
use gearshift_machine::value::Value;
use gearshift_protocol::{Load, OperationRef, PluginStatus, headers};
use uuid::Uuid;

use super::breaker::Tripped;
use super::breakers;
use super::catalogue::Catalogue;
use super::counts::Counted;
use super::gives::sure;
use super::prefer::Prefer;
use super::registry::{Providers, Unroutable, key_of, status_of};
use super::reply::{failure, promise_of, read_reply};
use crate::runtime::clock::monotonic;
use crate::runtime::error::Error;
use crate::runtime::handle::Handle;
use crate::runtime::longwork::{object_of, read_object};

/// What is known of the plugins that run.
pub(crate) struct Looked {
    pub(crate) catalogue: Arc<Catalogue>,
    /// By service id.
    stats: BTreeMap<String, ServiceStats>,
    /// How many calls of the engine a pause holds back, by the subject of their operation.
    paused: BTreeMap<String, u64>,
    /// The engine that looked; none where somebody looked at the bus without one.
    handle: Option<Handle>,
}

/// A call by hand and what came of it.
pub(crate) struct Called {
    pub(crate) outcome: CallOutcome,
    /// Where it was asked; empty where nobody was.
    pub(crate) subject: String,
    /// Was it a mock of this engine?
    pub(crate) mocked: bool,
    pub(crate) took: Duration,
}

impl Looked {
    /// What an instance counted and told of itself.
    pub(crate) fn of_instance(&self, id: &str) -> (Option<&ServiceStats>, Option<PluginStatus>) {
        let stats = self.stats.get(id);
        (stats, stats.and_then(status_of))
    }

    /// The load that an instance told this engine last: one that drains is asked for none any more.
    pub(crate) fn load_of(&self, id: &str) -> Option<Load> {
        let Handle(shared) = self.handle.as_ref()?;
        shared.providers.load_of(id)
    }

    /// What this engine counted at the subject of an operation, and its breaker where that is not
    /// closed.
    pub(crate) fn of_operation(&self, subject: &str) -> (Counted, Option<Tripped>) {
        let Some(Handle(shared)) = &self.handle else { return Default::default() };
        let key = key_of(subject);
        let mut counted = shared.providers.counted(&shared.providers.counted_at(subject));
        counted.in_flight += shared.longwork.promised_at(key);
        counted.waiting += self.paused.get(subject).copied().unwrap_or_default();
        (counted, shared.providers.tripped_at(key))
    }

    /// What mocks answer to this engine: `plugin.operation` each, `*` where everything is.
    pub(crate) fn mocked(&self) -> Vec<String> {
        self.handle.as_ref().map(|handle| handle.config().mocked.names()).unwrap_or_default()
    }

    /// Where a mock was asked most, and what was counted of that; nothing before it was asked.
    pub(crate) fn of_mock(&self, plugin: &str, operation: &str) -> Option<(String, Counted)> {
        let Handle(shared) = self.handle.as_ref()?;
        shared.providers.mock_counted(plugin, operation)
    }

    /// Does a mock answer the operation at this subject?
    pub(crate) fn is_mocked_at(&self, subject: &str) -> bool {
        let Some(Handle(shared)) = &self.handle else { return false };
        shared.providers.is_mocked_at(subject)
    }

    /// Who runs on a bus, and how busy they are, as they say themselves.
    ///
    /// # Errors
    /// What the bus meets.
    pub(crate) async fn of_bus(bus: &Bus) -> Result<Self, gearshift_bus::Error> {
        let requests = bus.requests();
        let (services, stats) = tokio::join!(requests.discover(), requests.stats());
        let catalogue = Arc::new(Catalogue::new(monotonic(), services?));
        Ok(Self { catalogue, stats: by_id(stats?), paused: BTreeMap::new(), handle: None })
    }
}

fn by_id(stats: Vec<ServiceStats>) -> BTreeMap<String, ServiceStats> {
    stats.into_iter().map(|told| (told.id.clone(), told)).collect()
}

impl Handle {
    /// Who runs now, and how busy they are.
    pub(crate) async fn plugins(&self) -> Result<Looked, Error> {
        let providers = &self.0.providers;
        let requests = self.0.bus.requests();
        let (catalogue, stats) = tokio::join!(providers.discover(monotonic()), requests.stats());
        let (catalogue, handle) = (catalogue?, Some(self.clone()));
        // Where they are asked is known by the catalogue alone: since this engine started, nobody
        // of them may have been sent.
        let mut paused = BTreeMap::new();
        for ((operation, prefer), calls) in providers.waits.paused() {
            let Ok(wanted) = operation.parse::<OperationRef>() else { continue };
            if let Ok(target) = catalogue.target(&wanted, prefer) {
                *paused.entry(target.subject).or_default() += calls;
            }
        }
        Ok(Looked { catalogue, stats: by_id(stats?), paused, handle })
    }

    /// Breakers that are not closed, by operation: `<plugin>.v<major>.<operation>`.
    #[must_use]
    pub fn breakers(&self) -> Vec<(String, Tripped)> {
        self.0.providers.tripped()
    }

    /// Closes the breakers of a plugin, or of one operation of it, and tells which were not closed.
    ///
    /// # Errors
    /// [`Error::Bus`].
    pub async fn reset_breakers(
        &self,
        plugin: &str,
        operation: Option<&str>,
        by: &str,
    ) -> Result<Vec<String>, Error> {
        let mut closed = Vec::new();
        for (key, _) in self.breakers() {
            if breakers::is_of(&key, plugin, operation) {
                breakers::close(&self.0, &key, Some(by)).await?;
                closed.push(key);
            }
        }
        Ok(closed)
    }

    /// Calls an operation once, for no instance, whatever its breaker says.
    ///
    /// # Errors
    /// That `operation` names none.
    pub(crate) async fn call_by_hand(
        &self,
        operation: &str,
        input: &Value,
        limit: Duration,
    ) -> Result<Called, String> {
        let providers = &self.0.providers;
        let refused = |kind, code: &str, text: String| Called {
            outcome: failure(kind, code, text),
            subject: String::new(),
            mocked: false,
            took: Duration::ZERO,
        };
        let route = match providers.find(&Arc::from(operation), Prefer::default()).await {
            Ok(route) => route,
            Err(Unroutable::Name(text)) => return Err(text),
            Err(Unroutable::Version(text)) => {
                let (code, text) = providers.instead(operation, Some(text)).await;
                return Ok(refused(ErrorKind::PluginNotFound, code, text));
            }
            Err(Unroutable::Bus(error)) => {
                return Ok(refused(ErrorKind::Retryable, "bus", error.to_string()));
            }
        };
        let call = Uuid::new_v4().simple().to_string();
        let now = self.0.config.clock.now();
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let alone = route.alone();
        let subject = alone.as_ref().map_or(&route.subject, |picked| &picked.subject).clone();
        let message = by_hand(subject.clone(), input, &call, now.plus_ms(limit_ms));
        let began = monotonic();
        let outcome = match message {
            Err(error) => failure(ErrorKind::Permanent, "request_invalid", error.to_string()),
            Ok(message) => match route.bus.requests().request(message, limit).await {
                Ok(reply) => {
                    let outcome = self.whole(reply, &call, began, limit).await;
                    sure(providers, route.gives(alone.as_ref(), began), outcome).await
                }
                Err(error) if is_nobody(&error) => {
                    let (code, text) = providers.instead(operation, None).await;
                    failure(ErrorKind::PluginNotFound, code, text)
                }
                Err(error) => lost(&error),
            },
        };
        let mocked = route.mocked;
        Ok(Called { outcome, subject: subject.to_string(), mocked, took: began.elapsed() })
    }
}

impl Handle {
    /// What the reply to a call by hand says, also where it is an object's content.
    async fn whole(
        &self,
        reply: Message,
        call: &str,
        began: Instant,
        limit: Duration,
    ) -> CallOutcome {
        if promise_of(&reply, call).is_some() {
            // Nobody would publish where a call by hand listens.
            let text = "the plugin promises its result for later, which only a workflow waits for";
            return failure(ErrorKind::InvalidReply, "pending", text);
        }
        let Some(object) = object_of(&reply) else { return read_reply(&reply, call) };
        let left = limit.saturating_sub(began.elapsed());
        let read = read_object(&self.0, reply, &object, call);
        match tokio::time::timeout(left, Box::pin(read)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(error)) => {
                failure(ErrorKind::Retryable, "bus", format!("the output is not read: {error}"))
            }
            Err(_) => failure(ErrorKind::Timeout, "timeout", "the output was not read in time"),
        }
    }
}

/// The request of a call by hand: an answer is waited for, so no later result is asked for.
fn by_hand(
    subject: gearshift_bus::Subject,
    input: &Value,
    call: &str,
    deadline: Timestamp,
) -> Result<Message, gearshift_bus::Error> {
    Message::new(subject, input.to_json())
        .with_known(headers::CONTENT_TYPE, headers::JSON.to_owned())?
        .with_known(headers::CALL_ID, call.to_owned())?
        .with_known(headers::ATTEMPT, "1".to_owned())?
        .with_known(headers::DEADLINE, deadline.to_string())
}

const fn is_nobody(error: &gearshift_bus::Error) -> bool {
    matches!(error.kind(), gearshift_bus::ErrorKind::NoResponders { .. })
}

impl Providers {
    /// Why nobody answers an operation, and what there is instead; `known` is why it is not asked,
    /// where that is known. With the code of that.
    async fn instead(&self, operation: &str, known: Option<String>) -> (&'static str, String) {
        const NOBODY: &str = "plugin_not_found";
        let nobody = || format!("no service answers `{operation}`");
        let seen = self.discover(monotonic()).await;
        let (Ok(wanted), Ok(seen)) = (operation.parse::<OperationRef>(), seen) else {
            return (NOBODY, known.unwrap_or_else(nobody));
        };
        match seen.not_ready(&wanted) {
            Some(text) => ("plugin_not_ready", text),
            None => (NOBODY, known.unwrap_or_else(|| seen.instead(&wanted))),
        }
    }
}

/// Why there is no answer.
fn lost(error: &gearshift_bus::Error) -> CallOutcome {
    let is_timeout = matches!(error.kind(), gearshift_bus::ErrorKind::Timeout { .. });
    let kind = if is_timeout { ErrorKind::Timeout } else { ErrorKind::Retryable };
    failure(kind, if is_timeout { "timeout" } else { "bus" }, error.to_string())
}
