//! [`Proxy`]: a wire that can be slow, cut, or cut in one direction only.

use std::io::Error;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What happens to bytes on their way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weather {
    /// How much later than they were sent bytes arrive, each way.
    pub delay: Duration,
    /// Whether connections are closed, and new ones too.
    pub cut: bool,
    /// Whether bytes to the server wait: the connection is half open.
    pub hold_to_server: bool,
    /// Whether bytes to the client wait.
    pub hold_to_client: bool,
}

/// Chunks under way in one direction: a wire holds only so much.
const CHUNKS_MAX: usize = 256;
/// The largest chunk, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A listening port whose connections lead to another port.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    // Goes with the proxy, and takes all connections with it.
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Listens on a free port of the loopback for connections to `target`.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start(target: SocketAddr) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (weather, seen) = watch::channel(Weather::default());
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, seen));
        Ok(Self { address, weather, _tasks: tasks })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what happens, for connections that are open as well.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    /// Everything flows again.
    pub fn restore(&self) {
        self.set(Weather::default());
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, weather: watch::Receiver<Weather>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if weather.borrow().cut {
            continue;
        }
        connections.spawn(connection(client, target, weather.clone()));
    }
}

/// Lives until one end goes, or the wire is cut.
async fn connection(client: TcpStream, target: SocketAddr, weather: watch::Receiver<Weather>) {
    let Ok(server) = TcpStream::connect(target).await else { return };
    // Small requests are answered at once; without these the wire itself would wait.
    if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
        return;
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut until_cut = weather.clone();
    tokio::select! {
        biased;
        _ = until_cut.wait_for(|weather| weather.cut) => {}
        () = flow(from_client, to_server, weather.clone(), |weather| weather.hold_to_server) => {}
        () = flow(from_server, to_client, weather, |weather| weather.hold_to_client) => {}
    }
}

/// Carries bytes one way, each chunk when it is due.
async fn flow(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut weather: watch::Receiver<Weather>,
    is_held: fn(&Weather) -> bool,
) {
    let (send, mut take) = mpsc::channel::<(Instant, Vec<u8>)>(CHUNKS_MAX);
    let delays = weather.clone();
    let read = async {
        let mut buffer = vec![0; CHUNK_BYTES];
        while let Ok(count @ 1..) = from.read(&mut buffer).await {
            let due = Instant::now() + delays.borrow().delay;
            let chunk = buffer.get(..count).unwrap_or_default().to_vec();
            if send.send((due, chunk)).await.is_err() {
                break;
            }
        }
    };
    let write = async {
        while let Some((due, chunk)) = take.recv().await {
            tokio::time::sleep_until(due).await;
            if weather.wait_for(|weather| !is_held(weather)).await.is_err() {
                break;
            }
            if to.write_all(&chunk).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        biased;
        () = write => {}
        () = read => {}
    }
}
