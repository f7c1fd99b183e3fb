//! [`Subscribed`]: a subscription whose oldest message gives way.

use std::sync::Arc;

use async_nats::Subscriber;
use futures_util::StreamExt;
use tokio::task::JoinSet;

use super::requests::not_subscribed;
use super::traffic::Traffic;
use super::wire;
use crate::local::ListenerQueue;
use crate::{Error, Message, SubjectPattern};

/// A subscription.
#[derive(Debug)]
pub(crate) struct Subscribed {
    queue: Arc<ListenerQueue>,
    traffic: Traffic,
    #[expect(dead_code, reason = "held for its drop, which ends the task and unsubscribes")]
    tasks: JoinSet<()>,
}

impl Subscribed {
    pub(super) async fn open(traffic: &Traffic, pattern: &SubjectPattern) -> Result<Self, Error> {
        let shared = traffic.shared();
        shared.lifecycle.check()?;
        let subscriber = shared
            .client
            .subscribe(pattern.as_str().to_owned())
            .await
            .map_err(|error| not_subscribed(pattern.as_str(), error))?;
        let queue = Arc::new(ListenerQueue::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(fill(subscriber, Arc::clone(&queue)));
        traffic.round_trip().await?;
        Ok(Self { queue, traffic: traffic.clone(), tasks })
    }

    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = self.queue.pop() {
                return Some(message);
            }
            tokio::select! {
                biased;
                () = self.queue.filled() => {}
                () = self.traffic.shared().lifecycle.closed() => return self.queue.pop(),
            }
        }
    }

    pub(crate) fn lagged(&self) -> u64 {
        self.queue.dropped()
    }
}

async fn fill(mut subscriber: Subscriber, queue: Arc<ListenerQueue>) {
    while let Some(message) = subscriber.next().await {
        queue.push(wire::inbound(message));
    }
}
