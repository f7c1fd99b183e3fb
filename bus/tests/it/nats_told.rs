//! What requests whose outcome is told, and servers without a queue, promise on NATS alone.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use gearshift_bus::{
    Bus, Error, ErrorKind, Message, NatsOptions, PrivateServer, Requests, ServerOptions,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::nats_poison;
use crate::world::{Outcome, PATIENCE, kind, message, patient, pattern};

/// How late the outcome of an overdue request may be told.
const SWEEP: Duration = Duration::from_millis(50);

/// What a busy machine adds to it; the best of some tries counts.
const SLACK: Duration = Duration::from_millis(50);

type Failure = Box<dyn std::error::Error>;
type Outcomes = mpsc::UnboundedReceiver<Result<Message, Error>>;

async fn setup() -> Result<(PrivateServer, Bus, async_nats::Client), Failure> {
    let server = PrivateServer::start(ServerOptions::default()).await?;
    let bus = Bus::connect(&NatsOptions::new(server.url())).await?;
    let client = async_nats::connect(server.url()).await?;
    Ok((server, bus, client))
}

/// Asks without waiting, which NATS can: the outcome comes out of the channel.
fn ask(requests: &Requests, message: Message, timeout: Duration) -> Result<Outcomes, Message> {
    let (tell, told) = mpsc::unbounded_channel();
    let then = Box::new(move |outcome| drop(tell.send(outcome)));
    requests.request_told(message, timeout, then).map_err(|(message, _)| message)?;
    Ok(told)
}

/// Answers what it is asked with this header, as often as `times` says, then with nothing in it;
/// counts what it was asked.
async fn full(
    client: &async_nats::Client,
    tasks: &mut JoinSet<()>,
    times: usize,
) -> Result<mpsc::UnboundedReceiver<()>, Failure> {
    let (asked, count) = mpsc::unbounded_channel();
    let mut served = client.queue_subscribe("ask", "q".to_owned()).await?;
    // The server has the subscription once it has answered something behind it.
    assert!(client.request("nobody", "".into()).await.is_err());
    let client = client.clone();
    tasks.spawn(async move {
        let mut left = times;
        while let Some(request) = served.next().await {
            asked.send(()).unwrap();
            let mut headers = async_nats::HeaderMap::new();
            if left > 0 {
                left -= 1;
                headers.insert("Gearshift-Full", "7");
            }
            let reply = request.reply.unwrap();
            client.publish_with_headers(reply, headers, "taken".into()).await.unwrap();
        }
    });
    Ok(count)
}

#[tokio::test]
async fn nobody_serving_is_told_long_before_the_deadline() -> Outcome {
    let (_server, bus, _client) = setup().await?;
    let asked = Instant::now();
    let mut told = ask(&bus.requests(), message("ask", ""), PATIENCE).map_err(|_| "it is sent")?;
    let outcome = patient(told.recv()).await.ok_or("it is heard")?;
    assert_eq!(kind(outcome), ErrorKind::NoResponders { subject: "ask".to_owned() });
    assert!(asked.elapsed() < PATIENCE / 10, "{:?}", asked.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_timeout_is_told_once_and_at_most_one_sweep_late() -> Outcome {
    const TIMEOUT: Duration = Duration::from_millis(120);
    let (_server, bus, _client) = setup().await?;
    let requests = bus.requests();
    let mut server = requests.serve(&pattern("ask"), "q").await?;
    let mut soonest = Duration::MAX;
    for _ in 0..5 {
        let asked = Instant::now();
        let mut told = ask(&requests, message("ask", ""), TIMEOUT).map_err(|_| "it is sent")?;
        let request = patient(server.next()).await.ok_or("the bus is open")?;
        let outcome = patient(told.recv()).await.ok_or("it is heard")?;
        assert_eq!(kind(outcome), ErrorKind::Timeout { millis: 120 });
        assert!(asked.elapsed() >= TIMEOUT, "{:?}", asked.elapsed());
        soonest = soonest.min(asked.elapsed());
        // Too late: the entry is gone with its callback, and nobody hears it.
        request.respond(message("x", "late")).await?;
        assert!(told.recv().await.is_none());
    }
    assert!(soonest < TIMEOUT + SWEEP + SLACK, "{soonest:?}");
    Ok(())
}

#[tokio::test]
async fn a_request_after_a_pause_wakes_the_sweeper_again() -> Outcome {
    let (_server, bus, _client) = setup().await?;
    let requests = bus.requests();
    let _server = requests.serve(&pattern("ask"), "q").await?;
    for pause in [0, 1, 49, 51, 120] {
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let mut all = Vec::new();
        for timeout in [1, 30, 70] {
            let timeout = Duration::from_millis(timeout);
            let told = ask(&requests, message("ask", ""), timeout);
            all.push(told.map_err(|_| "it is sent")?);
        }
        for mut told in all {
            let outcome = patient(told.recv()).await.ok_or("it is heard")?;
            assert!(matches!(kind(outcome), ErrorKind::Timeout { .. }));
        }
    }
    Ok(())
}

#[tokio::test]
async fn full_is_told_after_four_tries() -> Outcome {
    let (_server, bus, client) = setup().await?;
    let mut tasks = JoinSet::new();
    let mut asked = full(&client, &mut tasks, usize::MAX).await?;
    let mut told = ask(&bus.requests(), message("ask", ""), PATIENCE).map_err(|_| "it is sent")?;
    let outcome = patient(told.recv()).await.ok_or("it is heard")?;
    assert_eq!(kind(outcome), ErrorKind::Full { limit: 7 });
    tasks.abort_all();
    let mut tries = 0;
    while asked.recv().await.is_some() {
        tries += 1;
    }
    assert_eq!(tries, 4);
    Ok(())
}

#[tokio::test]
async fn another_member_with_room_takes_what_one_refused() -> Outcome {
    let (_server, bus, client) = setup().await?;
    let mut tasks = JoinSet::new();
    let _asked = full(&client, &mut tasks, 3).await?;
    let mut told = ask(&bus.requests(), message("ask", ""), PATIENCE).map_err(|_| "it is sent")?;
    let reply = patient(told.recv()).await.ok_or("it is heard")??;
    assert_eq!(reply.payload, "taken");
    Ok(())
}

#[tokio::test]
async fn a_deadline_that_no_clock_tells_is_given_back() -> Outcome {
    let (_server, bus, _client) = setup().await?;
    let given = ask(&bus.requests(), message("ask", "x"), Duration::MAX);
    assert_eq!(given.err(), Some(message("ask", "x")));
    Ok(())
}

#[tokio::test]
async fn closing_drops_what_is_under_way_unheard_and_takes_nothing_more() -> Outcome {
    let (_server, bus, _client) = setup().await?;
    let requests = bus.requests();
    let _server = requests.serve(&pattern("ask"), "q").await?;
    let mut all = Vec::new();
    for _ in 0..100 {
        all.push(ask(&requests, message("ask", ""), PATIENCE).map_err(|_| "it is sent")?);
    }
    let began = Instant::now();
    bus.close().await?;
    for mut told in all {
        assert!(patient(told.recv()).await.is_none());
    }
    assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
    assert_eq!(ask(&requests, message("ask", "x"), PATIENCE).err(), Some(message("ask", "x")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_while_the_bus_closes_is_told_dropped_or_given_back() -> Outcome {
    let (_server, bus, _client) = setup().await?;
    let requests = bus.requests();
    let _server = requests.serve(&pattern("ask"), "q").await?;
    let (began, begun) = oneshot::channel();
    let asking = tokio::task::spawn_blocking(move || {
        let mut all = Vec::new();
        let mut began = Some(began);
        let end = Instant::now() + PATIENCE;
        // Asked after the bus was closed, it would be waited for until its deadline.
        while let Ok(told) = ask(&requests, message("ask", ""), PATIENCE) {
            all.push(told);
            began.take().map(|began| began.send(()));
            assert!(Instant::now() < end, "a closed bus takes requests");
        }
        all
    });
    begun.await?;
    bus.close().await?;
    let began = Instant::now();
    for mut told in patient(asking).await? {
        assert!(patient(told.recv()).await.is_none());
    }
    assert!(began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
    Ok(())
}

#[tokio::test]
async fn without_a_connection_the_request_is_given_back() -> Outcome {
    let (mut server, bus, _client) = setup().await?;
    let requests = bus.requests();
    server.kill();
    let given = async {
        loop {
            match ask(&requests, message("ask", "x"), Duration::from_millis(100)) {
                Err(given) => return given,
                // The client has not noticed yet; what it took ends at its deadline.
                Ok(mut told) => {
                    let outcome = told.recv().await.ok_or("it is heard");
                    assert!(matches!(kind(outcome.unwrap()), ErrorKind::Timeout { .. }));
                }
            }
        }
    };
    assert_eq!(patient(given).await, message("ask", "x"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_under_way_nothing_is_left() -> Outcome {
    const ASKED: u64 = 1_000;
    let (_server, bus, _client) = setup().await?;
    let requests = bus.requests();
    let mut server = requests.serve_at_once(&pattern("ask"), "q").await?;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut kept = Vec::new();
        while let Some(request) = server.next().await {
            match request.message.payload.last() {
                Some(b'0' | b'5') => kept.push(request),
                Some(_) | None => request.respond(message("x", "")).await.unwrap(),
            }
        }
    });
    // Each callback holds one of them until it was called or dropped.
    let held = Arc::new(());
    let (tell, mut told) = mpsc::unbounded_channel();
    for number in 0..ASKED {
        let (held, tell) = (Arc::clone(&held), tell.clone());
        let then = Box::new(move |outcome: Result<Message, Error>| {
            tell.send((number, outcome.map_err(|error| error.kind().clone()))).unwrap();
            drop(held);
        });
        let question = message("ask", &number.to_string());
        // The client's queue may be full for a moment.
        let (mut question, mut then): (_, gearshift_bus::OnReply) = (question, then);
        while let Err(given) = requests.request_told(question, Duration::from_millis(500), then) {
            (question, then) = given;
            tokio::task::yield_now().await;
        }
    }
    drop(tell);
    let mut heard = Vec::new();
    while let Some((number, outcome)) = patient(told.recv()).await {
        match number % 5 {
            0 => assert_eq!(outcome, Err(ErrorKind::Timeout { millis: 500 }), "{number}"),
            _ => assert!(outcome.is_ok(), "{number}: {outcome:?}"),
        }
        heard.push(number);
    }
    heard.sort_unstable();
    assert_eq!(heard, (0..ASKED).collect::<Vec<_>>());
    assert_eq!(Arc::strong_count(&held), 1);
    Ok(())
}

#[tokio::test]
async fn e18_told_requests_and_servers_without_a_queue_outlive_the_connection() -> Outcome {
    let (_server, bus, mut stranger) = nats_poison::setup().await?;
    let requests = bus.requests();
    let mut tasks = JoinSet::new();
    let mut direct = requests.serve_at_once(&pattern("ask"), "q").await?;
    tasks.spawn(async move {
        loop {
            // Given up all the time, also while it subscribes anew.
            let brief = Duration::from_millis(1);
            let Ok(request) = tokio::time::timeout(brief, direct.next()).await else { continue };
            let Some(request) = request else { return };
            let reply = request.message.clone();
            request.respond(reply).await.unwrap();
        }
    });
    let mut slow = requests.serve_at_once(&pattern("slow"), "q").await?;
    for _ in 0..3 {
        let mut told =
            patient(async { asked_until_sent(&requests, message("slow", "x")).await }).await;
        let request = patient(slow.next()).await.ok_or("the bus is open")?;
        stranger.poison("ask", "_INBOX.stranger.1").await?;
        let took = nats_poison::answered(&bus, "ask").await;
        assert!(took < nats_poison::BLINK_MAX, "{took:?}");
        request.respond(message("x", "late")).await?;
        let reply = patient(told.recv()).await.ok_or("it is heard")??;
        assert_eq!(reply.payload, "late", "a reply finds its request over the next connection");
        // The slow one is subscribed anew as well, as soon as it is asked for more.
        let asked = async {
            loop {
                match requests.request(message("slow", "y"), PATIENCE).await {
                    Err(error) if matches!(error.kind(), ErrorKind::NoResponders { .. }) => {
                        tokio::task::yield_now().await;
                    }
                    reply => return reply,
                }
            }
        };
        let answer = async {
            let request = slow.next().await.ok_or("the bus is open")?;
            Ok::<_, Failure>(request.respond(message("x", "again")).await?)
        };
        let (reply, answered) = patient(async { tokio::join!(asked, answer) }).await;
        answered?;
        assert_eq!(reply?.payload, "again");
    }
    bus.close().await?;
    assert!(patient(slow.next()).await.is_none());
    patient(tasks.join_next()).await.ok_or("it served")??;
    Ok(())
}

async fn asked_until_sent(requests: &Requests, question: Message) -> Outcomes {
    loop {
        match ask(requests, question.clone(), PATIENCE) {
            Ok(told) => return told,
            Err(_given) => tokio::task::yield_now().await,
        }
    }
}

#[tokio::test]
async fn a_server_without_a_queue_ends_with_the_bus_while_the_broker_is_away() -> Outcome {
    let (mut server, bus, _client) = setup().await?;
    let mut direct = bus.requests().serve_at_once(&pattern("ask"), "q").await?;
    server.kill();
    let lost = async {
        loop {
            let asked = bus.requests().request(message("ask", ""), Duration::from_millis(50)).await;
            if matches!(kind(asked), ErrorKind::Disconnected) {
                return;
            }
        }
    };
    patient(lost).await;
    let (ended, closed) = patient(async {
        // It waits already when the bus is closed.
        let mut waits = std::pin::pin!(direct.next());
        assert!(futures_util::poll!(&mut waits).is_pending());
        tokio::join!(waits, bus.close())
    })
    .await;
    assert!(ended.is_none());
    closed?;
    Ok(())
}

#[tokio::test]
async fn a_server_without_a_queue_answers_only_inboxes() -> Outcome {
    let (_server, bus, client) = setup().await?;
    let mut direct = bus.requests().serve_at_once(&pattern("ask"), "q").await?;
    for reply in ["$JS.API.STREAM.DELETE.x", "gearshift.journal.0", "$SYS.x"] {
        client.publish_with_reply("ask", reply, "evil".into()).await?;
    }
    client.publish("ask", "no reply asked for".into()).await?;
    client.publish_with_reply("ask", "_INBOX.me.1", "good".into()).await?;
    let request = patient(direct.next()).await.ok_or("the bus is open")?;
    assert_eq!(request.message.payload, "good", "the others never arrive");
    let asked = (0..10).map(|_| client.request("ask", "".into()));
    let serve = async {
        for _ in 0..10 {
            let request = direct.next().await.ok_or("the bus is open")?;
            request.respond(message("x", "")).await?;
        }
        Ok::<_, Failure>(())
    };
    let (replies, served) = patient(async { tokio::join!(join_all(asked), serve) }).await;
    served?;
    assert!(replies.iter().all(Result::is_ok));
    Ok(())
}
