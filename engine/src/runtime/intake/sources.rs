//! [`Sources`]: the streams that events are read from, each with a number for life.
//!
//! A cursor is a place in one life of one stream. A stream that was deleted and made again, or came
//! back shorter, counts from somewhere else: it is refused, until a person accepts it; then it gets
//! a number that nobody used before, and nothing old is taken for something new.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use gearshift_bus::{Bucket, Bus, Swapped, Tail};
use gearshift_machine::partition::Position;
use serde::{Deserialize, Serialize};

use crate::runtime::error::Error;

/// The key of the one value of the bucket: numbers are given by comparing the whole.
const KEY: &str = "table";

/// One life of one stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Source {
    /// Its number in cursors; 1 is the first inbox.
    pub(crate) number: u16,
    /// Somebody else's stream; `None` is our own inbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stream: Option<String>,
    /// Which life of the stream the cursors speak of, in hexadecimal digits.
    incarnation: String,
    /// The first sequence that is ours.
    pub(crate) from: u64,
    /// It is read no more.
    #[serde(default)]
    retired: bool,
}

/// All sources.
#[derive(Debug)]
pub(crate) struct Sources {
    bucket: Bucket,
    known: Mutex<Arc<[Source]>>,
}

impl Source {
    /// The name in health reports and ids.
    pub(crate) fn name(&self) -> &str {
        self.stream.as_deref().unwrap_or("events")
    }

    /// Is it the same life of the stream?
    pub(crate) fn is(&self, tail: &Tail) -> bool {
        self.incarnation == text_of(tail)
    }
}

fn text_of(tail: &Tail) -> String {
    format!("{:032x}", tail.incarnation)
}

impl Sources {
    pub(crate) async fn open(bus: &Bus) -> Result<Self, Error> {
        let sources = Self { bucket: bus.bucket("sources").await?, known: Mutex::default() };
        sources.load().await?;
        Ok(sources)
    }

    /// The source that `stream` is; a new one where it was never read. What it holds already is
    /// not ours, unless it is our own inbox.
    pub(crate) async fn admit(&self, stream: Option<&str>, tail: &Tail) -> Result<Source, Error> {
        let from = if stream.is_some() { tail.last + 1 } else { 1 };
        self.change(|sources| match find(sources, stream) {
            Some(known) => known.clone(),
            None => add(sources, stream, tail, from),
        })
        .await
    }

    /// Retires `old` for a new source that begins at `from`; another engine may have done it.
    pub(crate) async fn renew(
        &self,
        old: &Source,
        tail: &Tail,
        from: u64,
    ) -> Result<Source, Error> {
        self.change(|sources| {
            if let Some(known) = find(sources, old.stream.as_deref())
                && known.number != old.number
            {
                return known.clone();
            }
            for source in &mut *sources {
                source.retired |= source.number == old.number;
            }
            add(sources, old.stream.as_deref(), tail, from)
        })
        .await
    }

    /// Where those listen from in each source who say nothing of it.
    pub(crate) fn begins(&self) -> Vec<Position> {
        let known = self.known();
        let begin = |one: &Source| Position { source: one.number, sequence: one.from };
        known.iter().map(begin).collect()
    }

    /// The source that is read of `stream`.
    pub(crate) fn current(&self, stream: Option<&str>) -> Option<Source> {
        find(&self.known(), stream).cloned()
    }

    fn known(&self) -> Arc<[Source]> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) async fn load(&self) -> Result<(u64, Vec<Source>), Error> {
        let Some(value) = self.bucket.get(KEY).await? else { return Ok((0, Vec::new())) };
        let sources = serde_json::from_slice::<Vec<Source>>(&value.value).map_err(|error| {
            Error::Unavailable(format!("the table of sources cannot be read: {error}"))
        })?;
        self.learn(&sources);
        Ok((value.revision, sources))
    }

    fn learn(&self, sources: &[Source]) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = sources.into();
    }

    async fn change(
        &self,
        mut decide: impl FnMut(&mut Vec<Source>) -> Source,
    ) -> Result<Source, Error> {
        loop {
            let (revision, before) = self.load().await?;
            let mut after = before.clone();
            let source = decide(&mut after);
            if after == before {
                return Ok(source);
            }
            // A list of plain values cannot fail to become JSON.
            let bytes = Bytes::from(serde_json::to_vec(&after).unwrap_or_default());
            match self.bucket.compare_and_set(KEY, revision, bytes).await? {
                Swapped::Stored(_) => {
                    self.learn(&after);
                    return Ok(source);
                }
                Swapped::Conflict { .. } => {}
            }
        }
    }
}

fn find<'a>(sources: &'a [Source], stream: Option<&str>) -> Option<&'a Source> {
    sources.iter().find(|one| !one.retired && one.stream.as_deref() == stream)
}

fn add(sources: &mut Vec<Source>, stream: Option<&str>, tail: &Tail, from: u64) -> Source {
    // Our own inbox is number 1 also where a foreign stream was found first.
    let last = sources.iter().map(|one| one.number).max().unwrap_or(1);
    let is_first_inbox = stream.is_none() && !sources.iter().any(|one| one.stream.is_none());
    let source = Source {
        number: if is_first_inbox { 1 } else { last.saturating_add(1) },
        stream: stream.map(str::to_owned),
        incarnation: text_of(tail),
        from,
        retired: false,
    };
    sources.push(source.clone());
    source
}

#[cfg(test)]
#[path = "sources_tests.rs"]
mod tests;
