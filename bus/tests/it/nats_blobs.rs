//! What blobs leave on a server where they do not fit.

use async_nats::jetstream;
use bytes::Bytes;

use crate::world::{Outcome, connect, patient, server};

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
