//! Snapshot: a partition as versioned bytes, slice by slice, taken between batches.
//!
//! The head slice comes first: queues, epoch and chain as they are at its position. Each further
//! slice holds a range of instances as they are when it is taken, at a later position. Replay goes
//! on behind the head's position and leaves out decisions that the slice of their key has already.

use crate::machine::{Codec, DecodeError, InstanceKey, Out, Reader, Timestamp};

use super::frame::Chain;
use super::instances::write_packed;
use super::memory::Partition;
use super::queues::Queues;
use super::resting::is_newer;

const MAGIC: [u8; 4] = *b"GSSN";
/// The newest version of the snapshots this program writes.
const VERSION: u8 = 2;
/// The version of a part that programs of the first format can read.
const FIRST: u8 = 1;
/// Kinds of parts.
const HEAD: u8 = 0;
const SLICE: u8 = 1;
const MANIFEST: u8 = 2;
/// Bytes of one slice, unless one instance alone is larger.
const SLICE_BYTES: usize = 512 * 1_024;

/// Why a snapshot is not one; it is a cache, so replay from the beginning is the way out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// A part is damaged, foreign or newer than this program.
    #[error("snapshot part {part}: {source}")]
    Part {
        /// Which: 0 is the manifest, then the slices from 1.
        part: usize,
        /// What is wrong with it.
        source: DecodeError,
    },
    /// The parts are not of one snapshot.
    #[error("snapshot parts do not belong together: {0}")]
    Mixed(String),
}

/// A snapshot under way: hand out slices between batches until there is none left.
#[derive(Debug)]
pub struct SnapshotRun {
    partition: u16,
    /// The position of the head, once it was taken.
    position: Option<u64>,
    after: Option<InstanceKey>,
    slices: u64,
    finished: bool,
}

/// The list of a snapshot's slices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Whose snapshot.
    pub partition: u16,
    /// The position of the head: replay goes on behind it.
    pub position: u64,
    /// The slices' names, in order.
    pub names: Vec<String>,
}

/// A verified snapshot, ready for [`super::Restore::begin`].
#[derive(Debug)]
pub struct Snapshot {
    partition: Partition,
    position: u64,
    /// Last key and position of each slice, in key order; the last one has no last key.
    slices: Vec<(Option<InstanceKey>, u64)>,
}

impl Partition {
    /// Begins a snapshot.
    #[must_use]
    pub const fn snapshot_begin(&self) -> SnapshotRun {
        SnapshotRun { partition: self.id, position: None, after: None, slices: 0, finished: false }
    }
}

impl SnapshotRun {
    /// The next slice, or `None` when all were given. `position` is the journal sequence of the
    /// last frame `partition` decided, which must be durable: call between batches only.
    pub fn next_slice(&mut self, partition: &Partition, position: u64) -> Option<Vec<u8>> {
        if self.finished {
            return None;
        }
        self.slices += 1;
        let mut out = begin(if self.position.is_none() { HEAD } else { SLICE }, self.partition);
        position.write(&mut out);
        if self.position.is_none() {
            self.position = Some(position);
            write_head(partition, &mut out);
            return Some(seal(out));
        }
        self.slices.write(&mut out);
        self.after.write(&mut out);
        let mut body = Out::default();
        let mut count = 0_u64;
        let mut last = None;
        self.finished = true;
        for key in partition.instances.keys_after(self.after.as_ref()) {
            let Some(packed) = partition.instances.packed(key) else { continue };
            if count > 0 && body.bytes.len() + packed.len() + key.raw().len() > SLICE_BYTES - 512 {
                self.finished = false;
                break;
            }
            out.newer_if(is_newer(&packed));
            write_packed(key, &packed, &mut body);
            count += 1;
            last = Some(key);
        }
        self.after = if self.finished { None } else { last.cloned() };
        self.after.write(&mut out);
        count.write(&mut out);
        out.bytes.extend_from_slice(&body.bytes);
        Some(seal(out))
    }

    /// The manifest, once every slice is stored under its name, in the order they were given.
    #[must_use]
    pub fn manifest(&self, names: &[String]) -> Vec<u8> {
        let mut out = begin(MANIFEST, self.partition);
        self.position.unwrap_or(0).write(&mut out);
        out.length(names.len());
        for name in names {
            out.blob(name.as_bytes());
        }
        seal(out)
    }
}

impl Manifest {
    /// Reads what [`SnapshotRun::manifest`] wrote.
    ///
    /// # Errors
    /// [`SnapshotError::Part`] number 0.
    pub fn decode(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let read = || -> Result<Self, DecodeError> {
            let (partition, mut from) = open(MANIFEST, bytes)?;
            let position = u64::read(&mut from)?;
            let length = from.length()?;
            let mut names = Vec::with_capacity(length.min(1_024));
            for _ in 0..length {
                names.push(from.text()?.to_owned());
            }
            from.end()?;
            Ok(Self { partition, position, names })
        };
        read().map_err(|source| SnapshotError::Part { part: 0, source })
    }
}

impl Snapshot {
    /// Puts a snapshot together from its manifest and the slices it names, in their order.
    ///
    /// # Errors
    /// [`SnapshotError`]: a part is damaged or missing, or they are not of one snapshot.
    pub fn open<S: AsRef<[u8]>>(manifest: &[u8], slices: &[S]) -> Result<Self, SnapshotError> {
        let manifest = Manifest::decode(manifest)?;
        if manifest.names.len() != slices.len() {
            let (named, given) = (manifest.names.len(), slices.len());
            return Err(SnapshotError::Mixed(format!("{named} slices are named, {given} given")));
        }
        let mut slices = slices.iter().map(AsRef::as_ref).zip(1_usize..);
        let (head, part) =
            slices.next().ok_or_else(|| SnapshotError::Mixed("there is no slice".to_owned()))?;
        let mut snapshot =
            read_head(head).map_err(|source| SnapshotError::Part { part, source })?;
        let Self { partition, position, .. } = &snapshot;
        if (partition.id, *position) != (manifest.partition, manifest.position) {
            return Err(SnapshotError::Mixed("the head is of another snapshot".to_owned()));
        }
        let mut after = None;
        let mut open_end = true;
        for (bytes, part) in slices {
            let slice = read_slice(bytes, &mut snapshot.partition)
                .map_err(|source| SnapshotError::Part { part, source })?;
            let fits = open_end
                && slice.partition == manifest.partition
                && slice.position >= manifest.position
                && slice.number == part as u64
                && slice.after == after;
            if !fits {
                return Err(SnapshotError::Mixed(format!("slice {part} does not follow")));
            }
            open_end = slice.last.is_some();
            after.clone_from(&slice.last);
            snapshot.slices.push((slice.last, slice.position));
        }
        if open_end {
            return Err(SnapshotError::Mixed("the last slice is missing".to_owned()));
        }
        Ok(snapshot)
    }

    /// The position of the head: replay goes on behind it.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.position
    }

    /// The position up to which decisions about `key` are part of the snapshot.
    pub(super) fn covered(&self, key: &InstanceKey) -> u64 {
        let at = self.slices.partition_point(|(last, _)| last.as_ref().is_some_and(|l| l < key));
        self.slices.get(at).map_or(0, |(_, position)| *position)
    }

    /// The partition as the snapshot has it.
    pub(super) fn take_partition(&mut self) -> Partition {
        let id = self.partition.id;
        std::mem::replace(&mut self.partition, Partition::new(id))
    }
}

/// The whole state as bytes, for comparisons: head, then all instances.
pub(super) fn state_bytes(partition: &Partition) -> Vec<u8> {
    let mut out = Out::default();
    write_head(partition, &mut out);
    for key in partition.instances.keys_after(None) {
        if let Some(packed) = partition.instances.packed(key) {
            write_packed(key, &packed, &mut out);
        }
    }
    out.bytes
}

fn write_head(partition: &Partition, out: &mut Out) {
    partition.epoch.write(out);
    out.bytes.extend_from_slice(&partition.chain.0);
    partition.recorded_at.write(out);
    partition.queues.write(out);
}

fn read_head(bytes: &[u8]) -> Result<Snapshot, DecodeError> {
    let (id, mut from) = open(HEAD, bytes)?;
    let position = u64::read(&mut from)?;
    let mut partition = Partition::new(id);
    partition.epoch = u64::read(&mut from)?;
    partition.chain = Chain(from.array()?);
    partition.recorded_at = Timestamp::read(&mut from)?;
    partition.clock = partition.recorded_at;
    partition.queues = Queues::read(&mut from)?;
    from.end()?;
    Ok(Snapshot { partition, position, slices: Vec::new() })
}

/// What a slice says of itself.
struct Slice {
    partition: u16,
    position: u64,
    number: u64,
    after: Option<InstanceKey>,
    last: Option<InstanceKey>,
}

/// Reads a slice; its instances go to `partition`.
fn read_slice(bytes: &[u8], partition: &mut Partition) -> Result<Slice, DecodeError> {
    let (id, mut from) = open(SLICE, bytes)?;
    let slice = Slice {
        partition: id,
        position: Codec::read(&mut from)?,
        number: Codec::read(&mut from)?,
        after: Codec::read(&mut from)?,
        last: Codec::read(&mut from)?,
    };
    for _ in 0..u64::read(&mut from)? {
        let key = InstanceKey::read(&mut from)?;
        partition.instances.put_packed(&key, from.blob()?)?;
    }
    from.end()?;
    Ok(slice)
}

fn begin(kind: u8, partition: u16) -> Out {
    let mut out = Out::default();
    out.bytes.extend_from_slice(&MAGIC);
    out.byte(FIRST);
    out.byte(kind);
    partition.write(&mut out);
    out
}

fn seal(mut out: Out) -> Vec<u8> {
    if out.newer
        && let Some(version) = out.bytes.get_mut(MAGIC.len())
    {
        *version = VERSION;
    }
    let sum = crc32c::crc32c(&out.bytes);
    out.bytes.extend_from_slice(&sum.to_le_bytes());
    out.bytes
}

fn open(kind: u8, bytes: &[u8]) -> Result<(u16, Reader<'_>), DecodeError> {
    if !bytes.starts_with(&MAGIC) {
        return Err(DecodeError::Invalid("magic of a snapshot part"));
    }
    match bytes.get(MAGIC.len()) {
        Some(&found) if found > VERSION => {
            return Err(DecodeError::NewerVersion { found, known: VERSION });
        }
        Some(FIRST..=VERSION) => {}
        Some(_) | None => return Err(DecodeError::Invalid("snapshot version")),
    }
    let (body, sum) = bytes.split_last_chunk::<4>().ok_or(DecodeError::Short("a part"))?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return Err(DecodeError::Invalid("checksum of a snapshot part"));
    }
    let mut from = Reader::new(body);
    from.take(MAGIC.len() + 1)?;
    if from.byte()? != kind {
        return Err(DecodeError::Invalid("kind of a snapshot part"));
    }
    Ok((u16::read(&mut from)?, from))
}
