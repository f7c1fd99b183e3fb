//! What a log promises.

use bytes::Bytes;
use gearshift_bus::{Appended, Entry, ErrorKind, FRAME_BYTES_MAX, Log, Tail};

use crate::world::{Outcome, World, kind};

pub async fn fill(log: &Log, count: u64) -> Result<(), gearshift_bus::Error> {
    let last = log.tail().await?.last;
    for sequence in last..last + count {
        let stored = log.append(sequence, frame(sequence + 1)).await?;
        assert_eq!(stored, Appended::Stored(sequence + 1));
    }
    Ok(())
}

pub fn frame(sequence: u64) -> Bytes {
    Bytes::from(format!("frame {sequence:04}"))
}

pub async fn append_stores_at_the_expected_sequence_only(world: &World) -> Outcome {
    let log = world.open().await?.log("l").await?;
    assert_eq!(log.tail().await?.last, 0, "a new log is empty");
    assert_eq!(log.append(1, frame(1)).await?, Appended::Fenced { actual: 0 });
    assert_eq!(log.append(0, frame(1)).await?, Appended::Stored(1));
    assert_eq!(log.append(0, frame(9)).await?, Appended::Fenced { actual: 1 });
    assert_eq!(log.append(1, frame(2)).await?, Appended::Stored(2));
    let read = log.read_from(1, usize::MAX).await?;
    let expected = [1, 2].map(|sequence| Entry { sequence, frame: frame(sequence) });
    assert_eq!(read, expected, "what was fenced left nothing");
    Ok(())
}

pub async fn one_of_many_racing_writers_wins(world: &World) -> Outcome {
    let log = world.open().await?.log("l").await?;
    for round in 0..10 {
        let race = (0..8).map(|_| log.append(round, frame(round)));
        let outcomes: Vec<_> = futures_util::future::try_join_all(race).await?;
        let won = outcomes.iter().filter(|outcome| **outcome == Appended::Stored(round + 1));
        assert_eq!(won.count(), 1, "{outcomes:?}");
        let fenced = Appended::Fenced { actual: round + 1 };
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == fenced).count(), 7);
    }
    assert_eq!(log.tail().await?.last, 10);
    Ok(())
}

pub async fn logs_are_independent(world: &World) -> Outcome {
    let bus = world.open().await?;
    let (left, right) = (bus.log("left").await?, bus.log("right").await?);
    fill(&left, 3).await?;
    assert_eq!(right.tail().await?.last, 0);
    let again = bus.log("left").await?;
    assert_eq!(again.tail().await?, left.tail().await?, "the same name is the same log");
    assert_ne!(left.tail().await?.incarnation, right.tail().await?.incarnation);
    Ok(())
}

pub async fn reading_stops_at_the_limits(world: &World) -> Outcome {
    let log = world.open().await?.log("l").await?;
    assert!(log.read_from(1, usize::MAX).await?.is_empty());
    fill(&log, 5).await?;
    let one = frame(1).len();
    for (from, max_bytes, expected) in [
        (0, usize::MAX, vec![1, 2, 3, 4, 5]),
        (1, 2 * one, vec![1, 2]),
        (1, 3 * one - 1, vec![1, 2]),
        (2, 0, vec![2]),
        (5, usize::MAX, vec![5]),
        (6, usize::MAX, vec![]),
        (u64::MAX, usize::MAX, vec![]),
    ] {
        let read = log.read_from(from, max_bytes).await?;
        let sequences: Vec<_> = read.iter().map(|entry| entry.sequence).collect();
        assert_eq!(sequences, expected, "from {from}, {max_bytes} bytes");
        assert!(read.iter().all(|entry| entry.frame == frame(entry.sequence)));
    }
    Ok(())
}

pub async fn trimmed_entries_are_gone(world: &World) -> Outcome {
    let bus = world.open().await?;
    let log = bus.log("l").await?;
    fill(&log, 5).await?;
    log.trim(3).await?;
    assert_eq!(kind(log.read_from(2, usize::MAX).await), ErrorKind::Trimmed { first: 3 });
    assert_eq!(log.read_from(3, usize::MAX).await?.len(), 3);
    log.trim(2).await?;
    assert_eq!(log.tail().await?.first, 3, "a smaller mark brings nothing back");
    let log = world.reopen(bus).await?.log("l").await?;
    assert_eq!(kind(log.read_from(2, usize::MAX).await), ErrorKind::Trimmed { first: 3 });
    assert_eq!(log.read_from(3, usize::MAX).await?.len(), 3);
    Ok(())
}

pub async fn the_last_sequence_never_goes_back(world: &World) -> Outcome {
    let bus = world.open().await?;
    let log = bus.log("l").await?;
    fill(&log, 4).await?;
    log.trim(u64::MAX).await?;
    let Tail { first, last, incarnation } = log.tail().await?;
    assert_eq!((first, last), (5, 4), "a mark beyond the end removes all");
    let log = world.reopen(bus).await?.log("l").await?;
    assert_eq!(log.tail().await?, Tail { first, last, incarnation });
    assert!(log.read_from(5, usize::MAX).await?.is_empty());
    assert_eq!(log.append(0, frame(1)).await?, Appended::Fenced { actual: 4 });
    assert_eq!(log.append(4, frame(5)).await?, Appended::Stored(5));
    assert_eq!(log.read_from(5, usize::MAX).await?.len(), 1);
    Ok(())
}

pub async fn the_log_outlives_the_bus(world: &World) -> Outcome {
    let mut bus = world.open().await?;
    let mut tail = bus.log("l").await?.tail().await?;
    for round in 1..=3 {
        fill(&bus.log("l").await?, 10).await?;
        bus = world.reopen(bus).await?;
        let log = bus.log("l").await?;
        tail.last = 10 * round;
        assert_eq!(log.tail().await?, tail, "the incarnation stays too");
        let read = log.read_from(1, usize::MAX).await?;
        assert!(read.iter().all(|entry| entry.frame == frame(entry.sequence)));
        assert_eq!(read.len() as u64, tail.last);
    }
    Ok(())
}

pub async fn a_destroyed_log_comes_back_as_another(world: &World) -> Outcome {
    let bus = world.open().await?;
    let (log, other) = (bus.log("l").await?, bus.log("l").await?);
    fill(&log, 3).await?;
    let before = log.tail().await?;
    log.destroy().await?;
    let gone = ErrorKind::NotFound { name: "l".to_owned() };
    assert_eq!(kind(other.tail().await), gone);
    assert_eq!(kind(other.append(3, frame(4)).await), gone);
    assert_eq!(kind(other.read_from(1, 1).await), gone);
    assert_eq!(kind(other.trim(1).await), gone);
    assert_eq!(kind(other.destroy().await), gone);
    let log = bus.log("l").await?;
    let after = log.tail().await?;
    assert_eq!((after.first, after.last), (1, 0));
    assert_ne!(after.incarnation, before.incarnation);
    fill(&log, 2).await?;
    let log = world.reopen(bus).await?.log("l").await?;
    assert_eq!(log.tail().await?, Tail { last: 2, ..after });
    Ok(())
}

pub async fn frames_above_the_limit_are_refused(world: &World) -> Outcome {
    let log = world.open().await?.log("l").await?;
    let size = FRAME_BYTES_MAX + 1;
    let refused = kind(log.append(0, vec![7; size].into()).await);
    assert_eq!(refused, ErrorKind::TooLarge { size, limit: FRAME_BYTES_MAX });
    let largest = Bytes::from(vec![7; FRAME_BYTES_MAX]);
    assert_eq!(log.append(0, largest.clone()).await?, Appended::Stored(1));
    assert_eq!(log.append(1, Bytes::new()).await?, Appended::Stored(2));
    let read = log.read_from(1, usize::MAX).await?;
    assert!(read[0].frame == largest && read[1].frame.is_empty());
    Ok(())
}
