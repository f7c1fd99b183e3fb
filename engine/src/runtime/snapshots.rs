//! Snapshots: slice by slice, read back before they count, two kept, the journal trimmed behind.

use std::sync::Arc;

use bytes::Bytes;
use gearshift_bus::{Blobs, Bucket, Digest, Swapped, Tail};
use gearshift_machine::partition::{Partition, Snapshot, SnapshotRun};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::error::Error;
use super::journal::Journal;
use super::shared::Shared;

/// Snapshots kept per partition: one may be bad.
const KEPT: usize = 2;

/// What the bucket remembers of one partition's snapshots, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Catalog {
    snapshots: Vec<CatalogEntry>,
    /// What is being stored: whoever finds it left over removes its blobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    saving: Option<CatalogEntry>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct CatalogEntry {
    /// Replay goes on behind this sequence.
    position: u64,
    manifest: String,
    slices: Vec<String>,
    /// The epoch of the owner that took it.
    #[serde(default)]
    epoch: u64,
    /// Which life of the journal it is of; empty where an earlier program did not say.
    #[serde(default)]
    incarnation: String,
}

/// Takes the snapshots of one partition.
pub(crate) struct Snapshots {
    shared: Arc<Shared>,
    partition: u16,
    incarnation: u128,
    journal_bytes: u64,
    run: Option<Run>,
    saving: Option<oneshot::Receiver<Result<Saved, Error>>>,
}

struct Run {
    run: SnapshotRun,
    slices: Vec<Vec<u8>>,
    position: u64,
    epoch: u64,
    incarnation: u128,
}

/// A snapshot that was read back.
struct Saved {
    /// The journal may be trimmed up to and including this sequence.
    trim_to: Option<u64>,
    position: u64,
}

impl Snapshots {
    pub(crate) const fn new(shared: Arc<Shared>, partition: u16, incarnation: u128) -> Self {
        Self { shared, partition, incarnation, journal_bytes: 0, run: None, saving: None }
    }

    /// A frame of `bytes` was appended.
    pub(crate) fn note(&mut self, bytes: usize) {
        self.journal_bytes += bytes as u64;
    }

    /// Is a slice to be taken now?
    pub(crate) const fn has_work(&self) -> bool {
        self.run.is_some()
    }

    /// Takes at most one slice, between two frames, so that a big partition never stalls.
    pub(crate) async fn turn(&mut self, partition: &Partition, journal: &mut Journal) {
        self.collect_saved(journal).await;
        if self.run.is_none()
            && self.saving.is_none()
            && self.journal_bytes >= self.shared.config.snapshot_every_bytes
        {
            self.begin(partition, journal);
        }
        self.slice(partition, journal);
    }

    /// At a clean stop: a whole snapshot, so that the next start replays little.
    pub(crate) async fn finish(&mut self, partition: &Partition, journal: &mut Journal) {
        if self.journal_bytes == 0 && self.run.is_none() && self.saving.is_none() {
            return;
        }
        if let Some(saving) = self.saving.take() {
            drop(saving.await);
            if self.journal_bytes == 0 && self.run.is_none() {
                // Nothing happened since: a second copy of the same would push an older one out.
                return;
            }
        }
        self.begin(partition, journal);
        while self.run.is_some() {
            self.slice(partition, journal);
        }
        if let Some(saving) = self.saving.take()
            && let Ok(Ok(saved)) = saving.await
        {
            self.trim(journal, &saved).await;
        }
    }

    fn begin(&mut self, partition: &Partition, journal: &Journal) {
        self.journal_bytes = 0;
        let position = journal.position();
        self.run = Some(Run {
            run: partition.snapshot_begin(),
            slices: Vec::new(),
            position,
            epoch: partition.epoch(),
            incarnation: self.incarnation,
        });
    }

    fn slice(&mut self, partition: &Partition, journal: &Journal) {
        let Some(mut run) = self.run.take() else { return };
        if let Some(slice) = run.run.next_slice(partition, journal.position()) {
            run.slices.push(slice);
            self.run = Some(run);
            return;
        }
        let (tell, saved) = oneshot::channel();
        let (shared, partition) = (Arc::clone(&self.shared), self.partition);
        self.saving = Some(saved);
        self.shared.tasks.spawn(async move {
            let outcome = save(&shared, partition, run).await;
            // Nobody listens any more where the partition was lost meanwhile.
            drop(tell.send(outcome));
        });
    }

    async fn collect_saved(&mut self, journal: &mut Journal) {
        let Some(saving) = &mut self.saving else { return };
        match saving.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => {}
            Err(oneshot::error::TryRecvError::Closed) => self.saving = None,
            Ok(outcome) => {
                self.saving = None;
                match outcome {
                    Ok(saved) => self.trim(journal, &saved).await,
                    Err(error) => {
                        tracing::warn!(partition = self.partition, %error, "snapshot failed");
                    }
                }
            }
        }
    }

    async fn trim(&self, journal: &Journal, saved: &Saved) {
        tracing::info!(partition = self.partition, position = saved.position, "snapshot taken");
        let Some(trim_to) = saved.trim_to else { return };
        if let Err(error) = journal.log().trim(trim_to + 1).await {
            tracing::warn!(partition = self.partition, %error, "journal was not trimmed");
        }
    }
}

/// The newest snapshot of `partition` that opens, or none: then the journal alone has to do. One
/// that stands behind the journal's end, or is of another life of it, is as good as a mark: the
/// journal was longer.
pub(crate) async fn latest(
    shared: &Shared,
    partition: u16,
    tail: &Tail,
) -> Result<Option<Snapshot>, Error> {
    let (bucket, blobs) = stores(shared).await?;
    for entry in read_catalog(&bucket, partition).await?.1.snapshots {
        if !entry.is_of(tail) {
            let (tail, mark) = (tail.last, entry.position);
            return Err(Error::LogBehindMark { partition, tail, mark });
        }
        match open(&blobs, &entry).await {
            Ok(snapshot) => return Ok(Some(snapshot)),
            Err(reason) => tracing::warn!(partition, reason, "snapshot unusable, ignored"),
        }
    }
    Ok(None)
}

/// Forgets the snapshots of journals that this one is not, or is no longer.
pub(crate) async fn forget_foreign(
    shared: &Shared,
    partition: u16,
    tail: &Tail,
) -> Result<(), Error> {
    let (bucket, blobs) = stores(shared).await?;
    let dropped = change(&bucket, partition, |catalog| {
        let (kept, dropped) = catalog.snapshots.drain(..).partition(|entry| entry.is_of(tail));
        catalog.snapshots = kept;
        Some(dropped)
    });
    match dropped.await? {
        Some((catalog, dropped)) => forget(&blobs, &catalog, &dropped).await,
        None => Ok(()),
    }
}

impl CatalogEntry {
    /// Is it a snapshot of the journal that ends with `tail`?
    fn is_of(&self, tail: &Tail) -> bool {
        let of_this_life =
            self.incarnation.is_empty() || self.incarnation == life(tail.incarnation);
        of_this_life && self.position <= tail.last
    }
}

fn life(incarnation: u128) -> String {
    format!("{incarnation:032x}")
}

async fn stores(shared: &Shared) -> Result<(Bucket, Blobs), Error> {
    Ok((shared.bus.bucket("snapshots").await?, shared.bus.blobs("snapshots").await?))
}

/// The catalog, and the write that made it.
async fn read_catalog(bucket: &Bucket, partition: u16) -> Result<(u64, Catalog), Error> {
    let Some(value) = bucket.get(&format!("p{partition}")).await? else {
        return Ok((0, Catalog::default()));
    };
    // An unreadable catalog only costs the snapshots it names: they are a cache.
    Ok((value.revision, serde_json::from_slice(&value.value).unwrap_or_default()))
}

/// Changes the catalog by comparison: two owners may be at it. `None` of `edit` leaves it as it
/// is. Gives the catalog as it is now, and what the edit gave.
async fn change<T>(
    bucket: &Bucket,
    partition: u16,
    mut edit: impl FnMut(&mut Catalog) -> Option<T>,
) -> Result<Option<(Catalog, T)>, Error> {
    loop {
        let (revision, mut catalog) = read_catalog(bucket, partition).await?;
        let Some(gives) = edit(&mut catalog) else { return Ok(None) };
        let text = Bytes::from(serde_json::to_vec(&catalog).unwrap_or_default());
        let key = format!("p{partition}");
        if let Swapped::Stored(_) = bucket.compare_and_set(&key, revision, text).await? {
            return Ok(Some((catalog, gives)));
        }
    }
}

async fn open(blobs: &Blobs, entry: &CatalogEntry) -> Result<Snapshot, String> {
    let manifest = fetch(blobs, &entry.manifest).await?;
    let mut slices = Vec::with_capacity(entry.slices.len());
    for slice in &entry.slices {
        slices.push(fetch(blobs, slice).await?);
    }
    Snapshot::open(&manifest, &slices).map_err(|error| error.to_string())
}

async fn fetch(blobs: &Blobs, digest: &str) -> Result<Bytes, String> {
    let digest = Digest::parse(digest).map_err(|error| error.to_string())?;
    let found = blobs.get(&digest).await.map_err(|error| error.to_string())?;
    found.ok_or_else(|| format!("blob {digest} is missing"))
}

/// Stores a finished run, reads it back, then lets it count and forgets the oldest.
async fn save(shared: &Shared, partition: u16, run: Run) -> Result<Saved, Error> {
    let (bucket, blobs) = stores(shared).await?;
    let slices = run.slices.into_iter().map(Bytes::from).collect::<Vec<_>>();
    let names = slices.iter().map(|slice| Digest::of(slice).to_string()).collect::<Vec<_>>();
    let manifest = Bytes::from(run.run.manifest(&names));
    let entry = CatalogEntry {
        position: run.position,
        manifest: Digest::of(&manifest).to_string(),
        slices: names,
        epoch: run.epoch,
        incarnation: life(run.incarnation),
    };
    // Its name is known before the first blob is stored, so that nothing is left behind unnamed.
    announce(&bucket, &blobs, partition, &entry).await?;
    for blob in slices.into_iter().chain([manifest]) {
        blobs.put(blob).await?;
    }
    let opened = open(&blobs, &entry).await.and_then(|snapshot| match snapshot.position() {
        position if position == entry.position => Ok(()),
        position => Err(format!("it is of position {position}, not {}", entry.position)),
    });
    opened.map_err(|reason| {
        Error::Unavailable(format!("snapshot of partition {partition} reads back wrong: {reason}"))
    })?;
    admit(&bucket, &blobs, partition, entry).await
}

/// Says what is going to be stored; an owner that was replaced says nothing any more.
async fn announce(
    bucket: &Bucket,
    blobs: &Blobs,
    partition: u16,
    entry: &CatalogEntry,
) -> Result<(), Error> {
    let announced = change(bucket, partition, |catalog| {
        if catalog.epoch() > entry.epoch {
            return None;
        }
        Some(catalog.saving.replace(entry.clone()))
    });
    let Some((catalog, left)) = announced.await? else { return Err(replaced(partition)) };
    forget(blobs, &catalog, left.as_slice()).await
}

/// Lets a stored snapshot count, and forgets the oldest.
async fn admit(
    bucket: &Bucket,
    blobs: &Blobs,
    partition: u16,
    entry: CatalogEntry,
) -> Result<Saved, Error> {
    let admitted = change(bucket, partition, |catalog| {
        if catalog.saving.as_ref() != Some(&entry) {
            return None;
        }
        catalog.saving = None;
        // Where nothing happened since the last one, this is the same.
        catalog.snapshots.retain(|known| known.position != entry.position);
        catalog.snapshots.push(entry.clone());
        catalog.snapshots.sort_by_key(|known| std::cmp::Reverse(known.position));
        Some(catalog.snapshots.split_off(catalog.snapshots.len().min(KEPT)))
    });
    let Some((catalog, dropped)) = admitted.await? else {
        // The next owner has begun its own meanwhile.
        let (_, catalog) = read_catalog(bucket, partition).await?;
        forget(blobs, &catalog, &[entry]).await?;
        return Err(replaced(partition));
    };
    forget(blobs, &catalog, &dropped).await?;
    let position = catalog.snapshots.first().map_or(0, |newest| newest.position);
    // Only what both kept snapshots cover may go.
    let trim_to = (catalog.snapshots.len() == KEPT)
        .then(|| catalog.snapshots.last().map_or(0, |oldest| oldest.position));
    Ok(Saved { trim_to, position })
}

fn replaced(partition: u16) -> Error {
    Error::Unavailable(format!("partition {partition} has another owner by now"))
}

impl Catalog {
    /// The last owner that it knows of.
    fn epoch(&self) -> u64 {
        self.snapshots.iter().chain(&self.saving).map(|entry| entry.epoch).max().unwrap_or(0)
    }
}

/// Deletes blobs of dropped snapshots that no other shares.
async fn forget(blobs: &Blobs, kept: &Catalog, dropped: &[CatalogEntry]) -> Result<(), Error> {
    let names = |entry: &CatalogEntry| {
        entry.slices.iter().cloned().chain([entry.manifest.clone()]).collect::<Vec<_>>()
    };
    let alive = kept.snapshots.iter().chain(&kept.saving).flat_map(names);
    let alive = alive.collect::<std::collections::BTreeSet<_>>();
    for name in dropped.iter().flat_map(names).filter(|name| !alive.contains(name)) {
        if let Ok(digest) = Digest::parse(&name) {
            blobs.delete(&digest).await?;
        }
    }
    Ok(())
}
