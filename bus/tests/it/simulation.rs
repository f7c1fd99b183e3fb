//! What the simulated bus does on purpose, and how a caller gets along with it.

use std::collections::BTreeMap;
use std::time::Duration;

use gearshift_bus::{Appended, Bus, Error, ErrorKind, Faults, Log, Requests};

use crate::log::frame;
use crate::world::{Outcome, PATIENCE, kind, message, patient, pattern};

/// How often each outcome came.
type Counts = BTreeMap<&'static str, u32>;

/// Appends one frame for certain: after `Unknown` the tail tells whether it landed.
async fn append_surely(log: &Log, last: u64, counts: &mut Counts) -> Result<(), Error> {
    loop {
        let outcome = match log.append(last, frame(last + 1)).await? {
            Appended::Stored(sequence) => {
                assert_eq!(sequence, last + 1);
                "stored"
            }
            Appended::Fenced { actual } => panic!("fenced at {actual} by nobody"),
            Appended::Unknown if log.tail().await?.last > last => "landed",
            Appended::Unknown => "lost",
        };
        *counts.entry(outcome).or_default() += 1;
        if outcome != "lost" {
            return Ok(());
        }
    }
}

async fn run(seed: u64) -> Result<Counts, Error> {
    let log = Bus::simulated(seed, Faults::rough()).log("l").await?;
    let mut counts = Counts::new();
    for last in 0..400 {
        append_surely(&log, last, &mut counts).await?;
    }
    let read = log.read_from(1, usize::MAX).await?;
    assert_eq!(read.len(), 400, "no frame is missing and none came twice");
    assert!(read.iter().all(|entry| entry.frame == frame(entry.sequence)));
    Ok(counts)
}

#[tokio::test]
async fn unknown_appends_are_resolved_by_reading_the_tail() -> Outcome {
    for seed in 0..20 {
        let counts = run(seed).await?;
        assert!(["landed", "lost"].iter().all(|outcome| counts.contains_key(outcome)));
        assert_eq!(run(seed).await?, counts, "seed {seed} goes the same way again");
    }
    assert_ne!(run(1).await?, run(2).await?, "another seed goes another way");
    Ok(())
}

#[tokio::test]
async fn unknown_publishes_landed_or_not() -> Outcome {
    let faults = Faults { inbox_unknown_permille: 500, ..Faults::none() };
    let inbox = Bus::simulated(3, faults).inbox("i").await?;
    inbox.capture(&[pattern("a")]).await?;
    let (mut told, mut landed, mut lost) = (0, 0, 0);
    for number in 0..200 {
        let before = inbox.tail().await?.last;
        let outcome = inbox.publish(message("a", &number.to_string())).await;
        let is_stored = inbox.tail().await?.last > before;
        match outcome {
            Ok(sequence) => {
                assert!(is_stored && sequence == before + 1);
                told += 1;
            }
            Err(error) => {
                assert_eq!(*error.kind(), ErrorKind::Unknown);
                assert!(!error.is_retryable());
                *(if is_stored { &mut landed } else { &mut lost }) += 1;
            }
        }
    }
    assert!(told > 50 && landed > 20 && lost > 20, "{told} {landed} {lost}");
    Ok(())
}

/// Asks 400 times; counts the outcomes, and how many requests reached the server.
async fn ask(requests: &Requests) -> Result<(Counts, u32), Error> {
    let mut server = requests.serve(&pattern("ask"), "q").await?;
    let mut served = 0;
    let mut counts = Counts::new();
    for _ in 0..400 {
        let asked = requests.request(message("ask", "question"), PATIENCE);
        tokio::pin!(asked);
        let outcome = loop {
            tokio::select! {
                biased;
                Some(request) = server.next() => {
                    served += 1;
                    request.respond(message("reply", "answer")).await?;
                }
                outcome = &mut asked => break outcome,
            }
        };
        let outcome = match outcome.map_err(|error| error.kind().clone()) {
            Ok(_) => "replied",
            Err(ErrorKind::NoResponders { .. }) => "nobody",
            Err(ErrorKind::Timeout { .. }) => "timeout",
            Err(other) => panic!("{other}"),
        };
        *counts.entry(outcome).or_default() += 1;
    }
    while tokio::time::timeout(Duration::from_millis(10), server.next()).await.is_ok() {
        served += 1;
    }
    Ok((counts, served))
}

#[tokio::test]
async fn requests_fail_in_every_way_without_waiting() -> Outcome {
    let faults = Faults {
        no_responders_permille: 100,
        request_timeout_permille: 200,
        request_twice_permille: 300,
        ..Faults::none()
    };
    let requests = Bus::simulated(11, faults).requests();
    let (counts, served) = patient(ask(&requests)).await?;
    let replied = counts["replied"];
    assert!(replied > 200 && counts["nobody"] > 10 && counts["timeout"] > 30, "{counts:?}");
    assert!(served > replied + 50, "{served} served for {replied} replies");
    let again = patient(ask(&Bus::simulated(11, faults).requests())).await?;
    assert_eq!(again, (counts, served));
    Ok(())
}

#[tokio::test]
async fn lost_notices_miss_the_subscribers_only() -> Outcome {
    let faults = Faults { notice_lost_permille: 1_000, ..Faults::none() };
    let bus = Bus::simulated(1, faults);
    let inbox = bus.inbox("i").await?;
    inbox.capture(&[pattern("a")]).await?;
    let mut subscription = bus.subscribe(&pattern("a")).await?;
    bus.publish(message("a", "1")).await?;
    assert_eq!(inbox.tail().await?.last, 1);
    bus.close().await?;
    assert_eq!(subscription.next().await, None);
    assert_eq!(kind(bus.publish(message("a", "2")).await), ErrorKind::Closed);
    Ok(())
}
