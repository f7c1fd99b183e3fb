//! [`InboxReader`]: messages in order from a cursor, none missed in silence.

use std::collections::VecDeque;
use std::time::Duration;

use async_nats::jetstream;

use super::inbox_source::{ANSWER_BYTES_MAX, FETCH_PAUSE, Source};
use super::puller::{Pulled, Puller};
use super::wire;
use crate::{Delivered, Error, ErrorKind};

/// Messages kept ahead while nobody reads.
const BUFFER_MESSAGES_MAX: usize = 2_048;

/// How often a missing message is asked for before it counts as gone: after an election a
/// replica may answer that has not heard of it yet.
const FETCH_ATTEMPTS: u32 = 3;

/// How long a message may take that is known to be stored.
const ARRIVAL_MAX: Duration = Duration::from_secs(5);

/// Reads ahead from where it was read last.
#[derive(Debug)]
pub(super) struct InboxReader {
    source: Source,
    puller: Option<Puller>,
    /// The consumer's count of the last message.
    counted: u64,
    buffer: VecDeque<Delivered>,
    bytes: usize,
    /// The lowest cursor that the buffer answers.
    from: u64,
    /// The cursor behind the buffer.
    next: u64,
    /// The stream's last sequence when it was looked at last.
    last: u64,
    /// A sequence that should be there and is not.
    hole: Option<u64>,
}

impl InboxReader {
    pub(super) const fn new(source: Source) -> Self {
        Self {
            source,
            puller: None,
            counted: 0,
            buffer: VecDeque::new(),
            bytes: 0,
            from: 1,
            next: 1,
            last: 0,
            hole: None,
        }
    }

    /// Like [`crate::Inbox::read_from`].
    pub(super) async fn read(&mut self, cursor: u64, max: usize) -> Result<Vec<Delivered>, Error> {
        if self.source.one_by_one {
            return self.source.read_one_by_one(cursor, max).await;
        }
        let mut looked = false;
        if !self.answers(cursor) {
            self.seek(cursor).await?;
            looked = true;
        }
        self.drop_before(cursor);
        while self.buffer.len() < max && self.bytes < ANSWER_BYTES_MAX && self.hole.is_none() {
            if self.pull_ready().await? {
                continue;
            }
            if self.pending() == 0 {
                let is_enough = !self.buffer.is_empty() && !self.feels();
                if looked || is_enough || !self.look_again(cursor).await? {
                    break;
                }
                looked = true;
            } else if !self.buffer.is_empty() && self.gathers() {
                break;
            } else if tokio::time::timeout(ARRIVAL_MAX, self.pull()).await.is_err() {
                self.recover("a stored message did not come").await?;
            }
        }
        if self.buffer.is_empty()
            && let Some(hole) = self.hole
        {
            return Err(self.missing(hole).await?);
        }
        Ok(self.hand_out(max))
    }

    /// Returns once there is a message beyond `sequence`, with the last sequence known.
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn wait_beyond(&mut self, sequence: u64) -> Result<u64, Error> {
        if self.source.one_by_one {
            return self.source.wait_one_by_one(sequence).await;
        }
        let waited = self.wait(sequence).await;
        if let Err(error) = &waited
            && let ErrorKind::Trimmed { first } = error.kind()
            && *first > sequence + 1
        {
            // It was stored, and is gone before it came here: who reads there hears of that.
            return Ok(first - 1);
        }
        waited
    }

    async fn wait(&mut self, sequence: u64) -> Result<u64, Error> {
        loop {
            if self.buffer.back().is_some_and(|last| last.sequence > sequence) {
                while self.has_room() && self.pull_ready().await? {}
                return Ok(self.buffer.back().map_or(sequence + 1, |last| last.sequence));
            }
            if let Some(hole) = self.hole.filter(|hole| *hole > sequence) {
                return Ok(hole);
            }
            if self.puller.is_none() || self.from > sequence + 1 {
                let tail = self.source.tail().await?;
                if self.source.filters.is_empty() && tail.last > sequence {
                    return Ok(tail.last);
                }
                self.seek((sequence + 1).clamp(tail.first, tail.last + 1)).await?;
            }
            self.drop_before(sequence + 1);
            self.pull().await?;
        }
    }

    fn answers(&self, cursor: u64) -> bool {
        let goes_on = self.puller.is_some() || !self.buffer.is_empty();
        self.hole == Some(cursor) || (goes_on && (self.from..=self.next).contains(&cursor))
    }

    fn has_room(&self) -> bool {
        self.buffer.len() < BUFFER_MESSAGES_MAX && self.bytes < ANSWER_BYTES_MAX
    }

    fn pending(&self) -> u64 {
        self.puller.as_ref().map_or(0, |puller| puller.pending)
    }

    /// Whether what is stored beyond the buffer is not asked for yet.
    fn gathers(&self) -> bool {
        self.puller.as_ref().is_some_and(Puller::gathers)
    }

    /// Whether far more may be stored than was asked for.
    fn feels(&self) -> bool {
        self.puller.as_ref().is_some_and(Puller::feels)
    }

    fn drop_before(&mut self, cursor: u64) {
        while self.buffer.front().is_some_and(|front| front.sequence < cursor) {
            self.pop();
        }
        self.from = self.from.max(cursor.min(self.next));
    }

    fn push(&mut self, delivered: Delivered) {
        self.next = delivered.sequence + 1;
        self.bytes += delivered.message.size();
        self.buffer.push_back(delivered);
    }

    fn pop(&mut self) -> Option<Delivered> {
        let delivered = self.buffer.pop_front()?;
        self.bytes -= delivered.message.size();
        self.from = delivered.sequence + 1;
        Some(delivered)
    }

    fn hand_out(&mut self, max: usize) -> Vec<Delivered> {
        let mut bytes = 0;
        let mut answer = Vec::new();
        while let Some(front) = self.buffer.front() {
            bytes += front.message.size();
            if answer.len() == max || (bytes > ANSWER_BYTES_MAX && !answer.is_empty()) {
                break;
            }
            answer.extend(self.pop());
        }
        answer
    }

    /// Starts anew at `cursor`.
    async fn seek(&mut self, cursor: u64) -> Result<(), Error> {
        self.puller = None;
        let tail = self.source.tail().await?;
        self.source.check(cursor, &tail)?;
        self.buffer.clear();
        self.bytes = 0;
        (self.from, self.next, self.last) = (cursor, cursor, tail.last);
        self.hole = None;
        self.start().await
    }

    async fn start(&mut self) -> Result<(), Error> {
        self.counted = 0;
        let Source { stream, filters, lane, .. } = &self.source;
        let jetstream = Box::pin(lane.link()).await?.jetstream.clone();
        let starting = Puller::start(&jetstream, &stream.name, self.next, filters);
        self.puller = Some(Box::pin(starting).await?);
        Ok(())
    }

    /// Whether more is stored than the consumer told of, now that it told of nothing more.
    async fn look_again(&mut self, cursor: u64) -> Result<bool, Error> {
        let tail = self.source.tail().await?;
        self.source.check(cursor, &tail)?;
        let before = std::mem::replace(&mut self.last, tail.last);
        if tail.last < self.next {
            return Ok(false);
        }
        match &mut self.puller {
            Some(puller) if self.source.filters.is_empty() => {
                puller.pending = tail.last + 1 - self.next;
            }
            Some(_) if tail.last == before => {}
            Some(_) | None => self.seek(cursor).await?,
        }
        Ok(self.pending() > 0)
    }

    /// Takes one message that is here already.
    async fn pull_ready(&mut self) -> Result<bool, Error> {
        let Some(puller) = &mut self.puller else { return Ok(false) };
        if let Err(reason) = puller.ask_ahead().await {
            return self.recover(reason).await.map(|()| true);
        }
        match puller.ready() {
            None => Ok(false),
            Some(pulled) => self.digest(pulled).await.map(|()| true),
        }
    }

    /// Waits for one message.
    async fn pull(&mut self) -> Result<(), Error> {
        let Some(puller) = &mut self.puller else { return Ok(()) };
        let pulled = puller.next().await;
        self.digest(pulled).await
    }

    async fn digest(&mut self, pulled: Pulled) -> Result<(), Error> {
        let message = match pulled {
            Pulled::Lost(reason) => return self.recover(reason).await,
            Pulled::Message(message) => message,
        };
        let context = self.source.stream.link.jetstream.clone();
        let message = jetstream::Message { message, context };
        let Ok(info) = message.info() else {
            return self.recover("a delivery did not tell its place").await;
        };
        if info.consumer_sequence != self.counted + 1 {
            return self.recover("a delivery was missed").await;
        }
        self.counted += 1;
        let sequence = info.stream_sequence;
        let time_ms = info.published.unix_timestamp_nanos() / 1_000_000;
        let time_ms = i64::try_from(time_ms).unwrap_or(i64::MAX);
        // Others may come meanwhile, so it shrinks by more than this one only if some were removed.
        let are_removed = self.pending() > info.pending + 1;
        if let Some(puller) = &mut self.puller {
            puller.pending = info.pending;
        }
        if sequence < self.next {
            return Ok(());
        }
        if sequence > self.next && are_removed && self.source.tail().await?.first > self.next {
            // Behind what is here already, whoever reads hears that the stream begins later now.
            self.puller = None;
            self.hole = Some(self.next);
            return Ok(());
        }
        if sequence > self.next && self.source.filters.is_empty() {
            return self.recover("a message was passed over").await;
        }
        self.push(Delivered { sequence, message: wire::inbound(message.message), time_ms });
        Ok(())
    }

    /// Goes on after the consumer or the connection went.
    async fn recover(&mut self, reason: &'static str) -> Result<(), Error> {
        tracing::debug!(stream = self.source.stream.name, next = self.next, reason, "reading anew");
        self.puller = None;
        let tail = self.source.tail().await?;
        self.source.check(self.next, &tail)?;
        self.last = tail.last;
        // The next message itself may be what the client broke its connection over.
        match self.source.fetch(self.next).await? {
            Some(found) => self.push(found),
            None if self.source.filters.is_empty() && self.next <= tail.last => {
                return self.confirm_hole(reason).await;
            }
            None => {}
        }
        self.start().await
    }

    /// What should be stored was not found: once more, then it counts as gone.
    async fn confirm_hole(&mut self, reason: &'static str) -> Result<(), Error> {
        for _ in 1..FETCH_ATTEMPTS {
            tokio::time::sleep(FETCH_PAUSE).await;
            if let Some(found) = self.source.fetch(self.next).await? {
                self.push(found);
                return self.start().await;
            }
        }
        tracing::warn!(stream = self.source.stream.name, hole = self.next, reason, "a hole");
        self.hole = Some(self.next);
        Ok(())
    }

    /// What it means that the message at `hole` is not there.
    async fn missing(&mut self, hole: u64) -> Result<Error, Error> {
        self.hole = None;
        let tail = self.source.tail().await?;
        if tail.first > hole {
            return Ok(ErrorKind::Trimmed { first: tail.first }.into());
        }
        let text = format!("stream `{}` has no message there", self.source.stream.name);
        Ok(Error::new(ErrorKind::Corrupt { sequence: Some(hole) }, text))
    }
}
