//! A message that the client cannot read costs a moment, never the bus.
//!
//! The client ends for good over a carriage return in a header's value; servers let it through.

use std::collections::BTreeMap;
use std::time::Duration;

use gearshift_bus::{
    Appended, Bus, EndpointInfo, ErrorKind, NatsOptions, PrivateServer, ServerOptions, ServiceInfo,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::world::{Outcome, PATIENCE, kind, message, patient, pattern};

/// How long everything may take to be as it was.
pub const BLINK_MAX: Duration = Duration::from_secs(2);

/// How long one try may take.
const TRY: Duration = Duration::from_millis(200);

type Failure = Box<dyn std::error::Error>;

pub async fn setup() -> Result<(PrivateServer, Bus, Stranger), Failure> {
    let server = PrivateServer::start(ServerOptions::default()).await?;
    let bus = Bus::connect(&NatsOptions::new(server.url())).await?;
    let stranger = Stranger::connect(server.url()).await?;
    Ok((server, bus, stranger))
}

/// Speaks the protocol by hand, so it can say what no client lets one say.
pub struct Stranger(BufReader<TcpStream>);

impl Stranger {
    async fn connect(url: &str) -> Result<Self, Failure> {
        let address = url.trim_start_matches("nats://");
        let mut stranger = Self(BufReader::new(TcpStream::connect(address).await?));
        stranger.send("CONNECT {\"verbose\":false,\"headers\":true}\r\n").await?;
        stranger.settle().await?;
        Ok(stranger)
    }

    async fn send(&mut self, text: &str) -> Outcome {
        Ok(self.0.get_mut().write_all(text.as_bytes()).await?)
    }

    /// Returns once the server has taken what was sent, with the last line but the pong.
    async fn settle(&mut self) -> Result<String, Failure> {
        self.send("PING\r\n").await?;
        self.until("PONG").await
    }

    /// Reads until a line begins with this; returns the line before it.
    async fn until(&mut self, start: &str) -> Result<String, Failure> {
        let mut before = String::new();
        loop {
            let mut line = String::new();
            if patient(self.0.read_line(&mut line)).await? == 0 {
                return Err("the server hung up".into());
            }
            if line.starts_with(start) {
                return Ok(if before.is_empty() { line } else { before });
            }
            before = line;
        }
    }

    /// What the client cannot read.
    pub async fn poison(&mut self, subject: &str, reply: &str) -> Outcome {
        let block = "NATS/1.0\r\nBad: a\rb\r\n\r\n";
        let size = block.len();
        self.send(&format!("HPUB {subject} {reply} {size} {size}\r\n{block}\r\n")).await?;
        self.settle().await?;
        Ok(())
    }
}

/// Answers everything with what it was asked.
pub fn echo(tasks: &mut JoinSet<()>, mut server: gearshift_bus::Server) {
    tasks.spawn(async move {
        while let Some(request) = server.next().await {
            let reply = request.message.clone();
            request.respond(reply).await.unwrap();
        }
    });
}

/// Asks until it is answered; how long that took.
pub async fn answered(bus: &Bus, subject: &str) -> Duration {
    let since = Instant::now();
    loop {
        match bus.requests().request(message(subject, "7"), TRY).await {
            Ok(reply) => {
                assert_eq!(reply.payload, "7");
                return since.elapsed();
            }
            Err(error) => {
                assert!(since.elapsed() < PATIENCE, "{error}");
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Appends all the time until told to stop; every append has to succeed.
async fn appending(bus: &Bus, done: tokio::sync::oneshot::Receiver<()>) -> Result<u64, Failure> {
    let log = bus.log("journal").await?;
    let (mut last, mut done) = (0, done);
    while done.try_recv().is_err() {
        let appended = log.append(last, "frame".into()).await?;
        assert_eq!(appended, Appended::Stored(last + 1));
        last += 1;
    }
    assert_eq!(log.tail().await?.last, last);
    Ok(last)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e18_poison_requests_cost_a_blink_and_the_journal_nothing() -> Outcome {
    let (_server, bus, mut stranger) = setup().await?;
    let mut tasks = JoinSet::new();
    echo(&mut tasks, bus.requests().serve(&pattern("gearshift.event.>"), "q").await?);
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let journal = appending(&bus, stopped);
    let attack = async {
        for _ in 0..5 {
            stranger.poison("gearshift.event.paid", "_INBOX.stranger.1").await?;
            let took = answered(&bus, "gearshift.event.paid").await;
            assert!(took < BLINK_MAX, "{took:?}");
        }
        stop.send(()).map_err(|()| "the journal ended")?;
        Ok::<_, Failure>(())
    };
    let (appended, attacked) = patient(Box::pin(async { tokio::join!(journal, attack) })).await;
    attacked?;
    assert!(appended? > 5, "the journal went on meanwhile");
    Ok(())
}

#[tokio::test]
async fn e18_a_poisoned_subscription_goes_on() -> Outcome {
    let (_server, bus, mut stranger) = setup().await?;
    let mut subscription = bus.subscribe(&pattern("news.*")).await?;
    for number in 0..3 {
        stranger.poison("news.bad", "").await?;
        let since = Instant::now();
        let heard = async {
            loop {
                bus.notify(message("news.good", &number.to_string()))?;
                if let Ok(next) = tokio::time::timeout(TRY / 10, subscription.next()).await {
                    let next = next.ok_or("the bus is open")?;
                    if next.payload == number.to_string() {
                        return Ok::<_, Failure>(());
                    }
                }
            }
        };
        patient(heard).await?;
        assert!(since.elapsed() < BLINK_MAX, "{:?}", since.elapsed());
    }
    Ok(())
}

#[tokio::test]
async fn e18_a_poisoned_service_stays_the_same_service() -> Outcome {
    let (_server, bus, mut stranger) = setup().await?;
    let endpoint = EndpointInfo {
        name: "check".to_owned(),
        subject: "gearshift.plugin.pay.v1.check".to_owned(),
        metadata: BTreeMap::new(),
    };
    let info = ServiceInfo {
        name: "pay".to_owned(),
        id: String::new(),
        version: "1.0.0".to_owned(),
        metadata: BTreeMap::new(),
        endpoints: vec![endpoint],
    };
    let (registration, servers) = bus.requests().offer(info, "q").await?;
    let mut tasks = JoinSet::new();
    for server in servers {
        echo(&mut tasks, server);
    }
    let before = bus.requests().discover().await?;
    assert_eq!(before.len(), 1);
    for subject in ["gearshift.plugin.pay.v1.check", "$SRV.PING"] {
        stranger.poison(subject, "_INBOX.stranger.1").await?;
        let took = answered(&bus, "gearshift.plugin.pay.v1.check").await;
        assert!(took < BLINK_MAX, "{took:?}");
        let since = Instant::now();
        let found = async {
            while bus.requests().discover().await.is_ok_and(|found| found != before) {
                assert!(since.elapsed() < BLINK_MAX, "it is found again, with the same id");
            }
        };
        patient(found).await;
    }
    drop(registration);
    let taken_back = async {
        while let Some(ended) = tasks.join_next().await {
            ended?;
        }
        Ok::<_, Failure>(())
    };
    patient(taken_back).await?;
    assert_eq!(bus.requests().discover().await?, []);
    Ok(())
}

#[tokio::test]
async fn e18_a_poison_reply_ends_its_request_only() -> Outcome {
    let (_server, bus, mut stranger) = setup().await?;
    let mut tasks = JoinSet::new();
    echo(&mut tasks, bus.requests().serve(&pattern("good"), "q").await?);
    stranger.send("SUB evil 1\r\n").await?;
    stranger.settle().await?;
    for _ in 0..3 {
        let requests = bus.requests();
        let asked = requests.request(message("evil", "x"), Duration::from_millis(500));
        let answer = async {
            let line = stranger.until("x").await?;
            let reply = line.split(' ').nth(3).ok_or("it asks for a reply")?.to_owned();
            stranger.poison(&reply, "").await
        };
        let (told, answered_badly) = patient(Box::pin(async { tokio::join!(asked, answer) })).await;
        answered_badly?;
        assert!(matches!(kind(told), ErrorKind::Timeout { .. }));
        let took = answered(&bus, "good").await;
        assert!(took < BLINK_MAX, "{took:?}");
    }
    Ok(())
}

#[tokio::test]
async fn e18_what_is_answered_after_a_blink_still_arrives() -> Outcome {
    let (_server, bus, mut stranger) = setup().await?;
    let mut server = bus.requests().serve(&pattern("slow"), "q").await?;
    let requests = bus.requests();
    let asked = requests.request(message("slow", "x"), PATIENCE);
    let answer = async {
        let request = server.next().await.ok_or("the bus is open")?;
        stranger.poison("slow", "_INBOX.stranger.1").await?;
        let took = async {
            // The request that follows goes over the next connection; then the reply may go.
            loop {
                let next = requests.request(message("nobody", ""), TRY).await;
                if matches!(kind(next), ErrorKind::NoResponders { .. }) {
                    return;
                }
            }
        };
        took.await;
        request.respond(message("x", "late")).await?;
        Ok::<_, Failure>(())
    };
    let (reply, served) = patient(Box::pin(async { tokio::join!(asked, answer) })).await;
    served?;
    assert_eq!(reply?.payload, "late");
    Ok(())
}
