//! What there is to see of plugins.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::PluginState;

/// One version of a plugin, as its instances told of themselves.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginView {
    /// Its name.
    pub name: String,
    /// The version; empty where nobody runs, and mocks of the engine that answers are all there is.
    pub version: String,
    /// The protocol that it speaks, where that is another one than the engine's: it is not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_protocol: Option<String>,
    /// The instances of this version.
    pub instances: Vec<PluginInstanceView>,
    /// What it can be asked, by name.
    pub operations: Vec<OperationView>,
    /// The interfaces that it implements.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<String>,
    /// The plugins that it needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<RequirementView>,
    /// A way from this plugin back to itself, by what each needs; empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cycle: Vec<String>,
    /// Who paused its calls, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
}

/// One instance of a plugin.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginInstanceView {
    /// Its service id.
    pub id: String,
    /// How far it is in its life; `unknown` where it does not tell.
    #[serde(default)]
    pub state: PluginState,
    /// Since when it is in that state, where it takes no calls and says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Calls it has taken and not answered, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// Calls it answers at once, where it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// Calls it has answered, whoever asked, where it counts them.
    #[serde(default)]
    pub calls: u64,
    /// Failures among them.
    #[serde(default)]
    pub errors: u64,
    /// How long an answer took on average, in microseconds.
    #[serde(default)]
    pub average_us: u64,
    /// Can it be asked alone?
    #[serde(default)]
    pub alone: bool,
}

/// One thing a plugin can be asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationView {
    /// Its name.
    pub name: String,
    /// Where it is asked.
    pub subject: String,
    /// The JSON Schema of the input, where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The JSON Schema of the output, where it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// The instances of this version, by service id, that publish another schema of the input or
    /// the output than the one told here: which of them a call meets is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differing: Vec<String>,
    /// Does a mock answer it to the engine that tells this, and no plugin?
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub mocked: bool,
    /// May a call be repeated?
    #[serde(default)]
    pub idempotent: bool,
    /// The time it needs at most, such as `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// How often a sign of life of long work comes at least, such as `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<String>,
    /// Attempts that the engine which answers has seen end, of the whole major version.
    #[serde(default)]
    pub calls: u64,
    /// Failures among them.
    #[serde(default)]
    pub errors: u64,
    /// Attempts that were answered once more, otherwise than the first time.
    #[serde(default)]
    pub conflicts: u64,
    /// How long they took on average, in microseconds.
    #[serde(default)]
    pub average_us: u64,
    /// At most as long took 99 of 100, in microseconds.
    #[serde(default)]
    pub p99_us: u64,
    /// Calls of that engine that were sent and are not answered, promised results included.
    #[serde(default)]
    pub in_flight: u64,
    /// Calls of that engine that are held and not sent: by a breaker, a limit, or for want of
    /// room.
    #[serde(default)]
    pub waiting: u64,
    /// Why its calls are held, where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<BreakerView>,
}

/// A breaker that is not closed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerView {
    /// `open` or `half_open`.
    pub state: String,
    /// When it opened.
    pub since: String,
    /// When the next call is tried.
    pub until: String,
    /// How long that is from now, in milliseconds.
    #[serde(default)]
    pub left_ms: u64,
    /// Failures in a row.
    #[serde(default)]
    pub failures: u32,
    /// The last one.
    #[serde(default)]
    pub error: String,
}

/// Another plugin that a plugin needs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementView {
    /// Its name.
    pub plugin: String,
    /// Which versions will do.
    pub version: String,
    /// Does the plugin work without it?
    #[serde(default)]
    pub optional: bool,
    /// Does it run?
    #[serde(default)]
    pub found: bool,
    /// How it is with it.
    #[serde(default)]
    pub state: RequirementState,
    /// The versions of it that are there; empty where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
}

/// How it is with a plugin that another one needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequirementState {
    /// It is there and takes calls.
    Runs,
    /// No instance of it is there.
    Absent,
    /// It is there and takes no calls yet.
    Initializing,
    /// It is there and takes no calls any more.
    Deactivating,
    /// Only versions of it are there that will not do.
    WrongVersion,
    /// It speaks another protocol version than the engine, and is not asked.
    ForeignProtocol,
    /// The engine did not tell; one that is older than this does not.
    #[default]
    #[serde(other)]
    Unknown,
}
