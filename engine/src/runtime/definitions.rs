//! Deployed definitions: immutable, kept in a bucket, indexed by the events they listen to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use bytes::Bytes;
use gearshift_bus::{Bucket, Inbox, SubjectPattern, Swapped};
use gearshift_machine::definition;
use gearshift_machine::definition::model::{Definition, EventDecl};
use gearshift_machine::partition::{Definitions, Inserted};

use super::error::Error;

/// What a deployment did.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// The definition as it is deployed.
    pub definition: Arc<Definition>,
    /// False where the same content was deployed before (row D24).
    pub fresh: bool,
}

/// All deployed definitions.
#[derive(Debug)]
pub struct DefinitionStore {
    bucket: Bucket,
    /// From which inbox sequence on each version listens.
    listens: Bucket,
    /// One deployment at a time, so that the bucket and the registry agree.
    deploying: tokio::sync::Mutex<()>,
    registry: Mutex<Definitions>,
    index: RwLock<Arc<Index>>,
}

/// Who listens to what; rebuilt whole at every deployment, read at every event.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_event: BTreeMap<Arc<str>, Vec<Listener>>,
    by_subject: Vec<(SubjectPattern, Listener)>,
    /// From which inbox sequence on each version listens; from the first where nothing is said.
    listens: BTreeMap<(Arc<str>, u32), u64>,
    /// Everything that is deployed, for `decide` and queries.
    pub(crate) definitions: Definitions,
}

/// One definition that listens to one event.
#[derive(Clone, Debug)]
pub(crate) struct Listener {
    /// The definition.
    pub(crate) definition: Arc<Definition>,
    /// The place in its `events:`.
    event: usize,
    /// The first inbox sequence it listens to: reading again what came before it was deployed
    /// must not apply an event a second time, to an instance that only this version finds.
    from: u64,
    /// The first inbox sequence that a newer version of its workflow listens to.
    until: Option<u64>,
}

impl Listener {
    /// Does it listen to the message at `sequence` of the inbox? Doors give none.
    pub(crate) fn listens_at(&self, sequence: Option<u64>) -> bool {
        sequence.is_none_or(|sequence| self.from <= sequence)
    }

    /// Is it the newest version of its workflow that listens there? Only that one starts, buffers
    /// or complains.
    pub(crate) fn is_latest_at(&self, sequence: Option<u64>) -> bool {
        let Some(until) = self.until else { return true };
        sequence.is_some_and(|sequence| sequence < until)
    }

    /// The event's declaration.
    pub(crate) fn declaration(&self) -> Option<&EventDecl> {
        self.definition.events.get(self.event)
    }
}

impl DefinitionStore {
    /// Loads what `bucket` holds, and from where on it `listens`.
    pub(crate) async fn open(bucket: Bucket, listens: Bucket) -> Result<Self, Error> {
        let mut registry = Definitions::default();
        let mut froms = BTreeMap::new();
        for key in bucket.keys("").await? {
            let Some(value) = bucket.get(&key).await? else { continue };
            let text = String::from_utf8_lossy(&value.value).into_owned();
            let definition = definition::from_canonical(&text).map_err(Error::Definition)?;
            let from = listens.get(&key).await?;
            let from = from.and_then(|from| String::from_utf8_lossy(&from.value).parse().ok());
            froms.insert((Arc::clone(&definition.name), definition.version), from.unwrap_or(0));
            // The bucket holds one content per version, so this cannot conflict.
            drop(registry.insert(Arc::new(definition)));
        }
        let index = Arc::new(Index::of(&registry, froms)?);
        Ok(Self {
            bucket,
            listens,
            deploying: tokio::sync::Mutex::new(()),
            registry: Mutex::new(registry),
            index: RwLock::new(index),
        })
    }

    /// Makes `definition` available; the same content again changes nothing. It listens to what
    /// `inbox` stores from now on.
    ///
    /// # Errors
    /// [`Error::VersionExists`] where the version is deployed with other content, [`Error::Bus`].
    pub(crate) async fn deploy(
        &self,
        definition: Definition,
        inbox: &Inbox,
    ) -> Result<Deployed, Error> {
        let _one_at_a_time = self.hold().await;
        let definition = Arc::new(definition);
        let mut registry = self.locked().clone();
        let inserted =
            registry.insert(Arc::clone(&definition)).map_err(|conflict| Error::VersionExists {
                name: definition.name.to_string(),
                version: definition.version,
                existing: short(&conflict.existing.to_string()),
                new: short(&definition.hash.to_string()),
            })?;
        if inserted == Inserted::Same {
            let known = registry.get(&definition.name, definition.version).cloned();
            return Ok(Deployed { definition: known.unwrap_or(definition), fresh: false });
        }
        let from = inbox.tail().await?.last + 1;
        let mut froms = self.index().listens.clone();
        froms.insert((Arc::clone(&definition.name), definition.version), from);
        let index = Arc::new(Index::of(&registry, froms)?);
        let key = format!("{}.{}", definition.name, definition.version);
        let text = Bytes::copy_from_slice(definition.canonical.as_bytes());
        self.listens.put(&key, Bytes::from(from.to_string())).await?;
        if let Swapped::Conflict { .. } = self.bucket.compare_and_set(&key, 0, text).await? {
            return Err(Error::Unavailable(format!(
                "`{}@{}` was deployed by somebody else just now; try again",
                definition.name, definition.version
            )));
        }
        *self.locked() = registry;
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = index;
        Ok(Deployed { definition, fresh: true })
    }

    /// Keeps deployments out while what was read of the inbox meets the index that it belongs to.
    pub(crate) async fn hold(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.deploying.lock().await
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

    fn locked(&self) -> MutexGuard<'_, Definitions> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

impl Index {
    fn of(
        definitions: &Definitions,
        listens: BTreeMap<(Arc<str>, u32), u64>,
    ) -> Result<Self, Error> {
        let mut by_event = BTreeMap::<Arc<str>, Vec<Listener>>::new();
        let mut by_subject = Vec::new();
        for definition in definitions.iter() {
            let (name, version) = (&definition.name, definition.version);
            let from = listens.get(&(Arc::clone(name), version)).copied().unwrap_or(0);
            let newer = (Arc::clone(name), version + 1)..=(Arc::clone(name), u32::MAX);
            let until = listens.range(newer).map(|(_, from)| *from).min();
            for (event, declaration) in definition.events.iter().enumerate() {
                let definition = Arc::clone(definition);
                let listener = Listener { definition, event, from, until };
                if let Some(subject) = &declaration.subject {
                    by_subject.push((pattern_of(subject)?, listener.clone()));
                }
                by_event.entry(Arc::clone(&declaration.name)).or_default().push(listener);
            }
        }
        for listeners in by_event.values_mut() {
            // The newest version of a workflow speaks first.
            listeners.sort_by_key(|listener| {
                (Arc::clone(&listener.definition.name), listener.until.is_some())
            });
        }
        Ok(Self { by_event, by_subject, listens, definitions: definitions.clone() })
    }

    /// Who listens to the event `name`.
    pub(crate) fn listeners(&self, name: &str) -> &[Listener] {
        self.by_event.get(name).map_or(&[], Vec::as_slice)
    }

    /// The events that a message on `subject` is, by declared subjects.
    pub(crate) fn by_subject(
        &self,
        subject: &gearshift_bus::Subject,
    ) -> impl Iterator<Item = &Listener> {
        self.by_subject
            .iter()
            .filter(|(pattern, _)| pattern.matches(subject))
            .map(|(_, listener)| listener)
    }

    /// Exactly the subjects that definitions name (01 §3): what the inbox captures.
    pub(crate) fn captured(&self) -> Result<Vec<SubjectPattern>, Error> {
        let mut texts = std::collections::BTreeSet::new();
        for definition in self.definitions.iter() {
            for event in &definition.events {
                texts.insert(match &event.subject {
                    Some(subject) => wildcards(subject),
                    None => event.name.to_string(),
                });
            }
        }
        texts.iter().map(|text| SubjectPattern::parse(text).map_err(Error::from)).collect()
    }
}

/// `orders.{order_id}.paid` → `orders.*.paid`.
fn wildcards(subject: &str) -> String {
    let token = |token: &str| match token.starts_with('{') {
        true => "*".to_owned(),
        false => token.to_owned(),
    };
    subject.split('.').map(token).collect::<Vec<_>>().join(".")
}

fn pattern_of(subject: &str) -> Result<SubjectPattern, Error> {
    Ok(SubjectPattern::parse(&wildcards(subject))?)
}
