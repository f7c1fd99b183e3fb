//! One attempt of a call over request/reply.

use std::sync::Arc;
use std::time::Duration;

use gearshift_bus::{ErrorKind as BusErrorKind, Message};
use gearshift_machine::machine::{
    CallOutcome, CallRequest, ErrorKind, InstanceKey, Outcome, PLUGIN_PAUSED,
};
use gearshift_machine::partition::PartitionInput;
use gearshift_protocol::{ce_encode, headers};

use super::registry::{Route, Unroutable};
use super::reply::{failure, read_reply};
use crate::runtime::shared::Shared;

/// What the dispatcher waits beyond a call's deadline: the machine's own timer decides first.
const GRACE: Duration = Duration::from_secs(1);

/// An attempt of a paused plugin's call waits all of its time but this part of it, so that the
/// machine hears of the pause before its own timer calls it a timeout.
const HELD_PART: u64 = 5;

/// How soon a call of a paused plugin is held again, in milliseconds.
const HELD_AGAIN_MS: u64 = 1_000;

/// One attempt of a call.
pub(crate) struct Attempt {
    pub(crate) shared: Arc<Shared>,
    pub(crate) partition: u16,
    /// The session of the drive that decided it: a later one decides anew.
    pub(crate) session: u64,
    pub(crate) key: InstanceKey,
    /// `name@version` of the calling definition.
    pub(crate) workflow: String,
    pub(crate) call: CallRequest,
}

/// What came of an attempt.
pub(crate) enum Asked {
    /// This is how it ended.
    Ended(CallOutcome),
    /// There is nothing to tell: the call's own deadline decides, or has decided.
    Nothing,
}

impl Attempt {
    /// Makes it.
    pub(crate) async fn make(&self) -> Asked {
        let operation = &self.call.operation;
        let route = match self.shared.providers.known(operation) {
            Some(route) => route,
            // Rare, so that its size is not every call's.
            None => match Box::pin(self.shared.providers.find(operation)).await {
                Ok(route) => route,
                Err(Unroutable::Name(error)) => {
                    return Asked::Ended(failure(ErrorKind::Permanent, "operation_name", error));
                }
                Err(Unroutable::Bus(error)) => {
                    return Asked::Ended(failure(ErrorKind::Retryable, "bus", error.to_string()));
                }
            },
        };
        self.refresh();
        let message = match self.message(&route) {
            Ok(message) => message,
            Err(error) => {
                let text = error.to_string();
                return Asked::Ended(failure(ErrorKind::Permanent, "request_invalid", text));
            }
        };
        if route.once && !Box::pin(self.may_start()).await {
            return Asked::Nothing;
        }
        let reply = self.shared.bus.requests().request(message, self.limit()).await;
        self.ended(&route, reply)
    }

    /// Where an operator paused the plugin: waits until it is let go on, or until the attempt's
    /// time is nearly over. It was not sent, and the next attempt has all of its time again.
    pub(crate) async fn held(&self) -> Option<Asked> {
        let providers = &self.shared.providers;
        let (what, hold) = providers.hold_of(&self.call.operation)?;
        let left = self.call.deadline.since_ms(self.shared.config.clock.now());
        let limit = Duration::from_millis(left / HELD_PART * (HELD_PART - 1));
        let released = tokio::time::timeout(limit, providers.released(&what)).await.is_ok();
        let retry_after_ms = Some(if released { 0 } else { HELD_AGAIN_MS });
        Some(Asked::Ended(CallOutcome::Failure {
            kind: ErrorKind::PluginNotFound,
            code: PLUGIN_PAUSED.into(),
            message: hold.words(&what).into(),
            retry_after_ms,
        }))
    }

    /// How long a reply is waited for.
    pub(crate) fn limit(&self) -> Duration {
        let left = self.call.deadline.since_ms(self.shared.config.clock.now());
        Duration::from_millis(left).saturating_add(GRACE)
    }

    /// What the reply says, or that there is none.
    pub(crate) fn ended(
        &self,
        route: &Arc<Route>,
        reply: Result<Message, gearshift_bus::Error>,
    ) -> Asked {
        match reply {
            Ok(reply) => {
                self.shared.providers.answered(&self.call.operation, route);
                Asked::Ended(read_reply(&reply, &self.call.call.to_string()))
            }
            Err(error) => self.failed(route, &error),
        }
    }

    /// What the partition is told, if anything.
    pub(crate) fn input(&self, asked: Asked) -> Option<PartitionInput> {
        let Asked::Ended(outcome) = asked else { return None };
        let (key, call, attempt) = (self.key.clone(), self.call.call, self.call.attempt);
        Some(PartitionInput::CallReply { key, call, attempt, outcome })
    }

    /// Looks who runs, beside the calls and only while there are some.
    pub(crate) fn refresh(&self) {
        if self.shared.providers.is_stale() {
            let shared = Arc::clone(&self.shared);
            self.shared.tasks.spawn(async move {
                tokio::select! {
                    biased;
                    () = shared.stop.cancelled() => {}
                    () = shared.providers.refresh() => {}
                }
            });
        }
    }

    /// Records that the attempt is sent now; false where it must not be sent.
    async fn may_start(&self) -> bool {
        let input = PartitionInput::CallStarted {
            key: self.key.clone(),
            call: self.call.call,
            attempt: self.call.attempt,
        };
        let recorded = self.shared.ask_in_order(self.partition, self.session, input).await;
        let Ok(recorded) = recorded else { return false };
        recorded.await.is_ok_and(|done| done.outcome == Outcome::Done)
    }

    /// Why there is no reply, and whether that tells what became of the call.
    fn failed(&self, route: &Route, error: &gearshift_bus::Error) -> Asked {
        let operation = &self.call.operation;
        if let BusErrorKind::NoResponders { .. } = error.kind() {
            self.shared.providers.forget(operation);
            let text = format!("no service answers `{operation}`");
            return Asked::Ended(failure(ErrorKind::PluginNotFound, "plugin_not_found", text));
        }
        let kind = match fate(error.kind()) {
            Fate::Unknown if route.once => ErrorKind::OutcomeUnknown,
            Fate::Unknown if matches!(error.kind(), BusErrorKind::Timeout { .. }) => {
                return Asked::Nothing;
            }
            Fate::Unknown | Fate::NotSent => ErrorKind::Retryable,
            Fate::Useless => ErrorKind::Permanent,
        };
        Asked::Ended(failure(kind, "bus", error.to_string()))
    }

    pub(crate) fn message(&self, route: &Route) -> Result<Message, gearshift_bus::Error> {
        let call = &self.call;
        Message::new(route.subject.clone(), call.input.to_json())
            .with_known(headers::CONTENT_TYPE, headers::JSON.to_owned())?
            .with_known(headers::CALL_ID, call.call.to_string())?
            .with_known(headers::ATTEMPT, call.attempt.to_string())?
            .with_known(headers::DEADLINE, call.deadline.to_string())?
            .with_known(headers::WORKFLOW, ce_encode(&self.workflow))?
            .with_known(headers::INSTANCE, ce_encode(&self.key.to_string()))?
            .with_known(headers::STEP, ce_encode(&call.step))
    }
}

/// What a failed request says of the operation.
enum Fate {
    /// It may have happened.
    Unknown,
    /// It did not happen, and may later.
    NotSent,
    /// It did not happen and never will.
    Useless,
}

const fn fate(error: &BusErrorKind) -> Fate {
    match error {
        BusErrorKind::NoResponders { .. }
        | BusErrorKind::Disconnected
        | BusErrorKind::Full { .. }
        | BusErrorKind::Refused { .. }
        | BusErrorKind::Closed => Fate::NotSent,
        BusErrorKind::TooLarge { .. }
        | BusErrorKind::InvalidSubject { .. }
        | BusErrorKind::InvalidName { .. }
        | BusErrorKind::InvalidHeader { .. } => Fate::Useless,
        BusErrorKind::Unknown
        | BusErrorKind::Timeout { .. }
        | BusErrorKind::NotFound { .. }
        | BusErrorKind::NotCaptured { .. }
        | BusErrorKind::Overlap { .. }
        | BusErrorKind::Trimmed { .. }
        | BusErrorKind::Corrupt { .. }
        | BusErrorKind::Locked { .. }
        | BusErrorKind::DiskFull
        | BusErrorKind::Io
        | BusErrorKind::Mismatch { .. }
        | BusErrorKind::Poisoned { .. } => Fate::Unknown,
    }
}
