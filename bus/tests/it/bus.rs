//! What the bus itself promises.

use bytes::Bytes;
use gearshift_bus::{Bus, ErrorKind};

use crate::world::{Outcome, World, kind, message, patient, pattern};

pub async fn names_are_checked(world: &World) -> Outcome {
    let bus = world.open().await?;
    let long = "n".repeat(65);
    for name in ["", "a.b", "a/b", "..", "a b", "ä", "a\0", long.as_str()] {
        let kinds = [
            kind(bus.log(name).await),
            kind(bus.inbox(name).await),
            kind(bus.bucket(name).await),
            kind(bus.blobs(name).await),
        ];
        assert!(kinds.iter().all(|kind| matches!(kind, ErrorKind::InvalidName { .. })), "{name}");
    }
    bus.log(&"n".repeat(64)).await?;
    bus.log("A-z_09").await?;
    Ok(())
}

pub async fn names_of_different_primitives_are_independent(world: &World) -> Outcome {
    let bus = world.open().await?;
    bus.log("x").await?.append(0, Bytes::from_static(b"frame")).await?;
    assert_eq!(bus.inbox("x").await?.tail().await?.last, 0);
    bus.bucket("x").await?.put("k", Bytes::new()).await?;
    assert!(bus.blobs("x").await?.list().await?.is_empty());
    let bus = world.reopen(bus).await?;
    assert_eq!(bus.log("x").await?.tail().await?.last, 1);
    assert_eq!(bus.inbox("x").await?.tail().await?.last, 0);
    Ok(())
}

pub async fn closing_ends_everything(world: &World) -> Outcome {
    let bus = world.open().await?;
    let (log, inbox) = (bus.log("l").await?, bus.inbox("i").await?);
    let (bucket, blobs) = (bus.bucket("b").await?, bus.blobs("s").await?);
    let digest = blobs.put(Bytes::new()).await?;
    inbox.capture(&[pattern("a")]).await?;
    let mut subscription = bus.subscribe(&pattern("a")).await?;
    let mut server = bus.requests().serve(&pattern("r"), "q").await?;
    let mut watch = bucket.watch("").await?;
    let waiting = async {
        let waited = tokio::join!(
            inbox.wait_beyond(0),
            subscription.next(),
            server.next(),
            watch.next(),
            async {
                tokio::task::yield_now().await;
                bus.close().await
            },
        );
        assert_eq!(kind(waited.0), ErrorKind::Closed);
        assert!(waited.1.is_none() && waited.2.is_none() && waited.3.is_none());
        waited.4
    };
    patient(waiting).await?;
    bus.close().await?;
    let other: Bus = bus.clone();
    let closed = [
        kind(log.append(0, Bytes::new()).await),
        kind(log.read_from(1, 1).await),
        kind(log.tail().await),
        kind(log.trim(1).await),
        kind(inbox.publish(message("a", "")).await),
        kind(inbox.read_from(1, 1).await),
        kind(inbox.capture(&[]).await),
        kind(inbox.tail().await),
        kind(bucket.get("k").await),
        kind(bucket.put("k", Bytes::new()).await),
        kind(bucket.keys("").await),
        kind(blobs.get(&digest).await),
        kind(blobs.put(Bytes::new()).await),
        kind(bus.publish(message("a", "")).await),
        kind(bus.subscribe(&pattern("a")).await),
        kind(bus.requests().serve(&pattern("a"), "q").await),
        kind(bus.requests().discover().await),
        kind(other.log("l").await),
    ];
    assert!(closed.iter().all(|kind| *kind == ErrorKind::Closed), "{closed:?}");
    Ok(())
}
