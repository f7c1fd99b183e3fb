//! [`Held`]: a wire to a server on which certain words of a client, and all behind them, stay.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::server::runtime;

/// A listening port whose connections lead to a server; ends with the test.
pub(crate) struct Held {
    address: SocketAddr,
    is_held: watch::Receiver<bool>,
    // Goes with it, and takes all connections with it.
    _tasks: JoinSet<()>,
}

impl Held {
    /// Leads to the server at `url`; what begins with `words` does not arrive there.
    pub(crate) fn start(url: &str, words: &'static [u8]) -> Self {
        let target: SocketAddr = url.strip_prefix("nats://").unwrap().parse().unwrap();
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (tell, is_held) = watch::channel(false);
            let mut tasks = JoinSet::new();
            tasks.spawn(async move {
                let mut connections = JoinSet::new();
                while let Ok((client, _)) = listener.accept().await {
                    let Ok(server) = TcpStream::connect(target).await else { continue };
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    connections.spawn(flow(from_client, to_server, words, tell.clone()));
                    connections.spawn(flow(from_server, to_client, &[], tell.clone()));
                }
            });
            Self { address, is_held, _tasks: tasks }
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Waits until the words came.
    pub(crate) fn until_held(&self, limit: Duration) {
        let mut is_held = self.is_held.clone();
        runtime().block_on(async {
            let held = is_held.wait_for(|held| *held);
            tokio::time::timeout(limit, held).await.unwrap().unwrap();
        });
    }
}

/// Carries bytes one way, up to the words.
async fn flow(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    words: &[u8],
    tell: watch::Sender<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    // What may be the beginning of the words waits for what follows.
    let mut waiting = Vec::new();
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        waiting.extend_from_slice(&buffer[..count]);
        let found = (!words.is_empty())
            .then(|| waiting.windows(words.len()).position(|part| part == words))
            .flatten();
        let begun = (0..words.len().min(waiting.len()))
            .rev()
            .find(|size| waiting.ends_with(&words[..*size]))
            .unwrap_or(0);
        let flows = found.unwrap_or(waiting.len() - begun);
        if to.write_all(&waiting[..flows]).await.is_err() {
            return;
        }
        waiting.drain(..flows);
        if found.is_some() {
            tell.send_replace(true);
            // Open, and silent, until the test ends it.
            std::future::pending::<()>().await;
        }
    }
}
