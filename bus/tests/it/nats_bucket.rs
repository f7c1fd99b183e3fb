//! What a bucket promises when keys expire for real, and when its server comes and goes.

use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{Change, Swapped, Value, Watch};
use tokio::time::Instant;

use crate::world::{Outcome, connect, patient, server};

fn bytes(text: &str) -> Bytes {
    Bytes::from(text.to_owned())
}

async fn gone(watch: &mut Watch, key: &str) {
    let deleted = Change::Deleted { key: key.to_owned() };
    patient(async { while watch.next().await != Some(deleted.clone()) {} }).await;
}

#[tokio::test]
async fn a_lease_expires_on_time_again_and_again() -> Outcome {
    let server = server("").await;
    let bucket = connect(&server).await?.bucket("b").await?;
    let mut watch = bucket.watch("lease/").await?;
    let ttl = Duration::from_millis(1_500);
    for round in 0..3 {
        let before = Instant::now();
        let swapped = bucket.compare_and_set_expiring("lease/0", 0, bytes("n"), ttl).await?;
        assert!(matches!(swapped, Swapped::Stored(_)), "round {round}: {swapped:?}");
        let told = patient(watch.next()).await;
        assert!(matches!(told, Some(Change::Put { .. })), "{told:?}");
        gone(&mut watch, "lease/0").await;
        let lived = before.elapsed();
        // A second and a half is rounded up to two.
        assert!(lived >= Duration::from_secs(2), "round {round}: early, after {lived:?}");
        assert!(lived < Duration::from_secs(4), "round {round}: late, after {lived:?}");
        assert_eq!(bucket.get("lease/0").await?, None);
    }
    Ok(())
}

#[tokio::test]
async fn a_renewed_lease_lives_on_and_a_stale_renewal_fails() -> Outcome {
    let server = server("").await;
    let bucket = connect(&server).await?.bucket("b").await?;
    let ttl = Duration::from_secs(1);
    let Swapped::Stored(first) = bucket.compare_and_set_expiring("l", 0, bytes("0"), ttl).await?
    else {
        return Err("nobody else holds it".into());
    };
    let mut revision = first;
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(2_500) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let swapped = bucket.compare_and_set_expiring("l", revision, bytes("n"), ttl).await?;
        let Swapped::Stored(next) = swapped else { return Err("it was lost".into()) };
        revision = next;
    }
    let stale = bucket.compare_and_set_expiring("l", first, bytes("x"), ttl).await?;
    assert_eq!(stale, Swapped::Conflict { actual: revision });
    tokio::time::sleep(Duration::from_millis(1_800)).await;
    let late = bucket.compare_and_set_expiring("l", revision, bytes("x"), ttl).await?;
    assert_eq!(late, Swapped::Conflict { actual: 0 }, "what has expired cannot be renewed");
    Ok(())
}

#[tokio::test]
async fn an_expired_lease_has_one_heir() -> Outcome {
    let server = server("").await;
    let mut buckets = Vec::new();
    for _ in 0..4 {
        buckets.push(connect(&server).await?.bucket("b").await?);
    }
    let ttl = Duration::from_secs(1);
    for round in 0..2 {
        let started = Instant::now();
        let mut winners = 0;
        // All try until one has it; that one keeps it for a second at least.
        while winners == 0 {
            let tries = buckets
                .iter()
                .map(|bucket| bucket.compare_and_set_expiring("l", 0, bytes("n"), ttl));
            let swapped = futures_util::future::try_join_all(tries).await?;
            winners = swapped.iter().filter(|one| matches!(one, Swapped::Stored(_))).count();
        }
        assert_eq!(winners, 1, "round {round} after {:?}", started.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn concurrent_creators_have_one_winner_over_a_deletion_mark() -> Outcome {
    let server = server("").await;
    let (left, right) = (connect(&server).await?, connect(&server).await?);
    let (left, right) = (left.bucket("b").await?, right.bucket("b").await?);
    for round in 0..20 {
        left.delete("k").await?;
        let (one, other) = tokio::join!(
            left.compare_and_set("k", 0, bytes("l")),
            right.compare_and_set("k", 0, bytes("r"))
        );
        let (one, other) = (one?, other?);
        let stored = |swapped: &Swapped| matches!(swapped, Swapped::Stored(_));
        assert!(stored(&one) != stored(&other), "round {round}: {one:?} {other:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_watch_survives_its_server_and_misses_no_latest_value() -> Outcome {
    let mut server = server("").await;
    let (watcher, writer) = (connect(&server).await?, connect(&server).await?);
    let bucket = writer.bucket("b").await?;
    let mut watch = watcher.bucket("b").await?.watch("k").await?;
    bucket.put("k.1", bytes("a")).await?;
    bucket.put("k.2", bytes("a")).await?;
    for expected in ["k.1", "k.2"] {
        let told = patient(watch.next()).await;
        assert!(matches!(told, Some(Change::Put { key, .. }) if key == expected));
    }
    for round in 0..2 {
        if round == 0 {
            server.kill();
        } else {
            server.terminate().await?;
        }
        server.restart().await?;
        let value = bytes(&format!("b{round}"));
        let revision = patient(bucket.put("k.1", value.clone())).await?;
        patient(async {
            loop {
                let Some(change) = watch.next().await else { panic!("the watch ended") };
                if let Change::Put { key, value: told } = change
                    && told.revision == revision
                {
                    assert_eq!((key.as_str(), told.value), ("k.1", value.clone()));
                    return;
                }
            }
        })
        .await;
    }
    bucket.delete("k.2").await?;
    gone(&mut watch, "k.2").await;
    Ok(())
}

#[tokio::test]
async fn a_watch_whose_consumer_was_deleted_goes_on() -> Outcome {
    let server = server("").await;
    let bucket = connect(&server).await?.bucket("b").await?;
    let mut watch = bucket.watch("").await?;
    let admin = async_nats::jetstream::new(async_nats::connect(server.url()).await?);
    let stream = admin.get_stream("KV_gearshift-b").await?;
    let mut names = stream.consumer_names();
    let name = futures_util::StreamExt::next(&mut names).await.unwrap()?;
    stream.delete_consumer(&name).await?;
    let revision = bucket.put("k", bytes("1")).await?;
    let told = patient(watch.next()).await;
    assert!(matches!(told, Some(Change::Put { value, .. }) if value.revision == revision));
    Ok(())
}

#[tokio::test]
async fn a_watch_tells_what_a_bucket_made_anew_holds() -> Outcome {
    let server = server("").await;
    let bus = connect(&server).await?;
    let bucket = bus.bucket("b").await?;
    for value in ["1", "2", "3"] {
        bucket.put("k", bytes(value)).await?;
        bucket.put("l", bytes(value)).await?;
    }
    let mut watch = bucket.watch("").await?;
    for _ in 0..2 {
        patient(watch.next()).await.unwrap();
    }
    let admin = async_nats::jetstream::new(async_nats::connect(server.url()).await?);
    admin.delete_stream("KV_gearshift-b").await?;
    // Its revisions begin anew, below those that were told.
    let revision = bus.bucket("b").await?.put("k", bytes("anew")).await?;
    let told = [patient(watch.next()).await, patient(watch.next()).await];
    let value = Value { revision, value: bytes("anew") };
    let expected = [
        Some(Change::Put { key: "k".to_owned(), value }),
        Some(Change::Deleted { key: "l".to_owned() }),
    ];
    assert_eq!(told, expected);
    Ok(())
}

#[tokio::test]
async fn a_watch_sees_a_key_expire_that_was_there_before_it_on_an_old_server() -> Outcome {
    let server = server("").await;
    let bucket = connect(&server).await?.bucket("b").await?;
    // What is written to a server that lets no message expire: readers look at it themselves.
    let client = async_nats::connect(server.url()).await?;
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Gearshift-TTL", "2");
    let js = async_nats::jetstream::new(client);
    js.publish_with_headers("$KV.gearshift-b.k", headers, bytes("1")).await?.await?;
    let mut watch = bucket.watch("").await?;
    assert!(matches!(patient(watch.next()).await, Some(Change::Put { .. })));
    let told = tokio::time::timeout(Duration::from_secs(5), watch.next()).await?;
    assert_eq!(told, Some(Change::Deleted { key: "k".to_owned() }));
    Ok(())
}

#[tokio::test]
async fn plain_key_value_clients_read_a_bucket() -> Outcome {
    let server = server("").await;
    let bucket = connect(&server).await?.bucket("b").await?;
    let revision = bucket.put("a/b=c", bytes("1")).await?;
    let admin = async_nats::jetstream::new(async_nats::connect(server.url()).await?);
    let store = admin.get_key_value("gearshift-b").await?;
    let entry = store.entry("a/b=c").await?.unwrap();
    assert_eq!((entry.revision, entry.value), (revision, bytes("1")));
    let written = store.put("plain", bytes("2")).await?;
    assert_eq!(bucket.get("plain").await?.unwrap().revision, written);
    store.delete("plain").await?;
    assert_eq!(bucket.get("plain").await?, None);
    assert_eq!(bucket.keys("").await?, ["a/b=c"]);
    Ok(())
}
