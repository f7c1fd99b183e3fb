//! What a log promises when its server stops, comes back, or holds another stream.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use bytes::Bytes;
use gearshift_bus::{Appended, Bus, Error, ErrorKind, Log, PrivateServer, Tail};

use crate::log::{fill, frame};
use crate::world::{Outcome, connect, kind, patient, server};

const STREAM: &str = "gearshift-log-journal-0";

async fn admin(server: &PrivateServer) -> Result<jetstream::Context, async_nats::ConnectError> {
    Ok(jetstream::new(async_nats::connect(server.url()).await?))
}

/// Appends what the writer has decided next, and finds out what became of it.
async fn settle(log: &Log, last: u64) -> Result<(), Error> {
    loop {
        match log.append(last, frame(last + 1)).await {
            Ok(Appended::Stored(sequence)) => {
                assert_eq!(sequence, last + 1);
                return Ok(());
            }
            Ok(Appended::Unknown) => {
                let tail = log.tail().await?.last;
                assert!(tail == last || tail == last + 1, "{tail} after {last}");
                if tail == last + 1 {
                    let read = log.read_from(last + 1, usize::MAX).await?;
                    assert_eq!(read[0].frame, frame(last + 1), "nobody else writes");
                    return Ok(());
                }
            }
            // The frame that was unknown landed after all.
            Ok(Appended::Fenced { actual }) => {
                assert_eq!(actual, last + 1);
                let read = log.read_from(last + 1, usize::MAX).await?;
                assert_eq!(read[0].frame, frame(last + 1), "nobody else writes");
                return Ok(());
            }
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error),
        }
    }
}

async fn check_content(log: &Log, last: u64) -> Outcome {
    let tail = log.tail().await?;
    assert_eq!((tail.first, tail.last), (1, last));
    let mut next = 1;
    while next <= last {
        let entries = log.read_from(next, 64 * 1024).await?;
        assert!(!entries.is_empty(), "nothing at {next}");
        for entry in entries {
            assert_eq!((entry.sequence, &entry.frame), (next, &frame(next)));
            next += 1;
        }
    }
    Ok(())
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_by_kills_during_appends() -> Outcome {
    let mut server = server("").await;
    let bus = connect(&server).await?;
    let log = bus.log("journal-0").await?;
    let written = std::cell::Cell::new(0_u64);
    let is_over = std::cell::Cell::new(false);
    let write = async {
        while !is_over.get() {
            settle(&log, written.get()).await?;
            written.set(written.get() + 1);
        }
        Ok::<(), Error>(())
    };
    let strike = async {
        for round in 0..6 {
            let before = written.get();
            while written.get() < before + 50 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            if round % 2 == 0 {
                server.kill();
            } else {
                server.terminate().await.unwrap();
            }
            server.restart().await.unwrap();
        }
        is_over.set(true);
    };
    let (written_all, ()) = Box::pin(patient(async { tokio::join!(write, strike) })).await;
    written_all?;
    assert!(written.get() >= 300, "{}", written.get());
    check_content(&log, written.get()).await
}

#[tokio::test]
async fn an_append_does_not_wait_long_for_a_lost_answer() -> Outcome {
    let mut server = server("").await;
    let log = connect(&server).await?.log("journal-0").await?;
    fill(&log, 1).await?;
    server.pause().await?;
    let append = log.append(1, frame(2));
    let kill = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.kill();
    };
    let started = tokio::time::Instant::now();
    let (appended, ()) = tokio::join!(append, kill);
    assert_eq!(appended?, Appended::Unknown);
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    server.restart().await?;
    patient(settle(&log, 1)).await?;
    check_content(&log, 2).await
}

#[tokio::test]
async fn an_append_waits_for_a_server_that_comes_back() -> Outcome {
    let mut server = server("").await;
    let log = connect(&server).await?.log("journal-0").await?;
    fill(&log, 1).await?;
    server.terminate().await?;
    let come_back = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.restart().await
    };
    let append = settle(&log, 1);
    let (settled, come_back) = patient(async { tokio::join!(append, come_back) }).await;
    come_back?;
    settled?;
    check_content(&log, 2).await
}

#[tokio::test]
async fn e16_a_stream_deleted_by_somebody_else_is_not_found() -> Outcome {
    let server = server("").await;
    let log = connect(&server).await?.log("journal-0").await?;
    fill(&log, 3).await?;
    admin(&server).await?.delete_stream(STREAM).await?;
    let gone = ErrorKind::NotFound { name: "journal-0".to_owned() };
    assert_eq!(kind(patient(log.append(3, frame(4))).await), gone);
    assert_eq!(kind(log.tail().await), gone);
    assert_eq!(kind(log.read_from(1, 1).await), gone);
    Ok(())
}

#[tokio::test]
async fn e16_a_recreated_stream_is_another_incarnation() -> Outcome {
    let server = server("").await;
    let log = connect(&server).await?.log("journal-0").await?;
    fill(&log, 3).await?;
    let before = log.tail().await?;
    let admin = admin(&server).await?;
    let config = admin.get_stream(STREAM).await?.cached_info().config.clone();
    admin.delete_stream(STREAM).await?;
    admin.create_stream(config).await?;
    let after = log.tail().await?;
    assert_eq!((after.first, after.last), (1, 0), "it is shorter than it was");
    assert_ne!(after.incarnation, before.incarnation, "even with the old settings");
    assert_eq!(log.append(3, frame(4)).await?, Appended::Fenced { actual: 0 });
    Ok(())
}

#[tokio::test]
async fn e16_a_purged_stream_is_trimmed_and_keeps_its_end() -> Outcome {
    let server = server("").await;
    let log = connect(&server).await?.log("journal-0").await?;
    fill(&log, 3).await?;
    let Tail { incarnation, .. } = log.tail().await?;
    admin(&server).await?.get_stream(STREAM).await?.purge().await?;
    assert_eq!(log.tail().await?, Tail { first: 4, last: 3, incarnation });
    assert_eq!(kind(log.read_from(1, 1).await), ErrorKind::Trimmed { first: 4 });
    assert_eq!(log.append(3, frame(4)).await?, Appended::Stored(4));
    Ok(())
}

#[tokio::test]
async fn e14_a_hole_is_never_skipped() -> Outcome {
    let server = server("").await;
    // Ours deny deletion, so a stream of the same shape takes its place.
    let admin = admin(&server).await?;
    for count in [6, 60] {
        let config = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec!["gearshift.journal.0".to_owned()],
            discard: stream::DiscardPolicy::New,
            ..Default::default()
        };
        let holed = admin.create_stream(config).await?;
        for sequence in 1..=count {
            admin.publish("gearshift.journal.0", frame(sequence)).await?.await?;
        }
        holed.delete_message(3).await?;
        let log = open_as_it_is(&server).await?;
        let before: Vec<_> = log.read_from(1, usize::MAX).await?;
        assert_eq!(before.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2]);
        let corrupt = ErrorKind::Corrupt { sequence: Some(3) };
        assert_eq!(kind(log.read_from(3, usize::MAX).await), corrupt, "of {count}");
        assert_eq!(log.read_from(4, usize::MAX).await?.len() as u64, count - 3);
        admin.delete_stream(STREAM).await?;
    }
    Ok(())
}

/// Opens a log although its stream allows deletion: it is closed to it afterwards by an update
/// that the server takes.
async fn open_as_it_is(server: &PrivateServer) -> Result<Log, Box<dyn std::error::Error>> {
    let admin = admin(server).await?;
    let mut config = admin.get_stream(STREAM).await?.cached_info().config.clone();
    config.deny_delete = true;
    admin.update_stream(config).await?;
    Ok(connect(server).await?.log("journal-0").await?)
}

#[tokio::test]
async fn c4_a_stream_set_up_otherwise_is_refused_and_left_alone() -> Outcome {
    let server = server("").await;
    let bus = connect(&server).await?;
    let admin = admin(&server).await?;
    let config = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec!["gearshift.journal.0".to_owned()],
        storage: stream::StorageType::Memory,
        discard: stream::DiscardPolicy::Old,
        max_messages: 1000,
        max_age: Duration::from_secs(60),
        ..Default::default()
    };
    admin.create_stream(config).await?;
    let before = admin.get_stream(STREAM).await?.cached_info().config.clone();
    let ErrorKind::Mismatch { name, differences } = kind(bus.log("journal-0").await) else {
        return Err("it was taken".into());
    };
    assert_eq!(name, STREAM);
    let text = differences.join("\n");
    for key in ["storage", "discard", "max_msgs", "max_age", "deny_delete"] {
        assert!(text.contains(&format!("`{key}` is ")), "{key} is missing in\n{text}");
    }
    let after = admin.get_stream(STREAM).await?.cached_info().config.clone();
    assert_eq!(after, before, "it was not altered");
    Ok(())
}

#[tokio::test]
async fn c4_fewer_copies_than_asked_for_are_refused() -> Outcome {
    let server = server("").await;
    connect(&server).await?.log("journal-0").await?;
    let mut options = gearshift_bus::NatsOptions::new(server.url());
    options.replicas = Some(3);
    let refused = kind(Bus::connect(&options).await?.log("journal-0").await).to_string();
    assert!(refused.contains("`num_replicas` is 1 instead of 3"), "{refused}");
    Ok(())
}

#[tokio::test]
async fn two_connections_write_one_log() -> Outcome {
    let server = server("").await;
    let (left, right) = (connect(&server).await?, connect(&server).await?);
    let (left, right) = (left.log("journal-0").await?, right.log("journal-0").await?);
    assert_eq!(left.tail().await?, right.tail().await?);
    for round in 0..50 {
        let (one, other) =
            tokio::join!(left.append(round, frame(1)), right.append(round, frame(2)));
        let stored = Appended::Stored(round + 1);
        let fenced = Appended::Fenced { actual: round + 1 };
        let outcome = (one?, other?);
        assert!(outcome == (stored, fenced) || outcome == (fenced, stored), "{outcome:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_stray_message_moves_the_end_and_can_be_read() -> Outcome {
    let server = server("").await;
    let log = connect(&server).await?.log("journal-0").await?;
    fill(&log, 1).await?;
    let stray = Bytes::from_static(b"stray");
    admin(&server).await?.publish("gearshift.journal.0", stray.clone()).await?.await?;
    assert_eq!(log.append(1, frame(2)).await?, Appended::Fenced { actual: 2 });
    assert_eq!(log.read_from(2, usize::MAX).await?[0].frame, stray);
    assert_eq!(log.append(2, frame(3)).await?, Appended::Stored(3));
    Ok(())
}

#[tokio::test]
async fn a_long_log_is_read_in_bulk_in_any_portion() -> Outcome {
    let server = server("").await;
    let log = connect(&server).await?.log("journal-0").await?;
    fill(&log, 500).await?;
    for max_bytes in [0, 30, 1_000, usize::MAX] {
        let mut next = 1;
        while next <= 500 {
            let read = log.read_from(next, max_bytes).await?;
            assert!(!read.is_empty(), "nothing at {next} in portions of {max_bytes}");
            let bytes: usize = read.iter().map(|entry| entry.frame.len()).sum();
            assert!(read.len() == 1 || bytes <= max_bytes, "{bytes} bytes of {max_bytes}");
            for entry in read {
                assert_eq!((entry.sequence, entry.frame), (next, frame(next)));
                next += 1;
            }
        }
    }
    assert_eq!(log.read_from(250, 100).await?[0].sequence, 250, "also from anywhere");
    Ok(())
}

#[tokio::test]
async fn a_frame_above_the_servers_limit_is_refused_with_it() -> Outcome {
    let server = PrivateServer::start(gearshift_bus::ServerOptions::default()).await?;
    let log = connect(&server).await?.log("journal-0").await?;
    let size = 1024 * 1024;
    let refused = kind(log.append(0, vec![7; size].into()).await);
    let ErrorKind::TooLarge { size: told, limit } = refused else {
        return Err(refused.to_string().into());
    };
    assert!(told == size && limit < size, "{told} {limit}");
    assert_eq!(log.append(0, vec![7; limit].into()).await?, Appended::Stored(1));
    Ok(())
}
