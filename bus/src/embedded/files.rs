//! Files beside the database: private, written aside, then renamed.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;

use crate::{Error, ErrorKind};

/// Last sequences as of the last orderly close.
const TAILS_FILE: &str = "tails";

/// Begins the name of a file that is being written.
pub(super) const TEMPORARY_PREFIX: &str = "temporary-";

/// Creates `dir` and what is above it, readable by the owner only; an existing one stays.
pub(super) fn create_private_dir(dir: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

fn create_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Locks `dir` until the file is dropped, also against this process.
pub(super) fn lock_dir(dir: &Path) -> Result<File, Error> {
    let file = create_private_file(&dir.join("lock"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(ErrorKind::Locked { dir: dir.display().to_string() }.into())
        }
        Err(TryLockError::Error(error)) => Err(error.into()),
    }
}

/// Writes a whole file so that after a power cut it is there completely or not at all.
pub(super) fn write_whole(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let aside = dir.join(format!("{TEMPORARY_PREFIX}{:016x}", fastrand::u64(..)));
    let written = write_aside(&aside, bytes).and_then(|()| std::fs::rename(&aside, dir.join(name)));
    if let Err(error) = written {
        // What was written aside is cleaned up at the next start if not now.
        std::fs::remove_file(&aside).unwrap_or_default();
        return Err(error);
    }
    sync_dir(dir)
}

fn write_aside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = create_private_file(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes the names in `dir` durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The content of a file, or `None` if there is no such file.
pub(super) fn read_whole(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes).map(|_| Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes what an interrupted [`write_whole`] left in `dir`.
pub(super) fn remove_temporary(dir: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

pub(super) fn write_tails(dir: &Path, lines: &str) -> Result<(), Error> {
    Ok(write_whole(dir, TAILS_FILE, lines.as_bytes())?)
}

/// Kind, name, incarnation and last sequence of each log and inbox at the last orderly close.
pub(super) fn read_tails(dir: &Path) -> Result<Vec<(String, String, u128, u64)>, Error> {
    let stored = read_whole(&dir.join(TAILS_FILE))?.unwrap_or_default();
    let corrupt = || Error::from(ErrorKind::Corrupt { sequence: None });
    let text = String::from_utf8(stored).map_err(|_| corrupt())?;
    text.lines().map(|line| parse_tail(line).ok_or_else(corrupt)).collect()
}

fn parse_tail(line: &str) -> Option<(String, String, u128, u64)> {
    let mut words = line.split(' ');
    let (kind, name) = (words.next()?.to_owned(), words.next()?.to_owned());
    let incarnation = u128::from_str_radix(words.next()?, 16).ok()?;
    Some((kind, name, incarnation, words.next()?.parse().ok()?))
}

/// What the files beneath `path` take on the disk, in bytes.
pub(super) fn disk_bytes(path: &Path) -> u64 {
    // A file that vanishes while it is looked at takes nothing.
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return allocated(&metadata);
    }
    let Ok(entries) = std::fs::read_dir(path) else { return 0 };
    entries.flatten().map(|entry| disk_bytes(&entry.path())).sum()
}

/// Journals are allocated ahead without being written, so their length says too much.
#[cfg(unix)]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::blocks(metadata) * 512
}

#[cfg(not(unix))]
fn allocated(metadata: &std::fs::Metadata) -> u64 {
    metadata.len()
}
