//! What an inbox promises.

use bytes::Bytes;
use gearshift_bus::{Delivered, ErrorKind, MESSAGE_BYTES_MAX, Message};

use crate::world::{Outcome, World, kind, message, patient, pattern, subject};

pub async fn a_message_is_stored_once_with_its_time(world: &World) -> Outcome {
    let bus = world.open().await?;
    let inbox = bus.inbox("i").await?;
    inbox.capture(&[pattern("order.>"), pattern("order.paid")]).await?;
    let paid = message("order.paid", "7").with_header("Trace", "a b")?.with_header("X-Y", "")?;
    assert_eq!(inbox.publish(paid.clone()).await?, 1);
    let stored_ms = world.now_ms();
    world.pass_ms(5).await;
    assert_eq!(inbox.publish(message("order.sent", "")).await?, 2);
    let read = inbox.read_from(0, 10).await?;
    let time_ms = read[0].time_ms;
    assert_eq!(read[0], Delivered { sequence: 1, message: paid, time_ms });
    assert!((time_ms - stored_ms).abs() < world.margin_ms(), "{time_ms} {stored_ms}");
    assert!((read[1].time_ms - time_ms - 5).abs() < world.margin_ms());
    assert_eq!(read.len(), 2, "two patterns match, one message is stored");
    Ok(())
}

pub async fn capture_replaces_the_patterns(world: &World) -> Outcome {
    let bus = world.open().await?;
    let inbox = bus.inbox("i").await?;
    let refused = ErrorKind::NotCaptured { subject: "a.b".to_owned() };
    assert_eq!(kind(inbox.publish(message("a.b", "")).await), refused, "a new one has none");
    inbox.capture(&[pattern("a.*")]).await?;
    inbox.publish(message("a.b", "")).await?;
    inbox.capture(&[pattern("c")]).await?;
    assert_eq!(kind(inbox.publish(message("a.b", "")).await), refused);
    assert_eq!(inbox.publish(message("c", "")).await?, 2, "what is stored stays");
    assert_eq!(inbox.read_from(1, 10).await?.len(), 2);
    let inbox = world.reopen(bus).await?.inbox("i").await?;
    assert_eq!(kind(inbox.publish(message("a.b", "")).await), refused);
    assert_eq!(inbox.publish(message("c", "")).await?, 3);
    Ok(())
}

pub async fn capture_refuses_what_overlaps(world: &World) -> Outcome {
    let bus = world.open().await?;
    let (inbox, other) = (bus.inbox("i").await?, bus.inbox("o").await?);
    inbox.capture(&[pattern("a.*")]).await?;
    let overlap = |pattern: &str, other: &str, inbox: &str| ErrorKind::Overlap {
        pattern: pattern.to_owned(),
        other: other.to_owned(),
        inbox: inbox.to_owned(),
    };
    let refused = other.capture(&[pattern("b"), pattern("a.>")]).await;
    assert_eq!(kind(refused), overlap("a.>", "a.*", "i"));
    assert!(kind(other.publish(message("b", "")).await).to_string().contains("`b`"));
    let crossing = inbox.capture(&[pattern("a.*.c"), pattern("a.b.*")]).await;
    assert_eq!(kind(crossing), overlap("a.*.c", "a.b.*", "i"));
    assert_eq!(inbox.publish(message("a.z", "")).await?, 1, "the old set still counts");
    for text in ["*", ">", "*.paid", "$JS.x"] {
        let refused = kind(inbox.capture(&[pattern(text)]).await);
        assert!(matches!(refused, ErrorKind::InvalidSubject { .. }), "{text}");
    }
    inbox.capture(&[]).await?;
    other.capture(&[pattern("a.>")]).await?;
    assert_eq!(other.publish(message("a.b", "")).await?, 1, "the other gave it free");
    Ok(())
}

pub async fn inbox_limits_are_checked(world: &World) -> Outcome {
    let inbox = world.open().await?.inbox("i").await?;
    inbox.capture(&[pattern("a")]).await?;
    let size = MESSAGE_BYTES_MAX + 1;
    let large = Message::new(subject("a"), vec![1; size]);
    let refused = ErrorKind::TooLarge { size, limit: MESSAGE_BYTES_MAX };
    assert_eq!(kind(inbox.publish(large).await), refused);
    let largest = Message::new(subject("a"), vec![1; MESSAGE_BYTES_MAX]);
    assert_eq!(inbox.publish(largest.clone()).await?, 1);
    assert!(inbox.read_from(1, 1).await?[0].message == largest);
    Ok(())
}

pub async fn reading_messages_stops_at_the_limits(world: &World) -> Outcome {
    let inbox = world.open().await?.inbox("i").await?;
    inbox.capture(&[pattern("a")]).await?;
    assert!(inbox.read_from(1, 10).await?.is_empty());
    for _ in 0..9 {
        inbox.publish(Message::new(subject("a"), vec![1; 1_000_000])).await?;
    }
    for (cursor, max, expected) in [(0, 2, 1..=2), (4, 3, 4..=6), (9, 10, 9..=9), (1, 100, 1..=8)] {
        let read = inbox.read_from(cursor, max).await?;
        let sequences: Vec<u64> = read.iter().map(|one| one.sequence).collect();
        assert_eq!(sequences, expected.collect::<Vec<_>>(), "from {cursor}, {max} messages");
    }
    assert!(inbox.read_from(10, 10).await?.is_empty());
    assert!(inbox.read_from(1, 0).await?.is_empty());
    Ok(())
}

pub async fn waiting_ends_with_a_message(world: &World) -> Outcome {
    let inbox = world.open().await?.inbox("i").await?;
    inbox.capture(&[pattern("a")]).await?;
    let publish = async {
        tokio::task::yield_now().await;
        inbox.publish(message("a", "1")).await?;
        inbox.publish(message("a", "2")).await
    };
    let (waited, published) = patient(async { tokio::join!(inbox.wait_beyond(1), publish) }).await;
    assert_eq!((waited?, published?), (2, 2));
    assert_eq!(patient(inbox.wait_beyond(0)).await?, 2, "what is there already counts");
    Ok(())
}

pub async fn trimmed_messages_are_gone(world: &World) -> Outcome {
    let bus = world.open().await?;
    let inbox = bus.inbox("i").await?;
    inbox.capture(&[pattern("a")]).await?;
    for _ in 0..5 {
        inbox.publish(message("a", "x")).await?;
    }
    inbox.trim(4).await?;
    assert_eq!(kind(inbox.read_from(3, 9).await), ErrorKind::Trimmed { first: 4 });
    inbox.trim(u64::MAX).await?;
    let inbox = world.reopen(bus).await?.inbox("i").await?;
    let tail = inbox.tail().await?;
    assert_eq!((tail.first, tail.last), (6, 5));
    assert_eq!(inbox.publish(message("a", "y")).await?, 6);
    Ok(())
}

pub async fn the_inbox_outlives_the_bus(world: &World) -> Outcome {
    let bus = world.open().await?;
    let inbox = bus.inbox("i").await?;
    inbox.capture(&[pattern("a")]).await?;
    let sent = message("a", "payload").with_header("K", "v")?;
    inbox.publish(sent.clone()).await?;
    let (tail, read) = (inbox.tail().await?, inbox.read_from(1, 9).await?);
    let bus = world.reopen(bus).await?;
    bus.publish(message("a", "before anybody opened it")).await?;
    let inbox = bus.inbox("i").await?;
    assert_eq!(inbox.tail().await?.incarnation, tail.incarnation);
    let again = inbox.read_from(1, 9).await?;
    assert_eq!(again[..1], read[..]);
    assert_eq!(again[1].message.payload, Bytes::from_static(b"before anybody opened it"));
    Ok(())
}
