//! View: what the bucket `cluster` says: the engines that live, and who holds which partition.

use std::collections::BTreeMap;

use bytes::Bytes;
use gearshift_bus::{Change, Value};
use serde::{Deserialize, Serialize};

/// Before the node in the key of an engine's sign of life.
pub(super) const ENGINE: &str = "engine.";
/// Before the number in the key of a partition's lease.
pub(super) const LEASE: &str = "lease.";

/// An engine that lives on the same bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// Its name on this bus.
    pub node: String,
    /// What it is called in health and in epoch frames; several may share it.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// When it started, in milliseconds since 1970-01-01 UTC.
    pub started_ms: i64,
    /// Is it stopping?
    pub leaving: bool,
    /// Up to which revision it has loaded the definitions.
    pub definitions_revision: u64,
    /// The partitions it has.
    pub partitions: Vec<u16>,
}

/// An engine's sign of life; it expires unless it is repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) node: String,
    /// Drawn anew whenever the sign had expired: leases taken under an older one hold no more.
    pub(super) session: String,
    pub(super) started_ms: i64,
    pub(super) version: String,
    pub(super) definitions_revision: u64,
    pub(super) leaving: bool,
}

/// Who has a partition, as long as the session named lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lease {
    /// Empty where it was given up.
    pub(super) node: String,
    pub(super) session: String,
    pub(super) epoch: u64,
    /// Why its holder refuses to serve the partition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) refused: Option<String>,
}

/// Something of the bucket and the write that made it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Known<T> {
    pub(super) revision: u64,
    pub(super) value: T,
}

/// What the bucket says, as far as it was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct View {
    pub(super) members: BTreeMap<String, Known<Member>>,
    pub(super) leases: BTreeMap<u16, Known<Lease>>,
}

/// What a key of the bucket is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Engine(String),
    Lease(u16),
    Other,
}

impl Topic {
    pub(super) fn of(key: &str) -> Self {
        if let Some(node) = key.strip_prefix(ENGINE) {
            return Self::Engine(node.to_owned());
        }
        let number = key.strip_prefix(LEASE).and_then(|number| number.parse().ok());
        number.map_or(Self::Other, Self::Lease)
    }
}

impl View {
    /// Takes in a change; older news than what is known changes nothing.
    pub(super) fn hear(&mut self, change: &Change) {
        match change {
            Change::Put { key, value } => match Topic::of(key) {
                Topic::Engine(node) => put(&mut self.members, node, value),
                Topic::Lease(partition) => put(&mut self.leases, partition, value),
                Topic::Other => {}
            },
            Change::Deleted { key } => match Topic::of(key) {
                Topic::Engine(node) => drop(self.members.remove(&node)),
                Topic::Lease(partition) => drop(self.leases.remove(&partition)),
                Topic::Other => {}
            },
        }
    }

    /// The engine that has `partition`: its lease was taken under a session that still lives.
    pub(super) fn holder(&self, partition: u16) -> Option<&Member> {
        let lease = &self.leases.get(&partition)?.value;
        let member = &self.members.get(&lease.node)?.value;
        (member.session == lease.session).then_some(member)
    }

    /// The write that made the lease of `partition`, 0 where there is none.
    pub(super) fn lease_revision(&self, partition: u16) -> u64 {
        self.leases.get(&partition).map_or(0, |lease| lease.revision)
    }

    /// The engines that live, and what they have of `partitions` partitions.
    pub(super) fn engines(&self, partitions: u16) -> Vec<EngineInfo> {
        let info = |member: &Known<Member>| {
            let Member { name, node, version, .. } = member.value.clone();
            let has = |partition: &u16| {
                self.holder(*partition).is_some_and(|holder| holder.node == member.value.node)
            };
            EngineInfo {
                node,
                name,
                version,
                started_ms: member.value.started_ms,
                leaving: member.value.leaving,
                definitions_revision: member.value.definitions_revision,
                partitions: (0..partitions).filter(has).collect(),
            }
        };
        self.members.values().map(info).collect()
    }
}

fn put<K: Ord, T>(known: &mut BTreeMap<K, Known<T>>, key: K, value: &Value)
where
    T: serde::de::DeserializeOwned,
{
    if known.get(&key).is_some_and(|known| known.revision >= value.revision) {
        return;
    }
    match serde_json::from_slice(&value.value) {
        Ok(read) => drop(known.insert(key, Known { revision: value.revision, value: read })),
        // What cannot be read is nobody's: a partition's lease is then taken by comparison.
        Err(error) => tracing::warn!(%error, "a key of the bucket `cluster` is not readable"),
    }
}

/// The bytes of a value of the bucket.
pub(super) fn text_of(value: &impl Serialize) -> Bytes {
    // Plain structs of text and numbers cannot fail to become JSON.
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}
