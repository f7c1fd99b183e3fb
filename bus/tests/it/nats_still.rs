//! A process that stood still: what had come for it before its time was over counts, on NATS too.

use std::thread;
use std::time::Duration;

use futures_util::StreamExt;
use gearshift_bus::{Bus, NatsOptions, PrivateServer, ServerOptions};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::world::{Outcome, PATIENCE, message, patient};

/// Threads of their own, on which others go on.
struct Others(Option<Runtime>);

impl Drop for Others {
    fn drop(&mut self) {
        // It must not be waited for where tests are polled.
        self.0.take().map(Runtime::shutdown_background).unwrap_or_default();
    }
}

/// How long a reply may take; it takes less.
const TIMEOUT: Duration = Duration::from_millis(400);
/// When it is sent.
const ANSWERED: Duration = Duration::from_millis(150);
/// How long the process stands still.
const STILL: Duration = Duration::from_millis(900);

/// Answers on threads of its own, which do not stand still, until it is dropped.
async fn answering(url: &str) -> Result<Others, Box<dyn std::error::Error>> {
    let runtime = Runtime::new()?;
    let (tell, ready) = oneshot::channel();
    let url = url.to_owned();
    runtime.spawn(async move {
        let client = async_nats::connect(url).await.unwrap();
        let mut asked = client.subscribe("ask").await.unwrap();
        // The server has the subscription once it has answered something behind it.
        assert!(client.request("nobody", "".into()).await.is_err());
        tell.send(()).unwrap();
        while let Some(request) = asked.next().await {
            tokio::time::sleep(ANSWERED).await;
            client.publish(request.reply.unwrap(), request.payload).await.unwrap();
        }
    });
    let others = Others(Some(runtime));
    ready.await?;
    Ok(others)
}

// On one thread: nothing of the bus goes on while the test does not.
#[tokio::test]
async fn a_reply_that_came_in_time_counts_although_nobody_read_it_in_time() -> Outcome {
    let server = PrivateServer::start(ServerOptions::default()).await?;
    let bus = Bus::connect(&NatsOptions::new(server.url())).await?;
    let _others = answering(server.url()).await?;
    let requests = bus.requests();
    let (tell, told) = oneshot::channel();
    let then = Box::new(move |outcome| drop(tell.send(outcome)));
    requests.request_told(message("ask", "told"), TIMEOUT, then).map_err(|_| "it is sent")?;
    let asking = requests.request(message("ask", "waited"), TIMEOUT);
    let still = async {
        // Both requests leave before.
        requests.heard().await?;
        thread::sleep(STILL);
        Ok::<_, gearshift_bus::Error>(())
    };
    let both = Box::pin(async { tokio::join!(asking, still) });
    let (waited, still) = patient(both).await;
    still?;
    assert_eq!(waited?.payload, "waited");
    assert_eq!(patient(told).await??.payload, "told");
    Ok(())
}

#[tokio::test]
async fn what_had_come_is_told_once_it_is_heard() -> Outcome {
    let server = PrivateServer::start(ServerOptions::default()).await?;
    let bus = Bus::connect(&NatsOptions::new(server.url())).await?;
    let _others = answering(server.url()).await?;
    let requests = bus.requests();
    let mut all = Vec::new();
    for number in 0..50 {
        let (tell, told) = oneshot::channel();
        let then = Box::new(move |outcome| drop(tell.send(outcome)));
        let asked = message("ask", &number.to_string());
        requests.request_told(asked, PATIENCE, then).map_err(|_| "it is sent")?;
        all.push(told);
    }
    requests.heard().await?;
    // The first answers take a while each; these have come when the process goes on.
    thread::sleep(ANSWERED * 3);
    requests.heard().await?;
    assert!(all[0].try_recv().is_ok(), "the first one was answered long before");
    Ok(())
}

#[tokio::test]
async fn where_nothing_is_to_come_from_elsewhere_all_is_heard_at_once() -> Outcome {
    Bus::in_memory().requests().heard().await?;
    Ok(())
}
