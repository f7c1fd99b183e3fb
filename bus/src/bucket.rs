//! [`Bucket`]: get, put, compare and set, watch; keys may expire.

use std::time::Duration;

use bytes::Bytes;

use crate::local::{KeyOp, KeyWatch};
use crate::message::check_size;
use crate::{Error, ErrorKind, MESSAGE_BYTES_MAX, embedded, memory, nats};

/// Longest key, in bytes.
const KEY_BYTES_MAX: usize = 255;

/// Small values by key, every write durable before it is answered.
///
/// A key is made of `A-Z a-z 0-9 - _ = . /`, is at most 255 bytes long, neither begins nor
/// ends with `.` and has no `..`. Values are at most 1 MiB. A clone is another handle to the same
/// bucket.
#[derive(Debug, Clone)]
pub struct Bucket(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Memory(memory::Bucket),
    Embedded(embedded::Bucket),
    Nats(nats::Bucket),
}

/// A value and the write that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The number of that write; every write of the bucket has a greater one.
    pub revision: u64,
    /// The bytes written.
    pub value: Bytes,
}

/// How a [`Bucket::compare_and_set`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    /// The value is durable under this revision.
    Stored(u64),
    /// The key has another revision; nothing was written.
    Conflict {
        /// Its revision, 0 if it does not exist.
        actual: u64,
    },
}

/// What a [`Watch`] reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The key has this value now.
    Put {
        /// The key.
        key: String,
        /// Its value.
        value: Value,
    },
    /// The key was deleted or has expired.
    Deleted {
        /// The key.
        key: String,
    },
}

/// Reports what happens to the keys of a bucket; made by [`Bucket::watch`].
#[derive(Debug)]
pub struct Watch(Watching);

#[derive(Debug)]
enum Watching {
    Local(KeyWatch),
    Nats(Box<nats::KeyWatch>),
}

impl Bucket {
    pub(crate) const fn memory(bucket: memory::Bucket) -> Self {
        Self(Backend::Memory(bucket))
    }

    pub(crate) const fn embedded(bucket: embedded::Bucket) -> Self {
        Self(Backend::Embedded(bucket))
    }

    pub(crate) const fn nats(bucket: nats::Bucket) -> Self {
        Self(Backend::Nats(bucket))
    }

    /// The value of `key`, unless it does not exist or has expired.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if `key` is not one.
    pub async fn get(&self, key: &str) -> Result<Option<Value>, Error> {
        check_key(key)?;
        match &self.0 {
            Backend::Memory(bucket) => Ok(bucket.keys()?.get(key)),
            Backend::Embedded(bucket) => Ok(bucket.keys()?.get(key)),
            Backend::Nats(bucket) => bucket.get(key).await,
        }
    }

    /// Writes `value` and gives its revision.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if `key` is not one, [`ErrorKind::TooLarge`] above 1 MiB.
    pub async fn put(&self, key: &str, value: Bytes) -> Result<u64, Error> {
        let op = KeyOp { expected: None, value: Some(value), ttl: None };
        Self::revision(self.write(key, op).await?)
    }

    /// Writes `value` as [`Bucket::put`] does; the key is gone once `ttl` has passed.
    ///
    /// A later write of the key without `ttl` takes the expiry away. The resolution is a
    /// second or finer, and a key never goes early.
    ///
    /// # Errors
    ///
    /// Those of [`Bucket::put`].
    pub async fn put_expiring(&self, key: &str, value: Bytes, ttl: Duration) -> Result<u64, Error> {
        let op = KeyOp { expected: None, value: Some(value), ttl: Some(ttl) };
        Self::revision(self.write(key, op).await?)
    }

    /// Writes `value` if the key's revision is `expected`; 0 means it must not exist.
    ///
    /// # Errors
    ///
    /// Those of [`Bucket::put`].
    pub async fn compare_and_set(
        &self,
        key: &str,
        expected: u64,
        value: Bytes,
    ) -> Result<Swapped, Error> {
        self.write(key, KeyOp { expected: Some(expected), value: Some(value), ttl: None }).await
    }

    /// [`Bucket::compare_and_set`] of a key that expires as in [`Bucket::put_expiring`].
    ///
    /// # Errors
    ///
    /// Those of [`Bucket::put`].
    pub async fn compare_and_set_expiring(
        &self,
        key: &str,
        expected: u64,
        value: Bytes,
        ttl: Duration,
    ) -> Result<Swapped, Error> {
        let op = KeyOp { expected: Some(expected), value: Some(value), ttl: Some(ttl) };
        self.write(key, op).await
    }

    /// Removes the key; one that does not exist is no error.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidName`] if `key` is not one.
    pub async fn delete(&self, key: &str) -> Result<(), Error> {
        self.write(key, KeyOp { expected: None, value: None, ttl: None }).await?;
        Ok(())
    }

    /// The keys that begin with `prefix` (an empty one means all), in order.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn keys(&self, prefix: &str) -> Result<Vec<String>, Error> {
        match &self.0 {
            Backend::Memory(bucket) => Ok(bucket.keys()?.list(prefix)),
            Backend::Embedded(bucket) => Ok(bucket.keys()?.list(prefix)),
            Backend::Nats(bucket) => bucket.keys(prefix).await,
        }
    }

    /// Watches the keys that begin with `prefix`, starting with what they hold now.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn watch(&self, prefix: &str) -> Result<Watch, Error> {
        let watching = match &self.0 {
            Backend::Memory(bucket) => Watching::Local(bucket.keys()?.watch(prefix)),
            Backend::Embedded(bucket) => Watching::Local(bucket.keys()?.watch(prefix)),
            Backend::Nats(bucket) => Watching::Nats(Box::new(bucket.watch(prefix).await?)),
        };
        Ok(Watch(watching))
    }

    /// The greatest revision that any write of the bucket has made, deletions included; 0 in a
    /// new one. Whoever reads after this call sees at least that write.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn head(&self) -> Result<u64, Error> {
        match &self.0 {
            Backend::Memory(bucket) => Ok(bucket.keys()?.head()),
            Backend::Embedded(bucket) => Ok(bucket.keys()?.head()),
            Backend::Nats(bucket) => bucket.head().await,
        }
    }

    async fn write(&self, key: &str, op: KeyOp) -> Result<Swapped, Error> {
        check_key(key)?;
        check_size(op.value.as_ref().map_or(0, Bytes::len), MESSAGE_BYTES_MAX)?;
        match &self.0 {
            Backend::Memory(bucket) => bucket.write(key, &op),
            Backend::Embedded(bucket) => bucket.write(key, op).await,
            Backend::Nats(bucket) => bucket.write(key, op).await,
        }
    }

    fn revision(swapped: Swapped) -> Result<u64, Error> {
        match swapped {
            Swapped::Stored(revision) => Ok(revision),
            // An unconditional write meets no condition; a backend that says so is confused.
            Swapped::Conflict { .. } => Err(ErrorKind::Unknown.into()),
        }
    }
}

impl Watch {
    /// The next change, or `None` once the bus is closed.
    ///
    /// First every key with its value, in order of the keys, then what changes. A watcher that
    /// is slower than the writers may miss values in between, never the latest one. Dropping the
    /// future loses no change.
    pub async fn next(&mut self) -> Option<Change> {
        match &mut self.0 {
            Watching::Local(watch) => watch.next().await,
            Watching::Nats(watch) => watch.next().await,
        }
    }
}

fn check_key(key: &str) -> Result<(), Error> {
    let is_valid =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=' | b'.' | b'/');
    let reason = if key.is_empty() || key.len() > KEY_BYTES_MAX {
        "a key is 1 to 255 bytes long"
    } else if !key.bytes().all(is_valid) {
        "a key is made of `A-Z a-z 0-9 - _ = . /`"
    } else if key.starts_with('.') || key.ends_with('.') {
        "a key neither begins nor ends with `.`"
    } else if key.contains("..") {
        "a key has no empty part between two `.`"
    } else {
        return Ok(());
    };
    Err(ErrorKind::InvalidName { text: key.to_owned(), reason }.into())
}
