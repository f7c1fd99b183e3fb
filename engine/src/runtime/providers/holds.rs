//! Holds: what an operator paused as a whole. Calls of a plugin wait, and instances of a definition
//! begin paused, until it is let go on.

use std::collections::BTreeMap;

use bytes::Bytes;
use gearshift_bus::{Change, Error as BusError};
use gearshift_machine::machine::Timestamp;
use gearshift_machine::partition::{Definitions, HeldBy};
use gearshift_protocol::OperationRef;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::registry::Providers;
use crate::runtime::error::Error;
use crate::runtime::handle::Handle;

/// Keys of holds in the bucket of plugins; those of operations have no `/`.
const PREFIX: &str = "held/";

/// What can be paused as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// The calls of a plugin.
    Plugin(String),
    /// What is started of a definition: of one version, or of all.
    Definition(String, Option<u32>),
}

impl Held {
    fn key(&self) -> String {
        match self {
            Self::Plugin(name) => format!("plugin/{name}"),
            Self::Definition(name, None) => format!("definition/{name}"),
            Self::Definition(name, Some(version)) => format!("definition/{name}/{version}"),
        }
    }

    fn read(key: &str) -> Option<Self> {
        let mut parts = key.split('/');
        let (kind, name, version) = (parts.next()?, parts.next()?.to_owned(), parts.next());
        match (kind, version) {
            ("plugin", None) => Some(Self::Plugin(name)),
            ("definition", None) => Some(Self::Definition(name, None)),
            ("definition", Some(version)) => {
                Some(Self::Definition(name, Some(version.parse().ok()?)))
            }
            _ => None,
        }
    }

    /// As people name it.
    fn words(&self) -> String {
        match self {
            Self::Plugin(name) => format!("plugin `{name}`"),
            Self::Definition(name, None) => format!("definition `{name}`"),
            Self::Definition(name, Some(version)) => format!("definition `{name}@{version}`"),
        }
    }
}

/// Who paused it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The operator.
    pub by: String,
    /// Why, in the operator's words.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

impl Hold {
    /// `plugin `x` is paused by ann since …: reason`.
    pub(crate) fn words(&self, what: &Held) -> String {
        let (what, since) = (what.words(), self.since);
        let by = if self.by.is_empty() { "somebody" } else { &self.by };
        match &*self.reason {
            "" => format!("{what} is paused by {by} since {since}"),
            reason => format!("{what} is paused by {by} since {since}: {reason}"),
        }
    }
}

impl Handle {
    /// What an operator paused as a whole.
    #[must_use]
    pub fn holds(&self) -> Vec<(Held, Hold)> {
        let held = self.0.providers.held();
        held.into_iter().filter_map(|(key, hold)| Some((Held::read(&key)?, hold))).collect()
    }

    /// Pauses it, until [`Handle::release`]; false where it is paused already.
    ///
    /// # Errors
    /// [`Error::Bus`].
    pub async fn hold(&self, what: &Held, hold: Hold) -> Result<bool, Error> {
        Ok(self.0.providers.hold(&what.key(), hold).await?)
    }

    /// Lets it go on; false where it is not paused.
    ///
    /// # Errors
    /// [`Error::Bus`].
    pub async fn release(&self, what: &Held) -> Result<bool, Error> {
        Ok(self.0.providers.release(&what.key()).await?)
    }
}

/// What is paused, by [`Held::key`].
#[derive(Debug)]
pub(super) struct Holds(watch::Sender<BTreeMap<String, Hold>>);

impl Default for Holds {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeMap::new()))
    }
}

impl Providers {
    fn held(&self) -> BTreeMap<String, Hold> {
        self.holds.0.borrow().clone()
    }

    /// Who paused the plugin of `operation`, and which that is.
    pub(crate) fn hold_of(&self, operation: &str) -> Option<(Held, Hold)> {
        let held = self.holds.0.borrow();
        if held.is_empty() {
            return None;
        }
        let plugin = Held::Plugin(operation.parse::<OperationRef>().ok()?.plugin);
        held.get(&plugin.key()).map(|hold| (plugin, hold.clone()))
    }

    /// The definitions with those that are paused told apart; `None` where none is.
    pub(crate) fn with_held(&self, definitions: &Definitions) -> Option<Definitions> {
        let held = self.holds.0.borrow();
        let of_definition = |(key, hold): (&String, &Hold)| match Held::read(key)? {
            Held::Definition(name, version) => {
                let (by, reason) = (hold.by.as_str().into(), hold.reason.as_str().into());
                Some(((name.into(), version), HeldBy { by, reason }))
            }
            Held::Plugin(_) => None,
        };
        let held: BTreeMap<_, _> = held.iter().filter_map(of_definition).collect();
        (!held.is_empty()).then(|| definitions.with_held(held))
    }

    /// Resolves once it is not paused.
    pub(crate) async fn released(&self, what: &Held) {
        let (key, mut seen) = (what.key(), self.holds.0.subscribe());
        // The sender lives as long as this borrow, so waiting cannot fail.
        drop(seen.wait_for(|held| !held.contains_key(&key)).await);
    }

    async fn hold(&self, key: &str, hold: Hold) -> Result<bool, BusError> {
        if self.holds.0.borrow().contains_key(key) {
            return Ok(false);
        }
        let value = serde_json::to_vec(&hold).unwrap_or_default();
        self.bucket().await?.put(&format!("{PREFIX}{key}"), Bytes::from(value)).await?;
        self.holds.0.send_modify(|held| drop(held.insert(key.to_owned(), hold)));
        Ok(true)
    }

    async fn release(&self, key: &str) -> Result<bool, BusError> {
        let bucket = self.bucket().await?;
        let stored = format!("{PREFIX}{key}");
        let known = bucket.get(&stored).await?.is_some();
        bucket.delete(&stored).await?;
        let here = self.forget_hold(key);
        Ok(known || here)
    }

    fn forget_hold(&self, key: &str) -> bool {
        self.holds.0.send_if_modified(|held| held.remove(key).is_some())
    }

    /// Learns what is paused before anything is asked.
    pub(crate) async fn load_holds(&self) -> Result<(), BusError> {
        let bucket = self.bucket().await?;
        let mut held = BTreeMap::new();
        for key in bucket.keys(PREFIX).await? {
            if let Some(value) = bucket.get(&key).await?
                && let Some((what, hold)) = read(&key, &value.value)
            {
                held.insert(what, hold);
            }
        }
        self.holds.0.send_replace(held);
        Ok(())
    }

    /// Hears what is paused and resumed through other engines, until the bus is closed.
    pub(crate) async fn keep_holds(&self) -> Result<(), BusError> {
        let mut watch = self.bucket().await?.watch(PREFIX).await?;
        // What was resumed while nobody watched is told by nothing else.
        self.load_holds().await?;
        while let Some(change) = watch.next().await {
            match change {
                Change::Put { key, value, .. } => {
                    if let Some((what, hold)) = read(&key, &value.value) {
                        self.holds.0.send_modify(|held| drop(held.insert(what, hold)));
                    }
                }
                Change::Deleted { key } => {
                    self.forget_hold(key.strip_prefix(PREFIX).unwrap_or(&key));
                }
            }
        }
        Ok(())
    }
}

fn read(key: &str, value: &[u8]) -> Option<(String, Hold)> {
    let what = key.strip_prefix(PREFIX)?.to_owned();
    match serde_json::from_slice(value) {
        Ok(hold) => Some((what, hold)),
        Err(error) => {
            // It is paused all the same: what cannot be read must not be sent.
            tracing::error!(what, %error, "who paused it cannot be read");
            let (by, reason) = (String::new(), String::new());
            Some((what, Hold { by, reason, since: Timestamp(0) }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Held;

    #[test]
    fn what_is_held_is_read_back_from_its_key() {
        for held in [
            Held::Plugin("payments".to_owned()),
            Held::Definition("order".to_owned(), None),
            Held::Definition("order".to_owned(), Some(5)),
        ] {
            assert_eq!(Held::read(&held.key()), Some(held));
        }
        assert_eq!(Held::read("plugin/a/b"), None);
        assert_eq!(Held::read("definition/a/x"), None);
    }
}
