//! [`Inbox`]: one stream that captures the subjects, or somebody else's stream, read only.

use crate::{Delivered, Error, Held, Message, SubjectPattern, Tail};

/// A handle to an inbox.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {}

impl Inbox {
    pub(crate) async fn capture(&self, _patterns: &[SubjectPattern]) -> Result<Vec<Held>, Error> {
        todo!()
    }

    pub(crate) async fn publish(&self, _message: &Message) -> Result<u64, Error> {
        todo!()
    }

    pub(crate) async fn read_from(
        &self,
        _cursor: u64,
        _max_messages: usize,
    ) -> Result<Vec<Delivered>, Error> {
        todo!()
    }

    pub(crate) async fn wait_beyond(&self, _sequence: u64) -> Result<u64, Error> {
        todo!()
    }

    pub(crate) async fn tail(&self) -> Result<Tail, Error> {
        todo!()
    }

    pub(crate) async fn trim(&self, _before: u64) -> Result<(), Error> {
        todo!()
    }
}
