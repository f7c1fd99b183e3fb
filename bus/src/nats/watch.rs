//! [`KeyWatch`]: what happens to the keys of a bucket.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use serde_json::{Value as Json, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::bucket::{Bucket, Found, expiry, is_live};
use super::connection::Signal;
use super::reader::{consumer_sequence, stream_sequence};
use crate::{Change, Clock, Error, Value};

/// How often the server says that it is there, if it has nothing else to say.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// Without a word for this long the watch starts anew.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// Pause after a failed start.
const PAUSE: Duration = Duration::from_millis(250);

/// A watch on a bucket.
///
/// It compares what it has told with what the bucket holds whenever it starts and whenever the
/// flow of changes might have a gap; in between it follows the flow.
#[derive(Debug)]
pub(crate) struct KeyWatch {
    bucket: Bucket,
    prefix: String,
    /// What was told, by key, with when readers have to see it expire by themselves.
    seen: BTreeMap<String, Seen>,
    ready: VecDeque<Change>,
    flow: Option<Flow>,
    signal: watch::Receiver<Signal>,
    /// Of the stream whose revisions were told.
    incarnation: u128,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    revision: u64,
    expires_ms: Option<i64>,
}

/// The changes as they come.
#[derive(Debug)]
struct Flow {
    subscriber: Subscriber,
    consumer_next: u64,
    heard: Instant,
}

/// What woke the watch.
enum Woken {
    Heard(Option<Message>),
    Silence,
    Expired,
    Closed,
}

impl KeyWatch {
    pub(super) async fn open(bucket: Bucket, prefix: &str) -> Result<Self, Error> {
        bucket.stream.link.lifecycle.check()?;
        let signal = bucket.stream.link.signal();
        let mut watch = Self {
            bucket,
            prefix: prefix.to_owned(),
            seen: BTreeMap::new(),
            ready: VecDeque::new(),
            flow: None,
            signal,
            incarnation: 0,
        };
        watch.start().await?;
        Ok(watch)
    }

    pub(crate) async fn next(&mut self) -> Option<Change> {
        let lifecycle = self.bucket.stream.link.lifecycle.clone();
        loop {
            if lifecycle.check().is_err() {
                return None;
            }
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            if self.flow.is_none() {
                tokio::select! {
                    biased;
                    () = lifecycle.closed() => return None,
                    started = self.start() => {
                        if let Err(error) = started {
                            tracing::warn!(%error, "a watch does not start");
                            sleep(PAUSE).await;
                        }
                    }
                }
                continue;
            }
            match self.woken().await {
                Woken::Closed => return None,
                Woken::Heard(Some(message)) => self.hear(&message),
                Woken::Heard(None) | Woken::Silence => self.flow = None,
                Woken::Expired => self.expire(),
            }
        }
    }

    async fn woken(&mut self) -> Woken {
        let lifecycle = self.bucket.stream.link.lifecycle.clone();
        let expiry = self.next_expiry();
        let Some(flow) = &mut self.flow else { return Woken::Silence };
        tokio::select! {
            biased;
            () = lifecycle.closed() => Woken::Closed,
            // What the server said while the connection was down did not arrive.
            _ = self.signal.changed() => Woken::Silence,
            message = flow.subscriber.next() => Woken::Heard(message),
            () = sleep_until(flow.heard + SILENCE_MAX) => Woken::Silence,
            () = pause(expiry) => Woken::Expired,
        }
    }

    /// Follows what happens from now on, then tells how what is there differs from what was told.
    async fn start(&mut self) -> Result<(), Error> {
        self.signal.mark_unchanged();
        let tail = self.bucket.tail().await?;
        let flow = self.follow(tail.last + 1).await?;
        let entries = self.bucket.entries(&self.prefix).await?;
        let mut gone = std::mem::take(&mut self.seen);
        // In a bucket that was deleted and made again revisions begin anew.
        let is_same = self.incarnation == tail.incarnation;
        self.incarnation = tail.incarnation;
        for Found { key, value, expires_ms } in entries {
            let told = gone.remove(&key).filter(|told| is_same && told.revision >= value.revision);
            let seen = told.unwrap_or(Seen { revision: value.revision, expires_ms });
            self.seen.insert(key.clone(), seen);
            if told.is_none() {
                self.ready.push_back(Change::Put { key, value });
            }
        }
        for key in gone.into_keys() {
            self.ready.push_back(Change::Deleted { key });
        }
        self.flow = Some(flow);
        Ok(())
    }

    async fn follow(&self, start: u64) -> Result<Flow, Error> {
        let stream = &self.bucket.stream;
        let disconnected =
            |error: async_nats::SubscribeError| Error::new(crate::ErrorKind::Disconnected, error);
        let inbox = stream.link.client.new_inbox();
        // The client takes nothing while its queue is full and nothing leaves it.
        let subscribing = timeout(SILENCE_MAX, stream.link.client.subscribe(inbox.clone()));
        let subscriber = subscribing
            .await
            .map_err(|elapsed| Error::new(crate::ErrorKind::Disconnected, elapsed))?
            .map_err(disconnected)?;
        let consumer = format!("gearshift-watch-{:016x}", fastrand::u64(..));
        let subject = format!("CONSUMER.CREATE.{}.{consumer}", stream.name);
        let body = json!({
            "stream_name": stream.name,
            "config": {
                "name": consumer,
                "deliver_subject": inbox,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": start,
                "ack_policy": "none",
                "replay_policy": "instant",
                "idle_heartbeat": u64::try_from(HEARTBEAT.as_nanos()).unwrap_or(u64::MAX),
                "mem_storage": true,
                "num_replicas": 1,
            },
        });
        match stream.link.api::<Json>(&subject, &body).await? {
            Ok(_created) => Ok(Flow { subscriber, consumer_next: 1, heard: Instant::now() }),
            Err(error) => Err(stream.error(error)),
        }
    }

    fn hear(&mut self, message: &Message) {
        let Some(flow) = &mut self.flow else { return };
        flow.heard = Instant::now();
        if message.status.is_some() {
            // A heartbeat names the last message it sent: more than we got is a gap.
            let last =
                message.headers.as_ref().and_then(|headers| headers.get("Nats-Last-Consumer"));
            let last: Option<u64> = last.and_then(|last| last.as_str().parse().ok());
            if last.is_some_and(|last| last >= flow.consumer_next) {
                self.flow = None;
            }
            return;
        }
        let reply = message.reply.as_deref();
        let place =
            reply.and_then(|reply| Some((stream_sequence(reply)?, consumer_sequence(reply)?)));
        let Some((revision, consumer)) = place else { return };
        if consumer != flow.consumer_next {
            self.flow = None;
            return;
        }
        flow.consumer_next += 1;
        self.tell(message, revision);
    }

    fn tell(&mut self, message: &Message, revision: u64) {
        let Some(key) = message.subject.strip_prefix(self.bucket.root.as_str()) else { return };
        if !key.starts_with(&self.prefix) {
            return;
        }
        let headers = message.headers.clone().unwrap_or_default();
        let now_ms = Clock::system().now_ms();
        let key = key.to_owned();
        if !is_live(&headers, now_ms) {
            let told = self.seen.get(&key).is_some_and(|seen| seen.revision < revision);
            if told {
                self.seen.remove(&key);
                self.ready.push_back(Change::Deleted { key });
            }
            return;
        }
        if self.seen.get(&key).is_some_and(|seen| seen.revision >= revision) {
            return;
        }
        let expires_ms = expiry(&headers).map(|ttl_ms| now_ms.saturating_add(ttl_ms));
        self.seen.insert(key.clone(), Seen { revision, expires_ms });
        let value = Value { revision, value: message.payload.clone() };
        self.ready.push_back(Change::Put { key, value });
    }

    /// When a key that was told may have expired, on servers that do not say so.
    fn next_expiry(&self) -> Option<Duration> {
        let first = self.seen.values().filter_map(|seen| seen.expires_ms).min()?;
        let left_ms = first.saturating_sub(Clock::system().now_ms());
        Some(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)))
    }

    fn expire(&mut self) {
        let now_ms = Clock::system().now_ms();
        let due = |seen: &Seen| seen.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms);
        let gone: Vec<_> =
            self.seen.iter().filter(|(_, seen)| due(seen)).map(|(key, _)| key.clone()).collect();
        for key in gone {
            self.seen.remove(&key);
            self.ready.push_back(Change::Deleted { key });
        }
    }
}

async fn pause(wait: Option<Duration>) {
    match wait {
        Some(wait) => sleep(wait).await,
        None => std::future::pending().await,
    }
}
