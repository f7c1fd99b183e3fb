//! The request of a call.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use gearshift_bus::{Bus, Error, ErrorKind, Message, Subject};
use gearshift_machine::machine::{EffectId, InstanceKey, TraceContext};
use gearshift_protocol::{ce_encode, headers, subjects};
use tokio::sync::oneshot;

use super::ask::Attempt;
use crate::runtime::in_hand::Answer;

/// Headers of a call.
const HEADERS: usize = 11;

impl Attempt {
    /// What is sent, with this body.
    pub(crate) fn message(&self, subject: &Subject, body: Bytes) -> Result<Message, Error> {
        let call = &self.call;
        let mut message = Message::new(subject.clone(), body);
        message.headers.reserve(HEADERS);
        if !call.purpose.is_work() {
            message = message.with_known(headers::PURPOSE, call.purpose.word().to_owned())?;
        }
        with_trace(message, call.trace_context.as_deref(), &self.key, call.call)?
            .with_known(headers::CONTENT_TYPE, headers::JSON.to_owned())?
            .with_known(headers::CALL_ID, self.id.clone())?
            .with_known(headers::ATTEMPT, call.attempt.to_string())?
            .with_known(headers::DEADLINE, call.deadline.to_string())?
            .with_known(headers::WORKFLOW, ce_encode(&self.workflow))?
            .with_known(headers::INSTANCE, ce_encode(&self.key.to_string()))?
            .with_known(headers::STEP, ce_encode(&call.step))?
            .with_known(headers::RESULT_TO, subjects::result(&self.id))
    }

    /// Asks, and waits; an answer is in hand from the moment it comes.
    pub(super) async fn request(&self, bus: &Bus, message: Message) -> Result<Message, Error> {
        let (tell, told) = oneshot::channel();
        // What the bus keeps must not keep the engine.
        let (shared, partition, key) =
            (Arc::downgrade(&self.shared), self.partition, self.key.clone());
        let then = Box::new(move |reply: Result<Message, Error>| {
            let shared = shared.upgrade().filter(|_| reply.is_ok());
            let answer = shared.map(|shared| Answer::came(shared, partition, key));
            // Whoever asked may be gone, as its engine stops.
            drop(tell.send((reply, answer)));
        });
        let (requests, limit) = (bus.requests(), self.limit());
        if let Err((message, _)) = requests.request_told(message, limit, then) {
            return requests.request(message, limit).await;
        }
        let (reply, answer) = told.await.map_err(|_closed| Error::from(ErrorKind::Closed))?;
        self.keep(answer);
        reply
    }

    /// Its answer has come, and is not told at once.
    pub(crate) fn came(&self) {
        let shared = Arc::clone(&self.shared);
        self.keep(Some(Answer::came(shared, self.partition, self.key.clone())));
    }

    fn keep(&self, answer: Option<Answer>) {
        *self.in_hand.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }
}

/// With the trace that it belongs to: the one that an event brought, else the instance's own.
pub(crate) fn with_trace(
    message: Message,
    brought: Option<&TraceContext>,
    key: &InstanceKey,
    cause: EffectId,
) -> Result<Message, Error> {
    let made = || TraceContext::made_parent(key, cause);
    let parent = brought.map_or_else(made, |context| context.parent.to_string());
    let message = message.with_known(headers::TRACEPARENT, parent)?;
    match brought.and_then(|context| context.state.as_ref()) {
        Some(state) => message.with_known(headers::TRACESTATE, state.to_string()),
        None => Ok(message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gearshift_machine::machine::Generation;

    #[test]
    fn decision_38_what_is_sent_says_its_trace() {
        let key = InstanceKey::new("t", "k1").unwrap();
        let cause = EffectId::new(&key, Generation(1), 1, 0);
        let sent = |brought: Option<&TraceContext>| {
            let message = Message::new(Subject::parse("a.b").unwrap(), Bytes::new());
            let message = with_trace(message, brought, &key, cause).unwrap();
            let header = |name| message.headers.get(name).map(str::to_owned);
            (header(headers::TRACEPARENT), header(headers::TRACESTATE))
        };
        let made = TraceContext::made(&key, cause).parent.to_string();
        assert_eq!(sent(None), (Some(made), None));
        let brought = TraceContext { parent: "00-a-b-01".into(), state: Some("v=1".into()) };
        assert_eq!(sent(Some(&brought)), (Some("00-a-b-01".into()), Some("v=1".into())));
    }
}
