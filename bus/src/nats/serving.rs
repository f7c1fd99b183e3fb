//! [`Served`]: a bounded queue of requests between a subscription and whoever takes them.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use async_nats::{Subject, Subscriber};
use futures_util::future::poll_fn;
use futures_util::{FutureExt, StreamExt};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::attended::Attended;
use super::live::Live;
use super::requests::not_subscribed;
use super::service_counts::Counts;
use super::traffic::Traffic;
use super::{Replier, wire};
use crate::local::lock;
use crate::subject::holds_subject;
use crate::{Error, QUEUE_REQUESTS_MAX, Request, SubjectPattern};

/// More messages than a subscription lives to see; the server reads numbers of at most nine
/// digits, and a longer one as none.
const NEVER: u64 = u64::MAX;

/// Pause before a full connection is told again that no more requests are wanted.
const RETIRE_PAUSE: Duration = Duration::from_millis(1);

/// A server's end of its queue.
#[derive(Debug)]
pub(crate) struct Served {
    queue: Queue,
    source: Source,
}

/// Where the requests wait that were not taken yet.
#[derive(Debug)]
enum Queue {
    /// In a queue that a task fills, and refuses others while it is full.
    Filled(
        mpsc::Receiver<Request>,
        #[expect(dead_code, reason = "its drop ends the task")] JoinSet<()>,
    ),
    /// In a queue that whoever takes from it fills.
    Attended(Attended),
    /// With the client.
    Direct(Traffic),
}

/// Where requests come from.
#[derive(Debug, Clone)]
pub(super) struct Source(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pattern: SubjectPattern,
    group: String,
    held: Mutex<Held>,
    /// Set once no new requests are wanted.
    retired: CancellationToken,
    counts: Option<Arc<Counts>>,
}

/// The subscription, `None` while there is none, and the connection it is on.
#[derive(Debug)]
struct Held {
    subscriber: Option<Subscriber>,
    generation: u64,
    is_dropped: bool,
}

impl Served {
    /// Serves from when this returns; who may ask is told by a round trip of the caller's.
    pub(super) async fn open(
        traffic: &Traffic,
        pattern: &SubjectPattern,
        group: &str,
        counts: Option<Arc<Counts>>,
    ) -> Result<Self, Error> {
        let source = Source::open(traffic, pattern, group, counts).await?;
        let (sender, queue) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(fill(source.clone(), sender, traffic.clone()));
        Ok(Self { queue: Queue::Filled(queue, tasks), source })
    }

    /// Serves likewise, without a task: for one who takes requests all the time, or
    /// [holds](Self::hold) them.
    pub(super) async fn open_attended(
        traffic: &Traffic,
        pattern: &SubjectPattern,
        group: &str,
        counts: Option<Arc<Counts>>,
    ) -> Result<Self, Error> {
        let source = Source::open(traffic, pattern, group, counts).await?;
        let (sender, queue) = mpsc::channel(QUEUE_REQUESTS_MAX);
        let filling = fill(source.clone(), sender, traffic.clone());
        let (from, over) = (source.clone(), traffic.clone());
        let direct = move |task: &mut Context<'_>| loop {
            // What is none of a request's form is passed over.
            let Poll::Ready(Some(message)) = from.poll_next(task) else { return None };
            if let Some(request) = request_of(&from, &over, message) {
                return Some(request);
            }
        };
        Ok(Self { queue: Queue::Attended(Attended::new(queue, filling, direct)), source })
    }

    /// Serves likewise, for one who takes every request at once.
    pub(super) async fn open_direct(
        traffic: &Traffic,
        pattern: &SubjectPattern,
        group: &str,
    ) -> Result<Self, Error> {
        let source = Source::open(traffic, pattern, group, None).await?;
        Ok(Self { queue: Queue::Direct(traffic.clone()), source })
    }

    pub(super) fn source(&self) -> Source {
        self.source.clone()
    }

    /// `None` once the subscription has ended for good, and the queue is empty.
    pub(crate) async fn next(&mut self) -> Option<Request> {
        let traffic = match &mut self.queue {
            Queue::Filled(queue, _) => return queue.recv().await,
            Queue::Attended(attended) => return attended.next().await,
            Queue::Direct(traffic) => &*traffic,
        };
        loop {
            let message = tokio::select! {
                biased;
                message = self.source.next() => message,
                // Without a connection nothing ends the subscription.
                () = traffic.shared().lifecycle.closed() => return None,
            };
            match message {
                Some(message) => {
                    if let Some(request) = request_of(&self.source, traffic, message) {
                        return Some(request);
                    }
                }
                None if self.source.resubscribe(traffic).await => {}
                None => return None,
            }
        }
    }
}

impl Served {
    /// Waits for something else, while what arrives is queued, or refused once the queue is full.
    pub(crate) async fn hold<T>(&mut self, until: impl Future<Output = T>) -> T {
        match &mut self.queue {
            Queue::Attended(attended) => attended.hold(until).await,
            Queue::Filled(..) | Queue::Direct(_) => until.await,
        }
    }
}

impl Source {
    async fn open(
        traffic: &Traffic,
        pattern: &SubjectPattern,
        group: &str,
        counts: Option<Arc<Counts>>,
    ) -> Result<Self, Error> {
        let live = traffic.shared().live();
        let subscriber = subscribe(&live, pattern, group).await?;
        let generation = live.generation;
        let held = Held { subscriber: Some(subscriber), generation, is_dropped: false };
        Ok(Self(Arc::new(Inner {
            pattern: pattern.clone(),
            group: group.to_owned(),
            held: Mutex::new(held),
            retired: CancellationToken::new(),
            counts,
        })))
    }
}

impl Drop for Served {
    /// Unsubscribes now, not when the task gets to know that it was aborted.
    fn drop(&mut self) {
        let mut held = lock(&self.source.0.held);
        held.is_dropped = true;
        let subscriber = held.subscriber.take();
        drop(held);
        drop(subscriber);
    }
}

async fn subscribe(
    live: &Live,
    pattern: &SubjectPattern,
    group: &str,
) -> Result<Subscriber, Error> {
    let subscribing = live.client.queue_subscribe(pattern.as_str().to_owned(), group.to_owned());
    subscribing.await.map_err(|error| not_subscribed(pattern.as_str(), error))
}

impl Source {
    /// Wants no new requests; what the server has delivered by then is still served.
    pub(super) fn retire(&self) {
        self.leave();
        self.0.retired.cancel();
    }

    /// Has the server forget the subscription while the client still listens to it: the client's
    /// own ways to end one drop what is on the wire. Whether it went out.
    fn leave(&self) -> bool {
        let mut held = lock(&self.0.held);
        let Some(subscriber) = held.subscriber.as_mut() else { return true };
        let leaving = tokio::task::unconstrained(subscriber.unsubscribe_after(NEVER));
        leaving.now_or_never().is_some()
    }

    /// The next message, `None` once the subscription has ended.
    async fn next(&self) -> Option<async_nats::Message> {
        poll_fn(|task| self.poll_next(task)).await
    }

    fn poll_next(&self, task: &mut Context<'_>) -> Poll<Option<async_nats::Message>> {
        match lock(&self.0.held).subscriber.as_mut() {
            None => Poll::Ready(None),
            Some(subscriber) => subscriber.poll_next_unpin(task),
        }
    }

    /// Subscribes over the connection that replaced the last one; whether there is any use.
    async fn resubscribe(&self, traffic: &Traffic) -> bool {
        let Inner { pattern, group, held, retired, .. } = &*self.0;
        let mut generation = lock(held).generation;
        loop {
            let Ok(live) = traffic.shared().renewed(generation).await else { return false };
            generation = live.generation;
            if retired.is_cancelled() {
                return false;
            }
            match subscribe(&live, pattern, group).await {
                Ok(subscriber) => {
                    let mut held = lock(held);
                    if held.is_dropped {
                        return false;
                    }
                    *held = Held { subscriber: Some(subscriber), generation, is_dropped: false };
                    return true;
                }
                Err(error) => tracing::debug!(%error, "not serving again yet"),
            }
        }
    }
}

/// Fills the queue until the server is dropped, the service was taken back or the bus is closed.
async fn fill(source: Source, queue: mpsc::Sender<Request>, traffic: Traffic) {
    let retired = &source.0.retired;
    let serving = async {
        while serve(&source, &queue, &traffic).await && source.resubscribe(&traffic).await {}
    };
    tokio::select! {
        biased;
        () = traffic.shared().lifecycle.closed() => return,
        () = retired.cancelled() => {}
        () = serving => return,
    }
    // What the server delivered before it took note of our leave comes before its answer.
    let left = async {
        while !source.leave() {
            tokio::time::sleep(RETIRE_PAUSE).await;
        }
        if let Err(error) = traffic.round_trip().await {
            tracing::debug!(%error, "a service was taken back without the server's word");
        }
    };
    let mut left = pin!(left);
    tokio::select! {
        biased;
        _ = serve(&source, &queue, &traffic) => return,
        () = &mut left => {}
    }
    while let Some(Some(message)) = source.next().now_or_never() {
        take(&source, &queue, &traffic, message).await;
    }
    lock(&source.0.held).subscriber = None;
}

/// Takes requests until the subscription ends; whether anybody wants more.
async fn serve(source: &Source, queue: &mpsc::Sender<Request>, traffic: &Traffic) -> bool {
    while let Some(message) = source.next().await {
        if !take(source, queue, traffic, message).await {
            return false;
        }
    }
    true
}

/// Hands a request on, if it can be answered; whether anybody takes more.
async fn take(
    source: &Source,
    queue: &mpsc::Sender<Request>,
    traffic: &Traffic,
    message: async_nats::Message,
) -> bool {
    let Some(request) = request_of(source, traffic, message) else { return true };
    match queue.try_send(request) {
        Ok(()) => true,
        Err(TrySendError::Full(request)) => {
            if let Err(error) = request.refuse(QUEUE_REQUESTS_MAX).await {
                tracing::debug!(%error, "a request to a full queue was not refused");
            }
            true
        }
        Err(TrySendError::Closed(_)) => false,
    }
}

/// The request, if it can be answered.
fn request_of(
    source: &Source,
    traffic: &Traffic,
    mut message: async_nats::Message,
) -> Option<Request> {
    let Some(reply) = message.reply.take() else {
        tracing::debug!(subject = %message.subject, "dropped a request that asks for no reply");
        return None;
    };
    if !is_inbox(&reply) {
        tracing::warn!(
            subject = %message.subject,
            %reply,
            "refused a request whose reply subject is no inbox"
        );
        return None;
    }
    let replier = Replier::new(traffic.clone(), reply, source.0.counts.clone());
    Some(Request::nats(wire::inbound(message), replier))
}

/// Whether a reply may go there: whoever asks names the subject, and it is our login that
/// publishes to it. Inboxes begin with an underscore (`_INBOX`, `_R_`); servers' and our own
/// subjects do not.
fn is_inbox(reply: &Subject) -> bool {
    reply.starts_with('_')
        && !reply.ends_with('.')
        && !reply.bytes().fold(false, |found, byte| found | (byte == 0x7f))
        && holds_subject(reply.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_only_inboxes_get_replies() {
        for inbox in ["_INBOX.abc.1", "_INBOX_alice.x", "_R_.x.y"] {
            assert!(is_inbox(&Subject::from(inbox)), "{inbox}");
        }
        for other in [
            "$JS.API.STREAM.DELETE.x",
            "$SYS.x",
            "gearshift.journal.0",
            "a",
            "_I.*",
            "_I..x",
            "_I.",
        ] {
            assert!(!is_inbox(&Subject::from(other)), "{other}");
        }
    }
}
