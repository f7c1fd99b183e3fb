//! What the bus promises while its server is away, or gives less than was asked for.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::future::join_all;
use gearshift_bus::{
    Appended, Bucket, Bus, Change, ErrorKind, Inbox, Log, NatsOptions, PrivateServer, Swapped,
};
use tokio::time::Instant;

use crate::log::frame;
use crate::world::{Outcome, connect, kind, message, patient, pattern, server};

/// How long the server is away: beyond every patience of a single operation but the longest.
const AWAY: Duration = Duration::from_secs(14);

/// Longer than anything that waits for the server may take while it is away.
const LONGEST: Duration = Duration::from_secs(45);

/// How the server goes.
#[derive(Clone, Copy)]
enum Gone {
    /// It keeps its connections and answers nothing.
    Stopped,
    Killed,
}

/// What is still under way when the server goes, and what came of it.
struct Work {
    log: Log,
    inbox: Inbox,
    bucket: Bucket,
    until: Instant,
}

impl Work {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Appends one frame after the other; the number of the last one.
    async fn append(&self) -> u64 {
        let mut last = 0;
        while !self.is_over() {
            match self.log.append(last, frame(last + 1)).await {
                Ok(Appended::Stored(sequence)) => {
                    assert_eq!(sequence, last + 1);
                    last += 1;
                }
                // Our own, whose outcome was unknown.
                Ok(Appended::Fenced { actual }) => {
                    assert_eq!(actual, last + 1);
                    last += 1;
                }
                Ok(Appended::Unknown) => {}
                Err(error) => assert!(error.is_retryable(), "{error:?}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        last
    }

    /// Publishes numbers one after the other; those that were acknowledged.
    async fn publish(&self) -> Vec<u64> {
        let (mut number, mut acknowledged) = (0, Vec::new());
        while !self.is_over() {
            number += 1;
            match self.inbox.publish(message("a.b", &number.to_string())).await {
                Ok(_sequence) => acknowledged.push(number),
                Err(error) => {
                    let is_unknown = matches!(error.kind(), ErrorKind::Unknown);
                    assert!(is_unknown || error.is_retryable(), "{error:?}");
                }
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        acknowledged
    }

    /// Reads from the start on; the numbers in the order they came, until `last` has come.
    async fn read(&self, inbox: &Inbox) -> Vec<u64> {
        let (mut cursor, mut numbers) = (1, Vec::new());
        loop {
            match inbox.read_from(cursor, 100).await {
                Ok(read) if read.is_empty() && self.is_over() => {
                    if inbox.tail().await.is_ok_and(|tail| tail.last + 1 == cursor) {
                        return numbers;
                    }
                }
                Ok(read) if read.is_empty() => {
                    let waiting = inbox.wait_beyond(cursor - 1);
                    let left = self.until.saturating_duration_since(Instant::now());
                    match tokio::time::timeout(left, waiting).await {
                        Ok(Ok(last)) => assert!(last >= cursor),
                        Ok(Err(error)) => panic!("waiting does not end over it: {error:?}"),
                        Err(_elapsed) => {}
                    }
                }
                Ok(read) => {
                    for one in read {
                        assert_eq!(one.sequence, cursor, "none is passed over");
                        let text = std::str::from_utf8(&one.message.payload).unwrap();
                        numbers.push(text.parse().unwrap());
                        cursor += 1;
                    }
                }
                Err(error) => assert!(error.is_retryable(), "{error:?}"),
            }
        }
    }

    /// Holds a lease, and takes it again when it was lost; its revision once all is over.
    async fn hold(&self) -> u64 {
        let ttl = Duration::from_secs(2);
        let mut revision = 0;
        loop {
            let value = Bytes::from_static(b"us");
            match self.bucket.compare_and_set_expiring("lease", revision, value, ttl).await {
                Ok(Swapped::Stored(stored)) if self.is_over() => return stored,
                Ok(Swapped::Stored(stored)) => {
                    assert!(stored > revision);
                    revision = stored;
                }
                // Nobody else wants it: it is gone, or what was unknown was stored.
                Ok(Swapped::Conflict { actual }) => revision = actual,
                Err(error) => {
                    let is_unknown = matches!(error.kind(), ErrorKind::Unknown);
                    assert!(is_unknown || error.is_retryable(), "{error:?}");
                }
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// Writes numbers under a key; the last one that is known to be there.
    async fn count(&self) -> String {
        let (mut number, mut last) = (0, String::new());
        while !self.is_over() || last != number.to_string() {
            number += 1;
            match self.bucket.put("count", number.to_string().into()).await {
                Ok(_revision) => last = number.to_string(),
                Err(error) => {
                    let is_unknown = matches!(error.kind(), ErrorKind::Unknown);
                    assert!(is_unknown || error.is_retryable(), "{error:?}");
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        last
    }
}

async fn check_all_go_on(gone: Gone) -> Outcome {
    let mut server = server("").await;
    let (bus, other) = (connect(&server).await?, connect(&server).await?);
    let inbox = bus.inbox("i").await?;
    inbox.capture(&[pattern("a.>")]).await?;
    let bucket = bus.bucket("b").await?;
    let mut watch = other.bucket("b").await?.watch("count").await?;
    let reader = other.inbox("i").await?;
    let until = Instant::now() + AWAY + Duration::from_secs(8);
    let work = Work { log: bus.log("journal-0").await?, inbox, bucket, until };
    let go = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        match gone {
            Gone::Stopped => server.pause().await.unwrap(),
            Gone::Killed => server.kill(),
        }
        tokio::time::sleep(AWAY).await;
        match gone {
            Gone::Stopped => server.resume().await.unwrap(),
            Gone::Killed => server.restart().await.unwrap(),
        }
        Instant::now()
    };
    let all = async {
        tokio::join!(
            go,
            work.append(),
            work.publish(),
            work.read(&reader),
            work.hold(),
            work.count()
        )
    };
    let (back, last, acknowledged, read, lease, count) =
        tokio::time::timeout(LONGEST, Box::pin(all)).await?;
    assert!(back < until, "it was back while all went on");
    let tail = work.log.tail().await?;
    assert!(tail.last == last || tail.last == last + 1, "{tail:?} after {last}");
    assert!(last > 100, "{last} frames");
    let mut sorted = read.clone();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, read, "in order, and none twice");
    let lost: Vec<_> = acknowledged.iter().filter(|one| !read.contains(one)).collect();
    assert!(lost.is_empty(), "{lost:?}");
    assert!(acknowledged.len() > 100, "{}", acknowledged.len());
    let held = bus.bucket("b").await?.get("lease").await?.map(|held| held.revision);
    assert!(held.is_none_or(|held| held == lease), "{held:?} after {lease}");
    patient(async {
        loop {
            let Some(change) = watch.next().await else { panic!("the watch ended") };
            if let Change::Put { value, .. } = change
                && value.value == count.as_bytes()
            {
                return;
            }
        }
    })
    .await;
    Ok(())
}

#[tokio::test]
async fn all_go_on_after_the_server_was_stopped_for_long() -> Outcome {
    Box::pin(check_all_go_on(Gone::Stopped)).await
}

#[tokio::test]
async fn all_go_on_after_the_server_was_dead_for_long() -> Outcome {
    Box::pin(check_all_go_on(Gone::Killed)).await
}

#[tokio::test]
async fn closing_ends_although_the_server_takes_nothing() -> Outcome {
    let server = server("").await;
    let bus = connect(&server).await?;
    server.pause().await?;
    // Far more than the sockets and the client's queue hold.
    let payload = "x".repeat(100_000);
    let requests = bus.requests();
    let asks = (0..6_000)
        .map(|_| requests.request(message("nobody", &payload), Duration::from_millis(500)));
    let asked = patient(join_all(asks)).await;
    assert!(asked.iter().all(Result::is_err));
    let closed = tokio::time::timeout(Duration::from_secs(10), bus.close()).await?;
    assert_eq!(kind(closed), ErrorKind::Disconnected);
    server.resume().await?;
    Ok(())
}

struct Setup {
    #[expect(dead_code, reason = "held for its drop, which ends it")]
    server: PrivateServer,
    bus: Bus,
    js: jetstream::Context,
}

async fn setup(config: &str) -> Result<Setup, Box<dyn std::error::Error>> {
    let mut options = gearshift_bus::ServerOptions::default();
    options.config = config.to_owned();
    let server = PrivateServer::start(options).await?;
    let bus = Bus::connect(&NatsOptions::new(server.url())).await?;
    let js = jetstream::new(async_nats::connect(server.url()).await?);
    Ok(Setup { server, bus, js })
}

#[tokio::test]
async fn a_message_larger_than_what_is_asked_for_at_once_is_read() -> Outcome {
    let setup = setup("max_payload: 16777216").await?;
    let theirs = stream::Config {
        name: "BIG".to_owned(),
        subjects: vec!["big.>".to_owned()],
        ..stream::Config::default()
    };
    setup.js.create_stream(theirs).await?;
    let big = 10 * 1024 * 1024;
    for size in [1, 2, big, 3] {
        setup.js.publish("big.a", vec![b'x'; size].into()).await?.await?;
    }
    let inbox = setup.bus.foreign_inbox("BIG", &[pattern("big.*")]).await?;
    let mut sizes = Vec::new();
    while sizes.len() < 4 {
        let cursor = u64::try_from(sizes.len())? + 1;
        patient(inbox.wait_beyond(cursor - 1)).await?;
        let read = patient(inbox.read_from(cursor, 1)).await?;
        sizes.extend(read.iter().map(|one| one.message.payload.len()));
    }
    assert_eq!(sizes, [1, 2, big, 3]);
    Ok(())
}

#[tokio::test]
async fn waiting_ends_where_what_came_was_trimmed_at_once() -> Outcome {
    let setup = setup("").await?;
    let inbox = setup.bus.inbox("i").await?;
    inbox.capture(&[pattern("a.>")]).await?;
    inbox.publish(message("a.b", "1")).await?;
    assert_eq!(inbox.read_from(1, 9).await?.len(), 1);
    // The reader's consumer goes first, so what is stored and removed never comes to it.
    let stream = setup.js.get_stream("gearshift-inbox-i").await?;
    let mut names = stream.consumer_names();
    while let Some(name) = names.next().await {
        stream.delete_consumer(&name?).await?;
    }
    for _ in 0..3 {
        inbox.publish(message("a.b", "2")).await?;
    }
    stream.purge().sequence(5).await?;
    assert_eq!(patient(inbox.wait_beyond(1)).await?, 4);
    let trimmed = kind(inbox.read_from(2, 9).await);
    assert_eq!(trimmed, ErrorKind::Trimmed { first: 5 });
    Ok(())
}

#[tokio::test]
async fn what_a_server_that_stands_still_may_not_have_got_is_not_told_as_sent() -> Outcome {
    let server = server("").await;
    let bus = connect(&server).await?;
    // Known now: no stream captures it.
    bus.publish(message("plain.a", "1")).await?;
    server.pause().await?;
    let told = bus.publish(message("plain.a", "2")).await;
    server.resume().await?;
    assert_eq!(kind(told), ErrorKind::Unknown);
    bus.publish(message("plain.a", "3")).await?;
    Ok(())
}
