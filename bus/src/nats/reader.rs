//! [`Reader`]: reads a log's entries in order, in bulk far from the end and one by one near it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::RawMessageErrorKind;
use async_nats::{StatusCode, Subscriber};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::api::{ApiError, PATIENCE, Tries, codes};
use super::stream::Stream;
use crate::{Entry, Error, ErrorKind};

/// Up to this many entries before the end are read one by one.
const SINGLE_READS_MAX: u64 = 8;

/// Entries asked for at once.
const BATCH_ENTRIES_MAX: u64 = 8192;

/// Bytes asked for at once.
const BATCH_BYTES_MAX: usize = 8 * 1024 * 1024;

/// What the server counts beside a frame: its subject, the reply subject and headers.
const OVERHEAD_BYTES: usize = 1024;

/// How long the server keeps a scan that nobody goes on with.
const SCAN_IDLE: Duration = Duration::from_secs(30);

/// A scan is trusted this long after its last use, well before the server drops it.
const SCAN_AGE_MAX: Duration = Duration::from_secs(15);

/// How long one batch may take.
const BATCH_MAX: Duration = Duration::from_secs(5);

/// Reads one log; clones share the scan.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    stream: Stream,
    scan: Arc<Mutex<Option<Scan>>>,
}

/// A consumer on the server, and where it goes on.
#[derive(Debug)]
struct Scan {
    consumer: String,
    next: u64,
    incarnation: u128,
    used: Instant,
}

/// Which entries may be given.
struct Window {
    from: u64,
    last: u64,
    max_bytes: usize,
    incarnation: u128,
}

impl Reader {
    pub(super) fn new(stream: Stream) -> Self {
        Self { stream, scan: Arc::default() }
    }

    pub(super) async fn read_from(
        &self,
        sequence: u64,
        max_bytes: usize,
    ) -> Result<Vec<Entry>, Error> {
        let tail = self.stream.tail().await?;
        if sequence < tail.first {
            return Err(ErrorKind::Trimmed { first: tail.first }.into());
        }
        if sequence > tail.last {
            return Ok(Vec::new());
        }
        let (last, incarnation) = (tail.last, tail.incarnation);
        let window = Window { from: sequence, last, max_bytes, incarnation };
        if tail.last - sequence >= SINGLE_READS_MAX {
            let entries = self.scan(&window).await?;
            if !entries.is_empty() {
                return Ok(entries);
            }
            // The scan has nothing there: the leader tells whether it is a hole.
        }
        self.one_by_one(&window).await
    }

    async fn one_by_one(&self, window: &Window) -> Result<Vec<Entry>, Error> {
        let mut entries = Vec::new();
        let mut bytes = 0_usize;
        for sequence in window.from..=window.last.min(window.from + SINGLE_READS_MAX) {
            let frame = match self.entry(sequence).await {
                Ok(frame) => frame,
                Err(error) if entries.is_empty() => return Err(error),
                Err(_further_on) => break,
            };
            bytes = bytes.saturating_add(frame.len());
            if bytes > window.max_bytes && !entries.is_empty() {
                break;
            }
            entries.push(Entry { sequence, frame });
        }
        Ok(entries)
    }

    /// One entry out of the leader's hands.
    async fn entry(&self, sequence: u64) -> Result<Bytes, Error> {
        match get(&self.stream, Wanted::Sequence(sequence)).await? {
            Some(message) if message.sequence == sequence => Ok(message.payload),
            Some(_) | None => Err(self.hole(sequence).await?),
        }
    }

    /// What it means that an entry is not there.
    async fn hole(&self, sequence: u64) -> Result<Error, Error> {
        let tail = self.stream.tail().await?;
        if sequence < tail.first {
            return Ok(ErrorKind::Trimmed { first: tail.first }.into());
        }
        Ok(ErrorKind::Corrupt { sequence: Some(sequence) }.into())
    }

    /// Entries in bulk; none if the first one is not there, or does not fit.
    async fn scan(&self, window: &Window) -> Result<Vec<Entry>, Error> {
        let mut place = self.scan.lock().await;
        let mut tries = Tries::new(PATIENCE);
        loop {
            // Taken out: a future dropped half way leaves no scan that has gone further than
            // anybody read.
            let goes_on = place.take().filter(|scan| scan.goes_on_at(window));
            let mut scan = match goes_on {
                Some(scan) => scan,
                None => self.start(window).await?,
            };
            match self.batch(&mut scan, window).await? {
                Batch::Entries(entries) => {
                    scan.used = Instant::now();
                    *place = Some(scan);
                    return Ok(entries);
                }
                // What came is right; the next call starts anew behind it.
                Batch::Broken(entries) if !entries.is_empty() => return Ok(entries),
                Batch::Nothing => return Ok(Vec::new()),
                Batch::Broken(_nothing) => {
                    if !tries.again().await {
                        let text = format!("no entries of `{}` arrive", self.stream.name);
                        return Err(Error::new(ErrorKind::Disconnected, text));
                    }
                }
            }
        }
    }

    async fn start(&self, window: &Window) -> Result<Scan, Error> {
        let consumer = format!("gearshift-scan-{:016x}", fastrand::u64(..));
        let subject = format!("CONSUMER.CREATE.{}.{consumer}", self.stream.name);
        let body = json!({
            "stream_name": self.stream.name,
            "config": {
                "name": consumer,
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": window.from,
                "ack_policy": "none",
                "replay_policy": "instant",
                "mem_storage": true,
                "num_replicas": 1,
                "inactive_threshold": u64::try_from(SCAN_IDLE.as_nanos()).unwrap_or(u64::MAX),
            },
        });
        match self.stream.link.api::<Value>(&subject, &body).await? {
            Ok(_created) => {
                let (next, incarnation) = (window.from, window.incarnation);
                Ok(Scan { consumer, next, incarnation, used: Instant::now() })
            }
            Err(error) => Err(self.stream.error(error)),
        }
    }

    async fn batch(&self, scan: &mut Scan, window: &Window) -> Result<Batch, Error> {
        let link = &self.stream.link;
        let count = (window.last - window.from + 1).min(BATCH_ENTRIES_MAX);
        let max_bytes = window.max_bytes.min(BATCH_BYTES_MAX).saturating_add(OVERHEAD_BYTES);
        let body = json!({ "batch": count, "max_bytes": max_bytes, "no_wait": true });
        let deadline = Instant::now() + BATCH_MAX;
        link.up(deadline).await?;
        let inbox = link.client.new_inbox();
        let not_sent =
            |error: &dyn std::fmt::Display| Error::new(ErrorKind::Disconnected, error.to_string());
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", self.stream.name, scan.consumer);
        let body = Bytes::from(body.to_string());
        let asking = async {
            let subscriber = link.client.subscribe(inbox.clone()).await;
            let subscriber = subscriber.map_err(|error| not_sent(&error))?;
            let published = link.client.publish_with_reply(subject, inbox, body).await;
            published.map(|()| subscriber).map_err(|error| not_sent(&error))
        };
        // The client takes nothing while its queue is full and nothing leaves it.
        let asked = timeout_at(deadline, asking).await;
        let mut subscriber = asked.map_err(|elapsed| not_sent(&elapsed))??;
        Ok(collect(&mut subscriber, scan, window, count, deadline).await)
    }
}

/// What one batch brought.
enum Batch {
    /// These, and the scan goes on behind them.
    Entries(Vec<Entry>),
    /// These, and the scan cannot go on.
    Broken(Vec<Entry>),
    /// The server says that there is nothing to give.
    Nothing,
}

impl Scan {
    fn goes_on_at(&self, window: &Window) -> bool {
        self.next == window.from
            && self.incarnation == window.incarnation
            && self.used.elapsed() < SCAN_AGE_MAX
    }
}

async fn collect(
    subscriber: &mut Subscriber,
    scan: &mut Scan,
    window: &Window,
    count: u64,
    deadline: Instant,
) -> Batch {
    let mut entries = Vec::new();
    let mut bytes = 0_usize;
    let mut answers = 0;
    let mut is_cut = false;
    while answers < count {
        let Ok(Some(message)) = timeout_at(deadline, subscriber.next()).await else {
            return Batch::Broken(entries);
        };
        match message.status {
            None => {}
            // Only so much fits, or only so much is there.
            Some(StatusCode::NOT_FOUND | StatusCode::TIMEOUT) => break,
            Some(status) if status.as_u16() == 409 && scan_lives(&message) => break,
            Some(_) => return Batch::Broken(entries),
        }
        answers += 1;
        let Some(sequence) = message.reply.as_deref().and_then(stream_sequence) else {
            return Batch::Broken(entries);
        };
        // A jump is a hole; what lies before it can be read.
        is_cut |= sequence != scan.next;
        bytes = bytes.saturating_add(message.payload.len());
        is_cut |= bytes > window.max_bytes && !entries.is_empty();
        if is_cut {
            continue;
        }
        scan.next = sequence + 1;
        entries.push(Entry { sequence, frame: message.payload });
    }
    match (is_cut, entries.is_empty()) {
        // The consumer on the server has gone further than what is given.
        (true, false) => Batch::Broken(entries),
        (_, true) => Batch::Nothing,
        (false, false) => Batch::Entries(entries),
    }
}

/// 409 ends a batch that is full, and also a scan that is gone.
fn scan_lives(message: &async_nats::Message) -> bool {
    message.description.as_deref().is_some_and(|text| text.contains("MaxBytes"))
}

/// The stream's sequence out of the reply subject of a delivery:
/// `$JS.ACK.[<domain>.<account>.]<stream>.<consumer>.<delivered>.<sequence>.…`.
pub(super) fn stream_sequence(reply: &str) -> Option<u64> {
    ack_token(reply, 5)
}

/// The consumer's sequence out of the same subject.
pub(super) fn consumer_sequence(reply: &str) -> Option<u64> {
    ack_token(reply, 6)
}

fn ack_token(reply: &str, place: usize) -> Option<u64> {
    let tokens = reply.split('.').count();
    // The longer form has two more in front, and perhaps one at its end.
    let place = if tokens >= 11 { place + 2 } else { place };
    reply.split('.').nth(place)?.parse().ok()
}

/// Which message of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    Sequence(u64),
    LastOf(&'a str),
    /// The first one of this subject from this sequence on.
    NextOf(&'a str, u64),
}

/// One message as the stream's leader has it.
pub(super) async fn get(
    stream: &Stream,
    wanted: Wanted<'_>,
) -> Result<Option<async_nats::jetstream::message::StreamMessage>, Error> {
    let link = &stream.link;
    let mut tries = Tries::new(PATIENCE);
    loop {
        link.up(tries.deadline).await?;
        let handle = link.jetstream.get_stream_no_info(&stream.name).await;
        let handle = handle.map_err(|error| Error::new(ErrorKind::Disconnected, error))?;
        let asking = async {
            match wanted {
                Wanted::Sequence(sequence) => handle.get_raw_message(sequence).await,
                Wanted::LastOf(subject) => handle.get_last_raw_message_by_subject(subject).await,
                Wanted::NextOf(subject, sequence) => {
                    handle.get_first_raw_message_by_subject(subject, sequence).await
                }
            }
        };
        let answer = tokio::select! {
            biased;
            () = link.lifecycle.closed() => return Err(ErrorKind::Closed.into()),
            answer = asking => answer,
        };
        let error = match answer {
            Ok(message) => return Ok(Some(message)),
            Err(error) => error,
        };
        match error.kind() {
            RawMessageErrorKind::NoMessageFound => return Ok(None),
            RawMessageErrorKind::InvalidSubject => {
                let reason = error.to_string();
                return Err(ErrorKind::Refused { reason }.into());
            }
            RawMessageErrorKind::JetStream(error) => {
                let error = ApiError {
                    code: u64::try_from(error.code()).unwrap_or(500),
                    err_code: error.error_code().0,
                    description: error.to_string(),
                };
                if error.err_code == codes::NO_MESSAGE_FOUND {
                    return Ok(None);
                }
                if !error.is_passing() {
                    return Err(stream.error(error));
                }
            }
            RawMessageErrorKind::Other => {
                // No answer: a stream that is gone answers by its information.
                stream.info().await?;
            }
        }
        if !tries.again().await {
            return Err(Error::new(ErrorKind::Disconnected, error));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_read_out_of_both_forms_of_replies() {
        let short = "$JS.ACK.s.c.1.17.4.1700000000000000000.0";
        let long = "$JS.ACK._.hash.s.c.1.17.4.1700000000000000000.0.rnd";
        for reply in [short, long] {
            assert_eq!(stream_sequence(reply), Some(17));
            assert_eq!(consumer_sequence(reply), Some(4));
        }
        assert_eq!(stream_sequence("nonsense"), None);
    }
}
