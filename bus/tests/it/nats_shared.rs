//! One inbox of several engines on NATS.

use gearshift_bus::{Bus, NatsOptions, PrivateServer, ServerOptions};
use tokio::task::JoinSet;

use crate::world::{Outcome, message, pattern};

#[tokio::test]
async fn two_engines_share_one_inbox() -> Outcome {
    let server = PrivateServer::start(ServerOptions::default()).await?;
    let options = NatsOptions::new(server.url());
    let (bus, other) = (Bus::connect(&options).await?, Bus::connect(&options).await?);
    let (one, two) = tokio::join!(bus.inbox("i"), other.inbox("i"));
    let (one, two) = (one?, two?);
    let patterns = [pattern("a.>"), pattern("b")];
    // Engines take turns, and so does this: nats-server 2.15.1 that is told twice at once to
    // capture a subject subscribes to it twice, and stores each message there two times.
    assert!(one.capture(&patterns).await?.is_empty());
    assert!(two.capture(&patterns).await?.is_empty());
    assert_eq!(one.publish(message("a.b", "")).await?, 1);
    assert_eq!(two.publish(message("b", "")).await?, 2);
    assert_eq!(one.read_from(1, 9).await?, two.read_from(1, 9).await?);
    assert_eq!(one.tail().await?, two.tail().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn opening_an_inbox_meets_no_capture_of_another_engine() -> Outcome {
    let server = PrivateServer::start(ServerOptions::default()).await?;
    let options = NatsOptions::new(server.url());
    let mut engines = Vec::new();
    for _ in 0..6 {
        engines.push(Bus::connect(&options).await?);
    }
    for round in 0..40 {
        let (name, subject) = (format!("i{round}"), format!("s{round}.a"));
        let captured = pattern(&format!("s{round}.>"));
        let mut opening = JoinSet::new();
        for (number, engine) in engines.iter().cloned().enumerate() {
            let (name, captured) = (name.clone(), captured.clone());
            opening.spawn(async move {
                let inbox = engine.inbox(&name).await?;
                if number == 0 {
                    inbox.capture(&[captured]).await?;
                }
                Ok::<_, gearshift_bus::Error>(inbox)
            });
        }
        let mut sequence = 0;
        for inbox in opening.join_all().await {
            sequence += 1;
            let stored = inbox?.publish(message(&subject, "")).await?;
            assert_eq!(stored, sequence, "round {round}: captured, and stored once");
        }
    }
    Ok(())
}
