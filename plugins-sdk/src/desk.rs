//! [`Desk`]: takes the calls of one operation and answers them.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bus, Message, Request, Server, Subject};
use gearshift_protocol::{CallHeaders, Encoding, Pending, headers, subjects};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::answer::{Answered, answer};
use crate::context::{Context, Shared, is_over_since, time_left};
use crate::failure::Failure;
use crate::inflight::InFlight;
use crate::life::Gauge;
use crate::long;
use crate::pace::Pace;
use crate::plugin::{Operation, millis};

/// How long requests are waited for that callers sent before they knew that the plugin is gone.
const ON_THEIR_WAY: Duration = Duration::from_millis(50);

/// How long a call may wait here before it is looked whether its deadline has gone by meanwhile.
const AT_ONCE: Duration = Duration::from_millis(1);

/// What answering calls of one operation needs.
pub(crate) struct Desk {
    pub(crate) bus: Bus,
    pub(crate) operation: Operation,
    pub(crate) shared: Arc<Shared>,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) calls: InFlight,
    pub(crate) gauge: Gauge,
    pub(crate) tasks: TaskTracker,
    pub(crate) pace: Pace,
    /// Are its callers those who chose this instance? They are told how busy it is.
    pub(crate) chosen: bool,
}

/// A call as it was taken.
struct Taken {
    context: Context,
    encoding: Encoding,
    body: Bytes,
}

impl Desk {
    /// Takes requests until told to stop, then those that are on their way.
    pub(crate) async fn take(self: Arc<Self>, mut server: Server, stop: CancellationToken) {
        let mut stopped = pin!(stop.cancelled());
        loop {
            let request = if stop.is_cancelled() {
                timeout(ON_THEIR_WAY, server.next()).await.ok().flatten()
            } else {
                tokio::select! {
                    biased;
                    // There is one most often, and to look at the other is not for nothing.
                    request = server.next() => request,
                    () = &mut stopped => continue,
                }
            };
            let Some(request) = request else { return };
            // The permit is awaited here, so that what exceeds the limit stays in the queue of
            // the bus, whose limit senders feel.
            let permit = match Arc::clone(&self.permits).try_acquire_owned() {
                Ok(permit) => Ok(permit),
                Err(_) => server.hold(Arc::clone(&self.permits).acquire_owned()).await,
            };
            let Ok(permit) = permit else { return };
            let desk = Arc::clone(&self);
            self.gauge.enter();
            let mut call = self.pace.time(async move {
                desk.serve(request).await;
                drop(permit);
            });
            if !self.pace.is_quick() || futures_util::poll!(&mut call).is_pending() {
                self.tasks.spawn(call);
            }
        }
    }

    async fn serve(&self, request: Request) {
        let message = &request.message;
        let mut call = CallHeaders::from_headers(|name| message.headers.get(name));
        let (attempt, result_to) = (call.attempt, call.result_to.take());
        let context = Context::new(call, Arc::clone(&self.shared));
        let entry = self.calls.enter(&context.call_id, &context.progress);
        let span = context.span();
        let encoding = Encoding::of(message.headers.get(headers::CONTENT_TYPE));
        let asked_json = matches!(encoding, Ok(Encoding::Json));
        let answer = match encoding {
            // Told, as somebody may wait all the same where clocks differ.
            Ok(_) if is_expired(&request, &context) => Err(Failure::expired()),
            Ok(encoding) => {
                let taken = Taken { context, encoding, body: message.payload.clone() };
                if let (Some(heartbeat), Some(to)) = (self.operation.options.heartbeat, result_to) {
                    let work = self.work(request, taken, attempt, heartbeat, &to);
                    return Box::pin(work).instrument(span).await;
                }
                self.run_in_time(taken).instrument(span.clone()).await
            }
            Err(error) => Err(Failure::permanent(error.to_string()).code(415)),
        };
        drop(entry);
        let mut reply = reply(message.subject.clone(), answer, asked_json);
        self.leave(&mut reply, self.chosen);
        let Err(unsent) = request.respond_at_once(reply) else { return };
        let (request, reply) = *unsent;
        // The caller learns of the loss at its deadline and asks again.
        if let Err(error) = Box::pin(request.respond(reply)).await {
            span.in_scope(|| tracing::warn!(%error, "the answer could not be sent"));
        }
    }

    /// Runs the handler, and tells it once its deadline is over. One that was over before says
    /// nothing: it may be that clocks differ.
    async fn run_in_time(&self, taken: Taken) -> Answered {
        let Some(deadline) = taken.context.deadline.clone() else { return self.run(taken).await };
        let call = Arc::clone(&taken.context.progress);
        let over = async {
            if let Some(left) = time_left(&deadline).filter(|left| !left.is_zero()) {
                sleep(left).await;
                call.unwanted.cancel();
            }
            std::future::pending::<Infallible>().await
        };
        tokio::select! {
            biased;
            answer = self.run(taken) => answer,
            never = over => match never {},
        }
    }

    async fn run(&self, taken: Taken) -> Answered {
        answer(&self.operation, taken.context, taken.encoding, taken.body).await
    }

    /// Says that the result comes later, then works.
    async fn work(
        &self,
        request: Request,
        taken: Taken,
        attempt: u32,
        heartbeat: Duration,
        result_to: &str,
    ) {
        let at = request.message.subject.clone();
        let to = match place(result_to) {
            Ok(to) => to,
            Err(failure) => {
                let mut refusal = reply(at, Err(failure), false);
                self.leave(&mut refusal, self.chosen);
                return warn_unsent(request.respond(refusal).await);
            }
        };
        let mut pending = Message::new(at, Bytes::new());
        let told = Pending { heartbeat_ms: Some(millis(heartbeat).max(1)) };
        for (name, value) in told.to_headers() {
            insert(&mut pending, name, value);
        }
        insert(&mut pending, headers::LOAD, self.gauge.load().to_string());
        if let Err(error) = request.respond(pending).await {
            // Whoever asked does not know that a result comes, and asks again.
            self.gauge.leave();
            return warn_unsent(Err(error));
        }
        let context = taken.context.clone();
        let call = long::Call { bus: &self.bus, context: &context, heartbeat };
        call.work(self.run(taken), |answer| {
            let mut result = reply(to.clone(), answer, false);
            self.leave(&mut result, true);
            for (name, value) in [
                (headers::CALL_ID, context.call_id.clone()),
                (headers::ATTEMPT, attempt.to_string()),
                (headers::INSTANCE, gearshift_protocol::ce_encode(&context.instance_id)),
                (
                    headers::MESSAGE_ID,
                    gearshift_protocol::long_work::result_id(&context.call_id, attempt),
                ),
            ] {
                insert(&mut result, name, value);
            }
            result
        })
        .await;
    }

    /// Takes the call off the gauge, and tells what is left.
    fn leave(&self, reply: &mut Message, tell: bool) {
        let left = self.gauge.leave();
        if tell {
            insert(reply, headers::LOAD, left.to_string());
        }
    }
}

/// Has its deadline gone by while it waited here? Nobody needs its effect any more.
fn is_expired(request: &Request, context: &Context) -> bool {
    context.deadline.as_deref().is_some_and(|deadline| {
        let waited = request.waited();
        waited >= AT_ONCE && is_over_since(deadline, waited)
    })
}

/// Where results go, if it is a place for them: whoever asks names the subject, and it is our
/// login that publishes to it.
fn place(result_to: &str) -> Result<Subject, Failure> {
    let subject =
        Subject::parse(result_to).ok().filter(|_| result_to.starts_with(subjects::RESULT));
    subject.ok_or_else(|| {
        let message =
            format!("`{result_to}` is no place for results: it needs `gearshift.result.`");
        Failure::permanent(message).code(400)
    })
}

/// `quiet`: what says nothing is JSON, so that most answers travel without any header.
fn reply(subject: Subject, answer: Answered, quiet: bool) -> Message {
    let (body, list) = match answer {
        Ok((Encoding::Json, body)) if quiet => (Bytes::from(body), Vec::new()),
        Ok((encoding, body)) => {
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
    let mut reply = Message::new(subject, body);
    for (name, value) in list {
        insert(&mut reply, name, value);
    }
    reply
}

/// Values were made fit to travel; one that is not is left out rather than the answer.
fn insert(reply: &mut Message, name: &'static str, value: String) {
    if let Err(error) = reply.headers.insert_known(name, value) {
        tracing::warn!(%error, name, "a header could not be sent");
    }
}

fn warn_unsent(sent: Result<(), gearshift_bus::Error>) {
    if let Err(error) = sent {
        tracing::warn!(%error, "the answer could not be sent");
    }
}
