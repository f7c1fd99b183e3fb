//! [`Store`]: the named things of one bus in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;

use super::sequence::Sequence;
use super::{Blobs, Bucket, Inbox, Log};
use crate::local::{Captures, Keys, Lifecycle, lock};
use crate::{Clock, Error, Message};

/// Everything a bus in memory holds.
#[derive(Debug, Clone)]
pub(crate) struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    clock: Clock,
    lifecycle: Lifecycle,
    captures: Mutex<Captures>,
    names: Mutex<Names>,
}

#[derive(Debug)]
struct Names {
    random: fastrand::Rng,
    logs: BTreeMap<String, Arc<Sequence<Bytes>>>,
    inboxes: BTreeMap<String, Arc<Sequence<(Message, i64)>>>,
    buckets: BTreeMap<String, Bucket>,
    blobs: BTreeMap<String, Blobs>,
}

impl Store {
    pub(crate) fn new(clock: Clock, lifecycle: Lifecycle) -> Self {
        Self::with_random(fastrand::Rng::new(), clock, lifecycle)
    }

    /// A store that draws its incarnations from `random`.
    pub(crate) fn with_random(random: fastrand::Rng, clock: Clock, lifecycle: Lifecycle) -> Self {
        let names = Mutex::new(Names {
            random,
            logs: BTreeMap::new(),
            inboxes: BTreeMap::new(),
            buckets: BTreeMap::new(),
            blobs: BTreeMap::new(),
        });
        Self(Arc::new(Shared { clock, lifecycle, captures: Mutex::default(), names }))
    }

    pub(crate) fn log(&self, name: &str) -> Log {
        let mut names = lock(&self.0.names);
        let Names { random, logs, .. } = &mut *names;
        let frames = logs
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Sequence::new(name, random.u128(..))));
        Log::new(self.clone(), name.to_owned(), Arc::clone(frames))
    }

    pub(crate) fn inbox(&self, name: &str) -> Inbox {
        let mut names = lock(&self.0.names);
        let Names { random, inboxes, .. } = &mut *names;
        let messages = inboxes
            .entry(name.to_owned())
            .or_insert_with(|| Arc::new(Sequence::new(name, random.u128(..))));
        Inbox::new(self.clone(), name.to_owned(), Arc::clone(messages))
    }

    pub(crate) fn bucket(&self, name: &str, bytes_max: Option<usize>) -> Result<Bucket, Error> {
        let make = || {
            let (clock, lifecycle) = (self.0.clock.clone(), self.0.lifecycle.clone());
            Bucket::new(Keys::new(0, BTreeMap::new(), clock, lifecycle.clone()), lifecycle)
        };
        let bucket =
            lock(&self.0.names).buckets.entry(name.to_owned()).or_insert_with(make).clone();
        if bytes_max.is_some() {
            bucket.keys()?.keep_within(bytes_max);
        }
        Ok(bucket)
    }

    pub(crate) fn blobs(&self, name: &str) -> Blobs {
        let make = || Blobs::new(self.0.lifecycle.clone());
        lock(&self.0.names).blobs.entry(name.to_owned()).or_insert_with(make).clone()
    }

    /// The inbox that captures the message's subject.
    pub(crate) fn capturing(&self, message: &Message) -> Option<Inbox> {
        let name = lock(&self.0.captures).find(&message.subject)?.to_owned();
        Some(self.inbox(&name))
    }

    /// Stores the message in the inbox that captures its subject; whether there is one.
    pub(crate) fn capture(&self, message: &Message) -> Result<bool, Error> {
        let Some(inbox) = self.capturing(message) else { return Ok(false) };
        inbox.store_message(message)?;
        Ok(true)
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    pub(super) fn captures(&self) -> &Mutex<Captures> {
        &self.0.captures
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    pub(super) fn forget_log(&self, name: &str) {
        lock(&self.0.names).logs.remove(name);
    }
}
