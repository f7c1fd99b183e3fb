//! [`DataDir`]: a folder that one engine has for itself.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::connect::create_private_dir;
use super::failure::{CONFLICT, Failure};

/// The file whose lock says that the folder is in use; it names the process.
const LOCK: &str = "engine.lock";

/// A data directory in use; given free when dropped, or when the process ends.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes the folder, which is made if it is not there (row C6).
    pub(super) fn take(path: &Path) -> Result<Self, Failure> {
        let unusable =
            |error: std::io::Error| Failure::file("cannot use the data directory", path, &error);
        create_private_dir(path).map_err(unusable)?;
        let file = path.join(LOCK);
        let mut options = File::options();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let lock = options.open(&file).map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path, &file)),
            Err(TryLockError::Error(error)) => return Err(unusable(error)),
        }
        // Only people read the number; the lock decides.
        let note = format!("{}\n", std::process::id());
        lock.set_len(0)
            .and_then(|()| std::io::Write::write_all(&mut &lock, note.as_bytes()))
            .map_err(unusable)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn in_use(path: &Path, file: &Path) -> Failure {
    let owner = std::fs::read_to_string(file).unwrap_or_default();
    let owner = match owner.trim() {
        "" => String::new(),
        pid => format!(" (process {pid})"),
    };
    let detail =
        format!("data directory `{}` is in use by another gearshift{owner}", path.display());
    Failure::new(CONFLICT, detail).with_help("stop that one, or give this one its own `--data DIR`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c6_a_data_directory_has_one_owner_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let first = DataDir::take(&path).unwrap();
        let failure = DataDir::take(&path).unwrap_err();
        assert_eq!(failure.exit, CONFLICT);
        let process = format!("(process {})", std::process::id());
        assert!(failure.problem.detail.contains(&process), "{}", failure.problem.detail);
        drop(first);
        assert_eq!(DataDir::take(&path).unwrap().path(), path);
    }
}
