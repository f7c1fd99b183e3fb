//! [`DefinitionStore`]: what is deployed, as far as this engine has loaded it.
//!
//! A definition is written first; then it is found out from where on it listens, and that is
//! written; then it is deployed. A message behind that place was stored after the definition was
//! written. So whoever reads a message and looks at the buckets *then* knows everybody who listens
//! to it, or that somebody is about to (decision 0014).

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join;
use gearshift_bus::{BackendKind, Bucket, Bus, Swapped, Watch};
use gearshift_machine::definition;
use gearshift_machine::definition::model::Definition;
use gearshift_machine::partition::{Definitions, Position};
use tokio::sync::watch;

use super::index::{Index, Version};
use super::listens::Froms;
use super::missing::Missing;
use crate::runtime::error::Error;

/// What a deployment did.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The definition as it is deployed.
    pub definition: Arc<Definition>,
    /// False where the same content was deployed before (row D24).
    pub fresh: bool,
}

/// Wait before it is looked again whether a definition has been completed.
const PENDING_POLL: Duration = Duration::from_millis(20);

/// All deployed definitions.
#[derive(Debug)]
pub struct DefinitionStore {
    definitions: Bucket,
    /// From which sequence of each source on each version listens.
    listens: Bucket,
    /// May others deploy as well?
    is_shared: bool,
    /// One deployment of this engine at a time.
    deploying: tokio::sync::Mutex<()>,
    loaded: tokio::sync::Mutex<Loaded>,
    index: RwLock<Arc<Index>>,
    /// Up to which revision of `listens` the index knows; told at every change of the index.
    revision: watch::Sender<u64>,
    /// What instances need and nobody has deployed.
    pub(super) missing: Missing,
}

/// What was loaded of the buckets.
#[derive(Debug, Default)]
struct Loaded {
    heads: (u64, u64),
    entries: BTreeMap<String, Entry>,
    sources: Vec<Position>,
}

#[derive(Debug)]
struct Entry {
    definition: Arc<Definition>,
    froms: Option<Froms>,
}

impl DefinitionStore {
    /// Loads what the buckets of `bus` hold.
    pub(crate) async fn open(bus: &Bus) -> Result<Self, Error> {
        let store = Self {
            definitions: bus.bucket("definitions").await?,
            listens: bus.bucket("listens").await?,
            is_shared: bus.kind() != BackendKind::Embedded,
            deploying: tokio::sync::Mutex::default(),
            loaded: tokio::sync::Mutex::default(),
            index: RwLock::default(),
            revision: watch::Sender::new(0),
            missing: Missing::default(),
        };
        store.refresh().await?;
        Ok(store)
    }

    /// May others deploy as well?
    pub(crate) const fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Keeps other deployments of this engine out.
    pub(crate) async fn hold(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.deploying.lock().await
    }

    /// Loads what was written since the last time; true where there was something.
    ///
    /// # Errors
    /// [`Error::Bus`]; [`Error::Definition`] where a newer program wrote what this one cannot read.
    pub(crate) async fn refresh(&self) -> Result<bool, Error> {
        let mut loaded = self.loaded.lock().await;
        // What is written after this is found the next time, if it is not read now.
        let heads = try_join(self.definitions.head(), self.listens.head()).await?;
        let is_known = heads == loaded.heads;
        // A server that was not the leader a moment ago may give less than the head promised: what
        // is incomplete is looked for until it is found.
        if is_known && loaded.entries.values().all(|entry| entry.froms.is_some()) {
            return Ok(false);
        }
        let mut is_news = !is_known;
        if is_news {
            self.load_definitions(&mut loaded).await?;
        }
        is_news |= self.load_listens(&mut loaded).await?;
        if is_news {
            self.publish(&loaded)?;
            loaded.heads = heads;
            self.revision.send_replace(heads.1);
        }
        Ok(is_news)
    }

    async fn load_definitions(&self, loaded: &mut Loaded) -> Result<(), Error> {
        let keys = self.definitions.keys("").await?;
        loaded.entries.retain(|known, _| keys.contains(known));
        for key in keys {
            if loaded.entries.contains_key(&key) {
                continue;
            }
            // None is ever deleted.
            let value = self.definitions.get(&key).await?.ok_or_else(|| {
                Error::Unavailable(format!("definition `{key}` is listed but cannot be read"))
            })?;
            let text = String::from_utf8_lossy(&value.value).into_owned();
            let definition = definition::from_canonical(&text).map_err(Error::Definition)?;
            let entry = Entry { definition: Arc::new(definition), froms: None };
            loaded.entries.insert(key, entry);
        }
        Ok(())
    }

    /// True where it found something.
    async fn load_listens(&self, loaded: &mut Loaded) -> Result<bool, Error> {
        let mut is_news = false;
        for (key, entry) in &mut loaded.entries {
            if entry.froms.is_none() {
                let Some(value) = self.listens.get(key).await? else { continue };
                let froms = Froms::read(&value.value);
                is_news = true;
                entry.froms = Some(froms.ok_or_else(|| {
                    Error::Unavailable(format!("from where `{key}` listens cannot be read"))
                })?);
            }
        }
        Ok(is_news)
    }

    fn publish(&self, loaded: &Loaded) -> Result<(), Error> {
        let mut deployed = BTreeMap::<Version, _>::new();
        let mut pending = Vec::new();
        for Entry { definition, froms } in loaded.entries.values() {
            let version = (Arc::clone(&definition.name), definition.version);
            match froms {
                Some(froms) => {
                    deployed.insert(version, (Arc::clone(definition), froms.clone()));
                }
                None => pending.push(Arc::clone(definition)),
            }
        }
        let index = Arc::new(Index::of(&deployed, pending, &loaded.sources)?);
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
        Ok(())
    }

    /// Says which sources are read, and from where those listen who say nothing of one.
    pub(crate) async fn set_sources(&self, sources: Vec<Position>) -> Result<(), Error> {
        let mut loaded = self.loaded.lock().await;
        if loaded.sources != sources {
            loaded.sources = sources;
            self.publish(&loaded)?;
        }
        Ok(())
    }

    /// The index with which messages that were read before this call are to be routed.
    pub(crate) async fn fresh(&self) -> Result<Arc<Index>, Error> {
        loop {
            if self.is_shared {
                self.refresh().await?;
            }
            let index = self.index();
            if index.pending().is_empty() {
                return Ok(index);
            }
            // It may listen to them. Whoever writes it says so within milliseconds, or is dead.
            let mut revision = self.revision.subscribe();
            // Either way it is looked again.
            drop(tokio::time::timeout(PENDING_POLL, revision.changed()).await);
        }
    }

    /// Records a definition; it is deployed once [`DefinitionStore::listen`] was called as well.
    ///
    /// # Errors
    /// [`Error::VersionExists`] where somebody was quicker with other content, [`Error::Bus`].
    pub(crate) async fn record(&self, definition: &Definition) -> Result<(), Error> {
        let text = Bytes::copy_from_slice(definition.canonical.as_bytes());
        let swapped = self.definitions.compare_and_set(&key_of(definition), 0, text).await?;
        self.refresh().await?;
        match swapped {
            Swapped::Stored(_) => Ok(()),
            // Most likely the same content; a difference is found now that it is loaded.
            Swapped::Conflict { .. } => self.known(definition).await.map(|_| ()),
        }
    }

    /// What is known of a definition: nothing, or the one that is there and whether it is
    /// deployed.
    ///
    /// # Errors
    /// [`Error::VersionExists`] where the version exists with other content.
    pub(crate) async fn known(
        &self,
        definition: &Definition,
    ) -> Result<Option<(Arc<Definition>, bool)>, Error> {
        let loaded = self.loaded.lock().await;
        let Some(entry) = loaded.entries.get(&key_of(definition)) else { return Ok(None) };
        if entry.definition.hash != definition.hash {
            return Err(Error::VersionExists {
                name: definition.name.to_string(),
                version: definition.version,
                existing: short(&entry.definition.hash.to_string()),
                new: short(&definition.hash.to_string()),
            });
        }
        Ok(Some((Arc::clone(&entry.definition), entry.froms.is_some())))
    }

    /// Deploys a recorded definition: it listens from `froms` on, or from where somebody else said
    /// before.
    pub(crate) async fn listen(&self, definition: &Definition, froms: &Froms) -> Result<(), Error> {
        let key = key_of(definition);
        match self.listens.compare_and_set(&key, 0, froms.bytes()).await? {
            Swapped::Stored(_) => {}
            Swapped::Conflict { .. } => tracing::debug!(key, "listens already"),
        }
        self.refresh().await.map(|_| ())
    }

    /// Takes a definition away; gives from where on it listened, so that it can be put back.
    ///
    /// # Errors
    /// [`Error::Bus`].
    pub(crate) async fn remove(&self, definition: &Definition) -> Result<Froms, Error> {
        let key = key_of(definition);
        let froms = {
            let loaded = self.loaded.lock().await;
            loaded.entries.get(&key).and_then(|entry| entry.froms.clone()).unwrap_or_default()
        };
        // In this order: a definition without a place where it listens holds up all who route.
        self.definitions.delete(&key).await?;
        self.listens.delete(&key).await?;
        self.refresh().await?;
        Ok(froms)
    }

    /// What others write, as it comes.
    pub(crate) async fn watch(&self) -> Result<[Watch; 2], Error> {
        Ok(try_join(self.definitions.watch(""), self.listens.watch("")).await?.into())
    }

    /// Changes with the index; the number is the revision of `listens` that it knows.
    pub(crate) fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// All deployed definitions, as they are now.
    #[must_use]
    pub fn registry(&self) -> Definitions {
        self.index().definitions.clone()
    }

    /// The current index.
    pub(crate) fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }
}

fn key_of(definition: &Definition) -> String {
    format!("{}.{}", definition.name, definition.version)
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
