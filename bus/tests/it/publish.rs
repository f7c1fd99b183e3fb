//! What plain publishing and subscribing promise.

use gearshift_bus::{ErrorKind, MESSAGE_BYTES_MAX, Message, QUEUE_MESSAGES_MAX};

use crate::world::{Outcome, World, kind, message, patient, pattern, subject};

pub async fn subscribers_get_what_matches(world: &World) -> Outcome {
    let bus = world.open().await?;
    bus.publish(message("a.b", "before anybody listens")).await?;
    let mut one = bus.subscribe(&pattern("a.*")).await?;
    let mut all = bus.clone().subscribe(&pattern("a.>")).await?;
    let sent = message("a.b", "1").with_header("K", "v")?;
    bus.publish(sent.clone()).await?;
    bus.publish(message("a.b.c", "2")).await?;
    bus.publish(message("b", "3")).await?;
    bus.publish(message("a.z", "4")).await?;
    assert_eq!(patient(one.next()).await, Some(sent.clone()));
    assert_eq!(patient(one.next()).await, Some(message("a.z", "4")));
    for expected in [sent, message("a.b.c", "2"), message("a.z", "4")] {
        assert_eq!(patient(all.next()).await, Some(expected));
    }
    let size = MESSAGE_BYTES_MAX + 1;
    let refused = kind(bus.publish(Message::new(subject("a"), vec![0; size])).await);
    assert_eq!(refused, ErrorKind::TooLarge { size, limit: MESSAGE_BYTES_MAX });
    Ok(())
}

pub async fn a_slow_subscriber_loses_the_oldest(world: &World) -> Outcome {
    let bus = world.open().await?;
    let mut slow = bus.subscribe(&pattern("a")).await?;
    for number in 0..QUEUE_MESSAGES_MAX + 3 {
        bus.publish(message("a", &number.to_string())).await?;
    }
    // What was published may still be on its way.
    patient(async {
        while slow.lagged() < 3 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(slow.lagged(), 3);
    assert_eq!(patient(slow.next()).await, Some(message("a", "3")));
    Ok(())
}

pub async fn published_messages_land_in_the_inbox_too(world: &World) -> Outcome {
    let bus = world.open().await?;
    let (inbox, other) = (bus.inbox("i").await?, bus.inbox("o").await?);
    inbox.capture(&[pattern("a.*")]).await?;
    other.capture(&[pattern("b")]).await?;
    let mut subscription = bus.subscribe(&pattern("a.>")).await?;
    bus.publish(message("a.b", "1")).await?;
    bus.publish(message("a.b.c", "2")).await?;
    assert_eq!(patient(subscription.next()).await, Some(message("a.b", "1")));
    let stored = inbox.read_from(1, 10).await?;
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].message, message("a.b", "1"));
    assert_eq!(other.tail().await?.last, 0);
    Ok(())
}

pub async fn delivered_messages_are_in_an_inbox_or_refused(world: &World) -> Outcome {
    let bus = world.open().await?;
    let refused = kind(bus.deliver(message("a.b", "0")).await);
    assert_eq!(refused, ErrorKind::NotCaptured { subject: "a.b".to_owned() });
    let inbox = bus.inbox("i").await?;
    inbox.capture(&[pattern("a.*")]).await?;
    let mut subscription = bus.subscribe(&pattern("a.>")).await?;
    bus.deliver(message("a.b", "1")).await?;
    assert_eq!(inbox.read_from(1, 10).await?[0].message, message("a.b", "1"));
    assert_eq!(patient(subscription.next()).await, Some(message("a.b", "1")));
    let size = MESSAGE_BYTES_MAX + 1;
    let refused = kind(bus.deliver(Message::new(subject("a.b"), vec![0; size])).await);
    assert_eq!(refused, ErrorKind::TooLarge { size, limit: MESSAGE_BYTES_MAX });
    Ok(())
}
