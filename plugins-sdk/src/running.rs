//! [`Running`]: a plugin that answers calls.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bus, Message, Registration, Request, Server, SubjectPattern, Subscription};
use gearshift_protocol::{CallHeaders, Encoding, headers, subjects};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::answer::answer;
use crate::context::{Context, States};
use crate::failure::Failure;
use crate::handler::Answer;
use crate::inflight::InFlight;
use crate::plugin::Operation;
use crate::{Error, Plugin};

/// How long requests are waited for that callers sent before they knew that the plugin is gone.
const ON_THEIR_WAY: Duration = Duration::from_millis(50);

/// A plugin that answers calls; made by [`Plugin::serve`].
///
/// Dropping it takes the plugin off the bus; calls under way are still answered.
#[derive(Debug)]
pub struct Running {
    registration: Registration,
    stop: DropGuard,
    tasks: TaskTracker,
}

/// What answering calls of one operation needs.
#[derive(Clone)]
struct Desk {
    /// `plugin.operation`.
    name: String,
    operation: Arc<Operation>,
    states: Arc<States>,
    permits: Arc<Semaphore>,
    calls: InFlight,
    tasks: TaskTracker,
}

impl Running {
    pub(crate) async fn start(plugin: Plugin, bus: &Bus) -> Result<Self, Error> {
        let major = plugin.check()?;
        let requests = bus.requests();
        let stop = CancellationToken::new();
        let tasks = TaskTracker::new();
        let calls = InFlight::default();
        let permits = Arc::new(Semaphore::new(plugin.concurrency));
        let states = plugin.shared_states();

        // Everything is served before the first task starts, so that a refusal leaves nothing.
        let cancels = bus.subscribe(&SubjectPattern::parse(&subjects::cancel("*"))?).await?;
        let (registration, servers) =
            requests.offer(plugin.info(major), subjects::PLUGIN_GROUP).await?;
        let mut desks = Vec::with_capacity(plugin.operations.len());
        for (operation, server) in plugin.operations.into_iter().zip(servers) {
            let desk = Desk {
                name: format!("{}.{}", plugin.name, operation.name),
                operation: Arc::new(operation),
                states: Arc::clone(&states),
                permits: Arc::clone(&permits),
                calls: calls.clone(),
                tasks: tasks.clone(),
            };
            desks.push((desk, server));
        }

        tasks.spawn(watch_cancels(cancels, calls, stop.clone()));
        for (desk, server) in desks {
            tasks.spawn(desk.take(server, stop.clone()));
        }
        Ok(Self { registration, stop: stop.drop_guard(), tasks })
    }

    /// Ends with the refusal once the bus says that this login may not hear an operation's calls;
    /// else never.
    pub async fn refused(&self) -> Error {
        self.registration.refused().await.into()
    }

    /// Takes the plugin off the bus, answers what it has taken, and returns when all is done.
    pub async fn drain(self) {
        let Self { registration, stop, tasks } = self;
        drop(registration);
        drop(stop);
        tasks.close();
        tasks.wait().await;
    }
}

/// Hands cancellations to the calls they are for.
async fn watch_cancels(mut cancels: Subscription, calls: InFlight, stop: CancellationToken) {
    loop {
        let message = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            message = cancels.next() => message,
        };
        let Some(message) = message else { return };
        if let Some(call_id) = message.subject.as_str().strip_prefix(subjects::CANCEL) {
            calls.cancel(call_id);
        }
    }
}

impl Desk {
    /// Takes requests until told to stop, then those that are on their way.
    async fn take(self, mut server: Server, stop: CancellationToken) {
        loop {
            let request = tokio::select! {
                biased;
                () = stop.cancelled() => {
                    timeout(ON_THEIR_WAY, server.next()).await.ok().flatten()
                }
                request = server.next() => request,
            };
            let Some(request) = request else { return };
            // The permit is awaited here, so that what exceeds the limit stays in the queue of
            // the bus, whose limit senders feel.
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else { return };
            let desk = self.clone();
            self.tasks.spawn(async move {
                desk.serve(request).await;
                drop(permit);
            });
        }
    }

    async fn serve(&self, request: Request) {
        let message = &request.message;
        let call = CallHeaders::from_headers(|name| message.headers.get(name));
        let entry = self.calls.enter(&call.call_id);
        let span = tracing::info_span!(
            "call",
            operation = self.name,
            instance = call.instance,
            call_id = call.call_id,
            attempt = call.attempt,
        );
        let context = Context::new(call, entry.token.clone(), Arc::clone(&self.states));
        let encoding = Encoding::of(message.headers.get(headers::CONTENT_TYPE));
        let (encoding, answer) = match encoding {
            Ok(encoding) => {
                let body = message.payload.clone();
                let run = answer(&self.operation, context, encoding, body).instrument(span.clone());
                (encoding, run.await)
            }
            Err(error) => {
                let failure = Failure::permanent(error.to_string()).code(415);
                (Encoding::Json, Err(failure))
            }
        };
        drop(entry);
        let reply = reply(message, encoding, answer);
        // The caller learns of the loss at its deadline and asks again.
        if let Err(error) = request.respond(reply).await {
            span.in_scope(|| tracing::warn!(%error, "the answer could not be sent"));
        }
    }
}

fn reply(request: &Message, encoding: Encoding, answer: Answer) -> Message {
    let (body, list) = match answer {
        Ok(body) => {
            let list = vec![(headers::CONTENT_TYPE, encoding.content_type().to_owned())];
            (Bytes::from(body), list)
        }
        Err(failure) => {
            let failure = failure.into_wire();
            let mut list = failure.to_headers();
            list.push((headers::CONTENT_TYPE, headers::JSON.to_owned()));
            (Bytes::new(), list)
        }
    };
    let mut reply = Message::new(request.subject.clone(), body);
    for (name, value) in list {
        // Values were made fit to travel; one that is not is left out rather than the answer.
        if let Err(error) = reply.headers.insert(name, &value) {
            tracing::warn!(%error, name, "a header could not be sent");
        }
    }
    reply
}
