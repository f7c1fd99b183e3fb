//! Numbers of sources: one per life of a stream, never used again, agreed between engines.

use gearshift_bus::{Bus, Tail};

use super::Sources;
use crate::runtime::error::Error;

const fn tail(incarnation: u128, last: u64) -> Tail {
    Tail { first: 1, last, incarnation }
}

#[tokio::test]
async fn foreign_streams_begin_behind_what_they_hold() -> Result<(), Error> {
    let sources = Sources::open(&Bus::in_memory()).await?;
    let orders = sources.admit(Some("ORDERS"), &tail(5, 40)).await?;
    let inbox = sources.admit(None, &tail(6, 7)).await?;
    let billing = sources.admit(Some("BILLING"), &tail(7, 0)).await?;
    assert_eq!((orders.number, orders.from), (2, 41));
    assert_eq!((inbox.number, inbox.from), (1, 1));
    assert_eq!((billing.number, billing.from), (3, 1));
    // Found again, also where the stream has grown.
    assert_eq!(sources.admit(Some("ORDERS"), &tail(5, 90)).await?, orders);
    Ok(())
}

#[tokio::test]
async fn a_recreated_stream_gets_a_number_that_nobody_used() -> Result<(), Error> {
    let bus = Bus::in_memory();
    let sources = Sources::open(&bus).await?;
    let other = Sources::open(&bus).await?;
    let old = sources.admit(None, &tail(1, 9)).await?;
    assert!(old.is(&tail(1, 12)) && !old.is(&tail(2, 12)));
    let new = sources.renew(&old, &tail(2, 3), 1).await?;
    assert_eq!((new.number, new.from), (2, 1));
    // Another engine accepts it, too, and finds it done.
    assert_eq!(other.renew(&old, &tail(2, 5), 1).await?, new);
    assert_eq!(other.current(None), Some(new.clone()));
    assert_eq!(other.admit(None, &tail(2, 6)).await?, new);
    let newest = other.renew(&new, &tail(3, 0), 1).await?;
    assert_eq!(newest.number, 3);
    Ok(())
}
