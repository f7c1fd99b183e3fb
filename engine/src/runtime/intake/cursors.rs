//! Low-water marks: how far all partitions are, whoever serves them, so that the inbox is trimmed.
//!
//! Somebody else's stream is never trimmed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::Bucket;
use gearshift_machine::partition::Partition;

use super::sources::Source;
use super::stands::look;
use crate::runtime::error::Error;
use crate::runtime::shared::Shared;

/// How often cursors are looked at and written.
const EVERY: Duration = Duration::from_secs(1);
/// Messages that are trimmed at once, at least.
const TRIM_MIN: u64 = 1_024;
/// The engine that serves this partition trims.
const TRIMMER: u16 = 0;

/// The next sequence of each source that a partition needs.
type Cursors = BTreeMap<u16, u64>;

/// Keeps the marks until the engine stops.
pub(super) async fn keep_cursors(shared: Arc<Shared>, bucket: Bucket) {
    let (written, places) = (BTreeMap::new(), BTreeMap::new());
    let mut keeper = Keeper { shared, bucket, written, places, trimmed: 0 };
    loop {
        tokio::select! {
            biased;
            () = keeper.shared.stop.cancelled() => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        if let Err(error) = keeper.turn().await {
            tracing::debug!(%error, "cursors of sources were not kept");
        }
        keeper.look_at_ends().await;
    }
}

struct Keeper {
    shared: Arc<Shared>,
    bucket: Bucket,
    /// What the others know of our partitions.
    written: BTreeMap<u16, Cursors>,
    /// Up to where what was read last of each source is written.
    places: BTreeMap<u16, u64>,
    trimmed: u64,
}

impl Keeper {
    async fn turn(&mut self) -> Result<(), Error> {
        self.shared.write_places(&self.bucket, &mut self.places).await?;
        let partitions = self.shared.config.partitions;
        let mut cursors = BTreeMap::new();
        for partition in (0..partitions).filter(|number| self.shared.seat(*number).serves()) {
            if let Some(known) = look(&self.shared, partition, durable).await {
                cursors.insert(partition, known);
            }
        }
        if cursors.len() < usize::from(partitions) {
            self.tell_others(&cursors).await?;
        }
        if !cursors.contains_key(&TRIMMER) {
            return Ok(());
        }
        for partition in 0..partitions {
            if cursors.contains_key(&partition) {
                continue;
            }
            // Nothing is trimmed while nothing is known of one.
            let Some(value) = self.bucket.get(&key_of(partition)).await? else { return Ok(()) };
            let known = serde_json::from_slice::<Cursors>(&value.value);
            cursors.insert(partition, known.unwrap_or_default());
        }
        let Some(source) = self.shared.intake.sources.current(None) else { return Ok(()) };
        let needed = cursors.values().map(|known| known.get(&source.number).copied().unwrap_or(0));
        let needed = needed.min().unwrap_or(0);
        if needed >= self.trimmed + TRIM_MIN && !self.is_doubtful(None) {
            // What was read last stays: it says whether the stream is still the one it was.
            self.shared.inbox_of(None).await?.trim(needed.saturating_sub(1)).await?;
            self.trimmed = needed;
        }
        Ok(())
    }

    async fn tell_others(&mut self, cursors: &BTreeMap<u16, Cursors>) -> Result<(), Error> {
        self.written.retain(|partition, _| cursors.contains_key(partition));
        for (partition, known) in cursors {
            if self.written.get(partition) == Some(known) {
                continue;
            }
            // A map of numbers cannot fail to become JSON.
            let bytes = Bytes::from(serde_json::to_vec(known).unwrap_or_default());
            self.bucket.put(&key_of(*partition), bytes).await?;
            self.written.insert(*partition, known.clone());
        }
        Ok(())
    }

    /// Is the source not read, so that its sequences may mean something else?
    fn is_doubtful(&self, stream: Option<&str>) -> bool {
        let mut reason = true;
        self.shared.note(stream, |health| reason = health.reason.is_some());
        reason
    }

    /// Looks how much there is to read, and whether the streams are still the ones they were.
    async fn look_at_ends(&self) {
        let plan = self.shared.intake.plan();
        let foreign = plan.foreign.keys().map(|stream| Some(stream.as_str()));
        for stream in [None].into_iter().chain(foreign) {
            let Some(source) = self.shared.intake.sources.current(stream) else { continue };
            if let Err(error) = self.look_at_end(&source).await {
                tracing::debug!(%error, stream = source.name(), "the stream's end is not known");
            }
        }
    }

    async fn look_at_end(&self, source: &Source) -> Result<(), Error> {
        let stream = source.stream.as_deref();
        let inbox = self.shared.inbox_of(stream).await?;
        let tail = inbox.tail().await?;
        let mut is_read = false;
        let mut position = 0;
        self.shared.note(stream, |health| {
            position = health.position;
            is_read = health.reason.is_none() && health.source == source.number;
        });
        let beyond = |next| next > tail.last;
        // What no definition asks for is no backlog: nobody will ever read it.
        let is_passed = stream.is_some()
            && is_read
            && source.is(&tail)
            && tail.last > position
            && matches!(inbox.next_beyond(position).await, Ok(next) if next.is_none_or(beyond));
        self.shared.note(stream, |health| {
            if is_passed && health.source == source.number {
                health.position = health.position.max(tail.last);
            }
            health.lag = tail.last.saturating_sub(health.position);
        });
        if is_read && (!source.is(&tail) || tail.last < position) {
            self.shared.intake.doubt.send_modify(|doubts| *doubts += 1);
        }
        Ok(())
    }
}

fn durable(partition: &Partition) -> Cursors {
    partition.cursors().map(|(source, cursor)| (source, cursor.next())).collect()
}

fn key_of(partition: u16) -> String {
    format!("p{partition}")
}
