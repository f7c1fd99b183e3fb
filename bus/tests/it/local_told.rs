//! What requests whose outcome is told promise within one process.

use std::time::Duration;

use gearshift_bus::{Bus, Error, ErrorKind, Message, Requests};
use tokio::sync::mpsc;

use crate::world::{Outcome, PATIENCE, kind, message, patient, pattern};

type Outcomes = mpsc::UnboundedReceiver<Result<Message, Error>>;

fn ask(requests: &Requests, text: &str, timeout: Duration) -> Result<Outcomes, Message> {
    let (tell, told) = mpsc::unbounded_channel();
    let then = Box::new(move |outcome| drop(tell.send(outcome)));
    let asked = requests.request_told(message("ask", text), timeout, then);
    asked.map_err(|(message, _)| message)?;
    Ok(told)
}

#[tokio::test(start_paused = true)]
async fn overdue_requests_are_told_in_the_order_of_their_deadlines() -> Outcome {
    let requests = Bus::in_memory().requests();
    let mut server = requests.serve(&pattern("ask"), "q").await?;
    let began = tokio::time::Instant::now();
    // The later one is entered first, so that whoever sleeps until its deadline is woken earlier.
    let mut late =
        ask(&requests, "late", Duration::from_secs(9)).map_err(|_| "it is given back")?;
    tokio::task::yield_now().await;
    let mut soon =
        ask(&requests, "soon", Duration::from_secs(2)).map_err(|_| "it is given back")?;
    let first = soon.recv().await.ok_or("it is heard")?;
    assert_eq!(kind(first), ErrorKind::Timeout { millis: 2_000 });
    assert_eq!(began.elapsed().as_secs(), 2);
    let second = late.recv().await.ok_or("it is heard")?;
    assert_eq!(kind(second), ErrorKind::Timeout { millis: 9_000 });
    assert_eq!(began.elapsed().as_secs(), 9);
    // An answer behind the deadline is told to nobody.
    let request = server.next().await.ok_or("the bus is open")?;
    request.respond(message("r", "too late")).await?;
    assert!(late.recv().await.is_none());
    Ok(())
}

#[tokio::test]
async fn a_request_that_was_dropped_unanswered_waits_for_its_deadline() -> Outcome {
    let requests = Bus::in_memory().requests();
    let mut server = requests.serve(&pattern("ask"), "q").await?;
    let timeout = Duration::from_millis(50);
    let mut told = ask(&requests, "x", timeout).map_err(|_| "it is given back")?;
    drop(server.next().await);
    let outcome = patient(told.recv()).await.ok_or("it is heard")?;
    assert_eq!(kind(outcome), ErrorKind::Timeout { millis: 50 });
    Ok(())
}

#[tokio::test]
async fn what_cannot_leave_at_once_is_given_back() -> Outcome {
    let bus = Bus::in_memory();
    let requests = bus.requests();
    assert!(ask(&requests, "nobody", PATIENCE).is_err());
    let one = requests.serve(&pattern("ask"), "q").await?;
    let other = requests.serve(&pattern("ask"), "p").await?;
    assert!(ask(&requests, "two groups", PATIENCE).is_err());
    drop(other);
    let mut under_way = Vec::new();
    for number in 0..gearshift_bus::QUEUE_REQUESTS_MAX {
        under_way.push(ask(&requests, &number.to_string(), PATIENCE).map_err(|_| "there is room")?);
    }
    let back = ask(&requests, "one too many", PATIENCE).err().ok_or("the queue is full")?;
    assert_eq!(&back.payload[..], b"one too many");
    drop(one);
    Ok(())
}

#[tokio::test]
async fn closing_tells_what_is_under_way_and_takes_nothing_more() -> Outcome {
    let bus = Bus::in_memory();
    let requests = bus.requests();
    let _server = requests.serve(&pattern("ask"), "q").await?;
    let mut told = ask(&requests, "x", PATIENCE).map_err(|_| "it is given back")?;
    bus.close().await?;
    let outcome = patient(told.recv()).await.ok_or("it is heard")?;
    assert_eq!(kind(outcome), ErrorKind::Closed);
    assert!(ask(&requests, "y", PATIENCE).is_err());
    Ok(())
}
