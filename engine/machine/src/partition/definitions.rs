//! All deployed definitions, as handed to every partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::definition::DERIVED_MIN;
use crate::definition::model::Definition;
use crate::machine::{ContentHash, Input, Pin, TRANSACTION, transaction_definition};

type Versions = BTreeMap<u32, Arc<Definition>>;

/// The deployed definitions: shared, cheap to clone, copied when one is added.
#[derive(Clone, Debug, Default)]
pub struct Definitions {
    by_name: Arc<BTreeMap<Arc<str>, Versions>>,
    /// What is started of them begins paused.
    held: Arc<HeldDefinitions>,
}

/// Paused definitions by name and version; `None` stands for all versions.
pub type HeldDefinitions = BTreeMap<(Arc<str>, Option<u32>), HeldBy>;

/// Who paused a definition, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldBy {
    /// The operator.
    pub by: Arc<str>,
    /// In the operator's words.
    pub reason: Arc<str>,
}

/// What became of an insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It was not there before.
    New,
    /// The same content was there already.
    Same,
}

/// The version is taken by other content: definitions never change (06 §2, 17).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{workflow}@{version}` exists with content {existing}, not {new}; raise the version")]
pub struct VersionConflict {
    /// The workflow's name.
    pub workflow: Arc<str>,
    /// The version.
    pub version: u32,
    /// The content that has the version.
    pub existing: ContentHash,
    /// The content that was refused.
    pub new: ContentHash,
}

impl Definitions {
    /// Adds a definition.
    ///
    /// # Errors
    /// [`VersionConflict`] when the version exists with other content.
    pub fn insert(&mut self, definition: Arc<Definition>) -> Result<Inserted, VersionConflict> {
        if let Some(existing) = self.get(&definition.name, definition.version) {
            return if existing.hash == definition.hash {
                Ok(Inserted::Same)
            } else {
                Err(VersionConflict {
                    workflow: Arc::clone(&definition.name),
                    version: definition.version,
                    existing: existing.hash,
                    new: definition.hash,
                })
            };
        }
        Arc::make_mut(&mut self.by_name)
            .entry(Arc::clone(&definition.name))
            .or_default()
            .insert(definition.version, definition);
        Ok(Inserted::New)
    }

    /// The same definitions, of which these are paused.
    #[must_use]
    pub fn with_held(&self, held: HeldDefinitions) -> Self {
        Self { by_name: Arc::clone(&self.by_name), held: Arc::new(held) }
    }

    /// The start as the machine is told it: one of a paused definition is held.
    pub(super) fn held(&self, definition: &Definition, start: Input) -> Input {
        match self.held_by(definition) {
            None => start,
            Some(HeldBy { by, reason }) => Input::Held {
                start: Box::new(start),
                by: Arc::clone(by),
                reason: Arc::clone(reason),
            },
        }
    }

    /// Who paused a definition, where somebody did.
    pub(super) fn held_by(&self, definition: &Definition) -> Option<&HeldBy> {
        let of = |version| self.held.get(&(Arc::clone(&definition.name), version));
        if self.held.is_empty() {
            return None;
        }
        of(None).or_else(|| of(Some(definition.version)))
    }

    /// `workflow@version`.
    #[must_use]
    pub fn get(&self, workflow: &str, version: u32) -> Option<&Arc<Definition>> {
        if workflow == TRANSACTION {
            return Some(transaction_definition()).filter(|it| it.version == version);
        }
        self.by_name.get(workflow)?.get(&version)
    }

    /// The highest version of `workflow` that an author wrote.
    #[must_use]
    pub fn latest(&self, workflow: &str) -> Option<&Arc<Definition>> {
        let versions = self.by_name.get(workflow)?;
        versions.range(..DERIVED_MIN).next_back().map(|(_, definition)| definition)
    }

    /// The definition an instance is pinned to: same version and same content.
    #[must_use]
    pub fn pinned(&self, workflow: &str, pin: Pin) -> Option<&Arc<Definition>> {
        self.get(workflow, pin.version).filter(|definition| definition.pin() == pin)
    }

    /// All definitions, by name, then version.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Definition>> {
        self.by_name.values().flat_map(BTreeMap::values)
    }
}
