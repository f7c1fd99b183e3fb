//! [`Inbox`]: captured subjects, read from a cursor, trim.

use crate::{Error, Message, SubjectPattern, Tail, embedded, memory, nats, simulated};

/// Messages from anybody on the captured subjects, each stored once, in one order.
///
/// The inbox keeps no cursors: a reader remembers how far it came. A clone is another handle
/// to the same inbox, which reads and waits without disturbing the first; whoever reads at
/// another place takes one, because a handle reads ahead from where it read last.
#[derive(Debug, Clone)]
pub struct Inbox(Backend);

#[derive(Debug, Clone)]
enum Backend {
    Memory(memory::Inbox),
    Embedded(embedded::Inbox),
    Simulated(simulated::Inbox),
    Nats(Box<nats::Inbox>),
}

/// A pattern that an inbox could not capture, because somebody else's stream holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The pattern.
    pub pattern: SubjectPattern,
    /// The stream to read instead, by [`Bus::foreign_inbox`](crate::Bus::foreign_inbox).
    pub stream: String,
}

/// One message as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Its place, from 1, without gaps.
    pub sequence: u64,
    /// What was published.
    pub message: Message,
    /// When the bus stored it, in milliseconds since 1970-01-01 UTC.
    pub time_ms: i64,
}

impl Inbox {
    pub(crate) const fn memory(inbox: memory::Inbox) -> Self {
        Self(Backend::Memory(inbox))
    }

    pub(crate) const fn embedded(inbox: embedded::Inbox) -> Self {
        Self(Backend::Embedded(inbox))
    }

    pub(crate) const fn simulated(inbox: simulated::Inbox) -> Self {
        Self(Backend::Simulated(inbox))
    }

    pub(crate) fn nats(inbox: nats::Inbox) -> Self {
        Self(Backend::Nats(Box::new(inbox)))
    }

    /// Replaces the captured patterns, durably.
    ///
    /// A pattern that another one of `patterns` covers adds nothing and is dropped. What is
    /// stored already stays. Callers take turns: of two at once the later wins, and nats-server
    /// 2.15 may store each message twice from then on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidSubject`](crate::ErrorKind::InvalidSubject) if a pattern begins
    /// with a wildcard or `$`; [`ErrorKind::Overlap`](crate::ErrorKind::Overlap) if one
    /// overlaps a pattern of another inbox, or crosses one of `patterns` (`a.*.c` and
    /// `a.b.*`). The captured set then stays as it was.
    pub async fn capture(&self, patterns: &[SubjectPattern]) -> Result<Vec<Held>, Error> {
        match &self.0 {
            Backend::Memory(inbox) => inbox.capture(patterns).map(|()| Vec::new()),
            Backend::Embedded(inbox) => inbox.capture(patterns).await.map(|()| Vec::new()),
            Backend::Simulated(inbox) => inbox.capture(patterns).map(|()| Vec::new()),
            Backend::Nats(inbox) => inbox.capture(patterns).await,
        }
    }

    /// Stores `message` and gives its sequence once it would survive a power cut.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotCaptured`](crate::ErrorKind::NotCaptured) if no captured pattern
    /// matches its subject; [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) above 1 MiB;
    /// [`ErrorKind::Unknown`](crate::ErrorKind::Unknown) if it was stored or not.
    pub async fn publish(&self, message: Message) -> Result<u64, Error> {
        message.check_size()?;
        match &self.0 {
            Backend::Memory(inbox) => inbox.publish(&message),
            Backend::Embedded(inbox) => inbox.publish(&message).await,
            Backend::Simulated(inbox) => inbox.publish(&message).await,
            Backend::Nats(inbox) => inbox.publish(&message).await,
        }
    }

    /// Reads at most `max_messages` in order, from sequence `cursor` on (0 means 1).
    ///
    /// One answer holds at most 8 MiB of messages, but at least one if there is any. Beyond
    /// the last message the answer is empty.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Trimmed`](crate::ErrorKind::Trimmed) if `cursor` lies before the first
    /// message, [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the message at `cursor` is
    /// damaged; reading stops before a damaged one further on.
    pub async fn read_from(
        &self,
        cursor: u64,
        max_messages: usize,
    ) -> Result<Vec<Delivered>, Error> {
        let cursor = cursor.max(1);
        match &self.0 {
            Backend::Memory(inbox) => inbox.read_from(cursor, max_messages),
            Backend::Embedded(inbox) => inbox.read_from(cursor, max_messages).await,
            Backend::Simulated(inbox) => inbox.read_from(cursor, max_messages).await,
            Backend::Nats(inbox) => inbox.read_from(cursor, max_messages).await,
        }
    }

    /// Waits until a message beyond `sequence` is stored and gives the last sequence.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Closed`](crate::ErrorKind::Closed) when the bus closes meanwhile.
    pub async fn wait_beyond(&self, sequence: u64) -> Result<u64, Error> {
        match &self.0 {
            Backend::Memory(inbox) => inbox.wait_beyond(sequence).await,
            Backend::Embedded(inbox) => inbox.wait_beyond(sequence).await,
            Backend::Simulated(inbox) => inbox.wait_beyond(sequence).await,
            Backend::Nats(inbox) => inbox.wait_beyond(sequence).await,
        }
    }

    /// What the inbox holds now.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn tail(&self) -> Result<Tail, Error> {
        match &self.0 {
            Backend::Memory(inbox) => inbox.tail(),
            Backend::Embedded(inbox) => inbox.tail(),
            Backend::Simulated(inbox) => inbox.tail(),
            Backend::Nats(inbox) => inbox.tail().await,
        }
    }

    /// The first sequence beyond `sequence` that is stored and read here; `None` where nothing is,
    /// also where somebody else's stream holds only what is not read of it.
    ///
    /// # Errors
    ///
    /// What the backend meets.
    pub async fn next_beyond(&self, sequence: u64) -> Result<Option<u64>, Error> {
        if let Backend::Nats(inbox) = &self.0
            && inbox.is_foreign()
        {
            return inbox.next_beyond(sequence).await;
        }
        let tail = self.tail().await?;
        Ok((tail.last > sequence).then(|| tail.first.max(sequence + 1)))
    }

    /// Changes whenever the connection to what is read is lost, and when it is made anew; always 1
    /// where there is none to lose.
    #[must_use]
    pub fn connects(&self) -> u64 {
        match &self.0 {
            Backend::Memory(_) | Backend::Embedded(_) | Backend::Simulated(_) => 1,
            Backend::Nats(inbox) => inbox.connects(),
        }
    }

    /// Removes the messages before `before`; one beyond the end removes all.
    ///
    /// The last sequence never goes back, also after the inbox is opened again.
    ///
    /// # Errors
    ///
    /// What the backend meets; the messages may then be gone or not.
    pub async fn trim(&self, before: u64) -> Result<(), Error> {
        match &self.0 {
            Backend::Memory(inbox) => inbox.trim(before),
            Backend::Embedded(inbox) => inbox.trim(before).await,
            Backend::Simulated(inbox) => inbox.trim(before),
            Backend::Nats(inbox) => inbox.trim(before).await,
        }
    }
}
