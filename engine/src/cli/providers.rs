//! What an engine in this process stands on: a bus in memory or in a directory, and the plugins
//! or mocks of a folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gearshift_bus::{BackendKind, Bus, ErrorKind};
use tokio::task::JoinSet;
use tokio_util::sync::DropGuard;

use super::connect::{DevNote, create_private_dir};
use super::entry::{LoadedPlugins, PluginLoader};
use super::failure::{CONFLICT, ENDED_BADLY, Failure};
use super::mocks::{Mock, Mocks};
use super::output::tell;
use crate::runtime::{EngineConfig, Mocked};

/// The folder of the bus in a data directory; what the engine keeps outside the bus is beside it.
const BUS_FOLDER: &str = "bus";
/// What answers where the plugins of a folder do not run, beside its definitions.
pub(super) const MOCKS: &str = "mocks.yaml";

/// For whom mocks are there.
const OURS_ALONE: &str = "mocks answer the calls of this engine only: instances that another \
                          engine of this bus has, or takes over, call the real plugins";

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
    summaries: Vec<String>,
    /// `--mock`, where there is any.
    flags: Vec<Mock>,
    /// By where it is, or would be.
    files: BTreeMap<PathBuf, MocksFile>,
    mocks: JoinSet<()>,
    mocked: Mocked,
}

/// A `mocks.yaml`, which may come and go.
#[derive(Default)]
struct MocksFile {
    /// What was seen last.
    text: Option<String>,
    served: Option<Served>,
    /// The plugins of its folder run in this process, and count instead.
    unused: bool,
}

/// Mocks that answer until this is dropped.
struct Served {
    mocks: Mocks,
    _guard: DropGuard,
}

impl Providers {
    /// Serves the mocks of the command line instead of any plugin; true if there are some.
    pub(super) async fn mock(&mut self, list: &[Mock], folder: &Path) -> Result<bool, Failure> {
        if list.is_empty() {
            return Ok(false);
        }
        self.flags = list.to_vec();
        self.read(&folder.join(MOCKS)).await?;
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
        let file = folder.join(MOCKS);
        let loaded = plugins(bus.clone(), name.clone(), folder.to_owned()).await;
        let loaded = loaded.map_err(|reason| {
            Failure::new(ENDED_BADLY, format!("plugins of `{name}` do not start: {reason}"))
        })?;
        if let Some(loaded) = loaded {
            self.plugins.push(loaded);
            self.summaries.push(format!("plugins of {name} in process"));
            let text = text_of(&file);
            if text.is_some() {
                let shown = file.display();
                tell(&format!(
                    "note: {shown} is not used: the plugins of its folder run in this process; \
                     `--mock` answers instead of them"
                ));
            }
            self.files.insert(file, MocksFile { text, served: None, unused: true });
            return Ok(());
        }
        self.read(&file).await
    }

    /// Looks at every `mocks.yaml` again: a line about each that changed, or what is wrong with it;
    /// then what it said before goes on answering.
    pub(super) async fn changes(&mut self) -> Vec<Result<String, Failure>> {
        let changed = self.files.iter().filter(|(path, file)| text_of(path) != file.text);
        let changed: Vec<PathBuf> = changed.map(|(path, _)| path.clone()).collect();
        let mut told = Vec::new();
        for path in changed {
            told.push(self.change(&path).await);
        }
        told
    }

    async fn change(&mut self, path: &Path) -> Result<String, Failure> {
        let shown = path.display();
        self.read(path).await?;
        Ok(match self.files.get(path) {
            Some(file) if file.unused => {
                format!("{shown} is not used: the plugins of its folder run in this process")
            }
            Some(MocksFile { text: Some(_), served: Some(served), .. }) => {
                format!("{shown}: {}", served.mocks.summary())
            }
            Some(_) | None => format!("{shown} is gone: what it said is not mocked any more"),
        })
    }

    /// Serves what is written there now, instead of what was.
    async fn read(&mut self, path: &Path) -> Result<(), Failure> {
        let file = self.files.entry(path.to_owned()).or_default();
        file.text = text_of(path);
        if file.unused {
            return Ok(());
        }
        let mocks = match (Mocks::of(&self.flags), Mocks::read(path)?) {
            (Some(flags), Some(file)) => Some(flags.or(file)),
            (flags, file) => flags.or(file),
        };
        let served = match mocks {
            Some(mocks) => {
                let guard = mocks.serve(self.mocked.bus(), &mut self.mocks).await?;
                Some(Served { mocks, _guard: guard })
            }
            None => None,
        };
        // Those before end once nobody asks them any more, so that nobody finds no one.
        let _before = std::mem::replace(&mut file.served, served);
        let served = self.files.values().filter_map(|file| file.served.as_ref());
        self.mocked.set(served.flat_map(|served| served.mocks.operations()).collect());
        while self.mocks.try_join_next().is_some() {}
        Ok(())
    }

    /// What mocks answer, as the engine is to know it.
    pub(super) fn mocked(&self) -> Mocked {
        self.mocked.clone()
    }

    /// What is to be known of mocks on a bus that other engines may be on; nothing without any.
    pub(super) fn warning(&self, bus: &Bus) -> Option<&'static str> {
        let is_mocked = self.files.values().any(|file| file.served.is_some());
        (is_mocked && bus.kind() == BackendKind::Nats).then_some(OURS_ALONE)
    }

    /// Does nothing answer here?
    pub(super) fn is_empty(&self) -> bool {
        self.summaries.is_empty() && self.files.values().all(|file| file.served.is_none())
    }

    /// `plugins of document-approval in process`.
    pub(super) fn summary(&self) -> String {
        let served = self.files.values().filter_map(|file| file.served.as_ref());
        let mocked = served.map(|served| served.mocks.summary());
        let list: Vec<_> = self.summaries.iter().cloned().chain(mocked).collect();
        if list.is_empty() { "no plugins".to_owned() } else { list.join(" · ") }
    }
}

/// What is written there; nothing where it cannot be read.
fn text_of(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// The folder's own name, even of `.`.
fn name_of(folder: &Path) -> String {
    let whole = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    whole.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
