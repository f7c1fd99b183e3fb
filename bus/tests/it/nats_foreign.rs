//! Streams of others that are read through filters, and lose what was not read yet.

use async_nats::jetstream::{self, stream};
use gearshift_bus::ErrorKind;

use crate::world::{Outcome, connect, patient, pattern, server};

/// More than a reader has ahead.
const STORED: u64 = 12_000;
/// Where the stream begins after a while.
const FIRST: u64 = 11_001;

#[tokio::test]
async fn what_a_foreign_stream_removed_unread_is_not_passed_over_in_silence() -> Outcome {
    let server = server("").await;
    let js = jetstream::new(async_nats::connect(server.url()).await?);
    let config = stream::Config {
        name: "theirs".to_owned(),
        subjects: vec!["f.>".to_owned()],
        storage: stream::StorageType::Memory,
        ..stream::Config::default()
    };
    let theirs = js.create_stream(config).await?;
    for number in 1..=STORED {
        // Every second one is read.
        let subject = if number % 2 == 0 { "f.a" } else { "f.b" };
        let stored = js.publish(subject, "".into()).await?;
        if number % 500 == 0 {
            stored.await?;
        }
    }
    let bus = connect(&server).await?;
    let inbox = bus.foreign_inbox("theirs", &[pattern("f.a")]).await?;
    let mut read: Vec<u64> = Vec::new();
    read.extend(patient(inbox.read_from(1, 10)).await?.iter().map(|one| one.sequence));
    theirs.purge().sequence(FIRST).await?;
    let first = loop {
        let next = read.last().map_or(1, |last| last + 1);
        match patient(inbox.read_from(next, 100)).await {
            Ok(more) => read.extend(more.iter().map(|one| one.sequence)),
            Err(error) => {
                let ErrorKind::Trimmed { first } = error.kind() else { return Err(error.into()) };
                break *first;
            }
        }
        assert!(read.last() < Some(&STORED), "{} read, and nothing was told", read.len());
    };
    assert_eq!(first, FIRST);
    let expected: Vec<_> = (1..=read.len() as u64).map(|number| number * 2).collect();
    assert_eq!(read, expected, "what was here already is handed out first");
    let mut rest = Vec::new();
    while rest.last() != Some(&STORED) {
        let next = rest.last().map_or(first, |last| last + 1);
        rest.extend(patient(inbox.read_from(next, 1_000)).await?.iter().map(|one| one.sequence));
    }
    assert_eq!(rest.len() as u64, (STORED + 1 - FIRST) / 2);
    Ok(())
}
