//! [`Blobs`]: an object store.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::object_store::{GetErrorKind, ObjectInfo, ObjectStore};
use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::api::{PATIENCE, Tries};
use super::connection::Link;
use super::listing::last_of_each;
use super::reader::{Wanted, get};
use super::stream::{Stream, settings};
use crate::message::check_size;
use crate::{Digest, Error, ErrorKind};

/// How long the next part of a blob may take to arrive.
const PART_MAX: Duration = Duration::from_secs(5);

/// Up to this many bytes a blob is read part by part.
const ONE_BY_ONE_MAX: usize = 8 * 1024 * 1024;

/// More parts than these are read of no such blob: whoever stores it says how many there are.
const PARTS_MAX: usize = 8 * 1024;

/// Bytes read at once.
const PART_BYTES: usize = 256 * 1024;

/// A handle to a blob store.
#[derive(Clone)]
pub(crate) struct Blobs {
    pub(super) stream: Stream,
    store: Arc<ObjectStore>,
    /// The bucket's name on the server.
    pub(super) name: String,
}

impl std::fmt::Debug for Blobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Blobs").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Blobs {
    pub(crate) async fn open(link: &Link, name: &str) -> Result<Self, Error> {
        let bucket = format!("gearshift-{name}");
        let wanted = settings(json!({
            "subjects": [format!("$O.{bucket}.C.>"), format!("$O.{bucket}.M.>")],
            "storage": "file",
            "retention": "limits",
            "discard": "new",
            "max_consumers": -1,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_msgs_per_subject": -1,
            "allow_rollup_hdrs": true,
            // What was just stored has to be found: only the leader is asked.
            "allow_direct": false,
        }));
        let stream = Stream::open(link, format!("OBJ_{bucket}"), name, "blobs", wanted).await?;
        let store = link.jetstream.get_object_store(&bucket).await;
        let store = store.map_err(|error| Error::new(ErrorKind::Disconnected, error))?;
        Ok(Self { stream, store: Arc::new(store), name: bucket })
    }

    pub(crate) async fn get(&self, digest: &Digest, limit: usize) -> Result<Option<Bytes>, Error> {
        let mut tries = Tries::new(PATIENCE);
        let mut has_failed = false;
        loop {
            self.stream.link.up(tries.deadline).await?;
            let failure = match Box::pin(self.unless_closed(self.read(digest, limit))).await? {
                Ok(None) => return Ok(None),
                Ok(Some(bytes)) if Digest::of(&bytes) == *digest => return Ok(Some(bytes)),
                // Once more: another hand may have put it anew meanwhile.
                Ok(Some(_other)) if has_failed => {
                    return Err(ErrorKind::Corrupt { sequence: None }.into());
                }
                Ok(Some(_other)) => {
                    has_failed = true;
                    Error::from(ErrorKind::Corrupt { sequence: None })
                }
                Err(error) if matches!(error.kind(), ErrorKind::TooLarge { .. }) => {
                    return Err(error);
                }
                Err(error) => error,
            };
            if !tries.again().await {
                return Err(failure);
            }
        }
    }

    pub(crate) async fn delete(&self, digest: &Digest) -> Result<(), Error> {
        let meta = self.name_subject(digest);
        let Some(message) = get(&self.stream, Wanted::LastOf(&meta)).await? else { return Ok(()) };
        // Its name goes first: nobody finds half a blob.
        self.purge(&meta).await?;
        if let Ok(info) = serde_json::from_slice::<ObjectInfo>(&message.payload) {
            self.purge(&self.parts_subject(&info.nuid)).await?;
        }
        Ok(())
    }

    /// Removes a blob that was stored, or stored again, longer ago than `age`; false where it was
    /// not.
    pub(crate) async fn delete_idle(&self, digest: &Digest, age: Duration) -> Result<bool, Error> {
        let meta = self.name_subject(digest);
        let Some(message) = get(&self.stream, Wanted::LastOf(&meta)).await? else {
            return Ok(true);
        };
        if age_of(&message) < age {
            return Ok(false);
        }
        // That name and no later one: somebody may be storing it again.
        let body = json!({ "filter": meta, "seq": message.sequence + 1 });
        self.purge_by(&body).await?;
        if get(&self.stream, Wanted::LastOf(&meta)).await?.is_some() {
            return Ok(false);
        }
        if let Ok(info) = serde_json::from_slice::<ObjectInfo>(&message.payload) {
            self.purge(&self.parts_subject(&info.nuid)).await?;
        }
        Ok(true)
    }

    /// Removes parts that no name tells of, stored longer ago than `age`: of whoever was ended
    /// between the two.
    pub(crate) async fn delete_orphans(&self, age: Duration) -> Result<(), Error> {
        let names = last_of_each(&self.stream, &format!("$O.{}.M.>", self.name), |_| true).await?;
        let infos = names.iter().filter_map(|name| serde_json::from_slice(&name.payload).ok());
        let told: BTreeSet<_> =
            infos.map(|info: ObjectInfo| self.parts_subject(&info.nuid)).collect();
        let orphan = |subject: &str| !told.contains(subject);
        let parts = last_of_each(&self.stream, &self.parts_subject("*"), orphan).await?;
        for part in parts.iter().filter(|part| age_of(part) >= age) {
            self.purge(&part.subject).await?;
        }
        Ok(())
    }

    pub(crate) async fn list(&self) -> Result<Vec<Digest>, Error> {
        let filter = format!("$O.{}.M.>", self.name);
        let messages = last_of_each(&self.stream, &filter, |_subject| true).await?;
        let mut digests = Vec::with_capacity(messages.len());
        for message in messages {
            if let Ok(info) = serde_json::from_slice::<ObjectInfo>(&message.payload)
                && !info.deleted
                && let Ok(digest) = Digest::parse(&info.name)
            {
                digests.push(digest);
            }
        }
        digests.sort_unstable();
        Ok(digests)
    }

    async fn read(&self, digest: &Digest, limit: usize) -> Result<Option<Bytes>, Error> {
        let name = self.name_subject(digest);
        let Some(message) = get(&self.stream, Wanted::LastOf(&name)).await? else {
            return Ok(None);
        };
        // What tells nothing has no content: the digest says so.
        let told = serde_json::from_slice::<ObjectInfo>(&message.payload);
        let Ok(info) = told else { return Ok(Some(Bytes::new())) };
        if info.deleted {
            return Ok(None);
        }
        check_size(info.size, limit)?;
        if info.size <= ONE_BY_ONE_MAX {
            return self.parts(&info).await.map(Some);
        }
        self.stream_of(digest, limit).await
    }

    /// Part by part, out of the leader's hands. Nobody needs a consumer for it: a login that may
    /// make consumers can have the server deliver what it stored to any subject.
    async fn parts(&self, info: &ObjectInfo) -> Result<Bytes, Error> {
        let subject = self.parts_subject(&info.nuid);
        let mut bytes = Vec::with_capacity(info.size);
        let mut next = 1;
        for _part in 0..info.chunks.min(PARTS_MAX) {
            let part = get(&self.stream, Wanted::NextOf(&subject, next)).await?;
            // What is missing, or too much, shows by the digest.
            let Some(part) = part.filter(|_| bytes.len() < info.size) else { break };
            bytes.extend_from_slice(&part.payload);
            next = part.sequence + 1;
        }
        Ok(bytes.into())
    }

    async fn stream_of(&self, digest: &Digest, limit: usize) -> Result<Option<Bytes>, Error> {
        let mut object = match self.store.get(digest.as_str()).await {
            Ok(object) => object,
            Err(error) if error.kind() == GetErrorKind::NotFound => return Ok(None),
            Err(error) => {
                // A stream that is gone answers by its information.
                self.stream.info().await?;
                return Err(Error::new(ErrorKind::Disconnected, error));
            }
        };
        if object.info().deleted {
            return Ok(None);
        }
        check_size(object.info().size, limit)?;
        let mut bytes = Vec::with_capacity(object.info().size);
        let mut part = vec![0; PART_BYTES];
        loop {
            let reading = tokio::time::timeout(PART_MAX, object.read(&mut part)).await;
            let count = reading.map_err(|_elapsed| {
                let text = format!("no part of blob `{digest}` arrives");
                Error::new(ErrorKind::Disconnected, text)
            })?;
            match count {
                Ok(0) => return Ok(Some(bytes.into())),
                Ok(count) => {
                    // Its size is what whoever stored it says.
                    check_size(bytes.len() + count, limit)?;
                    bytes.extend_from_slice(&part[..count]);
                }
                // The store's own digest differs.
                Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                    return Ok(Some(Bytes::new()));
                }
                Err(error) => return Err(Error::new(ErrorKind::Disconnected, error)),
            }
        }
    }

    /// Where the name of a blob is stored.
    pub(super) fn name_subject(&self, digest: &Digest) -> String {
        format!("$O.{}.M.{}", self.name, encoded(digest.as_str().as_bytes()))
    }

    /// Where its parts are stored.
    pub(super) fn parts_subject(&self, number: &str) -> String {
        format!("$O.{}.C.{number}", self.name)
    }

    pub(super) async fn purge(&self, filter: &str) -> Result<(), Error> {
        self.purge_by(&json!({ "filter": filter })).await
    }

    async fn purge_by(&self, body: &Value) -> Result<(), Error> {
        let subject = format!("STREAM.PURGE.{}", self.stream.name);
        match self.stream.link.api::<Value>(&subject, body).await? {
            Ok(_purged) => Ok(()),
            Err(error) => Err(self.stream.error(error)),
        }
    }

    async fn unless_closed<T>(&self, future: impl Future<Output = T>) -> Result<T, Error> {
        tokio::select! {
            biased;
            () = self.stream.link.lifecycle.closed() => Err(ErrorKind::Closed.into()),
            done = future => Ok(done),
        }
    }
}

/// How long ago the server stored a message.
pub(super) fn age_of(message: &StreamMessage) -> Duration {
    let stored = u64::try_from(message.time.unix_timestamp()).unwrap_or(0);
    let stored = SystemTime::UNIX_EPOCH + Duration::from_secs(stored);
    stored.elapsed().unwrap_or_default()
}

/// Bytes as object stores write names in subjects: base64 for addresses, padded.
pub(super) fn encoded(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits = (0..3).fold(0_usize, |bits, at| {
            bits << 8 | three.get(at).map_or(0, |byte| usize::from(*byte))
        });
        for at in 0..4 {
            let is_padding = at > three.len();
            let letter = ALPHABET[bits >> (18 - 6 * at) & 63];
            text.push(if is_padding { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_as_object_stores_do() {
        let digest = Digest::of(b"");
        let expected = "ZTNiMGM0NDI5OGZjMWMxNDlhZmJmNGM4OTk2ZmI5MjQyN2FlNDFlNDY0OWI5MzRjYTQ5NTk5\
                        MWI3ODUyYjg1NQ==";
        assert_eq!(encoded(digest.as_str().as_bytes()), expected);
    }
}
