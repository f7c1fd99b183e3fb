//! [`Served`]: a bounded queue of requests between a subscription and whoever takes them.

use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_nats::service::endpoint::Endpoint;
use async_nats::{Subject, Subscriber};
use futures_util::StreamExt;
use futures_util::future::poll_fn;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::task::JoinSet;

use super::traffic::Traffic;
use super::{Replier, wire};
use crate::local::lock;
use crate::{QUEUE_MESSAGES_MAX, Request};

/// A server's end of its queue.
#[derive(Debug)]
pub(crate) struct Served {
    queue: mpsc::Receiver<Request>,
    traffic: Traffic,
    source: Shared,
    #[expect(dead_code, reason = "held for its drop, which ends the task")]
    tasks: JoinSet<()>,
}

/// Where requests come from; `None` once the server was dropped.
#[derive(Clone)]
struct Shared(Arc<Mutex<Option<Source>>>);

enum Source {
    Plain(Subscriber),
    Endpoint(Box<Endpoint>),
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Shared")
    }
}

impl Served {
    pub(super) fn plain(subscriber: Subscriber, traffic: Traffic) -> Self {
        Self::new(Source::Plain(subscriber), traffic)
    }

    pub(super) fn endpoint(endpoint: Endpoint, traffic: Traffic) -> Self {
        Self::new(Source::Endpoint(Box::new(endpoint)), traffic)
    }

    fn new(source: Source, traffic: Traffic) -> Self {
        let source = Shared(Arc::new(Mutex::new(Some(source))));
        let (sender, queue) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let mut tasks = JoinSet::new();
        tasks.spawn(fill(source.clone(), sender, traffic.clone()));
        Self { queue, traffic, source, tasks }
    }

    pub(crate) async fn next(&mut self) -> Option<Request> {
        tokio::select! {
            biased;
            request = self.queue.recv() => request,
            () = self.traffic.shared().lifecycle.closed() => self.queue.try_recv().ok(),
        }
    }
}

impl Drop for Served {
    /// Unsubscribes now, not when the task gets to know that it was aborted.
    fn drop(&mut self) {
        let source = lock(&self.source.0).take();
        drop(source);
    }
}

async fn fill(source: Shared, queue: mpsc::Sender<Request>, traffic: Traffic) {
    while let Some((message, replier)) = next(&source, &traffic).await {
        match queue.try_send(Request::nats(wire::inbound(message), replier)) {
            Ok(()) => {}
            Err(TrySendError::Full(request)) => {
                if let Err(error) = request.refuse(QUEUE_MESSAGES_MAX).await {
                    tracing::debug!(%error, "a request to a full queue was not refused");
                }
            }
            Err(TrySendError::Closed(_)) => return,
        }
    }
}

/// The next request that can be answered.
async fn next(source: &Shared, traffic: &Traffic) -> Option<(async_nats::Message, Replier)> {
    loop {
        let (message, request) = poll_fn(|context| {
            let mut held = lock(&source.0);
            match held.as_mut() {
                None => Poll::Ready(None),
                Some(Source::Plain(subscriber)) => {
                    subscriber.poll_next_unpin(context).map(|one| one.map(|one| (one, None)))
                }
                Some(Source::Endpoint(endpoint)) => endpoint
                    .poll_next_unpin(context)
                    .map(|one| one.map(|one| (one.message.clone(), Some(one)))),
            }
        })
        .await?;
        let Some(reply) = message.reply.clone() else {
            tracing::debug!(subject = %message.subject, "dropped a request that asks for no reply");
            continue;
        };
        if !is_inbox(&reply) {
            tracing::warn!(
                subject = %message.subject,
                %reply,
                "refused a request whose reply subject is no inbox"
            );
            continue;
        }
        let replier = match request {
            None => Replier::subject(traffic.clone(), reply),
            Some(request) => Replier::service(traffic.clone(), request),
        };
        return Some((message, replier));
    }
}

/// Whether a reply may go there: whoever asks names the subject, and it is our login that
/// publishes to it. Inboxes begin with an underscore (`_INBOX`, `_R_`); servers' and our own
/// subjects do not.
fn is_inbox(reply: &Subject) -> bool {
    crate::Subject::parse(reply).is_ok() && reply.starts_with('_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p12_only_inboxes_get_replies() {
        for inbox in ["_INBOX.abc.1", "_INBOX_alice.x", "_R_.x.y"] {
            assert!(is_inbox(&Subject::from(inbox)), "{inbox}");
        }
        for other in ["$JS.API.STREAM.DELETE.x", "$SYS.x", "gearshift.journal.0", "a", "_I.*"] {
            assert!(!is_inbox(&Subject::from(other)), "{other}");
        }
    }
}
