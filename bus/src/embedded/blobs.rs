//! [`Blobs`] in a directory: one file each, named by its digest.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::Store;
use super::files::{read_whole, remove_temporary, sync_dir, write_whole};
use super::store::blocking;
use crate::message::check_size;
use crate::{Digest, Error, ErrorKind};

/// A handle to a blob store.
#[derive(Debug, Clone)]
pub(crate) struct Blobs {
    store: Store,
    dir: PathBuf,
}

impl Blobs {
    pub(super) const fn new(store: Store, dir: PathBuf) -> Self {
        Self { store, dir }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) async fn put(&self, bytes: Bytes) -> Result<Digest, Error> {
        self.store.lifecycle().check()?;
        let dir = self.dir.clone();
        blocking(move || {
            let digest = Digest::of(&bytes);
            // A damaged file under this name is replaced; an intact one was synced already.
            let is_stored = read_whole(&dir.join(digest.as_str()))?.is_some_and(|old| old == bytes);
            if !is_stored {
                write_whole(&dir, digest.as_str(), &bytes)?;
            }
            Ok(digest)
        })
        .await
    }

    pub(crate) async fn get(&self, digest: &Digest, limit: usize) -> Result<Option<Bytes>, Error> {
        self.store.lifecycle().check()?;
        let (dir, digest) = (self.dir.clone(), digest.clone());
        blocking(move || {
            let path = dir.join(digest.as_str());
            if let Ok(about) = std::fs::metadata(&path) {
                check_size(usize::try_from(about.len()).unwrap_or(usize::MAX), limit)?;
            }
            match read_whole(&path)? {
                None => Ok(None),
                Some(bytes) if Digest::of(&bytes) == digest => Ok(Some(bytes.into())),
                Some(_) => Err(ErrorKind::Corrupt { sequence: None }.into()),
            }
        })
        .await
    }

    pub(crate) async fn delete(&self, digest: &Digest) -> Result<(), Error> {
        self.store.lifecycle().check()?;
        let (dir, digest) = (self.dir.clone(), digest.clone());
        blocking(move || match std::fs::remove_file(dir.join(digest.as_str())) {
            Ok(()) => Ok(sync_dir(&dir)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error.into()),
        })
        .await
    }

    pub(crate) async fn list(&self) -> Result<Vec<Digest>, Error> {
        self.store.lifecycle().check()?;
        let dir = self.dir.clone();
        blocking(move || {
            let mut digests = Vec::new();
            for entry in std::fs::read_dir(&dir)? {
                // Files that are being written have other names.
                digests.extend(Digest::parse(&entry?.file_name().to_string_lossy()).ok());
            }
            digests.sort();
            Ok(digests)
        })
        .await
    }
}

/// Removes what interrupted writes left in the blob stores of `dir`.
pub(super) fn clean(dir: &Path) -> Result<(), Error> {
    match std::fs::read_dir(dir) {
        Ok(stores) => {
            for store in stores {
                remove_temporary(&store?.path())?;
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}
