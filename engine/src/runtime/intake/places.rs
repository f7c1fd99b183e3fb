//! [`Places`]: what stood where a source was read last, so that another message there is noticed.
//!
//! A stream that comes back shorter and is filled again looks like one that nothing happened to: a
//! sequence alone does not say which message has it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use gearshift_bus::{BackendKind, Bucket, Delivered, ErrorKind, Inbox, Swapped, Tail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::sources::Source;
use crate::runtime::error::Error;
use crate::runtime::shared::Shared;

/// What stood at the place that was read last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    sequence: u64,
    time_ms: i64,
    /// Of subject and payload, in hexadecimal digits.
    hash: String,
}

/// The places of all sources, by number.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<BTreeMap<u16, Place>>);

impl Place {
    fn of(delivered: &Delivered) -> Self {
        let message = &delivered.message;
        let mut digest = Sha256::new();
        digest.update(message.subject.as_str());
        // No subject has it, so where the payload begins is certain.
        digest.update([0]);
        digest.update(&message.payload);
        let start = digest.finalize().first_chunk::<16>().copied().unwrap_or_default();
        let hash = format!("{:032x}", u128::from_be_bytes(start));
        Self { sequence: delivered.sequence, time_ms: delivered.time_ms, hash }
    }
}

impl Places {
    fn get(&self, source: u16) -> Option<Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&source).cloned()
    }

    fn all(&self) -> BTreeMap<u16, Place> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, source: u16, place: Place) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.get(&source).is_none_or(|before| before.sequence < place.sequence) {
            known.insert(source, place);
        }
    }
}

/// A stream whose content is not what was read of it.
pub(super) struct Replaced {
    /// What was seen.
    pub(super) what: String,
    /// Where that begins which was not read.
    pub(super) from: u64,
}

impl Shared {
    /// Stores of our own check themselves and come back as they were, or not at all.
    fn keeps_places(&self) -> bool {
        matches!(self.bus.kind(), BackendKind::Nats)
    }

    /// Remembers the last message that was read of `source`.
    pub(super) fn keep_place(&self, source: &Source, last: Option<&Delivered>) {
        if let Some(last) = last.filter(|_| self.keeps_places()) {
            self.intake.places.keep(source.number, Place::of(last));
        }
    }

    /// Writes what this engine has read beyond `written`, where nobody has read further.
    pub(super) async fn write_places(
        &self,
        bucket: &Bucket,
        written: &mut BTreeMap<u16, u64>,
    ) -> Result<(), Error> {
        for (source, place) in self.intake.places.all() {
            if written.get(&source).is_none_or(|before| *before < place.sequence) {
                write(bucket, source, &place).await?;
                written.insert(source, place.sequence);
            }
        }
        Ok(())
    }

    /// Whether `inbox` holds another message where `source` was read last; nothing is said where
    /// there is none to compare with.
    pub(super) async fn replaced(
        &self,
        source: &Source,
        inbox: &Inbox,
        tail: &Tail,
    ) -> Result<Option<Replaced>, Error> {
        if !self.keeps_places() {
            return Ok(None);
        }
        let place = match self.intake.places.get(source.number) {
            Some(place) => place,
            None => {
                let bucket = self.bus.bucket("cursors").await?;
                let Some(value) = bucket.get(&key_of(source.number)).await? else {
                    return Ok(None);
                };
                serde_json::from_slice::<Place>(&value.value).map_err(|error| {
                    let name = source.name();
                    let reason = format!("what was read last of `{name}` cannot be read: {error}");
                    Error::Unavailable(reason)
                })?
            }
        };
        let name = source.name();
        let Place { sequence, .. } = place;
        if tail.last < sequence {
            let what =
                format!("stream `{name}` ends at {}, but was read up to {sequence}", tail.last);
            return Ok(Some(Replaced { what, from: tail.last + 1 }));
        }
        if sequence < tail.first {
            return Ok(None);
        }
        let Some(found) = at(inbox, sequence).await? else { return Ok(None) };
        if found.sequence != sequence || Place::of(&found) == place {
            return Ok(None);
        }
        let from = newer_than(inbox, tail.first, &place).await?;
        let what = format!(
            "stream `{name}` holds another message at {sequence} than the one that was read there: \
             it came back shorter and was filled again"
        );
        Ok(Some(Replaced { what, from }))
    }
}

/// Writes where a source was read last. An engine that is behind the others must not say less than
/// they know.
async fn write(bucket: &Bucket, source: u16, place: &Place) -> Result<(), Error> {
    let key = key_of(source);
    loop {
        let known = bucket.get(&key).await?;
        let theirs = known.as_ref().and_then(|known| serde_json::from_slice(&known.value).ok());
        if theirs.is_some_and(|theirs: Place| theirs.sequence >= place.sequence) {
            return Ok(());
        }
        let revision = known.map_or(0, |known| known.revision);
        // Plain values cannot fail to become JSON.
        let bytes = Bytes::from(serde_json::to_vec(place).unwrap_or_default());
        if let Swapped::Stored(_) = bucket.compare_and_set(&key, revision, bytes).await? {
            return Ok(());
        }
    }
}

/// The first message from `sequence` on; `None` where it cannot be had.
async fn at(inbox: &Inbox, sequence: u64) -> Result<Option<Delivered>, Error> {
    match inbox.read_from(sequence, 1).await {
        Ok(list) => Ok(list.into_iter().next()),
        Err(error) => {
            use ErrorKind::{Corrupt, Trimmed};
            let is_gone = matches!(error.kind(), Trimmed { .. } | Corrupt { .. });
            if is_gone { Ok(None) } else { Err(error.into()) }
        }
    }
}

/// The first sequence that was stored after what stood at `place`, which it lies before.
async fn newer_than(inbox: &Inbox, first: u64, place: &Place) -> Result<u64, Error> {
    let (mut low, mut high) = (first, place.sequence);
    while low < high {
        let middle = low + (high - low) / 2;
        let found = at(inbox, middle).await?;
        if found.is_some_and(|found| found.time_ms > place.time_ms) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

fn key_of(source: u16) -> String {
    format!("at{source}")
}
