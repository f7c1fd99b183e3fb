//! [`Source`]: the stream behind an inbox, and what may be asked of it.

use std::time::Duration;

use super::fetch;
use super::lane::Lane;
use super::stream::Stream;
use crate::{Delivered, Error, ErrorKind, Tail};

/// Bytes of one answer, and kept ahead.
pub(super) const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How long to wait before a message that is not there is asked for again.
pub(super) const FETCH_PAUSE: Duration = Duration::from_millis(200);

/// Which stream is read, and how.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) stream: Stream,
    /// Where messages come over.
    pub(super) lane: Lane,
    /// What is read of it; empty for all, and then no sequence may be missing.
    pub(super) filters: Vec<String>,
    /// The stream's incarnation when it was opened.
    pub(super) incarnation: u128,
    /// Whether each message is asked for, because the stream allows no consumer beside others.
    pub(super) one_by_one: bool,
}

impl Source {
    /// What the stream holds, if it is still the one that was opened.
    pub(super) async fn tail(&self) -> Result<Tail, Error> {
        let tail = Box::pin(self.stream.tail()).await?;
        if tail.incarnation != self.incarnation {
            let kind = ErrorKind::NotFound { name: self.stream.shown.clone() };
            return Err(Error::new(kind, "another stream has its name now"));
        }
        Ok(tail)
    }

    pub(super) async fn fetch(&self, sequence: u64) -> Result<Option<Delivered>, Error> {
        let Self { stream, filters, .. } = self;
        Box::pin(fetch::fetch(&stream.link, &stream.name, sequence, filters)).await
    }

    /// Whether the stream can be read from `cursor` on.
    ///
    /// The server would take any cursor: from one before the first it jumps ahead, and from
    /// one beyond the end it delivers what comes next, as if nothing was missing.
    pub(super) fn check(&self, cursor: u64, tail: &Tail) -> Result<(), Error> {
        if cursor < tail.first {
            return Err(ErrorKind::Trimmed { first: tail.first }.into());
        }
        if cursor > tail.last + 1 {
            let kind = ErrorKind::Corrupt { sequence: Some(tail.last + 1) };
            let (name, last) = (&self.stream.name, tail.last);
            let reason = format!("`{name}` ends at {last}, it is shorter than what was read of it");
            return Err(Error::new(kind, reason));
        }
        Ok(())
    }

    pub(super) async fn read_one_by_one(
        &self,
        cursor: u64,
        max: usize,
    ) -> Result<Vec<Delivered>, Error> {
        let tail = self.tail().await?;
        // Others take messages away, so only the end is checked.
        self.check(cursor.max(tail.first), &tail)?;
        let (mut answer, mut bytes, mut next) = (Vec::new(), 0, cursor);
        while answer.len() < max {
            let Some(found) = self.fetch(next).await? else { break };
            bytes += found.message.size();
            if bytes > ANSWER_BYTES_MAX && !answer.is_empty() {
                break;
            }
            next = found.sequence + 1;
            answer.push(found);
        }
        Ok(answer)
    }

    pub(super) async fn wait_one_by_one(&self, sequence: u64) -> Result<u64, Error> {
        loop {
            if let Some(found) = self.fetch(sequence + 1).await? {
                return Ok(found.sequence);
            }
            self.tail().await?;
            tokio::time::sleep(FETCH_PAUSE).await;
        }
    }
}
