//! [`Inbox`] in memory.

use std::sync::Arc;

use super::Store;
use super::sequence::Sequence;
use crate::local::{lock, minimal};
use crate::{Appended, Delivered, Error, ErrorKind, Message, SubjectPattern, Tail};
use crate::{FRAME_BYTES_MAX, local::Lifecycle};

/// A handle to an inbox of a [`Store`].
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    store: Store,
    name: String,
    messages: Arc<Sequence<(Message, i64)>>,
}

impl Inbox {
    pub(super) const fn new(
        store: Store,
        name: String,
        messages: Arc<Sequence<(Message, i64)>>,
    ) -> Self {
        Self { store, name, messages }
    }

    pub(crate) fn capture(&self, patterns: &[SubjectPattern]) -> Result<(), Error> {
        self.lifecycle().check()?;
        let patterns = minimal(&self.name, patterns)?;
        let mut captures = lock(self.store.captures());
        captures.check(&self.name, &patterns)?;
        captures.set(&self.name, patterns);
        Ok(())
    }

    pub(crate) fn publish(&self, message: &Message) -> Result<u64, Error> {
        self.lifecycle().check()?;
        if !lock(self.store.captures()).matches(&self.name, &message.subject) {
            return Err(ErrorKind::NotCaptured { subject: message.subject.to_string() }.into());
        }
        self.store_message(message)
    }

    pub(super) fn store_message(&self, message: &Message) -> Result<u64, Error> {
        match self.messages.append(None, (message.clone(), self.store.now_ms()))? {
            Appended::Stored(sequence) => Ok(sequence),
            // Nothing was expected, so nothing can differ from it.
            Appended::Fenced { .. } | Appended::Unknown => Err(ErrorKind::Unknown.into()),
        }
    }

    pub(crate) fn read_from(&self, cursor: u64, max: usize) -> Result<Vec<Delivered>, Error> {
        self.lifecycle().check()?;
        let mut bytes = 0;
        let mut count = 0;
        let entries = self.messages.read_from(cursor, |(message, _)| {
            bytes += message.size();
            count += 1;
            count <= max && (count == 1 || bytes <= FRAME_BYTES_MAX)
        })?;
        let deliver = |(sequence, (message, time_ms))| Delivered { sequence, message, time_ms };
        Ok(entries.into_iter().map(deliver).collect())
    }

    pub(crate) async fn wait_beyond(&self, sequence: u64) -> Result<u64, Error> {
        let mut last = self.messages.last();
        tokio::select! {
            biased;
            () = self.lifecycle().closed() => Err(ErrorKind::Closed.into()),
            last = last.wait_for(|last| *last > sequence) => match last {
                Ok(last) => Ok(*last),
                Err(_) => Err(ErrorKind::Closed.into()),
            },
        }
    }

    pub(crate) fn tail(&self) -> Result<Tail, Error> {
        self.lifecycle().check()?;
        self.messages.tail()
    }

    pub(crate) fn trim(&self, before: u64) -> Result<(), Error> {
        self.lifecycle().check()?;
        self.messages.trim(before)
    }

    fn lifecycle(&self) -> &Lifecycle {
        self.store.lifecycle()
    }
}
