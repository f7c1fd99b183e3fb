//! [`Subscribed`]: a subscription whose oldest message gives way.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use tokio::task::JoinSet;

use super::live::Live;
use super::requests::not_subscribed;
use super::traffic::Traffic;
use super::wire;
use crate::local::ListenerQueue;
use crate::{Error, ErrorKind, Message, SubjectPattern};

/// How long the client may take to take note of a subscription.
const SUBSCRIBE_MAX: Duration = Duration::from_secs(5);

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
        traffic.shared().lifecycle.check()?;
        let live = traffic.shared().live();
        // The client takes nothing while its queue is full and nothing leaves it.
        let subscribing = tokio::time::timeout(SUBSCRIBE_MAX, subscribe(&live, pattern)).await;
        let subscriber =
            subscribing.map_err(|elapsed| Error::new(ErrorKind::Disconnected, elapsed))??;
        let queue = Arc::new(ListenerQueue::default());
        let mut tasks = JoinSet::new();
        let filling = (traffic.clone(), pattern.clone(), Arc::clone(&queue));
        tasks.spawn(fill(filling.0, filling.1, filling.2, live.generation, subscriber));
        traffic.subscribed([pattern.as_str()]).await?;
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

async fn subscribe(live: &Live, pattern: &SubjectPattern) -> Result<Subscriber, Error> {
    let subscribing = live.client.subscribe(pattern.as_str().to_owned());
    subscribing.await.map_err(|error| not_subscribed(pattern.as_str(), error))
}

/// Ends with the bus; subscribes again over every connection that replaces one.
async fn fill(
    traffic: Traffic,
    pattern: SubjectPattern,
    queue: Arc<ListenerQueue>,
    mut generation: u64,
    mut subscriber: Subscriber,
) {
    loop {
        while let Some(message) = subscriber.next().await {
            queue.push(wire::inbound(message));
        }
        subscriber = loop {
            let Ok(live) = traffic.shared().renewed(generation).await else { return };
            generation = live.generation;
            match subscribe(&live, &pattern).await {
                Ok(subscriber) => break subscriber,
                Err(error) => tracing::debug!(%error, "not subscribed again yet"),
            }
        };
    }
}
