//! High-water marks: how far each journal is known to reach, kept outside the bus.
//!
//! A damaged single-node store can come back shorter without saying so (01 §9). A mark is written
//! after the frame is acknowledged, so it is never ahead of what was confirmed.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::Error;

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
            return Err(Error::Partitions { found, configured: partitions });
        }
        Ok(Self { path: Some(path), file })
    }

    /// The mark of `partition`, where one was written.
    pub(crate) fn get(&self, partition: u16) -> Option<Mark> {
        let text = self.file.partitions.get(usize::from(partition))?;
        let incarnation = u128::from_str_radix(&text.incarnation, 16).ok()?;
        Some(Mark { incarnation, sequence: text.sequence, epoch: text.epoch })
    }

    /// Writes all marks: a new file, synced, renamed over the old one.
    pub(crate) fn write(&mut self, marks: &[Mark]) -> Result<(), Error> {
        let Some(path) = self.path.as_deref() else { return Ok(()) };
        let partitions = marks
            .iter()
            .map(|mark| MarkText {
                incarnation: format!("{:032x}", mark.incarnation),
                sequence: mark.sequence,
                epoch: mark.epoch,
            })
            .collect();
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
