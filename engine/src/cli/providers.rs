//! What an engine in this process stands on: a bus in memory or in a directory, and the plugins
//! or mocks of a folder.

use std::collections::BTreeSet;
use std::path::Path;

use gearshift_bus::{Bus, ErrorKind};
use tokio::task::JoinSet;

use super::connect::{DevNote, create_private_dir};
use super::entry::{LoadedPlugins, PluginLoader};
use super::failure::{CONFLICT, ENDED_BADLY, Failure};
use super::mocks::{Mock, Mocks};
use crate::runtime::EngineConfig;

/// The folder of the bus in a data directory; what the engine keeps outside the bus is beside it.
const BUS_FOLDER: &str = "bus";

/// Opens the bus: in `data`, or in memory.
pub(super) async fn open(data: Option<&Path>) -> Result<(Bus, EngineConfig), Failure> {
    let Some(data) = data else { return Ok((Bus::in_memory(), EngineConfig::default())) };
    create_private_dir(data)
        .map_err(|error| Failure::file("cannot use the data directory", data, &error))?;
    let config = EngineConfig { data: Some(data.to_owned()), ..EngineConfig::default() };
    match Bus::embedded(&data.join(BUS_FOLDER)).await {
        Ok(bus) => Ok((bus, config)),
        Err(error) => Err(refused(data, &error)),
    }
}

/// Says which directory, and who has it (row C6).
fn refused(data: &Path, error: &gearshift_bus::Error) -> Failure {
    let shown = data.display();
    if let ErrorKind::Locked { .. } = error.kind() {
        let owner = DevNote::read(data);
        let owner = owner.map_or_else(String::new, |note| format!(" (process {})", note.pid));
        return Failure::new(
            CONFLICT,
            format!("data directory `{shown}` is in use by another gearshift{owner}"),
        )
        .with_help("stop that one, or give this one its own `--data DIR`");
    }
    let cause = std::error::Error::source(error);
    if let Some(os) = cause.and_then(|cause| cause.downcast_ref::<std::io::Error>()) {
        return Failure::file("cannot use the data directory", data, os);
    }
    let detail = cause.map_or_else(String::new, |cause| format!(": {cause}"));
    Failure::new(ENDED_BADLY, format!("cannot use the data directory `{shown}`: {error}{detail}"))
}

/// Who answers calls in this process, as long as this is held.
#[derive(Default)]
pub(super) struct Providers {
    plugins: Vec<LoadedPlugins>,
    mocks: JoinSet<()>,
    mocked: BTreeSet<String>,
    summaries: Vec<String>,
}

impl Providers {
    /// Serves the mocks of the command line instead of any plugin; true if there are some.
    pub(super) async fn mock(
        &mut self,
        bus: &Bus,
        list: &[Mock],
        folder: &Path,
    ) -> Result<bool, Failure> {
        let Some(mocks) = Mocks::of(list) else { return Ok(false) };
        let mocks = match Mocks::read(&folder.join("mocks.yaml"))? {
            Some(file) => mocks.or(file),
            None => mocks,
        };
        self.serve(bus, &mocks).await?;
        Ok(true)
    }

    /// Serves the plugins of `folder`, or else its `mocks.yaml`.
    pub(super) async fn load(
        &mut self,
        bus: &Bus,
        plugins: &PluginLoader,
        folder: &Path,
    ) -> Result<(), Failure> {
        let name = name_of(folder);
        let loaded = plugins(bus.clone(), name.clone(), folder.to_owned()).await;
        let loaded = loaded.map_err(|reason| {
            Failure::new(ENDED_BADLY, format!("plugins of `{name}` do not start: {reason}"))
        })?;
        if let Some(loaded) = loaded {
            self.plugins.push(loaded);
            self.summaries.push(format!("plugins of {name} in process"));
        } else if let Some(mocks) = Mocks::read(&folder.join("mocks.yaml"))? {
            self.serve(bus, &mocks).await?;
        }
        Ok(())
    }

    async fn serve(&mut self, bus: &Bus, mocks: &Mocks) -> Result<(), Failure> {
        mocks.serve(bus, &mut self.mocks).await?;
        self.mocked.extend(mocks.operations());
        self.summaries.push(mocks.summary());
        Ok(())
    }

    /// What mocks answer, as the engine is to know it.
    pub(super) fn mocked(&self) -> BTreeSet<String> {
        self.mocked.clone()
    }

    /// `plugins of document-approval in process`.
    pub(super) fn summary(&self) -> String {
        match self.summaries.as_slice() {
            [] => "no plugins".to_owned(),
            list => list.join(" · "),
        }
    }
}

/// The folder's own name, even of `.`.
fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
