//! Dispatch: the runtime performs effects; one match over `Effect`.
//!
//! Everything here may happen again after a restart, under the same id: effects are at least once.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Message, Subject};
use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::{
    CallOutcome, CallRequest, ContentHash, Effect, EffectId, ErrorKind, InstanceKey, TraceContext,
};
use gearshift_machine::partition::{PartitionInput, PendingCall};
use gearshift_machine::value::Value;
use gearshift_protocol::{headers, subjects};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::asking::ask;
use super::cache::ToKeep;
use super::letters::Letters;
use super::longwork::Watched;
use super::providers::{Asked, Attempt, GoesFirst, Pass, Promised, keep_giving_up, with_trace};
use super::shared::Shared;
use super::under_way::{Sent, UnderWay};
use super::unsent::Unsent;

/// Performs the effects of one partition.
///
/// Its queues are not bounded by a number of their own: every call and publish in them stands in
/// an instance or in the partition's pending set as well, and those are bounded.
pub(crate) struct Dispatch {
    shared: Arc<Shared>,
    partition: u16,
    session: u64,
    publishes: mpsc::UnboundedSender<Publish>,
    letters: Letters,
    under_way: Arc<UnderWay>,
    unsent: Arc<Unsent>,
    tasks: TaskTracker,
    calls: TaskTracker,
    stop: CancellationToken,
}

/// A message on its way to the bus.
struct Publish {
    id: EffectId,
    subject: Arc<str>,
    payload: Value,
    key: InstanceKey,
    trace_context: Option<Arc<TraceContext>>,
}

/// Waits between attempts to publish while the bus is away.
const PUBLISH_RETRY: Duration = Duration::from_millis(200);
/// How long a stop waits for calls under way; they are sent again by the next owner otherwise.
const STOP_LIMIT: Duration = Duration::from_secs(10);

impl Dispatch {
    pub(crate) fn start(shared: Arc<Shared>, partition: u16) -> Self {
        let (publishes, queue) = mpsc::unbounded_channel();
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        tasks.spawn(publish_in_order(Arc::clone(&shared), partition, queue, stop.clone()));
        let calls = TaskTracker::new();
        // Nobody waits for it but to see it empty; more may still join.
        calls.close();
        let session = shared.seat(partition).session();
        let letters = Letters::new(Arc::clone(&shared), partition, tasks.clone(), stop.clone());
        let unsent = Arc::new(Unsent::default());
        let kept = UnderWay::new(Arc::clone(&unsent), tasks.clone(), stop.clone());
        let under_way = Arc::new(kept);
        let calls_of = Arc::downgrade(&under_way);
        tasks.spawn(keep_giving_up(Arc::clone(&shared), calls_of, stop.clone()));
        Self {
            shared,
            partition,
            session,
            publishes,
            letters,
            under_way,
            unsent,
            tasks,
            calls,
            stop,
        }
    }

    /// Performs one effect of a durable decision; `first`: nobody can have performed it before.
    pub(crate) fn perform(
        &self,
        key: &InstanceKey,
        definition: &Definition,
        (effect, first): (Effect, bool),
    ) {
        match effect {
            Effect::Call(call) => self.call(key.clone(), definition, (call, first)),
            Effect::CancelCall { call } => self.cancel(call),
            Effect::WithdrawCall { call, attempt } => self.unsent.withdraw(call, attempt),
            Effect::Publish { id, subject, payload, trace_context } => {
                let key = key.clone();
                let publish = Publish { id, subject, payload, key, trace_context };
                // The receiver lives as long as this value; after a stop the next owner resends.
                drop(self.publishes.send(publish));
            }
            Effect::Log { label, value } => {
                tracing::info!(instance = %key, label = %label, value = %value.to_json(), "log");
            }
            Effect::DeadLetter { event, reason } => {
                tracing::warn!(instance = %key, event = %event.name, %reason, "dead letter");
            }
            Effect::Letter(letter) => self.letters.send(key.clone(), letter),
            Effect::Keep { under, step, operation, output, ttl_ms } => {
                let by = key.clone();
                self.keep(ToKeep { by, under, step, operation, output, ttl_ms });
            }
            // Kept by the partition itself, or announced by the drive.
            Effect::SendSelf { .. } | Effect::Notice(_) => {}
        }
    }

    /// Performs an effect of a partition that knows no definition for it: of these only letters
    /// need none.
    pub(crate) fn perform_alone(&self, key: &InstanceKey, effect: Effect) {
        match effect {
            Effect::Letter(letter) => self.letters.send(key.clone(), letter),
            Effect::Call(_) | Effect::Publish { .. } => {
                tracing::error!(instance = %key, "pending effect of an unknown workflow");
            }
            Effect::CancelCall { .. }
            | Effect::WithdrawCall { .. }
            | Effect::Keep { .. }
            | Effect::Log { .. }
            | Effect::DeadLetter { .. }
            | Effect::SendSelf { .. }
            | Effect::Notice(_) => {}
        }
    }

    /// Does something beside the effects, at most until the stop.
    pub(crate) fn beside(&self, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// The calls under way; waiting for it ends whenever there are none.
    pub(crate) fn calls(&self) -> TaskTracker {
        self.calls.clone()
    }

    /// Stops publishing and waits, bounded, for calls under way.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.under_way.clear();
        self.tasks.close();
        if tokio::time::timeout(STOP_LIMIT, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                partition = self.partition,
                "calls under way are left to the next start"
            );
        }
    }

    fn call(&self, key: InstanceKey, definition: &Definition, (call, first): (CallRequest, bool)) {
        let attempt = self.attempt(key, definition, call, first);
        if let Some(under) = attempt.call.cache {
            let under = self.shared.providers.kept_under(&attempt.call.operation, under);
            return self.call_or_find(attempt.that_waits(&self.unsent), under);
        }
        let Some(attempt) = self.call_at_once(attempt) else { return };
        let attempt = attempt.that_waits(&self.unsent);
        let stop = self.stop.clone();
        self.tasks.spawn(ask(attempt, stop, (self.calls.token(), false)));
    }

    fn attempt(
        &self,
        key: InstanceKey,
        definition: &Definition,
        call: CallRequest,
        first: bool,
    ) -> Attempt {
        let shared = Arc::clone(&self.shared);
        Attempt {
            partition: self.partition,
            session: self.session,
            key,
            workflow: format!("{}@{}", definition.name, definition.version),
            rules: definition.rules_of(&call.operation).cloned(),
            id: call.call.to_string(),
            takes_back: shared.providers.takes_back_mocked(definition, &call.operation),
            shared,
            call,
            first,
            goes_first: GoesFirst::default(),
            turn: None,
            in_hand: Mutex::default(),
        }
        .that_goes_first()
    }

    /// An owner before held back the next attempt of this call: it is held on. `first`: nobody can
    /// have sent it.
    pub(crate) fn hold(&self, key: InstanceKey, of: &Definition, held: (CallRequest, bool)) {
        let (call, first) = held;
        let call = CallRequest { attempt: call.attempt.saturating_add(1), ..call };
        let attempt = self.attempt(key, of, call, first).that_waits(&self.unsent);
        let stop = self.stop.clone();
        self.tasks.spawn(ask(attempt, stop, (self.calls.token(), true)));
    }

    /// The call is made where what it gave before is not kept.
    fn call_or_find(&self, attempt: Attempt, under: ContentHash) {
        let stop = self.stop.clone();
        let token = self.calls.token();
        self.tasks.spawn(async move {
            let (shared, partition) = (Arc::clone(&attempt.shared), attempt.partition);
            let found = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                found = shared.results.find(&shared.bus, under, shared.config.clock.now()) => found,
            };
            // What was kept before it was known what the operation gives is none, like any other
            // that cannot be used.
            let route = attempt.known();
            let is_due = |output: &Value| route.as_ref().is_none_or(|route| route.gave(output));
            let Some(output) = found.filter(is_due) else {
                return ask(attempt, stop, (token, false)).await;
            };
            if let Some(input) = attempt.input(Asked::Ended(CallOutcome::Cached(output))) {
                tell(&shared, partition, input, &stop).await;
            }
            drop(token);
        });
    }

    /// Keeps a result for the same call again; a stop waits for it.
    fn keep(&self, mut result: ToKeep) {
        let shared = Arc::clone(&self.shared);
        result.under = shared.providers.kept_under(&result.operation, result.under);
        if let Some(keeping) = shared.results.begin(result, shared.config.clock.now()) {
            self.tasks.spawn(async move { shared.results.keep(&shared.bus, keeping).await });
        }
    }

    /// The way of most calls, without a task for each. Gives the attempt back where something has
    /// to be found out or waited for first.
    fn call_at_once(&self, attempt: Attempt) -> Option<Attempt> {
        let route = attempt.known().filter(|route| !route.once && attempt.passes(route));
        let Some(route) = route.filter(|_| !attempt.is_overdue()) else { return Some(attempt) };
        if attempt.shared.providers.hold_of(&attempt.call.operation).is_some() {
            return Some(attempt);
        }
        let Some(place) = route.place_at_once() else { return Some(attempt) };
        let Some(sending) = attempt.sending(&route, Pass::Normal) else { return Some(attempt) };
        let Some(body) = attempt.inline() else { return Some(attempt) };
        let Ok(message) = attempt.message(sending.subject(), body) else { return Some(attempt) };
        attempt.refresh();
        let (limit, requests) = (attempt.limit(), sending.bus().requests());
        let token = self.calls.token();
        let number = self.under_way.keep(Sent { attempt, sending, place, token });
        let under_way = Arc::downgrade(&self.under_way);
        let then = Box::new(move |reply: Result<Message, gearshift_bus::Error>| {
            if let Some(under_way) = under_way.upgrade() {
                under_way.heard(number, reply);
            }
        });
        if let Err((message, then)) = requests.request_told(message, limit, then) {
            let stop = self.stop.clone();
            self.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    reply = requests.request(message, limit) => then(reply),
                }
            });
        }
        None
    }

    /// An attempt that may not be repeated was sent by an owner before, and its answer is lost.
    pub(crate) fn unanswered(&self, key: InstanceKey, call: EffectId, attempt: u32) {
        let (shared, partition) = (Arc::clone(&self.shared), self.partition);
        let stop = self.stop.clone();
        let outcome = CallOutcome::Failure {
            kind: ErrorKind::OutcomeUnknown,
            code: "outcome_unknown".into(),
            message: "the engine that sent it is gone".into(),
            retry_after_ms: None,
        };
        self.tasks.spawn(async move {
            let input = PartitionInput::CallReply { key, call, attempt, outcome };
            tell(&shared, partition, input, &stop).await;
        });
    }

    /// Plugins took these calls from an owner before: their signs of life are waited for anew.
    pub(crate) fn listen(&self, calls: Vec<PendingCall>) {
        let now = self.shared.config.clock.now();
        let place = (self.partition, self.session);
        for PendingCall { key, request, heartbeat_ms, rules } in calls {
            let promised = Promised::taken_over(heartbeat_ms, rules)
                .counted(&self.shared, request.per.as_ref());
            let watched = Watched::new(place, key, &request, Some(promised), now);
            self.shared.longwork.watch(watched);
        }
    }

    fn cancel(&self, call: EffectId) {
        // What is not sent yet never is. An attempt before it may have been.
        self.unsent.forget(call);
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(async move {
            let Ok(subject) = Subject::parse(&subjects::cancel(&call.to_string())) else { return };
            if let Err(error) = shared.bus.publish(Message::new(subject, Bytes::new())).await {
                tracing::debug!(%call, %error, "cancel was not published");
            }
        });
    }
}

impl Drop for Dispatch {
    /// A partition that was lost asks nothing more: whoever owns it now sends it again.
    fn drop(&mut self) {
        self.stop.cancel();
        self.under_way.clear();
        self.shared.longwork.leave(self.partition, self.session);
    }
}

/// Publishes in the order decided; a message is repeated until the bus has it.
async fn publish_in_order(
    shared: Arc<Shared>,
    partition: u16,
    mut queue: mpsc::UnboundedReceiver<Publish>,
    stop: CancellationToken,
) {
    loop {
        let publish = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            publish = queue.recv() => publish,
        };
        let Some(publish) = publish else { return };
        let id = publish.id;
        loop {
            match publish_once(&shared, &publish).await {
                Ok(()) => break,
                Err(error) => {
                    tracing::warn!(subject = %publish.subject, %error, "publish failed, repeating");
                    tokio::select! {
                        biased;
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(PUBLISH_RETRY) => {}
                    }
                }
            }
        }
        tell(&shared, partition, PartitionInput::Confirmed { effect: id }, &stop).await;
    }
}

/// Hands an input in unless the partition stops: then nobody takes it out of a full queue, and
/// the next owner sends the effect again.
pub(super) async fn tell(
    shared: &Shared,
    partition: u16,
    input: PartitionInput,
    stop: &CancellationToken,
) {
    let told = tokio::select! {
        biased;
        () = stop.cancelled() => return,
        told = shared.tell(partition, input) => told,
    };
    if let Err(error) = told {
        tracing::debug!(%error, "answer after the engine stopped");
    }
}

async fn publish_once(shared: &Shared, publish: &Publish) -> Result<(), gearshift_bus::Error> {
    let subject = Subject::parse(&publish.subject)?;
    let message = Message::new(subject, publish.payload.to_json())
        .with_header(headers::CONTENT_TYPE, "application/json")?
        .with_header(headers::MESSAGE_ID, &publish.id.to_string())?;
    let context = publish.trace_context.as_deref();
    let message = with_trace(message, context, &publish.key, publish.id)?;
    shared.bus.publish(message).await
}
