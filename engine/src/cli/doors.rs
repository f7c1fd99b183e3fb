//! What `dev` and `serve` share: the doors of an engine, and how both end.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tokio::task::JoinSet;

use super::args::Global;
use super::connect::{self, write_private};
use super::failure::{BUG, ENDED_BADLY, Failure, NOT_FOUND, UNREACHABLE};
use crate::api::{self, BusDoor};
use crate::http::{self, Door, Token};
use crate::runtime::{Engine, Stopped};

/// How long open connections may keep the HTTP door from closing.
const DOOR_CLOSES: Duration = Duration::from_secs(1);
/// The file of a data directory that keeps the token over restarts.
const TOKEN_FILE: &str = "token";

/// The doors of a running engine: the bus, and HTTP where somebody asked for it.
pub(super) struct Doors {
    http: JoinSet<Result<(), http::Error>>,
    /// Where the HTTP door listens.
    address: Option<SocketAddr>,
    _bus: BusDoor,
}

impl Doors {
    /// Opens them; the HTTP door at an address and with a token.
    pub(super) async fn open(
        engine: &Engine,
        http: Option<(SocketAddr, &str)>,
    ) -> Result<Self, Failure> {
        let handle = engine.handle();
        let bus = api::serve_on_bus(&handle).await?;
        let mut doors = Self { http: JoinSet::new(), address: None, _bus: bus };
        if let Some((listen, token)) = http {
            let door = Door::bind(handle, listen, token).await;
            let door = door.map_err(|error| not_opened(listen, &error))?;
            doors.address = Some(door.address());
            doors.http.spawn(door.run());
        }
        Ok(doors)
    }

    /// `http://127.0.0.1:4500`, if there is an HTTP door.
    pub(super) fn url(&self) -> Option<String> {
        self.address.map(|address| format!("http://{address}"))
    }

    /// Ends with why the HTTP door did; without one, never.
    pub(super) async fn ended(&mut self) -> Failure {
        match self.http.join_next().await {
            None => std::future::pending().await,
            Some(Ok(Ok(()))) => Failure::new(BUG, "the HTTP door closed by itself"),
            Some(Ok(Err(error))) => Failure::new(ENDED_BADLY, error.to_string()),
            Some(Err(error)) => Failure::new(BUG, error.to_string()),
        }
    }

    /// Waits until the HTTP door has closed after the engine; connections that stay are cut.
    async fn close(mut self) {
        let closed = tokio::time::timeout(DOOR_CLOSES, self.http.join_next()).await;
        tracing::debug!(in_time = closed.is_ok(), "HTTP door closed");
    }
}

/// Stops the engine while doors and plugins still answer for what is under way.
pub(super) async fn stop(engine: Engine, doors: Option<Doors>) -> Result<(), Failure> {
    let ended = engine.end().await;
    if let Some(doors) = doors {
        doors.close().await;
    }
    match ended {
        Stopped::InOrder => Ok(()),
        Stopped::Late => Err(Failure::new(ENDED_BADLY, "the engine did not stop in time")),
        Stopped::WithoutBus(reason) => {
            let told = format!("{reason}: the engine ended without it");
            let help = "nothing acknowledged is lost: the next start goes on from the journal, and \
                        makes calls that were under way again, under the same ids";
            Err(Failure::new(UNREACHABLE, told).with_help(help))
        }
    }
}

/// An address and a port, as a flag has them.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        format!("`{text}` is not an address and a port from 0 to 65535, such as 127.0.0.1:4500")
    })
}

/// The token given, the one kept from the last time, or a fresh one.
pub(super) fn token(
    global: &Global,
    listen: SocketAddr,
    data: Option<&Path>,
) -> Result<String, Failure> {
    if let Some(token) = connect::token(global)? {
        return Ok(token);
    }
    if !listen.ip().is_loopback() {
        return Err(Failure::usage(format!(
            "`{listen}` can be reached from other machines, so a token must be chosen"
        ))
        .with_help("add `--token TOKEN` (or GEARSHIFT_TOKEN), or listen on 127.0.0.1"));
    }
    let Some(data) = data else { return Ok(Token::generate()) };
    let unusable =
        |error: std::io::Error| Failure::file("cannot use the data directory", data, &error);
    connect::create_private_dir(data).map_err(unusable)?;
    let path = data.join(TOKEN_FILE);
    match std::fs::read_to_string(&path) {
        Ok(kept) if !kept.trim().is_empty() => return Ok(kept.trim().to_owned()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(Failure::file("cannot read the token", &path, &error)),
    }
    let token = Token::generate();
    write_private(&path, token.as_bytes()).map_err(unusable)?;
    Ok(token)
}

/// Says which port, and how to get another (row C2).
fn not_opened(address: SocketAddr, error: &http::Error) -> Failure {
    let http::Error::Bind { source, .. } = error else {
        return Failure::usage(error.to_string());
    };
    let port = address.port();
    let taken = source.kind() == std::io::ErrorKind::AddrInUse;
    let refused = source.kind() == std::io::ErrorKind::PermissionDenied;
    let failure = if taken {
        format!("port {port} of {} is taken by another process", address.ip())
    } else if refused {
        format!("port {port} of {} needs more rights than this process has", address.ip())
    } else {
        error.to_string()
    };
    Failure::outside(NOT_FOUND, "no_port", failure)
        .with_help("`--listen 127.0.0.1:0` takes a free port, `--listen 127.0.0.1:4600` another")
}

/// An engine goes on when nobody reads what it prints.
pub(super) fn heard(outcome: Result<(), Failure>) -> Result<(), Failure> {
    match outcome {
        Err(failure) if failure.unread => Ok(()),
        other => other,
    }
}
