//! What a blob store promises.

use bytes::Bytes;
use gearshift_bus::{Digest, ErrorKind};

use crate::world::{Outcome, World};

/// SHA-256 of the three bytes `abc`, as the standard gives it.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

pub async fn blobs_are_named_by_their_digest(world: &World) -> Outcome {
    let bus = world.open().await?;
    let blobs = bus.blobs("s").await?;
    let digest = blobs.put(Bytes::from_static(b"abc")).await?;
    assert_eq!(digest.as_str(), ABC);
    assert_eq!(Digest::parse(ABC)?, digest);
    assert_eq!(blobs.put(Bytes::from_static(b"abc")).await?, digest, "again changes nothing");
    let empty = blobs.put(Bytes::new()).await?;
    let mut expected = vec![digest.clone(), empty.clone()];
    expected.sort();
    assert_eq!(blobs.list().await?, expected);
    assert!(bus.blobs("other").await?.get(&digest).await?.is_none());
    blobs.delete(&digest).await?;
    blobs.delete(&digest).await?;
    assert_eq!(blobs.get(&digest).await?, None);
    assert_eq!(blobs.get(&empty).await?, Some(Bytes::new()));
    for text in ["", "abc", &ABC.to_uppercase(), &format!("{ABC}0"), "../../etc/passwd"] {
        let kind = Digest::parse(text).unwrap_err().kind().clone();
        assert!(matches!(kind, ErrorKind::InvalidName { .. }), "{text}");
    }
    Ok(())
}

pub async fn blobs_outlive_the_bus(world: &World) -> Outcome {
    let bus = world.open().await?;
    let large = Bytes::from(vec![5; 3 * 1024 * 1024]);
    let digest = bus.blobs("s").await?.put(large.clone()).await?;
    let blobs = world.reopen(bus).await?.blobs("s").await?;
    assert!(blobs.get(&digest).await? == Some(large));
    let error = blobs.get_within(&digest, 1024).await.unwrap_err();
    let (size, limit) = (3 * 1024 * 1024, 1024);
    assert_eq!(error.kind(), &ErrorKind::TooLarge { size, limit });
    assert_eq!(blobs.list().await?, [digest]);
    Ok(())
}
