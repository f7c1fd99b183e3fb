//! What blobs leave on a server where they do not fit.

use async_nats::jetstream;
use bytes::Bytes;

use crate::world::{Outcome, connect, kind, patient, server};

/// Room for some parts of a blob, and not for all.
const ROOM_BYTES: i64 = 500_000;

#[tokio::test]
async fn a_blob_that_could_not_be_stored_leaves_no_parts() -> Outcome {
    let server = server("").await;
    let bus = connect(&server).await?;
    let blobs = bus.blobs("s").await?;
    let small = blobs.put(Bytes::from(vec![1; 200_000])).await?;
    let js = jetstream::new(async_nats::connect(server.url()).await?);
    let mut stream = js.get_stream("OBJ_gearshift-s").await?;
    let mut config = stream.info().await?.config.clone();
    let before = stream.info().await?.state.messages;
    config.max_bytes = ROOM_BYTES;
    js.update_stream(&config).await?;
    let large = Bytes::from(vec![2; 1_000_000]);
    let refused = patient(Box::pin(blobs.put(large.clone()))).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(stream.info().await?.state.messages, before, "parts are left");
    assert_eq!(blobs.list().await?, std::slice::from_ref(&small));
    config.max_bytes = -1;
    js.update_stream(&config).await?;
    let digest = patient(Box::pin(blobs.put(large.clone()))).await?;
    assert_eq!(patient(Box::pin(blobs.get(&digest))).await?, Some(large));
    assert_eq!(patient(Box::pin(blobs.get(&small))).await?.map(|bytes| bytes.len()), Some(200_000));
    Ok(())
}

#[tokio::test]
async fn other_clients_read_what_is_stored() -> Outcome {
    use tokio::io::AsyncReadExt as _;
    let server = server("").await;
    let bus = connect(&server).await?;
    let bytes = Bytes::from((0..300_000_u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>());
    let digest = bus.blobs("s").await?.put(bytes.clone()).await?;
    let js = jetstream::new(async_nats::connect(server.url()).await?);
    let store = js.get_object_store("gearshift-s").await?;
    let mut object = store.get(digest.as_str()).await?;
    let mut read = Vec::new();
    object.read_to_end(&mut read).await?;
    assert!(read == bytes, "{} bytes", read.len());
    assert_eq!(object.info().size, bytes.len());
    Ok(())
}

#[tokio::test]
async fn a_blob_goes_by_the_time_it_was_stored_last() -> Outcome {
    use std::time::Duration;
    let server = server("").await;
    let (bus, other) = (connect(&server).await?, connect(&server).await?);
    let (blobs, others) = (bus.blobs("s").await?, other.blobs("s").await?);
    let content = Bytes::from(vec![7; 300_000]);
    let digest = blobs.put(content.clone()).await?;
    assert!(!others.delete_idle(&digest, Duration::from_secs(3_600)).await?, "it is new");
    assert_eq!(others.get(&digest).await?, Some(content));
    assert!(others.delete_idle(&digest, Duration::ZERO).await?);
    assert_eq!((blobs.get(&digest).await?, blobs.list().await?), (None, Vec::new()));
    assert!(others.delete_idle(&digest, Duration::ZERO).await?, "it is not there");
    let js = jetstream::new(async_nats::connect(server.url()).await?);
    let mut stream = js.get_stream("OBJ_gearshift-s").await?;
    assert_eq!(stream.info().await?.state.messages, 0, "its parts have gone too");
    Ok(())
}

#[tokio::test]
async fn parts_whose_name_was_never_stored_go_and_others_stay() -> Outcome {
    use std::time::Duration;
    let server = server("").await;
    let blobs = connect(&server).await?.blobs("s").await?;
    let content = Bytes::from(vec![7; 300_000]);
    let digest = blobs.put(content.clone()).await?;
    let js = jetstream::new(async_nats::connect(server.url()).await?);
    let mut stream = js.get_stream("OBJ_gearshift-s").await?;
    let before = stream.info().await?.state.messages;
    js.publish("$O.gearshift-s.C.cut-off", "half".into()).await?.await?;
    blobs.delete_orphans(Duration::from_secs(3_600)).await?;
    assert_eq!(stream.info().await?.state.messages, before + 1, "it may still be stored");
    blobs.delete_orphans(Duration::ZERO).await?;
    assert_eq!(stream.info().await?.state.messages, before);
    assert_eq!(blobs.get(&digest).await?, Some(content));
    Ok(())
}

#[tokio::test]
async fn p4_what_tells_less_than_it_holds_is_no_blob_and_is_not_read_to_its_end() -> Outcome {
    let server = server("").await;
    let blobs = connect(&server).await?.blobs("s").await?;
    let digest = blobs.put(Bytes::from_static(b"bomb")).await?;
    let js = jetstream::new(async_nats::connect(server.url()).await?);
    for _ in 0..100 {
        js.publish("$O.gearshift-s.C.bomb", vec![0; 500_000].into()).await?.await?;
    }
    let stream = js.get_stream("OBJ_gearshift-s").await?;
    let name = stream.get_last_raw_message_by_subject("$O.gearshift-s.M.*").await?;
    let info = serde_json::json!({
        "name": digest.as_str(), "bucket": "gearshift-s", "nuid": "bomb", "size": 10,
        "chunks": 1_000_000_000_u64,
    });
    js.publish(name.subject, info.to_string().into()).await?.await?;
    let began = tokio::time::Instant::now();
    let read = patient(Box::pin(blobs.get_within(&digest, 1_000))).await;
    assert!(matches!(kind(read), gearshift_bus::ErrorKind::Corrupt { .. }));
    assert!(began.elapsed() < std::time::Duration::from_secs(5), "{:?}", began.elapsed());
    Ok(())
}
