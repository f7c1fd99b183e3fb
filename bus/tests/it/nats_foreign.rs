//! Streams of others that are read through filters, and lose what was not read yet.

use async_nats::jetstream::{self, stream};
use gearshift_bus::ErrorKind;

use crate::world::{Outcome, connect, patient, pattern, server};

/// More than a reader has ahead.
const STORED: u64 = 12_000;
/// Where the stream begins after a while.
const FIRST: u64 = 11_001;

#[tokio::test]
async fn what_a_foreign_stream_removed_unread_is_told_at_the_latest_at_a_seek() -> Outcome {
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
    let told = loop {
        let next = read.last().map_or(1, |last| last + 1);
        match patient(inbox.read_from(next, 100)).await {
            Ok(more) => read.extend(more.iter().map(|one| one.sequence)),
            Err(error) => {
                let ErrorKind::Trimmed { first } = error.kind() else { return Err(error.into()) };
                break Some(*first);
            }
        }
        // The server's counts do not always tell at once that something was removed.
        if read.last() == Some(&STORED) {
            break None;
        }
    };
    let before: Vec<u64> = read.iter().copied().filter(|sequence| *sequence < FIRST).collect();
    let expected: Vec<_> = (1..=before.len() as u64).map(|number| number * 2).collect();
    assert_eq!(before, expected, "what was here already is handed out first");
    let next = before.last().map_or(1, |last| last + 1);
    let first = match told {
        Some(first) => first,
        None => match patient(inbox.clone().read_from(next, 10)).await {
            Ok(more) => return Err(format!("{} more, and nothing was told", more.len()).into()),
            Err(error) => {
                let ErrorKind::Trimmed { first } = error.kind() else { return Err(error.into()) };
                *first
            }
        },
    };
    assert_eq!(first, FIRST);
    let mut rest = Vec::new();
    while rest.last() != Some(&STORED) {
        let next = rest.last().map_or(first, |last| last + 1);
        rest.extend(patient(inbox.read_from(next, 1_000)).await?.iter().map(|one| one.sequence));
    }
    assert_eq!(rest.len() as u64, (STORED + 1 - FIRST) / 2);
    Ok(())
}
