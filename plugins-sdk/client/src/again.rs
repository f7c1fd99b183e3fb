//! Asking again what an answer may have been lost of: under the same id, so that nothing is done
//! twice.

use std::pin::pin;
use std::time::Duration;

use gearshift_protocol::command::{Start, StartReply, Verb};
use gearshift_protocol::{
    EventHeaders, EventReply, InstanceVerdict, ProblemKind, Status, subjects,
};
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use crate::client::Patience;
use crate::error::ErrorKind;
use crate::{Client, Error};

/// Whoever waits looks again after so long, and up to a third more, so that many who began at
/// once do not look at once.
const LOOK_AGAIN: Duration = Duration::from_secs(15);
const SPREAD: Duration = Duration::from_secs(5);

/// How long one look may take.
const LOOK_MAX: Duration = Duration::from_secs(5);

/// How long the last look may take, where the time is up and no answer came.
const LAST_LOOK_MAX: Duration = Duration::from_secs(2);

/// Between an engine that broke a wait off and the next one.
const BREATH: Duration = Duration::from_millis(250);

/// Is there nothing more to wait for?
pub(crate) trait Settled {
    fn is_settled(&self) -> bool;
}

impl Settled for StartReply {
    fn is_settled(&self) -> bool {
        self.reached || is_over(&self.verdict)
    }
}

impl Settled for EventReply {
    fn is_settled(&self) -> bool {
        self.reached || self.verdicts.iter().all(is_over)
    }
}

fn is_over(verdict: &InstanceVerdict) -> bool {
    verdict.status.is_none_or(|status| status.is_ended() || status == Status::Stuck)
}

impl Client {
    /// A start that waits. What it has no name for gets one here, so that it may be repeated.
    pub(crate) async fn start_waiting(&self, start: &Start) -> Result<StartReply, Error> {
        let patience = start.timeout_ms.map_or_else(|| self.timeout(), Duration::from_millis);
        let mut start = start.clone();
        // A start has an id only beside a key, so a key that is made up is not named already.
        start.key.get_or_insert_with(|| Uuid::now_v7().to_string());
        start.id.get_or_insert_with(|| Uuid::now_v7().to_string());
        let subject = subjects::command(self.user(), Verb::Start.as_str());
        let ask = |waits: Patience| {
            let timeout_ms = Some(waits.engine_millis());
            let order = Start { timeout_ms, ..start.clone() };
            let (client, subject) = (self.clone(), subject.clone());
            async move { client.ask_within(subject, Vec::new(), &order, waits).await }
        };
        waited(patience, ask).await
    }

    /// An event whose sender waits, with an id that is made up where it has none.
    pub(crate) async fn send_waiting(
        &self,
        event_type: &str,
        data: &Value,
        headers: &EventHeaders,
    ) -> Result<EventReply, Error> {
        let patience = headers.timeout_ms.map_or_else(|| self.timeout(), Duration::from_millis);
        let mut headers = headers.clone();
        headers.id.get_or_insert_with(|| Uuid::now_v7().to_string());
        let (subject, list) = (subjects::event(event_type), self.signed(&headers));
        let ask = |waits: Patience| {
            let (client, data) = (self.clone(), data.clone());
            let (subject, list) = (subject.clone(), list.clone());
            async move { client.ask_within(subject, list, &data, waits).await }
        };
        waited(patience, ask).await
    }
}

/// Asks, and looks now and then how it stands: an answer that is sent while its asker has lost the
/// server reaches nobody. Where an engine breaks the wait off, as it stops, another one waits on.
async fn waited<T: Settled, F: Future<Output = Result<T, Error>>>(
    patience: Duration,
    ask: impl Fn(Patience) -> F,
) -> Result<T, Error> {
    let end = Instant::now() + patience;
    let left = || end.saturating_duration_since(Instant::now());
    let mut limit = patience;
    let mut broken_off = None;
    loop {
        let first = looking(ask(Patience::waiting(limit)), &ask).await;
        let error = match (first, broken_off) {
            (Ok(answer), _) => return Ok(answer),
            // The other one knows less than the first one said.
            (Err(error), Some(first)) if !is_broken_off(&error) && !is_late(&error) => {
                drop(error);
                return Err(first);
            }
            (Err(error), _) => error,
        };
        if is_late(&error) {
            let last = ask(Patience::look(LAST_LOOK_MAX)).await;
            return last.map_err(|_| late(patience));
        }
        if !is_broken_off(&error) || left().is_zero() {
            return Err(error);
        }
        broken_off = Some(error);
        tokio::time::sleep(BREATH.min(left())).await;
        limit = left();
    }
}

/// The answer to `first`, or what a look beside it saw that settles it.
async fn looking<T: Settled, F: Future<Output = Result<T, Error>>>(
    first: F,
    ask: &impl Fn(Patience) -> F,
) -> Result<T, Error> {
    let mut first = pin!(first);
    loop {
        let look = async {
            tokio::time::sleep(LOOK_AGAIN + SPREAD.mul_f64(fastrand::f64())).await;
            ask(Patience::look(LOOK_MAX)).await
        };
        tokio::select! {
            biased;
            answer = &mut first => return answer,
            seen = look => match seen {
                Ok(answer) if answer.is_settled() => return Ok(answer),
                // It waits on, or nobody answers just now; the first answer may still come.
                Ok(_) | Err(_) => {}
            }
        }
    }
}

/// Did no answer come at all?
fn is_late(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Timeout { .. })
}

/// Did the engine break off what another one can go on with, under the same id?
fn is_broken_off(error: &Error) -> bool {
    error.problem().is_some_and(|problem| problem.status == ProblemKind::Timeout.status())
}

fn late(patience: Duration) -> Error {
    ErrorKind::Timeout { millis: crate::transport::millis(patience) }.into()
}
