//! How the engine, its partitions, its neighbours and its sources are.

use serde::{Deserialize, Serialize};

/// How the engine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// In one word.
    pub status: HealthStatus,
    /// The engine's version.
    #[serde(default)]
    pub version: String,
    /// Every partition, whichever engine drives it.
    #[serde(default)]
    pub partitions: Vec<PartitionHealth>,
    /// The engines that share the bus, where there are several or may be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub engines: Vec<EngineView>,
    /// The streams of bare events, as this engine reads them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceHealth>,
    /// What an operator should know.
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// How the engine is, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthStatus {
    /// Everything is served.
    Ready,
    /// Replaying, or taking partitions over.
    Starting,
    /// Something is not served; the warnings say what.
    Degraded,
    /// Finishing what is under way; takes nothing new.
    Draining,
}

/// How one partition is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionHealth {
    /// Which, from 0.
    pub partition: u32,
    /// Is it served?
    pub serving: bool,
    /// The epoch of its owner.
    #[serde(default)]
    pub epoch: u64,
    /// The last position of its journal.
    #[serde(default)]
    pub position: u64,
    /// Instances it holds, ended ones included.
    #[serde(default)]
    pub instances: u64,
    /// Why it is not served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The node of the engine that drives it, where several share the bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// One of the engines that share a bus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineView {
    /// Its name among them.
    pub node: String,
    /// What it is called; several may share it.
    #[serde(default)]
    pub name: String,
    /// The version of its program.
    #[serde(default)]
    pub version: String,
    /// Is it stopping?
    #[serde(default)]
    pub leaving: bool,
    /// The partitions it drives.
    #[serde(default)]
    pub partitions: Vec<u16>,
}

/// How far a stream of bare events is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceHealth {
    /// Its number in cursors.
    pub source: u32,
    /// The stream: `events` is the engines' own inbox.
    pub stream: String,
    /// Everything up to this sequence was taken.
    #[serde(default)]
    pub position: u64,
    /// How many sequences lie between that and the stream's end.
    #[serde(default)]
    pub lag: u64,
    /// Why it is not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
