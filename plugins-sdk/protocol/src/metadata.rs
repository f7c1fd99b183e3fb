//! [`PluginMetadata`]: what a plugin says about itself when it is discovered.
//!
//! Metadata is a map of texts, of the service and of each of its endpoints. Who reads it believes
//! nothing: what is not understood counts as absent, and lists are bounded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::PluginState;
use crate::subjects::is_service_name;

/// Service: marks a plugin, and says the protocol's version.
pub const METADATA_PROTOCOL: (&str, &str) = ("gearshift.plugin", "1");
/// Service: JSON list of [`Requirement`].
pub const METADATA_REQUIRES: &str = "gearshift.requires";
/// Service: JSON list of the names of interfaces it implements.
pub const METADATA_INTERFACES: &str = "gearshift.interfaces";
/// Service: an integer; of several plugins with one interface the highest is asked first.
pub const METADATA_PRIORITY: &str = "gearshift.priority";
/// Service: its share where calls are spread by weight, an integer of at least 1.
pub const METADATA_WEIGHT: &str = "gearshift.weight";
/// Service: an integer; the higher, the quicker.
pub const METADATA_PERFORMANCE: &str = "gearshift.performance";
/// Service: the share of time it is up, from 0 to 1.
pub const METADATA_RELIABILITY: &str = "gearshift.reliability";
/// Service: how many calls an instance answers at once; absent: unknown.
pub const METADATA_CONCURRENCY: &str = "gearshift.concurrency";
/// Service: `true` where an instance also answers under
/// [`plugin_instance`](crate::subjects::plugin_instance).
pub const METADATA_INSTANCE: &str = "gearshift.instance";
/// Service: `true` where inputs may come as [`ObjectRef`](crate::ObjectRef).
pub const METADATA_OBJECTS: &str = "gearshift.objects";
/// Service: `initializing` or `deactivating` of an instance that takes no calls yet, or no more;
/// it has no endpoints then.
pub const METADATA_STATE: &str = "gearshift.state";
/// Service: since when it is in that state, in RFC 3339; absent: nobody knows.
pub const METADATA_SINCE: &str = "gearshift.since";

/// Endpoint: the JSON Schema of the input.
pub const METADATA_INPUT: &str = "gearshift.input";
/// Endpoint: the JSON Schema of the output.
pub const METADATA_OUTPUT: &str = "gearshift.output";
/// Endpoint: whether repeating a call is harmless.
pub const METADATA_IDEMPOTENT: &str = "gearshift.idempotent";
/// Endpoint: the time the operation needs at most, such as `30s`.
pub const METADATA_TIMEOUT: &str = "gearshift.timeout";
/// Endpoint: how often a sign of life of long work comes at least, such as `10s`; where it is
/// there, the operation may answer [`Pending`](crate::Pending).
pub const METADATA_HEARTBEAT: &str = "gearshift.heartbeat";

/// Requirements, and interfaces, that are read of one plugin.
pub const LIST_MAX: usize = 64;
/// Longest version requirement, in bytes.
const REQUIREMENT_BYTES_MAX: usize = 128;
/// Longest time that is read, in bytes.
const SINCE_BYTES_MAX: usize = 40;

/// Another plugin that this one needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The other plugin's name.
    pub plugin: String,
    /// Which versions will do, as semantic-version requirement such as `>=1.0.0`.
    #[serde(default = "any")]
    pub version: String,
    /// Does the plugin work without it?
    #[serde(default)]
    pub optional: bool,
}

fn any() -> String {
    "*".to_owned()
}

impl Requirement {
    /// Does it name a plugin and versions?
    #[must_use]
    pub fn is_valid(&self) -> bool {
        is_service_name(&self.plugin)
            && self.version.len() <= REQUIREMENT_BYTES_MAX
            && semver::VersionReq::parse(&self.version).is_ok()
    }

    /// Does a plugin of this name and version satisfy it?
    #[must_use]
    pub fn accepts(&self, plugin: &str, version: &str) -> bool {
        let wanted = semver::VersionReq::parse(&self.version);
        let offered = semver::Version::parse(version);
        self.plugin == plugin
            && matches!((wanted, offered), (Ok(wanted), Ok(offered)) if wanted.matches(&offered))
    }
}

impl std::fmt::Display for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.plugin, self.version)
    }
}

/// What the metadata of a service says.
#[derive(Clone, Debug, PartialEq)]
pub struct PluginMetadata {
    /// The plugins it needs, at most [`LIST_MAX`].
    pub requires: Vec<Requirement>,
    /// The interfaces it implements, at most [`LIST_MAX`].
    pub interfaces: Vec<String>,
    /// Of several plugins with one interface the highest is asked first.
    pub priority: i64,
    /// Its share where calls are spread by weight; at least 1.
    pub weight: u32,
    /// The higher, the quicker.
    pub performance: i64,
    /// The share of time it is up, from 0 to 1, where it says so.
    pub reliability: Option<f64>,
    /// How many calls an instance answers at once, where it says so; at least 1.
    pub concurrency: Option<u32>,
    /// Can an instance be asked alone?
    pub instance: bool,
    /// Does it read inputs that lie in the object store?
    pub objects: bool,
    /// Its state, where it is one in which it takes no calls.
    pub state: Option<PluginState>,
    /// Since when it is in that state, in RFC 3339, where it says so.
    pub since: Option<String>,
}

impl Default for PluginMetadata {
    fn default() -> Self {
        Self {
            requires: Vec::new(),
            interfaces: Vec::new(),
            priority: 0,
            weight: 1,
            performance: 0,
            reliability: None,
            concurrency: None,
            instance: false,
            objects: false,
            state: None,
            since: None,
        }
    }
}

impl PluginMetadata {
    /// `initializing since 2026-11-22T10:00:00Z`: why it takes no calls; `None` where it does.
    #[must_use]
    pub fn why_no_calls(&self) -> Option<String> {
        let since = self.since.as_ref().map_or_else(String::new, |since| format!(" since {since}"));
        self.state.map(|state| format!("{state}{since}"))
    }

    /// The metadata to tell, without what is as it is unless told.
    #[must_use]
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let (mark, protocol) = METADATA_PROTOCOL;
        let mut map = BTreeMap::from([(mark.to_owned(), protocol.to_owned())]);
        let mut tell = |key: &str, value: String| map.insert(key.to_owned(), value);
        if !self.requires.is_empty() {
            // Texts and truth values are always JSON.
            let list = serde_json::to_string(&self.requires).unwrap_or_default();
            tell(METADATA_REQUIRES, list);
        }
        if !self.interfaces.is_empty() {
            let list = serde_json::to_string(&self.interfaces).unwrap_or_default();
            tell(METADATA_INTERFACES, list);
        }
        if self.priority != 0 {
            tell(METADATA_PRIORITY, self.priority.to_string());
        }
        if self.weight != 1 {
            tell(METADATA_WEIGHT, self.weight.to_string());
        }
        if self.performance != 0 {
            tell(METADATA_PERFORMANCE, self.performance.to_string());
        }
        if let Some(share) = self.reliability {
            tell(METADATA_RELIABILITY, share.to_string());
        }
        if let Some(calls) = self.concurrency {
            tell(METADATA_CONCURRENCY, calls.to_string());
        }
        if self.instance {
            tell(METADATA_INSTANCE, "true".to_owned());
        }
        if self.objects {
            tell(METADATA_OBJECTS, "true".to_owned());
        }
        if let Some(state) = self.state {
            tell(METADATA_STATE, state.to_string());
        }
        if let Some(since) = &self.since {
            tell(METADATA_SINCE, since.clone());
        }
        map
    }

    /// Reads metadata; `None` where it is no plugin's, or of another protocol.
    #[must_use]
    pub fn from_map(map: &BTreeMap<String, String>) -> Option<Self> {
        let (mark, protocol) = METADATA_PROTOCOL;
        let text = |key: &str| map.get(key).map(|value| value.trim());
        if text(mark) != Some(protocol) {
            return None;
        }
        let mut requires: Vec<Requirement> = list(text(METADATA_REQUIRES));
        requires.retain(Requirement::is_valid);
        let mut interfaces: Vec<String> = list(text(METADATA_INTERFACES));
        interfaces.retain(|name| is_service_name(name));
        let share = text(METADATA_RELIABILITY).and_then(|text| text.parse().ok());
        let calls = text(METADATA_CONCURRENCY).and_then(|text| text.parse().ok());
        let weight = text(METADATA_WEIGHT).and_then(|text| text.parse().ok());
        let state = [PluginState::Initializing, PluginState::Deactivating]
            .into_iter()
            .find(|state| text(METADATA_STATE) == Some(state.as_str()));
        let is_time = |text: &&str| text.len() <= SINCE_BYTES_MAX && text.is_ascii();
        Some(Self {
            requires,
            interfaces,
            priority: integer(text(METADATA_PRIORITY)),
            weight: weight.filter(|weight| *weight > 0).unwrap_or(1),
            performance: integer(text(METADATA_PERFORMANCE)),
            reliability: share.filter(|share: &f64| (0.0..=1.0).contains(share)),
            concurrency: calls.filter(|calls| *calls > 0),
            instance: text(METADATA_INSTANCE) == Some("true"),
            objects: text(METADATA_OBJECTS) == Some("true"),
            since: state.and_then(|_| text(METADATA_SINCE)).filter(is_time).map(str::to_owned),
            state,
        })
    }
}

fn integer(text: Option<&str>) -> i64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// The first entries of a JSON list that can be read.
fn list<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Vec<T> {
    let entries: Vec<serde_json::Value> =
        text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    entries.into_iter().take(LIST_MAX).filter_map(|one| serde_json::from_value(one).ok()).collect()
}
