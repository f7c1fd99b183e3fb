//! [`Keys`]: the content of one bucket, and those who watch it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::{Lifecycle, lock};
use crate::{Change, Clock, Swapped, Value};

/// How long a watcher trusts the clock before it looks again whether a key has expired.
const EXPIRY_POLL_MAX: Duration = Duration::from_millis(250);

/// Expired keys that one write takes out at most, so that no write takes long.
const EXPIRED_KEYS_MAX: usize = 64;

/// The live keys of one bucket.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Mutex<Table>,
    changed: watch::Sender<u64>,
    clock: Clock,
    lifecycle: Lifecycle,
}

#[derive(Debug, Default)]
struct Table {
    revision: u64,
    entries: BTreeMap<String, KeyEntry>,
    /// The keys that expire, the first one first.
    expiries: BTreeSet<(i64, String)>,
    /// The keys by the writes that made them.
    written: BTreeMap<u64, String>,
    /// What keys and values weigh.
    bytes: usize,
    /// What they may weigh, where that is limited.
    bytes_max: Option<usize>,
}

/// A value and when it expires.
#[derive(Debug, Clone)]
pub(crate) struct KeyEntry {
    pub(crate) value: Value,
    pub(crate) expires_ms: Option<i64>,
}

/// One write as asked for: `value` of `None` deletes, `expected` of `None` always succeeds.
#[derive(Debug)]
pub(crate) struct KeyOp {
    pub(crate) expected: Option<u64>,
    pub(crate) value: Option<Bytes>,
    pub(crate) ttl: Option<Duration>,
}

/// One write as decided, to be made durable and then applied.
#[derive(Debug)]
pub(crate) struct Planned {
    pub(crate) revision: u64,
    pub(crate) entry: Option<KeyEntry>,
    /// Keys that are taken out on this occasion: they have expired, or there is no room for them.
    pub(crate) gone: Vec<String>,
}

impl Keys {
    pub(crate) fn new(
        revision: u64,
        entries: BTreeMap<String, KeyEntry>,
        clock: Clock,
        lifecycle: Lifecycle,
    ) -> Self {
        let mut table = Table { revision, ..Table::default() };
        for (key, entry) in entries {
            table.insert(key, entry);
        }
        let table = Mutex::new(table);
        let changed = watch::Sender::new(0);
        Self { shared: Arc::new(Shared { table, changed, clock, lifecycle }) }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        let now_ms = self.shared.clock.now_ms();
        let table = lock(&self.shared.table);
        table
            .entries
            .get(key)
            .filter(|entry| entry.is_live(now_ms))
            .map(|entry| entry.value.clone())
    }

    pub(crate) fn list(&self, prefix: &str) -> Vec<String> {
        let now_ms = self.shared.clock.now_ms();
        let table = lock(&self.shared.table);
        table.live(prefix, now_ms).map(|(key, _)| key.clone()).collect()
    }

    /// From the next write on they weigh no more than this, in bytes.
    pub(crate) fn keep_within(&self, bytes_max: Option<usize>) {
        lock(&self.shared.table).bytes_max = bytes_max;
    }

    pub(crate) fn head(&self) -> u64 {
        lock(&self.shared.table).revision
    }

    pub(crate) fn watch(&self, prefix: &str) -> KeyWatch {
        KeyWatch {
            keys: self.clone(),
            changed: self.shared.changed.subscribe(),
            prefix: prefix.to_owned(),
            seen: BTreeMap::new(),
            ready: VecDeque::new(),
            compared: false,
        }
    }

    /// Decides a write; only one writer may be between this and [`Keys::apply`].
    pub(crate) fn plan(&self, key: &str, op: &KeyOp) -> Result<Planned, Swapped> {
        let now_ms = self.shared.clock.now_ms();
        let table = lock(&self.shared.table);
        let actual = table
            .entries
            .get(key)
            .filter(|entry| entry.is_live(now_ms))
            .map_or(0, |entry| entry.value.revision);
        if op.expected.is_some_and(|expected| expected != actual) {
            return Err(Swapped::Conflict { actual });
        }
        let revision = table.revision + 1;
        let expires_ms = op
            .ttl
            .map(|ttl| now_ms.saturating_add(i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX)));
        let entry =
            op.value.clone().map(|value| KeyEntry { value: Value { revision, value }, expires_ms });
        let expired = table.expired(now_ms).filter(|expired| *expired != key);
        let mut gone: Vec<String> = expired.take(EXPIRED_KEYS_MAX).cloned().collect();
        if let Some(entry) = &entry {
            table.make_room(key, entry, &mut gone);
        }
        Ok(Planned { revision, entry, gone })
    }

    pub(crate) fn apply(&self, key: &str, planned: Planned) -> Swapped {
        let mut table = lock(&self.shared.table);
        table.revision = planned.revision;
        for gone in &planned.gone {
            table.remove(gone);
        }
        table.remove(key);
        if let Some(entry) = planned.entry {
            table.insert(key.to_owned(), entry);
        }
        drop(table);
        self.shared.changed.send_modify(|version| *version += 1);
        Swapped::Stored(planned.revision)
    }

    /// Plans and applies in one step, for a bucket that is not stored.
    pub(crate) fn write(&self, key: &str, op: &KeyOp, turn: &Mutex<()>) -> Swapped {
        let _turn = lock(turn);
        match self.plan(key, op) {
            Ok(planned) => self.apply(key, planned),
            Err(conflict) => conflict,
        }
    }
}

impl Table {
    fn insert(&mut self, key: String, entry: KeyEntry) {
        if let Some(expires_ms) = entry.expires_ms {
            self.expiries.insert((expires_ms, key.clone()));
        }
        self.written.insert(entry.value.revision, key.clone());
        self.bytes += weight(&key, &entry);
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: &str) {
        let Some(entry) = self.entries.remove(key) else { return };
        self.written.remove(&entry.value.revision);
        self.bytes -= weight(key, &entry);
        if let Some(expires_ms) = entry.expires_ms {
            self.expiries.remove(&(expires_ms, key.to_owned()));
        }
    }

    /// Adds to `gone` what has to go for `entry` at `key`, what was written first at first.
    fn make_room(&self, key: &str, entry: &KeyEntry, gone: &mut Vec<String>) {
        let Some(bytes_max) = self.bytes_max else { return };
        let of = |key: &str| self.entries.get(key).map_or(0, |entry| weight(key, entry));
        let leaves = of(key) + gone.iter().map(|key| of(key)).sum::<usize>();
        let mut bytes = self.bytes - leaves + weight(key, entry);
        let expired = gone.len();
        for oldest in self.written.values() {
            if bytes <= bytes_max {
                return;
            }
            let stays = oldest != key && !gone.iter().take(expired).any(|gone| gone == oldest);
            if stays {
                bytes -= of(oldest);
                gone.push(oldest.clone());
            }
        }
    }

    fn expired(&self, now_ms: i64) -> impl Iterator<Item = &String> {
        let expired = self.expiries.iter().take_while(move |(expires_ms, _)| *expires_ms <= now_ms);
        expired.map(|(_, key)| key)
    }

    fn live(&self, prefix: &str, now_ms: i64) -> impl Iterator<Item = (&String, &KeyEntry)> {
        self.entries
            .range(prefix.to_owned()..)
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter(move |(_, entry)| entry.is_live(now_ms))
    }
}

/// What a key and its value count for, in bytes.
const fn weight(key: &str, entry: &KeyEntry) -> usize {
    key.len() + entry.value.value.len()
}

impl KeyEntry {
    fn is_live(&self, now_ms: i64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| now_ms < expires_ms)
    }
}

/// Compares what it has told with what the bucket holds; so it needs no queue of changes.
#[derive(Debug)]
pub(crate) struct KeyWatch {
    keys: Keys,
    changed: watch::Receiver<u64>,
    prefix: String,
    seen: BTreeMap<String, u64>,
    ready: VecDeque<Change>,
    compared: bool,
}

impl KeyWatch {
    pub(crate) async fn next(&mut self) -> Option<Change> {
        let lifecycle = self.keys.shared.lifecycle.clone();
        loop {
            if lifecycle.check().is_err() {
                return None;
            }
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            let next_expiry = if self.compared { self.next_expiry() } else { None };
            if !self.compared || next_expiry.is_some_and(|wait| wait.is_zero()) {
                self.changed.mark_unchanged();
                self.compare();
                self.compared = true;
                continue;
            }
            let wait = next_expiry.map(|wait| wait.min(EXPIRY_POLL_MAX));
            tokio::select! {
                biased;
                () = lifecycle.closed() => return None,
                changed = self.changed.changed() => self.compared = changed.is_err(),
                () = sleep(wait) => {}
            }
        }
    }

    fn compare(&mut self) {
        let now_ms = self.keys.shared.clock.now_ms();
        let table = lock(&self.keys.shared.table);
        let mut live = BTreeMap::new();
        for (key, entry) in table.live(&self.prefix, now_ms) {
            live.insert(key.clone(), entry.value.revision);
            if self.seen.get(key) != Some(&entry.value.revision) {
                let (key, value) = (key.clone(), entry.value.clone());
                self.ready.push_back(Change::Put { key, value });
            }
        }
        drop(table);
        for key in self.seen.keys().filter(|key| !live.contains_key(*key)) {
            self.ready.push_back(Change::Deleted { key: key.clone() });
        }
        self.seen = live;
    }

    /// How long the next key that was told lives; zero if one has expired since.
    fn next_expiry(&self) -> Option<Duration> {
        let now_ms = self.keys.shared.clock.now_ms();
        let table = lock(&self.keys.shared.table);
        self.seen
            .keys()
            .filter_map(|key| table.entries.get(key)?.expires_ms)
            .map(|expires_ms| {
                Duration::from_millis(u64::try_from(expires_ms - now_ms).unwrap_or(0))
            })
            .min()
    }
}

async fn sleep(wait: Option<Duration>) {
    match wait {
        Some(wait) => tokio::time::sleep(wait).await,
        None => std::future::pending().await,
    }
}
