//! Dispatch: the runtime performs effects; one match over `Effect`.
//!
//! Everything here may happen again after a restart, under the same id: effects are at least once.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{ErrorKind as BusErrorKind, Message, Subject};
use gearshift_machine::definition::model::Definition;
use gearshift_machine::machine::{
    CallOutcome, CallRequest, Effect, EffectId, ErrorKind, InstanceKey,
};
use gearshift_machine::partition::PartitionInput;
use gearshift_machine::value::Value;
use gearshift_protocol::{OperationRef, headers, subjects};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::intake::from_msgpack;
use super::shared::Shared;

/// Performs the effects of one partition.
///
/// Its queues are not bounded by a number of their own: every call and publish in them stands in
/// an instance or in the partition's pending set as well, and those are bounded.
pub(crate) struct Dispatch {
    shared: Arc<Shared>,
    partition: u16,
    publishes: mpsc::UnboundedSender<Publish>,
    permits: Arc<Semaphore>,
    tasks: TaskTracker,
    calls: TaskTracker,
    stop: CancellationToken,
}

/// A message on its way to the bus.
struct Publish {
    id: EffectId,
    subject: Arc<str>,
    payload: Value,
}

/// The largest output of a plugin taken inline, in bytes (01 §10).
const REPLY_MAX: usize = 64 * 1_024;
/// The longest error text kept of a plugin, in bytes (row P7).
const ERROR_TEXT_MAX: usize = 4_096;
/// What the dispatcher waits beyond a call's deadline: the machine's own timer decides first.
const GRACE: Duration = Duration::from_secs(1);
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
        let share = shared.config.calls_in_flight_limit / usize::from(shared.config.partitions);
        let permits = Arc::new(Semaphore::new(share.max(1)));
        let calls = TaskTracker::new();
        // Nobody waits for it but to see it empty; more may still join.
        calls.close();
        Self { shared, partition, publishes, permits, tasks, calls, stop }
    }

    /// Performs one effect of a durable decision.
    pub(crate) fn perform(&self, key: &InstanceKey, definition: &Definition, effect: Effect) {
        match effect {
            Effect::Call(call) => self.call(key.clone(), definition, call),
            Effect::CancelCall { call } => self.cancel(call),
            Effect::Publish { id, subject, payload } => {
                let publish = Publish { id, subject, payload };
                // The receiver lives as long as this value; after a stop the next owner resends.
                drop(self.publishes.send(publish));
            }
            Effect::Log { label, value } => {
                tracing::info!(instance = %key, label = %label, value = %value.to_json(), "log");
            }
            Effect::DeadLetter { event, reason } => {
                tracing::warn!(instance = %key, event = %event.name, %reason, "dead letter");
            }
            // Kept by the partition itself, or announced by the drive.
            Effect::SendSelf { .. } | Effect::Notice(_) => {}
        }
    }

    /// The calls under way; waiting for it ends whenever there are none.
    pub(crate) fn calls(&self) -> TaskTracker {
        self.calls.clone()
    }

    /// Stops publishing and waits, bounded, for calls under way.
    pub(crate) async fn stop(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(STOP_LIMIT, self.tasks.wait()).await.is_err() {
            tracing::warn!(
                partition = self.partition,
                "calls under way are left to the next start"
            );
        }
    }

    fn call(&self, key: InstanceKey, definition: &Definition, call: CallRequest) {
        let shared = Arc::clone(&self.shared);
        let permits = Arc::clone(&self.permits);
        let partition = self.partition;
        let workflow = format!("{}@{}", definition.name, definition.version);
        let stop = self.stop.clone();
        let call = self.calls.track_future(async move {
            let attempt = async {
                let _permit = permits.acquire().await;
                ask_plugin(&shared, &key, &workflow, &call).await
            };
            let outcome = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                outcome = attempt => outcome,
            };
            // No outcome: nobody knows, and the call's own deadline decides.
            if let Some(outcome) = outcome {
                let (call, attempt) = (call.call, call.attempt);
                let input = PartitionInput::CallReply { key, call, attempt, outcome };
                tell(&shared, partition, input, &stop).await;
            }
        });
        self.tasks.spawn(call);
    }

    fn cancel(&self, call: EffectId) {
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
    }
}

/// One attempt over request/reply. `None`: the outcome is unknown.
async fn ask_plugin(
    shared: &Shared,
    key: &InstanceKey,
    workflow: &str,
    call: &CallRequest,
) -> Option<CallOutcome> {
    let message = match request_of(shared, key, workflow, call).await {
        Ok(message) => message,
        Err(reason) => return Some(failure(ErrorKind::InvalidReply, "", reason)),
    };
    let left = call.deadline.since_ms(shared.config.clock.now());
    let limit = Duration::from_millis(left).saturating_add(GRACE);
    let error = match shared.bus.requests().request(message, limit).await {
        Ok(reply) => return Some(read_reply(&reply)),
        Err(error) => error,
    };
    if matches!(error.kind(), BusErrorKind::Timeout { .. }) {
        return None;
    }
    if matches!(error.kind(), BusErrorKind::NoResponders { .. }) {
        // Another major may run by now.
        shared.majors.clear();
        let text = format!("no service answers `{}`", call.operation);
        return Some(failure(ErrorKind::PluginNotFound, "plugin_not_found", text));
    }
    Some(failure(ErrorKind::Retryable, "bus", error.to_string()))
}

async fn request_of(
    shared: &Shared,
    key: &InstanceKey,
    workflow: &str,
    call: &CallRequest,
) -> Result<Message, String> {
    let operation = call.operation.parse::<OperationRef>().map_err(|error| error.to_string())?;
    let major = match operation.major() {
        Some(major) => major,
        None => newest_major(shared, &operation).await,
    };
    let subject = Subject::parse(&operation.subject(major)).map_err(|error| error.to_string())?;
    let body = call.input.to_json();
    let list = [
        (headers::CONTENT_TYPE, "application/json".to_owned()),
        (headers::CALL_ID, call.call.to_string()),
        (headers::ATTEMPT, call.attempt.to_string()),
        (headers::DEADLINE, call.deadline.to_string()),
        (headers::WORKFLOW, workflow.to_owned()),
        (headers::INSTANCE, key.to_string()),
        (headers::STEP, call.step.to_string()),
    ];
    let mut message = Message::new(subject, body);
    for (name, value) in list {
        message = message.with_header(name, &value).map_err(|error| error.to_string())?;
    }
    Ok(message)
}

/// A definition that asks for no version gets the newest major that runs; 1 where none does, so
/// that the answer is `plugin_not_found` and not silence.
async fn newest_major(shared: &Shared, operation: &OperationRef) -> u64 {
    if let Some(known) = shared.majors.get(&operation.plugin) {
        return *known;
    }
    let services = shared.bus.requests().discover().await.unwrap_or_default();
    let major = services
        .iter()
        .filter(|service| service.name == operation.plugin)
        .filter_map(|service| service.version.split('.').next()?.parse::<u64>().ok())
        .max();
    if let Some(major) = major {
        shared.majors.insert(operation.plugin.clone(), major);
    }
    major.unwrap_or(1)
}

/// Body and headers → outcome (04, protocol v1).
fn read_reply(reply: &Message) -> CallOutcome {
    let size = reply.payload.len();
    if let Some(code) = reply.headers.get(headers::SERVICE_ERROR_CODE) {
        let kind = match reply.headers.get(headers::ERROR_KIND) {
            Some("permanent") => ErrorKind::Permanent,
            Some("retryable") => ErrorKind::Retryable,
            Some(_) => ErrorKind::InvalidReply,
            None if code.starts_with('4') => ErrorKind::Permanent,
            None => ErrorKind::Retryable,
        };
        let text = reply.headers.get(headers::SERVICE_ERROR).unwrap_or("no reason given");
        return CallOutcome::Failure {
            kind,
            code: code.into(),
            message: shortened(text).into(),
            retry_after_ms: reply.headers.get(headers::RETRY_AFTER).and_then(retry_after),
        };
    }
    if size > REPLY_MAX {
        return failure(
            ErrorKind::InvalidReply,
            "reply_too_large",
            format!("reply of {size} bytes exceeds the limit of {REPLY_MAX} bytes"),
        );
    }
    let msgpack =
        reply.headers.get(headers::CONTENT_TYPE).is_some_and(|kind| kind.contains("msgpack"));
    let output = if reply.payload.is_empty() {
        Ok(Value::Null)
    } else if msgpack {
        from_msgpack(&reply.payload)
    } else {
        Value::from_json(&reply.payload).map_err(|error| error.to_string())
    };
    match output {
        Ok(output) => CallOutcome::Success(output),
        Err(error) => failure(ErrorKind::InvalidReply, "reply_invalid", error),
    }
}

/// `30s`, or plain seconds; anything else is not a wish (row P8: the policy clamps it).
fn retry_after(text: &str) -> Option<u64> {
    gearshift_machine::definition::duration::parse(text)
        .ok()
        .or_else(|| text.parse::<u64>().ok().map(|seconds| seconds.saturating_mul(1_000)))
}

fn failure(kind: ErrorKind, code: &str, message: impl AsRef<str>) -> CallOutcome {
    CallOutcome::Failure {
        kind,
        code: code.into(),
        message: shortened(message.as_ref()).into(),
        retry_after_ms: None,
    }
}

/// At most [`ERROR_TEXT_MAX`] bytes, cut between characters.
fn shortened(text: &str) -> &str {
    let cut = (0..=ERROR_TEXT_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text.get(..cut).unwrap_or(text)
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
async fn tell(shared: &Shared, partition: u16, input: PartitionInput, stop: &CancellationToken) {
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
    shared.bus.publish(message).await
}
