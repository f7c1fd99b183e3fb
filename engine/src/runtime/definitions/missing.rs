//! [`Missing`]: definitions that instances are pinned to, and that are not deployed.
//!
//! The bucket of definitions may come back empty or older. Nothing of such an instance can be
//! decided, and what its definition listens to finds nobody, so this must be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use gearshift_machine::machine::{InstanceKey, Pin};
use gearshift_machine::partition::{Definitions, Partition};

use crate::runtime::error::Error;
use crate::runtime::handle::Handle;
use crate::runtime::shared::Shared;

/// Instances looked at at once, so that inputs have their turn.
const SLICE: usize = 1_024;

/// A workflow's name, and what instances of it are pinned to.
type Pinned = (Arc<str>, Pin);

/// What the partitions that this engine serves were found to need and not to have.
#[derive(Debug, Default)]
pub(crate) struct Missing(Mutex<BTreeMap<u16, Looked>>);

/// What was found in one partition.
#[derive(Clone, Debug)]
struct Looked {
    /// The drive that was looked at: what it has not, it gets by deployments only.
    session: u64,
    pins: BTreeSet<Pinned>,
}

impl Missing {
    fn session(&self, partition: u16) -> Option<u64> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&partition).map(|looked| looked.session)
    }

    fn found(&self, partition: u16, looked: Looked) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, looked);
    }

    fn of(&self, partition: u16, definitions: &Definitions) -> Vec<Pinned> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let pins = known.get(&partition).map(|looked| &looked.pins).into_iter().flatten();
        let is_missing = |(name, pin): &&Pinned| definitions.pinned(name, *pin).is_none();
        pins.filter(is_missing).cloned().collect()
    }
}

/// One slice of instances: what they are pinned to, and the key to go on behind.
type Slice = (BTreeSet<Pinned>, Option<InstanceKey>);

fn slice(partition: &Partition, after: Option<&InstanceKey>) -> Slice {
    let instances = partition.instances_from(after, SLICE);
    let living = instances.iter().filter(|one| !one.status.is_ended());
    let pins = living.map(|one| (one.key.workflow().into(), one.pin)).collect();
    (pins, instances.last().map(|one| one.key.clone()))
}

impl Shared {
    /// Looks through each partition that is served here since the last time, once.
    ///
    /// # Errors
    /// Where a partition was lost meanwhile: it is looked through where it is next.
    pub(crate) async fn look_for_missing(&self) -> Result<(), Error> {
        for partition in 0..self.config.partitions {
            let seat = self.seat(partition);
            if !seat.serves() {
                continue;
            }
            // Before the look: one that comes back meanwhile is looked through again.
            let session = seat.session();
            if self.definitions.missing.session(partition) == Some(session) {
                continue;
            }
            let mut needed = BTreeSet::new();
            let mut after = None;
            loop {
                let look = move |partition: &Partition| slice(partition, after.as_ref());
                let (pins, last) = self.read_local(partition, look).await?;
                needed.extend(pins);
                if last.is_none() {
                    break;
                }
                after = last;
            }
            let definitions = self.definitions.registry();
            needed.retain(|(name, pin)| definitions.pinned(name, *pin).is_none());
            for (name, pin) in &needed {
                tracing::error!(partition, "{}", words(name, *pin));
            }
            self.definitions.missing.found(partition, Looked { session, pins: needed });
        }
        Ok(())
    }
}

impl Handle {
    /// Definitions that instances here are pinned to and that are not deployed, in words, each with
    /// how to mend it.
    #[must_use]
    pub fn missing_definitions(&self) -> Vec<String> {
        let definitions = self.0.definitions.registry();
        let served = (0..self.0.config.partitions).filter(|one| self.0.seat(*one).serves());
        let told = served.flat_map(|partition| {
            let missing = self.0.definitions.missing.of(partition, &definitions);
            missing
                .into_iter()
                .map(move |(name, pin)| format!("partition {partition}: {}", words(&name, pin)))
        });
        told.collect()
    }
}

fn words(name: &str, Pin { version, hash }: Pin) -> String {
    format!(
        "instances run on `{name}@{version}` with content {hash:016x}, which is not deployed; \
         deploy it again: the same content has the same hash"
    )
}
