//! What an engine of `dev` stands on: this process, a NATS server of its own, or somebody's.

use std::path::{Path, PathBuf};

use gearshift_bus::{Bus, NatsOptions, PrivateServer, ServerError, ServerOptions};
use tokio::net::TcpListener;

use super::args::Global;
use super::connect::{self, create_private_dir};
use super::failure::{ENDED_BADLY, Failure, NOT_FOUND};
use super::joining::{JoinArgs, join, words};
use super::lock::DataDir;
use super::providers;
use crate::runtime::{ClusterConfig, EngineConfig};

/// The port of NATS servers.
const PORT: u16 = 4_222;
/// What `dev --nats` keeps below its data directory: journals differ by server, so each has its
/// own marks.
const OWN: &str = "nats";
/// What `dev --nats=URL` keeps there.
const JOINED: &str = "joined";

/// Which ground.
#[derive(Clone, Copy, Debug)]
pub(super) enum Choice<'a> {
    /// This process.
    Embedded,
    /// A NATS server of its own, at this port.
    Own { port: Option<u16> },
    /// The NATS servers at these addresses.
    Joined { servers: &'a str, monitor: Option<&'a str> },
}

/// A bus, and what is beneath it.
pub(super) struct Ground {
    /// The bus.
    pub(super) bus: Bus,
    /// How the engine on it runs.
    pub(super) config: EngineConfig,
    /// Where plugins and services in other processes connect.
    pub(super) nats: Option<String>,
    /// The server's version, and whether it is ours.
    pub(super) about: Option<String>,
    /// What a developer should know, one sentence each.
    pub(super) warnings: Vec<String>,
    /// The server's monitoring, where it is known.
    pub(super) monitor: Option<String>,
    server: Option<PrivateServer>,
    _data: Option<DataDir>,
}

impl Ground {
    /// Prepares it.
    pub(super) async fn open(
        global: &Global,
        choice: Choice<'_>,
        data: Option<&Path>,
    ) -> Result<Self, Failure> {
        match choice {
            Choice::Embedded => {
                let (bus, config) = providers::open(data).await?;
                Ok(Self {
                    bus,
                    config,
                    nats: None,
                    about: None,
                    warnings: Vec::new(),
                    monitor: None,
                    server: None,
                    _data: None,
                })
            }
            Choice::Own { port } => own(port, data).await,
            Choice::Joined { servers, monitor } => joined(global, servers, monitor, data).await,
        }
    }

    /// Ends what is beneath the bus, once the engine has ended.
    pub(super) async fn close(self) {
        let Some(mut server) = self.server else { return };
        // Before the server ends, so that nobody misses it.
        if let Err(error) = self.bus.close().await {
            tracing::debug!(%error, "connection did not close cleanly");
        }
        if let Err(error) = server.terminate().await {
            tracing::warn!(%error, "the NATS server is killed");
        }
    }
}

/// The folder below `data`, for one engine at a time.
fn folder(data: Option<&Path>, name: &str) -> Result<Option<DataDir>, Failure> {
    let Some(data) = data else { return Ok(None) };
    create_private_dir(data)
        .map_err(|error| Failure::file("cannot use the data directory", data, &error))?;
    DataDir::take(&data.join(name)).map(Some)
}

fn config(data: Option<&DataDir>) -> EngineConfig {
    EngineConfig {
        data: data.map(|data| data.path().to_owned()),
        cluster: Some(ClusterConfig::named("dev")),
        ..EngineConfig::default()
    }
}

async fn own(port: Option<u16>, data: Option<&Path>) -> Result<Ground, Failure> {
    let data = folder(data, OWN)?;
    let mut options = ServerOptions::default();
    options.store = data.as_ref().map_or_else(PathBuf::new, |data| data.path().join("server"));
    options.port = match port {
        Some(port) => port,
        // A taken port means that somebody else's server runs there: ours moves aside.
        None if is_free(PORT).await => PORT,
        None => 0,
    };
    let server = PrivateServer::start(options).await.map_err(|error| not_started(&error, port))?;
    let bus = Bus::connect(&NatsOptions::new(server.url()))
        .await
        .map_err(|error| Failure::new(ENDED_BADLY, words(&error)))?;
    Ok(Ground {
        bus,
        config: config(data.as_ref()),
        nats: Some(server.url().to_owned()),
        about: Some(format!("nats-server {} of our own", server.version())),
        warnings: Vec::new(),
        monitor: Some(server.monitor_url().to_owned()),
        server: Some(server),
        _data: data,
    })
}

async fn joined(
    global: &Global,
    servers: &str,
    monitor: Option<&str>,
    data: Option<&Path>,
) -> Result<Ground, Failure> {
    let target = connect::nats_target(global, Some(servers))?;
    let data = folder(data, JOINED)?;
    let monitor = monitor.map(str::to_owned);
    let joined = join(&target, &JoinArgs::with_monitor(monitor.clone())).await?;
    let config = EngineConfig { warnings: joined.warnings.clone(), ..config(data.as_ref()) };
    Ok(Ground {
        bus: joined.bus,
        config,
        nats: Some(target.shown()),
        about: Some(format!("nats-server {}", joined.server.version)),
        warnings: joined.warnings,
        monitor,
        server: None,
        _data: data,
    })
}

async fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).await.is_ok()
}

fn not_started(error: &ServerError, port: Option<u16>) -> Failure {
    let failure = Failure::outside(NOT_FOUND, "no_server", error.to_string());
    match (error, port) {
        (ServerError::Missing(_), _) => failure.with_help(
            "install nats-server and put it on the PATH, name it by NATS_SERVER_BIN, or join a \
             running one by `--nats=nats://HOST:4222`",
        ),
        (_, Some(_)) => failure.with_help("`--nats-port 0` takes a free port"),
        (_, None) => failure,
    }
}
