//! [`Results`]: finds and keeps what calls gave. Whatever goes wrong here is a miss, never a
//! failure of a call.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gearshift_bus::{Bucket, Bus, Error as BusError};
use gearshift_machine::machine::{ContentHash, InstanceKey, Timestamp, result_hash};
use gearshift_machine::value::Value;
use tokio::sync::OnceCell;

use super::entry::Entry;
use crate::runtime::clock::monotonic;
use crate::runtime::{Error, Handle, Mocked};

/// The bucket of all results.
const BUCKET: &str = "results";
/// What it holds at most, in bytes: 64 MiB. The embedded bus has it in memory as well.
const BUCKET_BYTES_MAX: usize = 64 * 1_024 * 1_024;
/// How long a call waits to hear whether its result is kept.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// How long keeping a result may take; an engine that stops waits for it.
const KEEP_MAX: Duration = Duration::from_secs(5);
/// Results on their way to the bucket at most; further ones are not kept.
const UNDER_WAY_MAX: usize = 256;
/// How long nobody is asked after a bucket that could not be reached.
const REST: Duration = Duration::from_secs(5);

/// A result to keep.
pub(crate) struct ToKeep {
    /// Who made the call.
    pub(crate) by: InstanceKey,
    /// Under what.
    pub(crate) under: ContentHash,
    /// The step that asked, or the state.
    pub(crate) step: std::sync::Arc<str>,
    /// What was asked.
    pub(crate) operation: std::sync::Arc<str>,
    /// What came back.
    pub(crate) output: Value,
    /// How long, in milliseconds.
    pub(crate) ttl_ms: u64,
}

/// Which results are meant: all, or those of a workflow, of a step of it, of a key of that.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The workflow.
    pub(crate) workflow: Option<String>,
    /// The step, or the state.
    pub(crate) step: Option<String>,
    /// The key, or the whole input.
    pub(crate) key: Option<Value>,
    /// What mocks gave is kept elsewhere, under the same key.
    pub(crate) mocked: Option<Mocked>,
}

impl Wanted {
    fn is_met(&self, entry: &Entry, under: &str) -> bool {
        let (workflow, step) = (entry.workflow(), &*entry.step);
        let has_key = |key| {
            let hash = result_hash(workflow, step, &entry.operation, key);
            let of_mock = || self.mocked.as_ref().map(|mocked| mocked.apart(hash).to_string());
            hash.to_string() == under || of_mock().as_deref() == Some(under)
        };
        self.workflow.as_deref().is_none_or(|it| it == workflow)
            && self.step.as_deref().is_none_or(|it| it == step)
            && self.key.as_ref().is_none_or(has_key)
    }
}

/// Results of one operation, asked by one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Forgotten {
    /// The workflow.
    pub(crate) workflow: String,
    /// The step, or the state.
    pub(crate) step: String,
    /// What was asked.
    pub(crate) operation: String,
    /// How many results.
    pub(crate) count: u64,
}

fn count(counts: &mut BTreeMap<[String; 3], Forgotten>, entry: &Entry) {
    let (workflow, step) = (entry.workflow().to_owned(), entry.step.clone());
    let operation = entry.operation.clone();
    let place = [workflow.clone(), step.clone(), operation.clone()];
    let new = Forgotten { workflow, step, operation, count: 0 };
    counts.entry(place).or_insert(new).count += 1;
}

/// Results on their way to the bucket, each with a number of its own: instances that make the same
/// call at the same time keep one each under the same name, and the end of one must not look like
/// the other's being forgotten.
#[derive(Debug, Default)]
struct UnderWay {
    entries: HashMap<ContentHash, Vec<(u64, Entry)>>,
    next: u64,
    count: usize,
}

impl UnderWay {
    /// The latest.
    fn get(&self, under: &ContentHash) -> Option<&Entry> {
        self.entries.get(under)?.last().map(|(_, entry)| entry)
    }

    fn add(&mut self, under: ContentHash, entry: Entry) -> u64 {
        let number = self.next;
        self.next += 1;
        self.count += 1;
        self.entries.entry(under).or_default().push((number, entry));
        number
    }

    /// Takes one out; false where it was forgotten meanwhile.
    fn take(&mut self, under: &ContentHash, number: u64) -> bool {
        let Some(list) = self.entries.get_mut(under) else { return false };
        let before = list.len();
        list.retain(|(known, _)| *known != number);
        let taken = before - list.len();
        self.count -= taken;
        if list.is_empty() {
            self.entries.remove(under);
        }
        taken > 0
    }

    /// Forgets those of a name.
    fn forget(&mut self, under: &ContentHash) {
        self.count -= self.entries.remove(under).map_or(0, |list| list.len());
    }
}

/// The results of calls.
#[derive(Default)]
pub(crate) struct Results {
    bucket: OnceCell<Bucket>,
    /// What is being kept: an engine finds its own results at once.
    under_way: Mutex<UnderWay>,
    rests_until: Mutex<Option<Instant>>,
}

impl Results {
    /// What the same call gave before, if that is kept.
    pub(crate) async fn find(
        &self,
        bus: &Bus,
        under: ContentHash,
        now: Timestamp,
    ) -> Option<Value> {
        let found = self.under_way().get(&under).cloned();
        if let Some(answer) = found.and_then(|entry| entry.answer(now)) {
            return Some(answer);
        }
        if self.rests() {
            return None;
        }
        let look = async { self.bucket(bus).await?.get(&under.to_string()).await };
        let value = match tokio::time::timeout(LOOK_MAX, look).await {
            Ok(Ok(found)) => found?.value,
            Ok(Err(error)) => return self.rest(&error.to_string()),
            Err(_) => return self.rest("no answer in time"),
        };
        let entry = Entry::decode(&value);
        if entry.is_none() {
            tracing::warn!(%under, "a kept result cannot be read: the call is made");
        }
        entry?.answer(now)
    }

    /// Begins to keep a result: the same call finds it from now on. [`Results::keep`] ends it;
    /// `None` where it is not kept.
    pub(crate) fn begin(&self, result: ToKeep, now: Timestamp) -> Option<Keeping> {
        let ToKeep { by, under, step, operation, output, ttl_ms } = result;
        let mut under_way = self.under_way();
        if under_way.count >= UNDER_WAY_MAX || self.rests() {
            return None;
        }
        let entry = Entry::new(&by, (&step, &operation), output, (now, ttl_ms));
        let Some(bytes) = entry.encode() else {
            tracing::debug!(%operation, "a result is too large to be kept");
            return None;
        };
        let number = under_way.add(under, entry);
        Some(Keeping { under, number, bytes, ttl: Duration::from_millis(ttl_ms) })
    }

    /// Stores the result.
    pub(crate) async fn keep(&self, bus: &Bus, keeping: Keeping) {
        let Keeping { under, number, bytes, ttl } = keeping;
        let put = async {
            let bucket = self.bucket(bus).await?;
            bucket.put_expiring(&under.to_string(), bytes, ttl).await
        };
        match tokio::time::timeout(KEEP_MAX, put).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => drop(self.rest::<()>(&error.to_string())),
            Err(_) => drop(self.rest::<()>("no answer in time")),
        }
        let is_forgotten = !self.under_way().take(&under, number);
        // Somebody had it forgotten on its way.
        if is_forgotten && let Ok(bucket) = self.bucket(bus).await {
            let gone = tokio::time::timeout(KEEP_MAX, bucket.delete(&under.to_string())).await;
            if !matches!(gone, Ok(Ok(()))) {
                tracing::warn!(%under, "a forgotten result stays until its time is over");
            }
        }
    }

    /// Forgets the results that are meant, or only counts them: of each step and operation so many.
    ///
    /// # Errors
    /// What the bus answers; what was forgotten until then is.
    pub(crate) async fn forget(
        &self,
        bus: &Bus,
        wanted: &Wanted,
        is_dry: bool,
    ) -> Result<Vec<Forgotten>, BusError> {
        let mut counts = BTreeMap::new();
        let mut met = Vec::new();
        {
            let mut under_way = self.under_way();
            let names: Vec<_> = under_way.entries.keys().copied().collect();
            for under in names {
                let Some(entry) = under_way.get(&under) else { continue };
                if !wanted.is_met(entry, &under.to_string()) {
                    continue;
                }
                count(&mut counts, entry);
                met.push(under.to_string());
                if !is_dry {
                    under_way.forget(&under);
                }
            }
        }
        let bucket = self.bucket(bus).await?;
        for under in bucket.keys("").await? {
            let Some(found) = bucket.get(&under).await? else { continue };
            // What nobody can read answers nothing, and goes with all others.
            let entry = Entry::decode(&found.value);
            let is_meant = match &entry {
                Some(entry) => wanted.is_met(entry, &under),
                None => wanted.workflow.is_none(),
            };
            if !is_meant {
                continue;
            }
            if !is_dry {
                bucket.delete(&under).await?;
            }
            if let Some(entry) = entry.filter(|_| !met.contains(&under)) {
                count(&mut counts, &entry);
            }
        }
        Ok(counts.into_values().collect())
    }

    async fn bucket(&self, bus: &Bus) -> Result<&Bucket, BusError> {
        self.bucket.get_or_try_init(|| bus.bucket_within(BUCKET, BUCKET_BYTES_MAX)).await
    }

    /// The bucket cannot be reached: calls do not wait for it for a while.
    fn rest<T>(&self, why: &str) -> Option<T> {
        *lock(&self.rests_until) = Some(monotonic() + REST);
        tracing::warn!(why, "the result cache cannot be reached: calls are made without it");
        None
    }

    fn rests(&self) -> bool {
        lock(&self.rests_until).is_some_and(|until| monotonic() < until)
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        lock(&self.under_way)
    }
}

impl Handle {
    /// Forgets the results that are meant, or only counts them.
    ///
    /// # Errors
    /// [`Error::Bus`].
    pub(crate) async fn forget_results(
        &self,
        wanted: &Wanted,
        is_dry: bool,
    ) -> Result<Vec<Forgotten>, Error> {
        Ok(self.0.results.forget(&self.0.bus, wanted, is_dry).await?)
    }
}

/// A result on its way to the bucket.
pub(crate) struct Keeping {
    under: ContentHash,
    /// Which of those that are being kept under this name.
    number: u64,
    bytes: bytes::Bytes,
    ttl: Duration,
}

/// What one holds is as good as it was where somebody panicked with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "results_tests.rs"]
mod tests;
