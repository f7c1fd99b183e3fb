//! [`Cluster`]: three servers on the loopback that keep every stream three times.

use std::io::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use async_nats::ServerAddr;
use async_nats::jetstream::stream::{Config, StorageType};
use gearshift_bus::{ClusterOptions, PrivateServer, ServerOptions};
use tokio::net::TcpListener;

use crate::world::eventually_async;

/// The version the tests are for.
const VERSION: (u32, u32, u32) = (2, 15, 1);
/// Servers of a cluster.
const SERVERS: usize = 3;

/// A cluster of servers, or one server alone.
#[derive(Debug)]
pub struct Cluster {
    /// The servers; each can be killed, ended, paused and started again.
    pub servers: Vec<PrivateServer>,
}

/// How many servers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nodes {
    /// One, which keeps every stream once.
    One,
    /// Three, which keep every stream three times.
    Three,
}

/// One server in `folder`, which syncs before it acknowledges.
///
/// # Errors
/// It does not start, or is older than the tests need.
pub async fn single(folder: &Path) -> Result<PrivateServer, Error> {
    let server = PrivateServer::start(ServerOptions::in_dir(folder)).await.map_err(Error::other)?;
    check_version(&server)?;
    Ok(server)
}

impl Cluster {
    /// Starts the servers in `folder`, and waits until they keep a stream together.
    ///
    /// # Errors
    /// One does not start, or is older than the tests need.
    pub async fn start(folder: &Path, nodes: Nodes) -> Result<Self, Error> {
        let mut servers = Vec::new();
        if nodes == Nodes::One {
            servers.push(single(&folder.join("server-0")).await?);
            return Ok(Self { servers });
        }
        let ports = free_ports(SERVERS).await?;
        let name = format!("tests-{:08x}", fastrand::u32(..));
        for (number, port) in ports.iter().enumerate() {
            let routes = ports.iter().filter(|other| *other != port);
            let routes = routes.map(|other| format!("nats://127.0.0.1:{other}")).collect();
            let mut options = ServerOptions::in_dir(&folder.join(format!("server-{number}")));
            options.name = Some(format!("{name}-{number}"));
            options.cluster = Some(ClusterOptions::new(&name, *port, routes));
            let server = PrivateServer::start(options).await.map_err(Error::other)?;
            check_version(&server)?;
            servers.push(server);
        }
        let cluster = Self { servers };
        cluster.formed(&name).await?;
        Ok(cluster)
    }

    /// All addresses, separated by commas.
    #[must_use]
    pub fn urls(&self) -> String {
        self.servers.iter().map(PrivateServer::url).collect::<Vec<_>>().join(",")
    }

    /// The addresses as sockets, for proxies.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let local = |server: &PrivateServer| (Ipv4Addr::LOCALHOST, server.port()).into();
        self.servers.iter().map(local).collect()
    }

    /// A client of ours, connected to whichever server answers.
    ///
    /// # Errors
    /// None answers.
    pub async fn client(&self) -> Result<async_nats::Client, Error> {
        let addresses = self.servers.iter().map(|server| server.url().parse::<ServerAddr>());
        let addresses = addresses.collect::<Result<Vec<_>, _>>()?;
        let options = async_nats::ConnectOptions::new().retry_on_initial_connect();
        options.connect(addresses).await.map_err(Error::other)
    }

    /// Waits until all servers keep a stream together, and says that they are the ones started.
    async fn formed(&self, name: &str) -> Result<(), Error> {
        for server in &self.servers {
            let client = async_nats::connect(server.url()).await.map_err(Error::other)?;
            let info = client.server_info();
            if info.cluster.as_deref() != Some(name) || info.server_name != server.name() {
                let text = format!("`{}` of {:?} answers", info.server_name, info.cluster);
                return Err(Error::other(text));
            }
        }
        let jetstream = async_nats::jetstream::new(self.client().await?);
        eventually_async("a stream on three servers", async || {
            let config = Config {
                name: "formed".to_owned(),
                num_replicas: SERVERS,
                storage: StorageType::File,
                ..Config::default()
            };
            let stream = jetstream.get_or_create_stream(config).await.ok()?;
            let peers = stream.cached_info().cluster.as_ref()?.replicas.len();
            let stored = jetstream.publish("formed", "x".into()).await.ok()?.await;
            (peers + 1 == SERVERS && stored.is_ok()).then_some(())
        })
        .await;
        jetstream.delete_stream("formed").await.map_err(Error::other)?;
        Ok(())
    }
}

fn check_version(server: &PrivateServer) -> Result<(), Error> {
    let mut parts = server.version().split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    let mut part = || parts.next().unwrap_or(0);
    if (part(), part(), part()) >= VERSION {
        return Ok(());
    }
    let (major, minor, patch) = VERSION;
    let found = server.version();
    Err(Error::other(format!("nats-server {found} is older than {major}.{minor}.{patch}")))
}

/// Ports that were free a moment ago: servers of a cluster must know each other beforehand.
async fn free_ports(count: usize) -> Result<Vec<u16>, Error> {
    let mut held = Vec::new();
    for _ in 0..count {
        held.push(TcpListener::bind("127.0.0.1:0").await?);
    }
    held.iter().map(|one| Ok(one.local_addr()?.port())).collect()
}
