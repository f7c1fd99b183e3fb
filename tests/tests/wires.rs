//! The tools of the tests that stand between engines and servers do what they say.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use gearshift_tests::nats::{Cluster, Nodes, Proxy, Weather, stored};
use gearshift_tests::world::eventually_async;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A server that sends back what it gets.
async fn echo() -> (std::net::SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(async move {
                let (mut read, mut write) = stream.into_split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    (address, tasks)
}

async fn told(stream: &mut TcpStream, text: &[u8]) -> std::io::Result<Vec<u8>> {
    stream.write_all(text).await?;
    let mut back = vec![0; text.len()];
    stream.read_exact(&mut back).await?;
    Ok(back)
}

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_wire_is_slow_held_or_cut_and_whole_again() {
    let (address, _server) = echo().await;
    let proxy = Proxy::start(address).await.unwrap();
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(told(&mut stream, b"one").await.unwrap(), b"one");
    proxy.set(Weather { delay: SHORT, ..Weather::default() });
    let began = Instant::now();
    assert_eq!(told(&mut stream, b"two").await.unwrap(), b"two");
    assert!(began.elapsed() >= SHORT * 2, "{:?}", began.elapsed());
    for held in [
        Weather { hold_to_server: true, ..Weather::default() },
        Weather { hold_to_client: true, ..Weather::default() },
    ] {
        proxy.set(held);
        stream.write_all(b"held").await.unwrap();
        let mut back = [0; 4];
        let early = tokio::time::timeout(SHORT, stream.read_exact(&mut back)).await;
        assert!(early.is_err(), "{held:?} let {back:?} through");
        proxy.restore();
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(&back, b"held");
    }
    proxy.set(Weather { cut: true, ..Weather::default() });
    assert_eq!(stream.read(&mut [0; 4]).await.unwrap_or(0), 0, "it is still open");
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(told(&mut refused, b"no").await.is_err());
    proxy.restore();
    let mut again = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(told(&mut again, b"yes").await.unwrap(), b"yes");
}

#[tokio::test]
async fn a_cluster_keeps_what_it_acknowledged_when_servers_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(folder.path(), Nodes::Three).await.unwrap();
    let client = cluster.client().await.unwrap();
    let jetstream = async_nats::jetstream::new(client.clone());
    let config = async_nats::jetstream::stream::Config {
        name: "kept".to_owned(),
        num_replicas: 3,
        ..Default::default()
    };
    jetstream.create_stream(config).await.unwrap();
    for text in ["a", "b", "c"] {
        jetstream.publish("kept", text.into()).await.unwrap().await.unwrap();
    }
    for server in &mut cluster.servers {
        server.kill();
    }
    for server in &mut cluster.servers {
        server.restart().await.unwrap();
    }
    let kept = eventually_async("the stream", async || stored(&client, "kept").await.ok()?).await;
    let texts: Vec<_> = kept.iter().map(|one| one.frame.clone()).collect();
    assert_eq!(texts, [b"a", b"b", b"c"]);
    assert_eq!(stored(&client, "nothing").await.unwrap(), None);
}
