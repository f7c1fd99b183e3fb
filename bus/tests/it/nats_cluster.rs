//! What a log and a bucket promise on three servers when one of them dies.

use std::net::TcpListener;
use std::time::Duration;

use bytes::Bytes;
use gearshift_bus::{
    Appended, Bus, ClusterOptions, Error, ErrorKind, Log, NatsOptions, PrivateServer, ServerOptions,
};

use crate::log::frame;
use crate::world::{Outcome, message, patient, pattern};

struct Cluster {
    servers: Vec<PrivateServer>,
}

impl Cluster {
    async fn start() -> Result<Self, Box<dyn std::error::Error>> {
        // All are held until all are known, so that they differ.
        let held = (0..3).map(|_| TcpListener::bind("127.0.0.1:0"));
        let held: Vec<_> = held.collect::<Result<_, _>>()?;
        let ports: Vec<u16> = held
            .iter()
            .map(|held| Ok(held.local_addr()?.port()))
            .collect::<Result<_, std::io::Error>>()?;
        drop(held);
        let start = |index: usize| {
            let others = ports.iter().enumerate().filter(move |(other, _)| *other != index);
            let routes = others.map(|(_, port)| format!("nats://127.0.0.1:{port}")).collect();
            let mut options = ServerOptions::default();
            options.name = Some(format!("n{index}"));
            options.cluster = Some(ClusterOptions::new("gearshift", ports[index], routes));
            PrivateServer::start(options)
        };
        let servers = futures_util::future::try_join_all((0..3).map(start)).await?;
        Ok(Self { servers })
    }

    async fn connect(&self) -> Result<Bus, Error> {
        self.connect_with(None).await
    }

    async fn connect_with(&self, replicas: Option<usize>) -> Result<Bus, Error> {
        let urls: Vec<_> = self.servers.iter().map(PrivateServer::url).collect();
        let mut options = NatsOptions::new(&urls.join(","));
        options.connect_timeout = Duration::from_secs(20);
        options.replicas = replicas;
        Bus::connect(&options).await
    }

    /// The index of the server that leads the stream.
    async fn leader(&self, stream: &str) -> Result<usize, Box<dyn std::error::Error>> {
        let urls: Vec<_> = self.servers.iter().map(PrivateServer::url).collect();
        let client = async_nats::connect(urls).await?;
        let stream = async_nats::jetstream::new(client).get_stream(stream).await?;
        let leader = stream.cached_info().cluster.as_ref().and_then(|it| it.leader.clone());
        let name = leader.ok_or("no leader")?;
        Ok(self.servers.iter().position(|server| server.name() == name).ok_or("a stranger")?)
    }
}

/// Appends the next frame, whatever it takes; nobody else writes.
async fn settle(log: &Log, last: u64) -> Result<(), Error> {
    loop {
        match log.append(last, frame(last + 1)).await {
            Ok(Appended::Stored(_)) => return Ok(()),
            Ok(Appended::Fenced { actual }) => {
                assert_eq!(actual, last + 1, "only our own frame, acknowledged or not");
                return Ok(());
            }
            Ok(Appended::Unknown) => {}
            Err(error) if error.is_retryable() => {}
            Err(error) => return Err(error),
        }
    }
}

#[tokio::test]
async fn appends_ride_out_an_election_and_lose_nothing() -> Outcome {
    let mut cluster = Cluster::start().await?;
    let bus = Box::pin(patient(cluster.connect())).await?;
    let report = bus.server().await?.unwrap();
    assert_eq!((report.replicas, report.cluster.as_deref()), (3, Some("gearshift")));
    let log = Box::pin(patient(bus.log("journal-0"))).await?;
    let bucket = Box::pin(patient(bus.bucket("b"))).await?;
    bucket.put("k", Bytes::from_static(b"1")).await?;
    for last in 0..50 {
        Box::pin(settle(&log, last)).await?;
    }
    let leader = cluster.leader("gearshift-log-journal-0").await?;
    cluster.servers[leader].kill();
    for last in 50..100 {
        Box::pin(patient(settle(&log, last))).await?;
    }
    let value = Box::pin(patient(bucket.get("k"))).await?.unwrap();
    assert_eq!(value.value, "1");
    cluster.servers[leader].restart().await?;
    for last in 100..120 {
        Box::pin(patient(settle(&log, last))).await?;
    }
    let mut next = 1;
    while next <= 120 {
        for entry in log.read_from(next, 64 * 1024).await? {
            assert_eq!((entry.sequence, entry.frame), (next, frame(next)));
            next += 1;
        }
    }
    assert_eq!(log.tail().await?.last, 120);
    Ok(())
}

/// Asks until the bus has the message. Nothing else may come of it than that it was not sent, or
/// that nobody knows: then the stream tells by its id whether it came before.
async fn insist(publish: impl AsyncFn() -> Result<(), Error>) -> Result<(), Error> {
    loop {
        match publish().await {
            Err(error) if error.is_retryable() || *error.kind() == ErrorKind::Unknown => {}
            ended => return ended,
        }
    }
}

#[tokio::test]
async fn what_is_published_while_its_stream_has_no_leader_is_not_lost() -> Outcome {
    let mut cluster = Cluster::start().await?;
    let bus = Box::pin(patient(cluster.connect_with(Some(1)))).await?;
    let inbox = Box::pin(patient(bus.inbox("i"))).await?;
    inbox.capture(&[pattern("a.>")]).await?;
    let sent = |body| message("a.b", body).with_header("Nats-Msg-Id", body);
    let (one, two, three) = (sent("1")?, sent("2")?, sent("3")?);
    bus.publish(one).await?;
    let leader = cluster.leader("gearshift-inbox-i").await?;
    cluster.servers[leader].kill();
    let mut publish = Box::pin(insist(async || bus.publish(two.clone()).await));
    let mut store = Box::pin(insist(async || inbox.publish(three.clone()).await.map(drop)));
    tokio::select! {
        biased;
        () = tokio::time::sleep(Duration::from_secs(3)) => {}
        early = &mut publish => return Err(format!("nobody stored it: {early:?}").into()),
        early = &mut store => return Err(format!("nobody stored it: {early:?}").into()),
    }
    cluster.servers[leader].restart().await?;
    let (published, stored) = Box::pin(patient(async { tokio::join!(publish, store) })).await;
    published?;
    stored?;
    let read = Box::pin(patient(inbox.read_from(1, 9))).await?;
    let mut bodies: Vec<_> = read.iter().map(|one| one.message.payload.clone()).collect();
    bodies.sort_unstable();
    assert_eq!(bodies, ["1", "2", "3"]);
    Ok(())
}
