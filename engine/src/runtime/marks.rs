//! High-water marks: how far each journal is known to reach, kept outside the bus.
//!
//! A damaged single-node store can come back shorter without saying so (01 §9). A mark is written
//! after the frame is acknowledged, so it is never ahead of what was confirmed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use gearshift_bus::{BackendKind, Bucket, Tail};
use serde::{Deserialize, Serialize};

use super::error::Error;
use super::shared::Shared;

/// The bucket where owners leave their marks for those after them.
const BUCKET: &str = "marks";

/// One partition's mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// Which life of the log it speaks of: a recreated log has another.
    pub(crate) incarnation: u128,
    /// The last sequence confirmed.
    pub(crate) sequence: u64,
    /// The epoch of the owner that wrote it.
    pub(crate) epoch: u64,
}

/// The marks of all partitions, in one small file.
#[derive(Debug)]
pub(crate) struct Marks {
    path: Option<PathBuf>,
    file: MarksFile,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct MarksFile {
    partitions: Vec<MarkText>,
}

/// JSON numbers end at 64 bits, so the incarnation is text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct MarkText {
    incarnation: String,
    sequence: u64,
    epoch: u64,
}

impl From<&Mark> for MarkText {
    fn from(mark: &Mark) -> Self {
        let incarnation = format!("{:032x}", mark.incarnation);
        Self { incarnation, sequence: mark.sequence, epoch: mark.epoch }
    }
}

impl MarkText {
    fn mark(&self) -> Option<Mark> {
        let incarnation = u128::from_str_radix(&self.incarnation, 16).ok()?;
        Some(Mark { incarnation, sequence: self.sequence, epoch: self.epoch })
    }
}

impl Marks {
    /// Reads the marks of `data`, or begins with none.
    pub(crate) fn open(data: Option<&Path>, partitions: u16) -> Result<Self, Error> {
        let Some(dir) = data else {
            return Ok(Self { path: None, file: MarksFile::default() });
        };
        let path = dir.join("marks.json");
        let file = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<MarksFile>(&bytes).map_err(|error| {
                file_error("cannot read", &path, std::io::Error::other(error.to_string()))
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => MarksFile::default(),
            Err(error) => return Err(file_error("cannot read", &path, error)),
        };
        let found = u16::try_from(file.partitions.len()).unwrap_or(u16::MAX);
        if found != 0 && found != partitions {
            return Err(Error::Partitions {
                place: "data directory",
                found,
                configured: partitions,
            });
        }
        Ok(Self { path: Some(path), file })
    }

    /// The mark of `partition`, where one was written.
    pub(crate) fn get(&self, partition: u16) -> Option<Mark> {
        self.file.partitions.get(usize::from(partition))?.mark()
    }

    /// Writes all marks: a new file, synced, renamed over the old one.
    pub(crate) fn write(&mut self, marks: &[Mark]) -> Result<(), Error> {
        let Some(path) = self.path.as_deref() else { return Ok(()) };
        let partitions = marks.iter().map(MarkText::from).collect();
        let file = MarksFile { partitions };
        if file == self.file {
            return Ok(());
        }
        let bytes = serde_json::to_vec_pretty(&file).unwrap_or_default();
        let fresh = path.with_extension("json.new");
        fs::File::create(&fresh)
            .and_then(|mut out| out.write_all(&bytes).and_then(|()| out.sync_all()))
            .and_then(|()| fs::rename(&fresh, path))
            .map_err(|error| file_error("cannot write", path, error))?;
        self.file = file;
        Ok(())
    }
}

/// Holds the journal's end against what was confirmed before: by this engine, and by whoever had
/// the partition last.
pub(crate) async fn check(shared: &Shared, partition: u16, tail: &Tail) -> Result<(), Error> {
    let theirs = match is_kept_on_bus(shared) {
        true => read(&shared.bus.bucket(BUCKET).await?, partition).await?.1,
        false => None,
    };
    for mark in shared.mark(partition).into_iter().chain(theirs) {
        let other_life = mark.sequence > 0 && tail.incarnation != mark.incarnation;
        if tail.last < mark.sequence || other_life {
            let (tail, mark) = (tail.last, mark.sequence);
            return Err(Error::LogBehindMark { partition, tail, mark });
        }
    }
    Ok(())
}

/// Forgets what was confirmed: a person accepts the journal as it is.
pub(crate) async fn forget(shared: &Shared, partition: u16) -> Result<(), Error> {
    shared.seat(partition).advance(Mark::default());
    if is_kept_on_bus(shared) {
        shared.bus.bucket(BUCKET).await?.delete(&key(partition)).await?;
    }
    Ok(())
}

/// Writes the marks of the partitions served here for whoever has them next, where they moved
/// since `told`.
pub(crate) async fn tell(shared: &Shared, told: &mut Vec<Mark>) -> Result<(), Error> {
    if !is_kept_on_bus(shared) {
        return Ok(());
    }
    told.resize(shared.seats.len(), Mark::default());
    let bucket = shared.bus.bucket(BUCKET).await?;
    for ((partition, seat), told) in (0_u16..).zip(&shared.seats).zip(told) {
        let mark = seat.mark();
        if !seat.serves() || mark == *told {
            continue;
        }
        let (revision, known) = read(&bucket, partition).await?;
        // An owner that was replaced and does not know it yet says less than its successor.
        if known.is_some_and(|known| (known.epoch, known.sequence) >= (mark.epoch, mark.sequence)) {
            continue;
        }
        let text = serde_json::to_vec(&MarkText::from(&mark)).unwrap_or_default();
        bucket.compare_and_set(&key(partition), revision, text.into()).await?;
        *told = mark;
    }
    Ok(())
}

/// Is there anybody but this directory to remember? Beside an embedded journal a mark would only
/// say what the journal says.
fn is_kept_on_bus(shared: &Shared) -> bool {
    shared.cluster.is_some() || matches!(shared.bus.kind(), BackendKind::Nats)
}

async fn read(bucket: &Bucket, partition: u16) -> Result<(u64, Option<Mark>), Error> {
    let Some(value) = bucket.get(&key(partition)).await? else { return Ok((0, None)) };
    let text = serde_json::from_slice::<MarkText>(&value.value);
    Ok((value.revision, text.ok().and_then(|text| text.mark())))
}

fn key(partition: u16) -> String {
    format!("p{partition}")
}

fn file_error(what: &'static str, path: &Path, source: std::io::Error) -> Error {
    Error::File { what, path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::{Mark, Marks};

    #[test]
    fn marks_survive_and_name_another_partition_count() -> Result<(), Box<dyn std::error::Error>> {
        let dir = tempfile::tempdir()?;
        let mut marks = Marks::open(Some(dir.path()), 2)?;
        assert_eq!(marks.get(0), None);
        let mark = Mark { incarnation: u128::MAX - 1, sequence: 7, epoch: 3 };
        marks.write(&[mark, Mark::default()])?;
        assert_eq!(Marks::open(Some(dir.path()), 2)?.get(0), Some(mark));
        let refused = Marks::open(Some(dir.path()), 4).map(|_| ());
        assert!(refused.is_err_and(|error| error.to_string().contains("2 partitions")));
        Ok(())
    }
}
