//! The stage: servers, engines behind proxies and plugins; here faults happen.

use std::fs::File;
use std::io::Error;
use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use super::node::{Node, Program};
use super::schedule::{FaultKind, Step};
use crate::checker::{Exited, Made, append, open_lines};
use crate::load::wall_ms;
use crate::nats::{Cluster, Proxy, Weather};

/// The delay of slow wires.
const SLOW: Duration = Duration::from_millis(80);

/// Everything that can be hit.
pub(super) struct Stage {
    pub(super) cluster: Cluster,
    pub(super) engines: Vec<Node>,
    pub(super) plugins: Vec<Node>,
    /// The wires of each engine to each server.
    wires: Vec<Vec<Proxy>>,
    faults: File,
    exits: File,
}

impl Stage {
    /// Starts `count` engines and as many plugins on the cluster.
    pub(super) async fn start(
        cluster: Cluster,
        folder: &Path,
        engine: impl Fn(usize, &str) -> Program,
        plugin: impl Fn(usize, &str) -> Program,
        count: usize,
    ) -> Result<Self, Error> {
        let mut stage = Self {
            engines: Vec::new(),
            plugins: Vec::new(),
            wires: Vec::new(),
            faults: open_lines(&folder.join("faults.jsonl"))?,
            exits: open_lines(&folder.join("exits.jsonl"))?,
            cluster,
        };
        let urls = stage.cluster.urls();
        for number in 0..count {
            let mut wires = Vec::new();
            for target in stage.cluster.addresses() {
                wires.push(Proxy::start(target).await?);
            }
            let proxied = wires.iter().map(|wire| format!("nats://{}", wire.address()));
            let proxied = proxied.collect::<Vec<_>>().join(",");
            stage.engines.push(Node::start(engine(number, &proxied))?);
            stage.plugins.push(Node::start(plugin(number, &urls))?);
            stage.wires.push(wires);
        }
        Ok(stage)
    }

    /// Makes a fault happen and takes it back, writes it down, and rests.
    pub(super) async fn suffer(&mut self, step: &Step) -> Result<(), Error> {
        self.revive()?;
        let began_ms = wall_ms();
        let what = self.make(step).await?;
        let (kind, ended_ms) = (step.kind.as_str().to_owned(), wall_ms());
        append(&mut self.faults, &Made { kind, what, began_ms, ended_ms })?;
        sleep(step.rest).await;
        Ok(())
    }

    /// Starts again what ended by itself, as a supervisor would, and writes that down.
    pub(super) fn revive(&mut self) -> Result<(), Error> {
        for node in self.engines.iter_mut().chain(&mut self.plugins) {
            if let Some(status) = node.exited()? {
                let (name, status) = (node.name().to_owned(), status.to_string());
                append(&mut self.exits, &Exited { name, status })?;
                node.restart()?;
            }
        }
        Ok(())
    }

    async fn make(&mut self, step: &Step) -> Result<String, Error> {
        let (which, other, lasts) = (step.which, step.other, step.lasts);
        match step.kind {
            FaultKind::KillEngine => killed(of(&mut self.engines, which)?, lasts).await,
            FaultKind::KillPlugin => killed(of(&mut self.plugins, which)?, lasts).await,
            FaultKind::PauseEngine => paused(of(&mut self.engines, which)?, lasts).await,
            FaultKind::PausePlugin => paused(of(&mut self.plugins, which)?, lasts).await,
            FaultKind::EndEngine => ended(of(&mut self.engines, which)?, lasts).await,
            FaultKind::EndPlugin => ended(of(&mut self.plugins, which)?, lasts).await,
            FaultKind::KillServer => {
                of(&mut self.cluster.servers, which)?.kill();
                sleep(lasts).await;
                self.server_again(which).await
            }
            FaultKind::EndServer => {
                let server = of(&mut self.cluster.servers, which)?;
                server.terminate().await.map_err(Error::other)?;
                sleep(lasts).await;
                self.server_again(which).await
            }
            FaultKind::PauseServer => {
                let server = of(&mut self.cluster.servers, which)?;
                server.pause().await.map_err(Error::other)?;
                sleep(lasts).await;
                server.resume().await.map_err(Error::other)?;
                Ok(server.name().to_owned())
            }
            FaultKind::KillPair => self.kill_pair(which, other, lasts).await,
            FaultKind::KillAllServers => {
                self.cluster.servers.iter_mut().for_each(gearshift_bus::PrivateServer::kill);
                sleep(lasts).await;
                for number in 0..self.cluster.servers.len() {
                    self.server_again(number).await?;
                }
                Ok("all servers".to_owned())
            }
            FaultKind::KillAllEngines => {
                for engine in &mut self.engines {
                    engine.kill().await?;
                }
                sleep(lasts).await;
                self.engines.iter_mut().try_for_each(Node::restart)?;
                Ok("all engines".to_owned())
            }
            FaultKind::Delay | FaultKind::Cut | FaultKind::CutOneWay => {
                self.blow(which, weather(step), lasts).await
            }
        }
    }

    async fn server_again(&mut self, which: usize) -> Result<String, Error> {
        let server = of(&mut self.cluster.servers, which)?;
        server.restart().await.map_err(Error::other)?;
        Ok(server.name().to_owned())
    }

    async fn kill_pair(
        &mut self,
        which: usize,
        other: usize,
        lasts: Duration,
    ) -> Result<String, Error> {
        let engine = of(&mut self.engines, which)?;
        engine.kill().await?;
        let first = engine.name().to_owned();
        let second = match other {
            0 => {
                of(&mut self.cluster.servers, which)?.kill();
                sleep(lasts).await;
                self.server_again(which).await?
            }
            1 => killed(of(&mut self.plugins, which)?, lasts).await?,
            _ => killed(of(&mut self.engines, which + 1)?, lasts).await?,
        };
        of(&mut self.engines, which)?.restart()?;
        Ok(format!("{first} and {second}"))
    }

    /// Changes the weather on all wires of an engine for a while.
    async fn blow(&self, which: usize, weather: Weather, lasts: Duration) -> Result<String, Error> {
        let wires = self.wires.get(which % self.wires.len().max(1));
        let wires = wires.ok_or_else(|| Error::other("no wires"))?;
        wires.iter().for_each(|wire| wire.set(weather));
        sleep(lasts).await;
        wires.iter().for_each(Proxy::restore);
        Ok(format!("wires of engine {which}: {weather:?}"))
    }
}

/// What the weather is during a fault of the wires.
fn weather(step: &Step) -> Weather {
    match (step.kind, step.other % 2) {
        (FaultKind::Delay, _) => Weather { delay: SLOW, ..Weather::default() },
        (FaultKind::CutOneWay, 0) => Weather { hold_to_server: true, ..Weather::default() },
        (FaultKind::CutOneWay, _) => Weather { hold_to_client: true, ..Weather::default() },
        (_, _) => Weather { cut: true, ..Weather::default() },
    }
}

fn of<T>(list: &mut [T], which: usize) -> Result<&mut T, Error> {
    let count = list.len().max(1);
    list.get_mut(which % count).ok_or_else(|| Error::other("there is none"))
}

async fn killed(node: &mut Node, lasts: Duration) -> Result<String, Error> {
    node.kill().await?;
    sleep(lasts).await;
    node.restart()?;
    Ok(node.name().to_owned())
}

async fn paused(node: &mut Node, lasts: Duration) -> Result<String, Error> {
    node.signal("-STOP").await?;
    sleep(lasts).await;
    node.signal("-CONT").await?;
    Ok(node.name().to_owned())
}

async fn ended(node: &mut Node, lasts: Duration) -> Result<String, Error> {
    let status = node.end().await?;
    sleep(lasts).await;
    node.restart()?;
    let status = status.map_or_else(|| "gone before".to_owned(), |status| status.to_string());
    Ok(format!("{}: {status}", node.name()))
}
