//! What an inbox promises on NATS beside what every backend does.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use gearshift_bus::{Bus, Delivered, ErrorKind, Inbox, NatsOptions, PrivateServer, ServerOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::world::{Outcome, kind, message, patient, pattern};

type Failure = Box<dyn std::error::Error>;

struct Setup {
    server: PrivateServer,
    bus: Bus,
    js: jetstream::Context,
}

async fn setup() -> Result<Setup, Failure> {
    let server = PrivateServer::start(ServerOptions::default()).await?;
    let bus = Bus::connect(&NatsOptions::new(server.url())).await?;
    let js = jetstream::new(async_nats::connect(server.url()).await?);
    Ok(Setup { server, bus, js })
}

/// The inbox `i`, capturing `a.>`, with `count` messages.
async fn filled(setup: &Setup, count: usize) -> Result<Inbox, Failure> {
    let inbox = setup.bus.inbox("i").await?;
    inbox.capture(&[pattern("a.>")]).await?;
    store(setup, count).await?;
    Ok(inbox)
}

async fn store(setup: &Setup, count: usize) -> Result<(), Failure> {
    let mut acks = Vec::new();
    for number in 0..count {
        let payload = number.to_string();
        acks.push(setup.js.publish(format!("a.{}", number % 7), payload.into()).await?);
    }
    for ack in acks {
        ack.await?;
    }
    Ok(())
}

/// Reads on from `cursor` until `count` came.
async fn read(inbox: &Inbox, cursor: u64, count: usize) -> Result<Vec<Delivered>, Failure> {
    let mut all: Vec<Delivered> = Vec::new();
    while all.len() < count {
        let cursor = all.last().map_or(cursor, |last| last.sequence + 1);
        patient(inbox.wait_beyond(cursor - 1)).await?;
        all.extend(patient(inbox.read_from(cursor, 1_000)).await?);
    }
    Ok(all)
}

fn sequences(read: &[Delivered]) -> Vec<u64> {
    read.iter().map(|one| one.sequence).collect()
}

fn config(name: &str, subjects: &[&str], retention: stream::RetentionPolicy) -> stream::Config {
    stream::Config {
        name: name.to_owned(),
        subjects: subjects.iter().map(ToString::to_string).collect(),
        retention,
        ..stream::Config::default()
    }
}

#[tokio::test]
async fn a_subject_of_a_foreign_stream_is_read_from_there() -> Outcome {
    let setup = setup().await?;
    let theirs = config("ORDERS", &["order.>"], stream::RetentionPolicy::Limits);
    setup.js.create_stream(theirs).await?;
    let inbox = setup.bus.inbox("i").await?;
    let held = inbox.capture(&[pattern("order.*.paid"), pattern("a.>")]).await?;
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].pattern.as_str(), held[0].stream.as_str()), ("order.*.paid", "ORDERS"));
    store(&setup, 1).await?;
    assert_eq!(inbox.read_from(1, 9).await?.len(), 1, "the rest is captured");
    let again = inbox.capture(&[pattern("order.*.paid"), pattern("a.>")]).await?;
    assert_eq!(again, held);
    for subject in ["order.1.paid", "order.1.sent", "order.2.sent", "order.2.paid"] {
        setup.js.publish(subject, subject.into()).await?.await?;
    }
    let foreign = setup.bus.foreign_inbox("ORDERS", &[pattern("order.*.paid")]).await?;
    assert_eq!(sequences(&foreign.read_from(1, 9).await?), [1, 4], "gaps are no holes");
    assert!(foreign.read_from(5, 9).await?.is_empty());
    let (waited, published) = tokio::join!(patient(foreign.wait_beyond(4)), async {
        setup.js.publish("order.3.sent", "".into()).await?.await?;
        setup.js.publish("order.3.paid", "".into()).await?.await
    });
    published?;
    assert_eq!(waited?, 6);
    assert_eq!(sequences(&foreign.read_from(5, 9).await?), [6]);
    assert_eq!(foreign.tail().await?.last, 6);
    foreign.trim(100).await?;
    assert_eq!(foreign.tail().await?.first, 1, "it is not ours to trim");
    let missing = setup.bus.foreign_inbox("NONE", &[pattern("x")]).await;
    assert!(matches!(kind(missing), ErrorKind::NotFound { .. }));
    Ok(())
}

#[tokio::test]
async fn a_subject_held_in_part_is_refused_by_name() -> Outcome {
    let setup = setup().await?;
    let theirs = config("PAID", &["order.paid"], stream::RetentionPolicy::Limits);
    setup.js.create_stream(theirs).await?;
    let inbox = setup.bus.inbox("i").await?;
    let refused = kind(inbox.capture(&[pattern("order.*")]).await);
    assert_eq!(
        refused,
        ErrorKind::Overlap {
            pattern: "order.*".to_owned(),
            other: "order.paid".to_owned(),
            inbox: "PAID".to_owned(),
        }
    );
    Ok(())
}

#[tokio::test]
async fn a_foreign_work_queue_is_read_without_taking_from_it() -> Outcome {
    let setup = setup().await?;
    let theirs = config("JOBS", &["job.>"], stream::RetentionPolicy::WorkQueue);
    let stream = setup.js.create_stream(theirs).await?;
    for number in 0..5 {
        setup.js.publish(format!("job.{number}"), "".into()).await?.await?;
    }
    stream.delete_message(3).await?;
    let foreign = setup.bus.foreign_inbox("JOBS", &[pattern("job.*")]).await?;
    assert_eq!(sequences(&foreign.read_from(1, 3).await?), [1, 2, 4]);
    assert_eq!(patient(foreign.wait_beyond(4)).await?, 5);
    assert_eq!(sequences(&foreign.read_from(5, 3).await?), [5]);
    assert_eq!(stream.get_info().await?.state.messages, 4);
    Ok(())
}

#[tokio::test]
async fn reading_goes_on_after_the_server_was_killed() -> Outcome {
    let mut setup = setup().await?;
    let inbox = filled(&setup, 3_000).await?;
    let first = read(&inbox, 1, 500).await?;
    setup.server.kill();
    setup.server.restart().await?;
    let next = first.last().unwrap().sequence + 1;
    patient(async {
        loop {
            match inbox.read_from(next, 1).await {
                Ok(read) if read.len() == 1 => return,
                Ok(_) => {}
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::Disconnected | ErrorKind::Timeout { .. }),
                    "{error:?}"
                ),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let count = 3_000 - first.len();
    let rest = read(&inbox, next, count).await?;
    assert_eq!(sequences(&rest), (next..=3_000).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn what_comes_all_the_time_gathers_for_5_ms() -> Outcome {
    let setup = setup().await?;
    let inbox = filled(&setup, 1).await?;
    assert_eq!(read(&inbox, 1, 1).await?.len(), 1);
    let rounds = 60;
    let begun = tokio::time::Instant::now();
    for cursor in 2..2 + rounds {
        store(&setup, 1).await?;
        assert_eq!(patient(inbox.wait_beyond(cursor - 1)).await?, cursor);
        assert_eq!(sequences(&inbox.read_from(cursor, 9).await?), [cursor]);
    }
    // Each is the first of its bunch, and the first two come at once.
    let least = Duration::from_millis(5 * (rounds - 2));
    assert!(begun.elapsed() >= least, "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn waiting_outlasts_the_server() -> Outcome {
    let mut setup = setup().await?;
    let inbox = filled(&setup, 1).await?;
    assert_eq!(read(&inbox, 1, 1).await?.len(), 1);
    let waiting = inbox.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { waiting.wait_beyond(1).await });
    setup.server.kill();
    setup.server.restart().await?;
    patient(async { while store(&setup, 1).await.is_err() {} }).await;
    let waited = patient(tasks.join_next()).await.ok_or("one task")??;
    assert!(waited? >= 2);
    Ok(())
}

#[tokio::test]
async fn reading_goes_on_after_the_consumer_was_deleted() -> Outcome {
    let setup = setup().await?;
    let inbox = filled(&setup, 10).await?;
    assert_eq!(read(&inbox, 1, 10).await?.len(), 10);
    let stream = setup.js.get_stream("gearshift-inbox-i").await?;
    let mut names = stream.consumer_names();
    while let Some(name) = futures_util::StreamExt::next(&mut names).await {
        stream.delete_consumer(&name?).await?;
    }
    store(&setup, 10).await?;
    let rest = read(&inbox, 11, 10).await?;
    assert_eq!(sequences(&rest), (11..=20).collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn e16_a_deleted_or_recreated_stream_is_refused() -> Outcome {
    let setup = setup().await?;
    let inbox = filled(&setup, 10).await?;
    assert_eq!(read(&inbox, 1, 10).await?.len(), 10);
    let tail = inbox.tail().await?;
    let waiting = inbox.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { waiting.wait_beyond(10).await });
    setup.js.delete_stream("gearshift-inbox-i").await?;
    let waited = patient(tasks.join_next()).await.ok_or("one task")??;
    assert!(matches!(kind(waited), ErrorKind::NotFound { .. }));
    assert!(matches!(kind(inbox.read_from(1, 1).await), ErrorKind::NotFound { .. }));
    let other = setup.bus.inbox("i").await?;
    other.capture(&[pattern("a.>")]).await?;
    store(&setup, 20).await?;
    assert_ne!(other.tail().await?.incarnation, tail.incarnation);
    assert!(matches!(kind(patient(inbox.read_from(11, 1)).await), ErrorKind::NotFound { .. }));
    assert!(matches!(kind(patient(inbox.wait_beyond(20)).await), ErrorKind::NotFound { .. }));
    Ok(())
}

#[tokio::test]
async fn e16_a_cursor_beyond_the_end_is_refused() -> Outcome {
    let setup = setup().await?;
    let inbox = filled(&setup, 3).await?;
    assert!(inbox.read_from(4, 1).await?.is_empty());
    let refused = kind(inbox.read_from(5, 1).await);
    assert_eq!(refused, ErrorKind::Corrupt { sequence: Some(4) });
    Ok(())
}

#[tokio::test]
async fn a_hole_is_never_passed_over_in_silence() -> Outcome {
    let setup = setup().await?;
    let inbox = setup.bus.inbox("i").await?;
    inbox.capture(&[pattern("a.>")]).await?;
    store(&setup, 20).await?;
    // A purge by subject is what a stranger with the right to purge can do.
    let stream = setup.js.get_stream("gearshift-inbox-i").await?;
    stream.purge().filter("a.3").await?;
    let read_ahead = inbox.read_from(1, 100).await?;
    assert_eq!(sequences(&read_ahead), [1, 2, 3]);
    let hole = ErrorKind::Corrupt { sequence: Some(4) };
    assert_eq!(kind(inbox.read_from(4, 100).await), hole);
    assert_eq!(kind(inbox.read_from(4, 100).await), hole, "it does not heal");
    assert_eq!(sequences(&inbox.read_from(5, 3).await?), [5, 6, 7], "beyond it is asked for");
    stream.purge().sequence(6).await?;
    assert_eq!(kind(inbox.read_from(4, 1).await), ErrorKind::Trimmed { first: 6 });
    Ok(())
}

#[tokio::test]
async fn the_same_message_id_is_stored_once_within_the_window() -> Outcome {
    let setup = setup().await?;
    let inbox = filled(&setup, 0).await?;
    let sent = message("a.b", "7").with_header("Nats-Msg-Id", "id-1")?;
    assert_eq!(inbox.publish(sent.clone()).await?, 1);
    assert_eq!(inbox.publish(sent.clone()).await?, 1, "the first one's place");
    setup.bus.publish(sent.clone()).await?;
    assert_eq!(inbox.tail().await?.last, 1);
    let mut config = setup.js.get_stream("gearshift-inbox-i").await?.get_info().await?.config;
    config.duplicate_window = Duration::from_millis(100);
    setup.js.update_stream(config).await?;
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(inbox.publish(sent.clone()).await?, 2, "after the window it is another one");
    let read = inbox.read_from(1, 9).await?;
    assert_eq!(read[0].message, read[1].message);
    Ok(())
}

/// Publishes a header block as it stands, which no client library does.
async fn publish_raw(url: &str, subject: &[u8], block: &[u8], payload: &[u8]) -> Outcome {
    let host = url.trim_start_matches("nats://");
    let mut stream = tokio::net::TcpStream::connect(host).await?;
    let mut bytes = b"CONNECT {\"verbose\":false,\"headers\":true,\"protocol\":1}\r\n".to_vec();
    bytes.extend_from_slice(b"HPUB ");
    bytes.extend_from_slice(subject);
    let sizes = format!(" {} {}\r\n", block.len(), block.len() + payload.len());
    bytes.extend_from_slice(sizes.as_bytes());
    bytes.extend_from_slice(block);
    bytes.extend_from_slice(payload);
    bytes.extend_from_slice(b"\r\nPING\r\n");
    stream.write_all(&bytes).await?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|part| part == b"PONG") {
        let read = stream.read_buf(&mut answer).await?;
        assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
    }
    Ok(())
}

#[tokio::test]
async fn e18_e22_malformed_messages_are_marked_and_passed() -> Outcome {
    let setup = setup().await?;
    let inbox = filled(&setup, 1).await?;
    let long = format!("NATS/1.0\r\nA: {}\r\n\r\n", "x".repeat(5_000));
    let blocks: [&[u8]; 9] = [
        b"NATS/1.0\r\nA: 1\r\nA: 2\r\n\r\n",
        b"NATS/1.0\r\nNats-Msg-Id: \xff\xfe\r\n\r\n",
        b"NATS/1.0\r\nno colon here\r\n\r\n",
        b"NATS/1.0\r\nA: x\ry\r\n\r\n",
        b"NATS/1.0\r\n: x\r\n\r\n",
        b"NATS/1.0 409 Consumer Deleted\r\n\r\n",
        b"NATS/1.0 banana\r\n\r\n",
        b"HTTP/1.1\r\nA: 1\r\n\r\n",
        long.as_bytes(),
    ];
    for block in blocks {
        publish_raw(setup.server.url(), b"a.x", block, b"body").await?;
    }
    publish_raw(setup.server.url(), b"a.\xff", b"NATS/1.0\r\nA: 1\r\n\r\n", b"body").await?;
    store(&setup, 3).await?;
    let last = inbox.tail().await?.last;
    let read = read(&inbox, 1, usize::try_from(last)?).await?;
    assert_eq!(sequences(&read), (1..=last).collect::<Vec<_>>());
    let marked = |one: &&Delivered| one.message.headers.get("Gearshift-Malformed").is_some();
    // A block that holds a status only is left out by newer servers themselves.
    let is_status = |one: &&Delivered| matches!(one.sequence, 7 | 8);
    let others = read.iter().filter(|one| !is_status(one)).filter(marked).count();
    assert_eq!((read.len(), others), (4 + 10, 8), "{read:?}");
    assert!(read.iter().filter(marked).all(|one| one.message.payload == "body"));
    assert_eq!(read[1].message.headers.get("A"), Some("1"), "the first of two is kept");
    Ok(())
}

#[tokio::test]
async fn a_reader_is_not_held_up_by_one_that_waits() -> Outcome {
    let setup = setup().await?;
    let inbox = filled(&setup, 3).await?;
    let waiting = inbox.clone();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { waiting.wait_beyond(3).await });
    for _ in 0..5 {
        tokio::task::yield_now().await;
        assert_eq!(patient(inbox.read_from(1, 9)).await?.len(), 3);
    }
    store(&setup, 1).await?;
    let waited = patient(tasks.join_next()).await.ok_or("one task")??;
    assert_eq!(waited?, 4);
    Ok(())
}

#[tokio::test]
async fn waiters_at_different_places_do_not_disturb_each_other() -> Outcome {
    let setup = setup().await?;
    let inbox = filled(&setup, 5).await?;
    let mut ahead = tokio::task::JoinSet::new();
    // Through the same handle and through another one: nothing comes there for long.
    let (same, other) = (std::sync::Arc::new(inbox.clone()), inbox.clone());
    let waiting = std::sync::Arc::clone(&same);
    ahead.spawn(async move { waiting.wait_beyond(9).await });
    ahead.spawn(async move { other.wait_beyond(9).await });
    for round in 0..20 {
        tokio::task::yield_now().await;
        assert_eq!(patient(same.wait_beyond(2)).await?, 5, "round {round}");
        assert_eq!(patient(inbox.wait_beyond(4)).await?, 5, "round {round}");
    }
    store(&setup, 5).await?;
    while let Some(waited) = patient(ahead.join_next()).await {
        assert_eq!(waited??, 10);
    }
    Ok(())
}
