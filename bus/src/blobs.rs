//! [`Blobs`]: put, get by digest.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::message::check_size;
use crate::{BLOB_BYTES_MAX, Error, ErrorKind, embedded, memory, nats};

/// How long blobs stay that nobody says more of.
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Large values, named by what they hold.
///
/// A clone is another handle to the same blobs.
#[derive(Debug, Clone)]
pub struct Blobs(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Memory(memory::Blobs),
    Embedded(embedded::Blobs),
    Nats(nats::Blobs),
}

/// The SHA-256 of a blob, as 64 lower-case hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(Box<str>);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        use fmt::Write;
        let mut text = String::with_capacity(64);
        for byte in Sha256::digest(bytes) {
            // Writing to a string cannot fail.
            write!(text, "{byte:02x}").unwrap_or_default();
        }
        Self(text.into())
    }

    /// Reads a digest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if `text` is not 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 64 || !text.bytes().all(is_hex) {
            let reason = "a digest is 64 lower-case hexadecimal digits";
            return Err(ErrorKind::InvalidName { text: text.to_owned(), reason }.into());
        }
        Ok(Self(text.into()))
    }

    /// The 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Blobs {
    pub(crate) const fn memory(blobs: memory::Blobs) -> Self {
        Self(Backend::Memory(blobs))
    }

    pub(crate) const fn embedded(blobs: embedded::Blobs) -> Self {
        Self(Backend::Embedded(blobs))
    }

    pub(crate) const fn nats(blobs: nats::Blobs) -> Self {
        Self(Backend::Nats(blobs))
    }

    /// Stores `bytes`, durably, and gives their digest; storing them again changes nothing but
    /// their age, as [`Blobs::delete_idle`] sees it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] above 1 GiB.
    pub async fn put(&self, bytes: Bytes) -> Result<Digest, Error> {
        Box::pin(self.put_for(bytes, DAY)).await
    }

    /// [`Blobs::put`] where [`Blobs::delete_idle`] removes what is older than `kept`, and not than
    /// a day: what is stored already is young enough for a 24th of that.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] above 1 GiB.
    pub async fn put_for(&self, bytes: Bytes, kept: Duration) -> Result<Digest, Error> {
        check_size(bytes.len(), BLOB_BYTES_MAX)?;
        match &self.0 {
            Backend::Memory(blobs) => blobs.put(bytes),
            Backend::Embedded(blobs) => blobs.put(bytes).await,
            Backend::Nats(blobs) => Box::pin(blobs.put(bytes, kept / 24)).await,
        }
    }

    /// The bytes with this digest, if they are stored.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Corrupt`] if what is stored has another digest.
    pub async fn get(&self, digest: &Digest) -> Result<Option<Bytes>, Error> {
        Box::pin(self.get_within(digest, BLOB_BYTES_MAX)).await
    }

    /// [`Blobs::get`] of a blob that somebody else may have stored: one above `limit` bytes is not
    /// read.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`] above `limit`, and those of [`Blobs::get`].
    pub async fn get_within(&self, digest: &Digest, limit: usize) -> Result<Option<Bytes>, Error> {
        let found = match &self.0 {
            Backend::Memory(blobs) => blobs.get(digest),
            Backend::Embedded(blobs) => blobs.get(digest, limit).await,
            Backend::Nats(blobs) => Box::pin(blobs.get(digest, limit)).await,
        }?;
        if let Some(bytes) = &found {
            check_size(bytes.len(), limit)?;
        }
        Ok(found)
    }

    /// Removes the blob; one that is not stored is no error.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn delete(&self, digest: &Digest) -> Result<(), Error> {
        match &self.0 {
            Backend::Memory(blobs) => blobs.delete(digest),
            Backend::Embedded(blobs) => blobs.delete(digest).await,
            Backend::Nats(blobs) => blobs.delete(digest).await,
        }
    }

    /// Removes the blob where it was stored, and stored again, longer ago than `age`; false where
    /// it stays. Within one process nobody knows when that was: there it is removed.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn delete_idle(&self, digest: &Digest, age: Duration) -> Result<bool, Error> {
        match &self.0 {
            Backend::Memory(_) | Backend::Embedded(_) => self.delete(digest).await.map(|()| true),
            Backend::Nats(blobs) => blobs.delete_idle(digest, age).await,
        }
    }

    /// Removes what is left, since longer ago than `age`, of blobs whose storing was cut off.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn delete_orphans(&self, age: Duration) -> Result<(), Error> {
        match &self.0 {
            // A blob is there as a whole or not at all.
            Backend::Memory(_) | Backend::Embedded(_) => Ok(()),
            Backend::Nats(blobs) => blobs.delete_orphans(age).await,
        }
    }

    /// The digests of all stored blobs, in order.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn list(&self) -> Result<Vec<Digest>, Error> {
        match &self.0 {
            Backend::Memory(blobs) => blobs.list(),
            Backend::Embedded(blobs) => blobs.list().await,
            Backend::Nats(blobs) => blobs.list().await,
        }
    }
}
