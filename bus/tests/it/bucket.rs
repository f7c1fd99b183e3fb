//! What a bucket promises.

use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Bucket, Change, ErrorKind, MESSAGE_BYTES_MAX, Swapped, Value, Watch};

use crate::world::{Outcome, World, kind, patient};

fn bytes(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

fn put(key: &str, revision: u64, value: &str) -> Option<Change> {
    Some(Change::Put { key: key.to_owned(), value: Value { revision, value: bytes(value) } })
}

fn deleted(key: &str) -> Option<Change> {
    Some(Change::Deleted { key: key.to_owned() })
}

async fn next(watch: &mut Watch) -> Option<Change> {
    patient(watch.next()).await
}

async fn value_of(bucket: &Bucket, key: &str) -> Result<Option<Bytes>, gearshift_bus::Error> {
    Ok(bucket.get(key).await?.map(|value| value.value))
}

pub async fn compare_and_set_writes_at_the_expected_revision_only(world: &World) -> Outcome {
    let bucket = world.open().await?.bucket("b").await?;
    let conflict = bucket.compare_and_set("k", 4, bytes("x")).await?;
    assert_eq!(conflict, Swapped::Conflict { actual: 0 });
    let Swapped::Stored(first) = bucket.compare_and_set("k", 0, bytes("1")).await? else {
        return Err("the key did not exist".into());
    };
    let conflict = bucket.compare_and_set("k", 0, bytes("x")).await?;
    assert_eq!(conflict, Swapped::Conflict { actual: first });
    let swapped = bucket.compare_and_set("k", first, bytes("2")).await?;
    assert!(matches!(swapped, Swapped::Stored(second) if second > first));
    assert_eq!(value_of(&bucket, "k").await?, Some(bytes("2")));
    Ok(())
}

pub async fn concurrent_swaps_have_one_winner_each_round(world: &World) -> Outcome {
    let bucket = world.open().await?.bucket("b").await?;
    let mut revision = 0;
    for round in 0..8 {
        let race = (0..8).map(|_| bucket.compare_and_set("k", revision, bytes("x")));
        let outcomes = futures_util::future::try_join_all(race).await?;
        let winners: Vec<_> = outcomes
            .iter()
            .filter_map(|outcome| match outcome {
                Swapped::Stored(revision) => Some(*revision),
                Swapped::Conflict { .. } => None,
            })
            .collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        revision = winners[0];
    }
    Ok(())
}

pub async fn revisions_only_grow(world: &World) -> Outcome {
    let bus = world.open().await?;
    let bucket = bus.bucket("b").await?;
    let mut latest = bucket.put("a", bytes("1")).await?;
    for key in ["a", "b", "a"] {
        let revision = bucket.put(key, bytes("2")).await?;
        assert!(revision > latest);
        latest = revision;
    }
    bucket.delete("a").await?;
    bucket.delete("b").await?;
    let bus = world.reopen(bus).await?;
    let bucket = bus.bucket("b").await?;
    assert_eq!(bucket.get("a").await?, None);
    let revision = bucket.put("a", bytes("3")).await?;
    assert!(revision > latest, "also after everything was deleted and opened again");
    let bucket = world.reopen(bus).await?.bucket("b").await?;
    assert_eq!(bucket.get("a").await?, Some(Value { revision, value: bytes("3") }));
    Ok(())
}

pub async fn deleting_makes_room_for_a_new_key(world: &World) -> Outcome {
    let bucket = world.open().await?.bucket("b").await?;
    bucket.delete("k").await?;
    bucket.put("k", bytes("1")).await?;
    bucket.delete("k").await?;
    assert_eq!(bucket.get("k").await?, None);
    let swapped = bucket.compare_and_set("k", 0, bytes("2")).await?;
    assert!(matches!(swapped, Swapped::Stored(_)));
    Ok(())
}

pub async fn keys_are_listed_by_prefix_in_order(world: &World) -> Outcome {
    let bus = world.open().await?;
    let (bucket, other) = (bus.bucket("b").await?, bus.bucket("b2").await?);
    for key in ["p.b", "q", "p.a", "o", "p.c"] {
        bucket.put(key, bytes(key)).await?;
    }
    other.put("p.z", bytes("")).await?;
    bucket.delete("p.c").await?;
    assert_eq!(bucket.keys("p.").await?, ["p.a", "p.b"]);
    let bus = world.reopen(bus).await?;
    let bucket = bus.bucket("b").await?;
    assert_eq!(bucket.keys("").await?, ["o", "p.a", "p.b", "q"]);
    assert_eq!(bus.bucket("b2").await?.keys("").await?, ["p.z"]);
    Ok(())
}

pub async fn a_key_expires_and_a_later_write_takes_the_expiry_away(world: &World) -> Outcome {
    let bus = world.open().await?;
    let bucket = bus.bucket("b").await?;
    let ttl = Duration::from_secs(2);
    bucket.put_expiring("gone", bytes("1"), ttl).await?;
    let kept = bucket.put_expiring("kept", bytes("1"), ttl).await?;
    bucket.put("kept", bytes("2")).await?;
    let swapped = bucket.compare_and_set_expiring("lease", 0, bytes("1"), ttl).await?;
    assert!(matches!(swapped, Swapped::Stored(revision) if revision > kept));
    let margin_ms = world.margin_ms();
    world.pass_ms(2_000 - margin_ms).await;
    assert_eq!(value_of(&bucket, "gone").await?, Some(bytes("1")), "never early");
    let bus = world.reopen(bus).await?;
    let bucket = bus.bucket("b").await?;
    assert_eq!(bucket.keys("").await?, ["gone", "kept", "lease"]);
    world.pass_ms(2 * margin_ms - 1).await;
    assert_eq!(bucket.keys("").await?, ["kept"]);
    assert_eq!(value_of(&bucket, "gone").await?, None);
    let swapped = bucket.compare_and_set("lease", 0, bytes("2")).await?;
    assert!(matches!(swapped, Swapped::Stored(_)), "an expired key does not exist");
    Ok(())
}

pub async fn a_bucket_with_a_limit_lets_go_of_what_was_written_longest_ago(
    world: &World,
) -> Outcome {
    const QUARTER: usize = 256 * 1_024;
    let bus = world.open().await?;
    let bucket = bus.bucket_within("b", 4 * QUARTER).await?;
    let large = |byte: u8| Bytes::from(vec![byte; QUARTER]);
    let ttl = Duration::from_secs(3_600);
    for (number, key) in (0_u8..).zip(["a", "b", "c"]) {
        bucket.put_expiring(key, large(number), ttl).await?;
    }
    assert_eq!(bucket.keys("").await?, ["a", "b", "c"]);
    // A key that is written again is young again, and takes no more room than before.
    bucket.put_expiring("a", large(9), ttl).await?;
    assert_eq!(bucket.keys("").await?, ["a", "b", "c"]);
    bucket.put_expiring("d", large(4), ttl).await?;
    assert_eq!(bucket.keys("").await?, ["a", "c", "d"]);
    assert_eq!(bucket.get("b").await?, None);
    let bus = world.reopen(bus).await?;
    let bucket = bus.bucket_within("b", 4 * QUARTER).await?;
    assert_eq!(bucket.keys("").await?, ["a", "c", "d"], "what went is gone for good");
    bucket.put("e", large(5)).await?;
    bucket.put("f", large(6)).await?;
    assert_eq!(bucket.keys("").await?, ["d", "e", "f"]);
    assert_eq!(value_of(&bucket, "d").await?, Some(large(4)));
    Ok(())
}

pub async fn a_watch_starts_with_what_is_there_and_goes_on(world: &World) -> Outcome {
    let bus = world.open().await?;
    let bucket = bus.bucket("b").await?;
    let second = bucket.put("k.2", bytes("2")).await?;
    let first = bucket.put("k.1", bytes("1")).await?;
    bucket.put("other", bytes("x")).await?;
    let mut watch = bucket.watch("k.").await?;
    assert_eq!(next(&mut watch).await, put("k.1", first, "1"));
    assert_eq!(next(&mut watch).await, put("k.2", second, "2"));
    let write = async {
        bucket.put("other", bytes("y")).await?;
        bucket.put("k.1", bytes("one")).await
    };
    let (told, written) = tokio::join!(next(&mut watch), write);
    assert_eq!(told, put("k.1", written?, "one"));
    bucket.delete("k.2").await?;
    assert_eq!(next(&mut watch).await, deleted("k.2"));
    Ok(())
}

pub async fn a_watch_tells_expiry(world: &World) -> Outcome {
    let bucket = world.open().await?.bucket("b").await?;
    let mut watch = bucket.watch("").await?;
    let revision = bucket.put_expiring("k", bytes("1"), Duration::from_secs(1)).await?;
    assert_eq!(next(&mut watch).await, put("k", revision, "1"));
    let expire = async {
        tokio::task::yield_now().await;
        world.pass_ms(1_000).await;
    };
    let (told, ()) = tokio::join!(next(&mut watch), expire);
    assert_eq!(told, deleted("k"));
    Ok(())
}

pub async fn a_slow_watch_misses_no_latest_value(world: &World) -> Outcome {
    let bucket = world.open().await?.bucket("b").await?;
    let mut watch = bucket.watch("").await?;
    let mut latest = 0;
    for round in 0..20 {
        latest = bucket.put("k", bytes(&round.to_string())).await?;
    }
    while next(&mut watch).await != put("k", latest, "19") {}
    Ok(())
}

pub async fn bucket_limits_are_checked(world: &World) -> Outcome {
    let bucket = world.open().await?.bucket("b").await?;
    let long = "k".repeat(256);
    for key in ["", ".k", "k.", "k..k", "k k", "k*", "k>", "ä", "k\0", long.as_str()] {
        assert!(matches!(kind(bucket.get(key).await), ErrorKind::InvalidName { .. }), "{key}");
        let refused = kind(bucket.put(key, bytes("")).await);
        assert!(matches!(refused, ErrorKind::InvalidName { .. }), "{key}");
    }
    bucket.put("a-b_c=d.e/F9", bytes("")).await?;
    let size = MESSAGE_BYTES_MAX + 1;
    let refused = kind(bucket.put("k", vec![0; size].into()).await);
    assert_eq!(refused, ErrorKind::TooLarge { size, limit: MESSAGE_BYTES_MAX });
    bucket.put("k", vec![0; MESSAGE_BYTES_MAX].into()).await?;
    Ok(())
}
