//! The door on the bus itself: services of the same process, and on NATS everybody.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use gearshift_bus::{Headers, Message, Request, Server, Subject, SubjectPattern};
use gearshift_machine::partition::Done;
use gearshift_protocol::{Problem, ProblemKind, headers};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::notices::forward_notices;
use super::{Reply, answer_to, events, problem};
use crate::runtime::{Ended, Error, Handle, Replied, Replies, Wish, is_moved};

/// What is served, and how many requests of each kind are under way at once; more are answered
/// `busy`. Operators may wait for an instance, so they get more places than they have hands.
const SERVED: [(&str, usize); 4] = [
    ("gearshift.event.>", 8_192),
    ("gearshift.command.>", 8_192),
    ("gearshift.query.>", 1_024),
    ("gearshift.publish.>", 4_096),
];
/// Events whose askers wait until an instance has reached something: they hold no place of others.
const WAITING_MAX: usize = 16_384;
/// The queue group of engines.
const GROUP: &str = "gearshift";
/// How long an engine that stops waits for what it asked others on the way to an answer.
const STOP_LIMIT: Duration = Duration::from_secs(1);
/// When an asker that was told `busy` may ask again, in milliseconds.
const BUSY_RETRY_MS: u64 = 100;

/// Serves until dropped or the engine stops.
pub struct BusDoor {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl BusDoor {
    /// Stops serving and waits for requests under way.
    pub async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for BusDoor {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Serves events, commands and queries on the bus of `handle`.
///
/// # Errors
/// [`Error::Bus`].
pub async fn serve_on_bus(handle: &Handle) -> Result<BusDoor, Error> {
    let door = BusDoor { stop: CancellationToken::new(), tasks: TaskTracker::new() };
    let waiting = Arc::new(Semaphore::new(WAITING_MAX));
    let (others, decided) = mpsc::unbounded_channel();
    let replies = Replies::new(answer_at_once, others);
    for (pattern, under_way_max) in SERVED {
        let pattern = SubjectPattern::parse(pattern)?;
        let server = handle.bus().requests().serve_at_once(&pattern, GROUP).await?;
        let host = Host {
            handle: handle.clone(),
            tasks: door.tasks.clone(),
            places: Arc::new(Semaphore::new(under_way_max)),
            waiting: Arc::clone(&waiting),
            replies: replies.clone(),
        };
        door.tasks.spawn(host.serve(server, door.stop.clone()));
    }
    let telling = tell_all(handle.clone(), decided, door.tasks.clone(), waiting);
    handle.spawn(door.tasks.track_future(telling));
    door.tasks.spawn(forward_notices(handle.clone(), door.stop.clone()));
    Ok(door)
}

/// Who stands behind the door of one kind of request.
struct Host {
    handle: Handle,
    tasks: TaskTracker,
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    replies: Replies,
}

impl Host {
    async fn serve(self, mut server: Server, stop: CancellationToken) {
        {
            let stopped = async {
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = self.handle.stopping() => {}
                }
            };
            tokio::pin!(stopped);
            loop {
                let request = tokio::select! {
                    biased;
                    () = &mut stopped => break,
                    request = server.next() => request,
                };
                let Some(request) = request else { return };
                self.take(request);
            }
        }
        // What was delivered before is answered: another engine may have the partitions by now.
        while let Some(Some(request)) = server.next().now_or_never() {
            self.take(request);
        }
    }

    fn hand_in(&self, request: Request) -> Option<Request> {
        events::hand_in(&self.handle, request, &self.replies, &self.waiting)
    }

    /// Begins to answer, or says `busy` at once.
    fn take(&self, request: Request) {
        let Some(request) = self.hand_in(request) else { return };
        let waits = request.message.headers.get(headers::WAIT_FOR).is_some();
        let places = if waits { &self.waiting } else { &self.places };
        let place = Arc::clone(places).try_acquire_owned().ok();
        let answering = answer(self.handle.clone(), request, place);
        self.handle.spawn(self.tasks.track_future(answering));
    }
}

/// Answers where a decision is all that was asked for; the partition itself does it, so that no
/// queue and no task stand in between.
fn answer_at_once(request: Request, done: &Done, ended: Option<&Ended>) -> Option<Request> {
    if is_moved(done) {
        return Some(request);
    }
    let Some(reply) = events::verdict_of(Some(done), ended) else { return Some(request) };
    let subject = request.message.subject.clone();
    let unsent = request.respond_at_once(message_of(subject, reply));
    unsent.err().map(|unsent| unsent.0)
}

/// Answers what partitions have decided and did not answer, until every host and every partition
/// is done with it.
async fn tell_all(
    handle: Handle,
    mut decided: mpsc::UnboundedReceiver<Replied>,
    tasks: TaskTracker,
    waiting: Arc<Semaphore>,
) {
    while let Some(replied) = decided.recv().await {
        let Replied { request, done, ended, wish } = replied;
        if done.as_ref().is_some_and(is_moved) {
            // Nothing was done here: its owner is asked.
            let place = match wish {
                Some(wish) => Some(wish.place),
                None => Arc::clone(&waiting).try_acquire_owned().ok(),
            };
            handle.spawn(tasks.track_future(answer(handle.clone(), request, place)));
            continue;
        }
        match events::verdict_of(done.as_ref(), ended.as_ref()) {
            Some(reply) => tell(request, reply).await,
            None => {
                if let (Some(done), Some(wish)) = (done, wish) {
                    let going_on = go_on(handle.clone(), request, done, wish);
                    handle.spawn(tasks.track_future(going_on));
                }
            }
        }
    }
}

async fn go_on(handle: Handle, request: Request, done: Done, wish: Wish) {
    let reply = Box::pin(events::wait_on(&handle, &done, &wish)).await;
    tell(request, reply).await;
}

async fn tell(request: Request, reply: Reply) {
    let subject = request.message.subject.clone();
    if let Err(error) = request.respond(message_of(subject, reply)).await {
        tracing::debug!(%error, "asker left before the answer");
    }
}

async fn answer(handle: Handle, mut request: Request, place: Option<OwnedSemaphorePermit>) {
    let subject = request.message.subject.clone();
    let list = std::mem::take(&mut request.message.headers);
    let body = std::mem::take(&mut request.message.payload);
    let reply = match &place {
        Some(_) => tokio::select! {
            biased;
            reply = answer_to(&handle, subject.as_str(), list, body) => reply,
            () = stops(&handle) => Err(unanswered()),
        },
        None => Err(busy()),
    };
    if let Err(error) = request.respond(message_of(subject, reply)).await {
        tracing::debug!(%error, "asker left before the answer");
    }
    drop(place);
}

/// Resolves when an engine that stops does not wait for answers of others any more.
async fn stops(handle: &Handle) {
    handle.stopping().await;
    tokio::time::sleep(STOP_LIMIT).await;
}

/// The engine stops, and whoever it asked has said nothing yet.
fn unanswered() -> Box<Problem> {
    let told = problem(
        ProblemKind::Timeout,
        "the engine stops before the answer came; ask again, for an event or a start under the same id, to \
         learn what became of it",
    );
    Box::new(told.with_code("GS5003", "outcome_unknown"))
}

fn busy() -> Box<Problem> {
    let told = problem(ProblemKind::Unavailable, "the engine answers as much as it can; try again");
    Box::new(told.with_code("GS5001", "busy").with_retry_after_ms(BUSY_RETRY_MS))
}

/// A problem travels as a service error, with the problem as the body. JSON is what bodies are
/// where nothing is said.
fn message_of(subject: Subject, reply: Reply) -> Message {
    let problem = match reply {
        Ok(body) => return Message::new(subject, body),
        Err(problem) => problem,
    };
    let body = Bytes::from(serde_json::to_vec(&problem).unwrap_or_default());
    let mut message = Message::new(subject, body);
    insert(&mut message.headers, headers::CONTENT_TYPE, headers::PROBLEM_JSON);
    for (name, value) in error_headers(&problem) {
        insert(&mut message.headers, name, &value);
    }
    message
}

fn insert(list: &mut Headers, name: &str, value: &str) {
    if let Err(error) = list.insert(name, value) {
        tracing::warn!(%error, name, "header left out");
    }
}

fn error_headers(problem: &Problem) -> [(&'static str, String); 2] {
    let text = problem.detail.replace(char::is_control, " ");
    let short = text.chars().take(256).collect();
    [(headers::SERVICE_ERROR_CODE, problem.status.to_string()), (headers::SERVICE_ERROR, short)]
}
