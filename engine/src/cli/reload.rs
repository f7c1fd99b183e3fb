//! Loading the definitions below a folder, and again whenever they change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gearshift_bus::Bus;
use gearshift_client::Client;
use gearshift_client::protocol::ProblemKind;
use gearshift_client::protocol::command::Deployed;
use gearshift_client::protocol::query::Definitions;
use gearshift_machine::definition::model::Definition;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::args::Global;
use super::deploy::{known, order, tell_missing};
use super::entry::PluginLoader;
use super::failure::Failure;
use super::mocks::Mock;
use super::output::{Look, Output, tell};
use super::providers::{MOCKS, Providers};
use super::sources::{Source, all_below, is_definition};
use super::words::count;
use crate::runtime::Mocked;

/// Editors write a file in several steps: wait until it is quiet for so long.
const QUIET: Duration = Duration::from_millis(60);

/// Loads definitions into an engine of this process.
pub(super) struct Loader {
    output: Output,
    look: Look,
    client: Client,
    bus: Bus,
    plugins: PluginLoader,
    folder: PathBuf,
    mocked: bool,
    providers: Providers,
    /// What was seen last, by file.
    seen: BTreeMap<PathBuf, String>,
    /// Folders whose plugins were asked for.
    provided: Vec<PathBuf>,
}

impl Loader {
    pub(super) fn new(
        global: &Global,
        client: Client,
        bus: Bus,
        plugins: PluginLoader,
        folder: PathBuf,
    ) -> Self {
        Self {
            output: global.out(),
            look: global.stderr_look(),
            client,
            bus,
            plugins,
            folder,
            mocked: false,
            providers: Providers::default(),
            seen: BTreeMap::new(),
            provided: Vec::new(),
        }
    }

    /// Lets mocks answer instead of plugins, if there are any.
    pub(super) async fn mock(&mut self, list: &[Mock]) -> Result<(), Failure> {
        self.mocked = self.providers.mock(list, &self.folder).await?;
        Ok(())
    }

    /// Runs the plugins of all folders, before an engine sends calls again that a stop interrupted.
    pub(super) async fn provide_all(&mut self) {
        // What cannot be read is told when it is loaded.
        for path in all_below(&self.folder).unwrap_or_default() {
            let Ok(source) = Source::read(&path) else { continue };
            if let Err(failure) = self.provide(&source.folder()).await {
                tell(failure.render(self.look).trim_end());
            }
        }
    }

    /// What mocks answer.
    pub(super) fn mocked(&self) -> Mocked {
        self.providers.mocked()
    }

    /// What is to be known of mocks on this bus.
    pub(super) fn warning(&self) -> Option<&'static str> {
        self.providers.warning(&self.bus)
    }

    /// `plugins of document-approval in process`.
    pub(super) fn summary(&self) -> String {
        self.providers.summary()
    }

    /// Loads everything; what is wrong is told, and the rest is loaded. Gives `name@version`.
    pub(super) async fn load_all(&mut self) -> Result<Vec<String>, Failure> {
        let deployed = self.changes().await?;
        Ok(deployed.iter().map(|one| format!("{}@{}", one.name, one.version)).collect())
    }

    /// Loads what changed, and tells.
    pub(super) async fn reload(&mut self) -> Result<(), Failure> {
        let warned = self.warning().is_some();
        for told in self.providers.changes().await {
            match told {
                Ok(words) => self.output.line(format!("reload   {words}"))?,
                Err(failure) => {
                    let failure = failure.with_help("what it said before goes on answering");
                    tell(failure.render(self.look).trim_end());
                }
            }
        }
        if let Some(warning) = self.warning().filter(|_| !warned) {
            self.output.line(format!("warning  {warning}"))?;
        }
        for one in self.changes().await?.iter().filter(|one| !one.unchanged) {
            let stays = match one.older_instances {
                0 => String::new(),
                older => {
                    format!(
                        "  ({} on older versions stay there)",
                        count(in_usize(older), "instance")
                    )
                }
            };
            self.output.line(format!("reload   {}@{}{stays}", one.name, one.version))?;
        }
        Ok(())
    }

    async fn changes(&mut self) -> Result<Vec<Deployed>, Failure> {
        let mut deployed = Vec::new();
        let paths = match all_below(&self.folder) {
            Ok(paths) => paths,
            Err(failure) => {
                // The folder may be on its way to another place; it is looked at again.
                tell(failure.render(self.look).trim_end());
                return Ok(deployed);
            }
        };
        let gone = self.seen.keys().filter(|path| !paths.contains(path));
        let gone: Vec<PathBuf> = gone.cloned().collect();
        for path in gone {
            self.seen.remove(&path);
            self.output.line(format!(
                "removed  {}: what it deployed stays, and so do its instances",
                path.display()
            ))?;
        }
        let known = known(&paths);
        for path in paths {
            let source = match Source::read(&path) {
                Ok(source) => source,
                Err(failure) => {
                    tell(failure.render(self.look).trim_end());
                    continue;
                }
            };
            if self.seen.get(&path) == Some(&source.text) {
                continue;
            }
            if let Err(failure) = self.provide(&source.folder()).await {
                // Calls to these plugins will say that nobody answers; the rest goes on.
                tell(failure.render(self.look).trim_end());
            }
            let before = deployed.len();
            deployed.extend(self.deploy(&source).await?);
            if deployed.len() > before {
                tell_missing(&self.client, &known, &[], &path, self.look).await;
            }
            self.seen.insert(path, source.text);
        }
        Ok(deployed)
    }

    /// Runs the plugins of a folder, once.
    async fn provide(&mut self, folder: &Path) -> Result<(), Failure> {
        if self.mocked || self.provided.iter().any(|known| known == folder) {
            return Ok(());
        }
        self.provided.push(folder.to_owned());
        self.providers.load(&self.bus, &self.plugins, folder).await
    }

    /// Deploys one file, or tells what is wrong with it.
    async fn deploy(&self, source: &Source) -> Result<Vec<Deployed>, Failure> {
        let loaded = match source.load() {
            Ok(loaded) => loaded,
            Err(problems) => {
                tell(source.render(&problems, self.look.color).trim_end());
                return Ok(Vec::new());
            }
        };
        match self.client.deploy(&order(source)).await {
            Ok(reply) => Ok(reply.definitions),
            Err(error) if error.problem().map(|it| it.kind()) == Some(ProblemKind::Conflict) => {
                for one in &loaded {
                    let free = self.free_version(&one.definition).await;
                    tell(&advice(source, &one.definition, free, self.look));
                }
                Ok(Vec::new())
            }
            Err(error) => {
                tell(Failure::from(error).render(self.look).trim_end());
                Ok(Vec::new())
            }
        }
    }

    /// The version after all that are deployed under this name.
    async fn free_version(&self, definition: &Definition) -> u32 {
        let ask = Definitions { name: Some(definition.name.to_string()) };
        let page = self.client.definitions(&ask).await;
        let taken = page.map(|page| page.items).unwrap_or_default();
        let taken = taken.iter().map(|one| one.version).max();
        taken.unwrap_or_default().max(definition.version).saturating_add(1)
    }

    /// Watches the folder.
    pub(super) fn watch(&self) -> FolderWatch {
        let changed = Arc::new(Notify::new());
        let woken = Arc::clone(&changed);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| matters(&event)) {
                woken.notify_one();
            }
        });
        let watcher = watcher.and_then(|mut watcher| {
            watcher.watch(&self.folder, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        let watcher = watcher.inspect_err(|error| {
            tracing::warn!(%error, "changes of files are not seen");
        });
        FolderWatch { changed, _watcher: watcher.ok() }
    }
}

/// Reading a file is no change; a folder that moved may hold definitions.
fn matters(event: &notify::Event) -> bool {
    !event.kind.is_access()
        && event.paths.iter().any(|path| {
            let is_mocks = path.file_name().is_some_and(|name| name == MOCKS);
            is_definition(path) || is_mocks || path.extension().is_none()
        })
}

/// What to do about a version that is deployed with other content.
fn advice(source: &Source, definition: &Definition, free: u32, look: Look) -> String {
    let (red, name, version) = (look.red(), &definition.name, definition.version);
    format!(
        "{red}error[GS4010]{red:#}: `{}` changed, but `{name}@{version}` is deployed with other \
         content\nhelp: raise `version:` to {free} to deploy the change; instances stay on theirs",
        source.origin,
    )
}

fn in_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Tells when something below a folder may have changed.
pub(super) struct FolderWatch {
    changed: Arc<Notify>,
    _watcher: Option<RecommendedWatcher>,
}

impl FolderWatch {
    /// Returns after a change, once it is quiet.
    pub(super) async fn changed(&mut self) {
        self.changed.notified().await;
        while tokio::time::timeout(QUIET, self.changed.notified()).await.is_ok() {}
    }
}
