//! [`Attended`]: a queue that whoever takes from it fills, so that no task stands in between.

use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, poll_fn};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TryRecvError;

use crate::Request;

/// A queue and what fills it.
pub(super) struct Attended {
    queue: mpsc::Receiver<Request>,
    /// `None` once the subscription has ended for good.
    filling: Option<BoxFuture<'static, ()>>,
    /// Gives the next request past the empty queue, while there is one to be had at once.
    direct: Direct,
}

/// The next request of the subscription that is there already; `None` where there is none now.
type Direct = Box<dyn FnMut(&mut Context<'_>) -> Option<Request> + Send>;

impl Attended {
    pub(super) fn new(
        queue: mpsc::Receiver<Request>,
        filling: impl Future<Output = ()> + Send + 'static,
        direct: impl FnMut(&mut Context<'_>) -> Option<Request> + Send + 'static,
    ) -> Self {
        Self { queue, filling: Some(filling.boxed()), direct: Box::new(direct) }
    }

    /// The next request, or `None` once the queue is empty and nothing fills it any more.
    pub(super) async fn next(&mut self) -> Option<Request> {
        poll_fn(|task| self.poll_next(task)).await
    }

    /// Waits for something else, and fills the queue meanwhile.
    pub(super) async fn hold<T>(&mut self, until: impl Future<Output = T>) -> T {
        let filled = poll_fn(|task| {
            self.poll_fill(task);
            Poll::<Infallible>::Pending
        });
        tokio::select! {
            biased;
            done = until => done,
            never = filled => match never {},
        }
    }

    fn poll_fill(&mut self, task: &mut Context<'_>) {
        if self.filling.as_mut().is_some_and(|filling| filling.poll_unpin(task).is_ready()) {
            self.filling = None;
        }
    }

    fn poll_next(&mut self, task: &mut Context<'_>) -> Poll<Option<Request>> {
        if let Ok(request) = self.queue.try_recv() {
            return Poll::Ready(Some(request));
        }
        // Most requests: there is one, and nothing is in line before it.
        if let Some(request) = self.filling.as_ref().and_then(|_| (self.direct)(task)) {
            return Poll::Ready(Some(request));
        }
        self.poll_fill(task);
        // Only what was just polled fills the queue, so it is also what wakes the task.
        match self.queue.try_recv() {
            Ok(request) => Poll::Ready(Some(request)),
            Err(TryRecvError::Empty) => Poll::Pending,
            Err(TryRecvError::Disconnected) => Poll::Ready(None),
        }
    }
}

impl fmt::Debug for Attended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, filling, direct: _ } = self;
        let is_filled = filling.is_some();
        f.debug_struct("Attended").field("queue", queue).field("is_filled", &is_filled).finish()
    }
}
