//! [`Desk`]: takes the calls of one operation and answers them.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use gearshift_bus::{Bus, Message, Request, Server, Subject};
use gearshift_protocol::plugin::BODY_BYTES_MAX;
use gearshift_protocol::{CallHeaders, Encoding, Pending, headers, subjects};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument as _, Span};

use crate::answer::{Answered, Work, answer, sized};
use crate::bodies;
use crate::context::{Context, Progress, Shared, is_over_since, time_left};
use crate::failure::Failure;
use crate::inflight::{Entry, InFlight, Unwanted};
use crate::life::Gauge;
use crate::long;
use crate::pace::Pace;
use crate::plugin::{Operation, millis};
use crate::replies::{insert, reply, too_large_instead, warn_unsent};

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
    request: Request,
    entry: Entry,
    span: Span,
    /// Then its answer may be JSON without saying so.
    asked_json: bool,
}

/// How far a call is.
enum Stage {
    /// Its handler is at work.
    Working(Working),
    /// Its handler came to its end.
    Done(Taken, Encoding, Vec<u8>),
    /// Its handler failed, or is not asked.
    Failed(Taken, Failure),
    /// Its input has to be fetched.
    Stored(Box<(Taken, Context, Encoding, Bytes)>),
    /// Its result is to come later.
    Long(Box<Long>),
    /// Its answer did not leave at once.
    Unsent(Box<Unsent>),
}

struct Working {
    taken: Taken,
    encoding: Encoding,
    progress: Arc<Progress>,
    work: Work,
}

struct Long {
    taken: Taken,
    context: Context,
    encoding: Encoding,
    body: Bytes,
    heartbeat: Duration,
    /// Where the result goes, as the caller said.
    to: String,
}

struct Unsent {
    request: Request,
    reply: Message,
    span: Span,
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
            self.gauge.enter();
            if self.pace.is_quick() {
                let mut request = Some(request);
                let turn = |task: &mut TaskContext<'_>| self.first_turn(request.take()?, task);
                if let Some(stage) = at_once(turn).await {
                    let desk = Arc::clone(&self);
                    self.tasks.spawn(async move {
                        desk.serve(stage).await;
                        drop(permit);
                    });
                }
            } else {
                let desk = Arc::clone(&self);
                self.tasks.spawn(self.pace.time(async move {
                    desk.serve(desk.open(request)).await;
                    drop(permit);
                }));
            }
        }
    }

    /// Runs a call here up to its first wait; what is left of it gets a task. It is not one future
    /// from its beginning, as room for all that may come costs more than a short handler does.
    fn first_turn(&self, request: Request, task: &mut TaskContext<'_>) -> Option<Stage> {
        let began = Instant::now();
        let unsent = |taken, answer| self.answer(taken, answer).map(Stage::Unsent);
        let left = match self.open(request) {
            Stage::Working(mut call) => {
                match call.taken.span.in_scope(|| call.work.poll_unpin(task)) {
                    Poll::Ready(Ok(output)) if output.len() <= BODY_BYTES_MAX => {
                        unsent(call.taken, Ok((call.encoding, output)))
                    }
                    Poll::Ready(Ok(output)) => Some(Stage::Done(call.taken, call.encoding, output)),
                    Poll::Ready(Err(failure)) => unsent(call.taken, Err(failure)),
                    Poll::Pending => Some(Stage::Working(call)),
                }
            }
            Stage::Failed(taken, failure) => unsent(taken, Err(failure)),
            left @ (Stage::Done(..) | Stage::Stored(_) | Stage::Long(_) | Stage::Unsent(_)) => {
                Some(left)
            }
        };
        self.pace.took(began.elapsed());
        left
    }

    /// Takes a call, up to where its handler begins.
    fn open(&self, request: Request) -> Stage {
        let message = &request.message;
        let mut call = CallHeaders::from_headers(|name| message.headers.get(name));
        let result_to = call.result_to.take();
        let context = Context::new(call, Arc::clone(&self.shared));
        let entry = self.calls.enter(&context.call_id, &context.progress);
        let encoding = Encoding::of(message.headers.get(headers::CONTENT_TYPE));
        let asked_json = matches!(encoding, Ok(Encoding::Json));
        // Told, as somebody may wait all the same where clocks differ.
        let is_expired = is_expired(&request, &context);
        let body = message.payload.clone();
        let taken = Taken { request, entry, span: context.span(), asked_json };
        let encoding = match encoding {
            Ok(_) if is_expired => return Stage::Failed(taken, Failure::expired()),
            Ok(encoding) => encoding,
            Err(error) => {
                let failure = Failure::permanent(error.to_string()).code(415);
                return Stage::Failed(taken, failure);
            }
        };
        if let (Some(heartbeat), Some(to)) = (self.operation.options.heartbeat, result_to) {
            let long = Long { taken, context, encoding, body, heartbeat, to };
            return Stage::Long(Box::new(long));
        }
        match bodies::named(&self.shared.outlet, encoding, &body) {
            Ok(None) => {
                let progress = Arc::clone(&context.progress);
                let work = Work::new(&self.operation, context, encoding, body);
                Stage::Working(Working { taken, encoding, progress, work })
            }
            Ok(Some(_)) => Stage::Stored(Box::new((taken, context, encoding, body))),
            Err(failure) => Stage::Failed(taken, failure),
        }
    }

    /// Takes a call to its end from where it is.
    async fn serve(&self, stage: Stage) {
        let (taken, answer) = match stage {
            Stage::Working(Working { taken, encoding, progress, work }) => {
                let run = async { sized(&self.shared.outlet, encoding, work.await?).await };
                let deadline = taken.request.message.headers.get(headers::DEADLINE);
                let run = in_time(run, deadline, &progress.unwanted);
                let answer = run.instrument(taken.span.clone()).await;
                (taken, answer)
            }
            Stage::Done(taken, encoding, output) => {
                (taken, sized(&self.shared.outlet, encoding, output).await)
            }
            Stage::Failed(taken, failure) => (taken, Err(failure)),
            Stage::Stored(call) => {
                let (taken, context, encoding, body) = *call;
                let (deadline, progress) =
                    (context.deadline.clone(), Arc::clone(&context.progress));
                let run = answer(&self.operation, context, encoding, body);
                let run = in_time(run, deadline.as_deref(), &progress.unwanted);
                let answer = Box::pin(run.instrument(taken.span.clone())).await;
                (taken, answer)
            }
            Stage::Long(call) => {
                let span = call.taken.span.clone();
                return Box::pin(self.work(*call)).instrument(span).await;
            }
            Stage::Unsent(unsent) => return send(*unsent).await,
        };
        if let Some(unsent) = self.answer(taken, answer) {
            Box::pin(send(*unsent)).await;
        }
    }

    /// Answers at once, or says what could not be sent.
    fn answer(&self, taken: Taken, answer: Answered) -> Option<Box<Unsent>> {
        let Taken { request, entry, span, asked_json } = taken;
        drop(entry);
        let mut reply = reply(request.message.subject.clone(), answer, asked_json);
        self.leave(&mut reply, self.chosen);
        let (request, reply) = *request.respond_at_once(reply).err()?;
        Some(Box::new(Unsent { request, reply, span }))
    }

    /// Says that the result comes later, then works.
    async fn work(&self, call: Long) {
        let Long { taken, context, encoding, body, heartbeat, to } = call;
        let Taken { request, entry, span: _, asked_json: _ } = taken;
        let at = request.message.subject.clone();
        let to = match place(&to) {
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
        let run = answer(&self.operation, context.clone(), encoding, body);
        let call = long::Call { bus: &self.bus, context: &context, heartbeat };
        // One that is too large is made once more, and the call left once.
        let mut left = None;
        call.work(run, |answer| {
            let mut result = reply(to.clone(), answer, false);
            let left = left.get_or_insert_with(|| self.gauge.leave());
            insert(&mut result, headers::LOAD, left.to_string());
            for (name, value) in [
                (headers::CALL_ID, context.call_id.clone()),
                (headers::ATTEMPT, context.attempt.to_string()),
                (headers::INSTANCE, gearshift_protocol::ce_encode(&context.instance_id)),
                (
                    headers::MESSAGE_ID,
                    gearshift_protocol::long_work::result_id(&context.call_id, context.attempt),
                ),
            ] {
                insert(&mut result, name, value);
            }
            result
        })
        .await;
        drop(entry);
    }

    /// Takes the call off the gauge, and tells what is left.
    fn leave(&self, reply: &mut Message, tell: bool) {
        let left = self.gauge.leave();
        if tell {
            insert(reply, headers::LOAD, left.to_string());
        }
    }
}

/// Does something with the task that is here.
async fn at_once<T>(mut done: impl FnMut(&mut TaskContext<'_>) -> T) -> T {
    poll_fn(|task| Poll::Ready(done(task))).await
}

/// Runs the handler, and tells it once its deadline is over. One that was over before says nothing:
/// it may be that clocks differ.
async fn in_time<T>(
    run: impl Future<Output = T>,
    deadline: Option<&str>,
    unwanted: &Unwanted,
) -> T {
    let Some(deadline) = deadline else { return run.await };
    let over = async {
        if let Some(left) = time_left(deadline).filter(|left| !left.is_zero()) {
            sleep(left).await;
            unwanted.cancel();
        }
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        biased;
        done = run => done,
        never = over => match never {},
    }
}

/// The caller learns of a loss at its deadline and asks again.
async fn send(unsent: Unsent) {
    let Unsent { request, reply, span } = unsent;
    let instead = too_large_instead(&reply);
    let sent = request.respond_or(reply, instead).await;
    span.in_scope(|| warn_unsent(sent));
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
