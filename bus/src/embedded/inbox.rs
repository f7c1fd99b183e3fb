//! [`Inbox`] in a directory.

use std::sync::Arc;

use fjall::Database;

use super::Store;
use super::log::trim;
use super::records::read_message;
use super::sequence::{Kind, Sequence};
use super::store::blocking;
use crate::local::{lock, minimal};
use crate::{Delivered, Error, ErrorKind, FRAME_BYTES_MAX, Message, SubjectPattern, Tail};

/// A handle to an inbox of a [`Store`].
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    store: Store,
    messages: Arc<Sequence>,
}

impl Inbox {
    pub(super) const fn new(store: Store, messages: Arc<Sequence>) -> Self {
        Self { store, messages }
    }

    pub(crate) async fn capture(&self, patterns: &[SubjectPattern]) -> Result<(), Error> {
        let patterns = minimal(self.messages.name(), patterns)?;
        let (messages, marks) = (Arc::clone(&self.messages), self.store.marks()?);
        let names = Arc::clone(self.store.names());
        let capture = move |database: &Database| {
            let name = messages.name();
            lock(names.captures()).check(name, &patterns)?;
            let mark = messages.capturing(patterns.clone())?;
            marks.write(database, Kind::Inbox, name, &mark)?;
            messages.apply(mark);
            lock(names.captures()).set(name, patterns);
            Ok(())
        };
        self.store.queue()?.work(capture).await
    }

    pub(crate) async fn publish(&self, message: &Message) -> Result<u64, Error> {
        self.store.lifecycle().check()?;
        let name = self.messages.name();
        if !lock(self.store.names().captures()).matches(name, &message.subject) {
            return Err(ErrorKind::NotCaptured { subject: message.subject.to_string() }.into());
        }
        self.store.store_message(&self.messages, message).await
    }

    pub(crate) async fn read_from(&self, cursor: u64, max: usize) -> Result<Vec<Delivered>, Error> {
        self.store.lifecycle().check()?;
        let messages = Arc::clone(&self.messages);
        let mut bytes = 0;
        let mut count = 0;
        let take = move |message_bytes| {
            bytes += message_bytes;
            count += 1;
            count <= max && (count == 1 || bytes <= FRAME_BYTES_MAX)
        };
        blocking(move || {
            let entries = messages.read_from(cursor, take)?;
            entries
                .into_iter()
                .map(|(sequence, body)| {
                    let (message, time_ms) = read_message(sequence, body)?;
                    Ok(Delivered { sequence, message, time_ms })
                })
                .collect()
        })
        .await
    }

    pub(crate) async fn wait_beyond(&self, sequence: u64) -> Result<u64, Error> {
        let mut last = self.messages.last();
        tokio::select! {
            biased;
            () = self.store.lifecycle().closed() => Err(ErrorKind::Closed.into()),
            last = last.wait_for(|last| *last > sequence) => match last {
                Ok(last) => Ok(*last),
                Err(_) => Err(ErrorKind::Closed.into()),
            },
        }
    }

    pub(crate) fn tail(&self) -> Result<Tail, Error> {
        self.store.lifecycle().check()?;
        self.messages.tail()
    }

    pub(crate) async fn trim(&self, before: u64) -> Result<(), Error> {
        trim(&self.store, &self.messages, before).await
    }
}
