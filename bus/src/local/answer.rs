//! [`Answer`]: the way back to a requester of this process.

use std::sync::{Arc, OnceLock};

use tokio::sync::mpsc;

use crate::second::Hearing;
use crate::{Message, Subject};

/// Where a reply goes.
#[derive(Debug)]
pub(crate) struct Answer {
    requester: mpsc::Sender<Message>,
    /// Where several may answer one request: what the first of them said.
    first: Option<Arc<First>>,
}

/// The first reply to one request.
#[derive(Debug)]
pub(super) struct First {
    said: OnceLock<u64>,
    asked: Subject,
    hearing: Hearing,
}

impl First {
    pub(super) fn new(asked: Subject, hearing: Hearing) -> Self {
        Self { said: OnceLock::new(), asked, hearing }
    }
}

impl Answer {
    pub(super) const fn new(requester: mpsc::Sender<Message>, first: Option<Arc<First>>) -> Self {
        Self { requester, first }
    }

    /// Answers. The requester may be gone or have its reply already: then it needs none.
    pub(crate) fn give(self, reply: Message) {
        let Some(first) = self.first else {
            return self.requester.try_send(reply).unwrap_or_default();
        };
        let said = reply.said();
        let is_second = first.said.get().is_some()
            || self.requester.try_send(reply).is_ok() && first.said.set(said).is_err();
        if is_second {
            first.hearing.tell(&first.asked, first.said.get() != Some(&said));
        }
    }
}
